/* SPDX-License-Identifier: MIT */
/* variant: dynamic:dynamic */
/* variant: static:static */
/* fork, vfork, posix_spawn, system and exec: who has which shadow stack. */
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include "cet.h"
#include "check.h"

extern char **environ;

static int __attribute__((noinline)) fib(int n)
{
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static int __attribute__((noinline)) forked(int depth)
{
	if (depth)
		return forked(depth - 1) + 1;
	return fork();
}

static int wait_for(pid_t p)
{
	int st = -1;

	waitpid(p, &st, 0);
	return st;
}

int main(int argc, char **argv)
{
	char *again[] = { argv[0], "again", NULL };
	unsigned long status = shstk_status();
	pid_t p;

	if (argc > 1)
		return shstk_status() & 1 ? 31 : 30;
	for (int i = 0; i < 5; i++) {
		p = forked(20);
		if (p == 20)
			_exit(shstk_status() == status && fib(15) == 610 ? 3 : 4);
		CHECK_EQ(wait_for(p - 20), 3 << 8);
		p = vfork();
		if (!p)
			_exit(5);
		CHECK_EQ(wait_for(p), 5 << 8);
		p = vfork();
		if (!p) {
			execv("/proc/self/exe", again);
			_exit(99);
		}
		CHECK_EQ(wait_for(p), (30 + (status & 1)) << 8);
		CHECK_EQ(posix_spawn(&p, argv[0], NULL, NULL, again, environ), 0);
		CHECK_EQ(wait_for(p), (30 + (status & 1)) << 8);
		CHECK_EQ(system("exit 7"), 7 << 8);
	}
	CHECK_EQ(fib(10), 55);
	return check_done();
}
