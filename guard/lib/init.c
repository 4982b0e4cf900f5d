/* SPDX-License-Identifier: MIT */
/* The library's start, before the constructors of the program and of what it links. */
#include "guard.h"

__attribute__((constructor)) static void start(void)
{
	interpose_init();
	threads_init();
	heads_init();
}
