/* SPDX-License-Identifier: MIT */
/* Pure recursion: built with -O1 (every call is made) and with -O2 (partly inlined). */
#include <stdio.h>
#include <stdlib.h>

static unsigned long fib(unsigned n)
{
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

int main(int argc, char **argv)
{
	printf("%lu\n", fib(argc > 1 ? (unsigned)atoi(argv[1]) : 30));
	return 0;
}
