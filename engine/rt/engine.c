/* SPDX-License-Identifier: MIT */
/* The one instance of struct engine. */
#include "rt/engine.h"

struct engine eng;
