/* SPDX-License-Identifier: MIT */
/* longjmp of a C library that knows no shadow stacks: seen at the next return of the function that called setjmp.
 * Unwinding does not make a program unclean, nor does it count for --error-exitcode and --stop.
 * expect: unwind at=catches at_source=longjmp.c */
#include <setjmp.h>
#include <stdio.h>

static jmp_buf buf;

static void __attribute__((noinline)) down(int n)
{
	if (n == 0)
		longjmp(buf, 3);
	down(n - 1);
	__asm__ volatile("" ::: "memory");
}

static int __attribute__((noinline)) catches(int n)
{
	int r = setjmp(buf);

	if (r == 0)
		down(n);
	return r;
}

int main(void)
{
	int sum = 0;

	for (int i = 0; i < 20; i++)
		sum += catches(i);
	printf("%d\n", sum);
	return sum != 60;
}
