/* SPDX-License-Identifier: MIT */
/* timeout: 60
 * also: preempt=2
 * A process that forks many times, whose children all run what it never runs itself: the engine translates it once for
 * all of them. Code that changes between two forks, or goes, is what it is then and not what a child before has run. */
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "check.h"

static unsigned char *code;

/* lea eax, [rdi+rdi*scale+what]; ret */
static void write_code(int i, int what)
{
	unsigned char f[] = { 0x8d, 0x84, 0x3f, 0, 0, 0, 0, 0xc3 };

	memcpy(f + 3, &what, 4);
	memcpy(code + 64 * i, f, sizeof(f));
}

static int run(int i, int arg)
{
	int (*f)(int);
	void *p = code + 64 * i;

	memcpy(&f, &p, sizeof(f));
	return f(arg);
}

static int deep(int n)
{
	return n ? deep(n - 1) + run(n % 64, n) - 2 * n : 0;
}

static int status_of(int round, int generations)
{
	int status;
	pid_t p = fork();

	if (!p)
		_exit((deep(round % 20 + 1) + (generations ? status_of(round, generations - 1) : 0)) & 127);
	waitpid(p, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000;
}

/* what deep() comes to where each function adds `what` */
static int expected(int round, int what, int generations)
{
	return ((round % 20 + 1) * what + (generations ? expected(round, what, generations - 1) : 0)) & 127;
}

int main(void)
{
	code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int round = 0; round < 60; round++) {
		if (round % 10 == 0)
			for (int i = 0; i < 64; i++)
				write_code(i, round / 10);
		CHECK_EQ(status_of(round, round % 3), expected(round, round / 10, round % 3));
	}
	munmap(code, 4096);
	for (int round = 0; round < 5; round++) {
		int status;
		pid_t p = fork();

		if (!p) {
			run(round, 1);
			_exit(0);
		}
		waitpid(p, &status, 0);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == 11);
	}
	return check_done();
}
