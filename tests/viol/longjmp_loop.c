/* SPDX-License-Identifier: MIT */
/* A main loop that every error comes back to by longjmp, as interpreters have them, and that never returns: each leaves
 * frames on the shadow stack that no return ever drops. They must not fill it up. The deep recursion at the end needs
 * what is left of it.
 * timeout: 60
 * expect: unwind at=loop
 * expect: unwind at=handler */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static jmp_buf buf;
static volatile int rounds;

static int __attribute__((noinline)) down(int n)
{
	if (n == 0)
		longjmp(buf, 1);
	return down(n - 1) + 1;
}

static int __attribute__((noinline)) depth(int n)
{
	return n ? depth(n - 1) + 1 : 0;
}

/* a signal frame in the middle of it all */
static void handler(int signo)
{
	int limit = rounds + 60000;

	(void)signo;
	setjmp(buf);
	if (++rounds < limit)
		down(40);
}

static void __attribute__((noinline)) loop(void)
{
	setjmp(buf);
	if (++rounds < 60000)
		down(40);
}

int main(void)
{
	loop();
	printf("%d\n", depth(100000));
	signal(SIGUSR1, handler);
	raise(SIGUSR1);
	printf("%d %d\n", rounds, depth(100000));
	return 0;
}
