/* SPDX-License-Identifier: MIT */
/* A store over the return address, as a buffer overflow makes it: the program goes where the store says.
 * expect: overwritten at=victim actual=elsewhere call=main call_source=smash.c at_source=smash.c */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void __attribute__((noinline, used)) elsewhere(void)
{
	puts("elsewhere");
	exit(0);
}

static void __attribute__((noinline)) store(void **where, int n)
{
	for (int i = 0; i < n; i++)
		where[i] = (void *)elsewhere;
}

static int __attribute__((noinline, noclone, optimize("no-omit-frame-pointer"))) victim(int n)
{
	void **frame = __builtin_frame_address(0);

	store(frame + 1, n);
	return n;
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	printf("%d\n", victim(1));
	return 1;
}
