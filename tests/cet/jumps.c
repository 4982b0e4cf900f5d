/* SPDX-License-Identifier: MIT */
/* variant: dynamic:dynamic */
/* variant: static:static */
/* setjmp and longjmp over frames, out of signal handlers and between stacks; nothing of it may fault. */
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include "cet.h"
#include "check.h"

static jmp_buf env;
static sigjmp_buf senv;
static volatile int depth, handled;

static void __attribute__((noinline)) deep(int n)
{
	char pad[64];

	memset(pad, n, sizeof(pad));
	if (!n)
		longjmp(env, 5);
	deep(n - 1);
	depth += pad[3];
}

static void on_signal(int s)
{
	handled++;
	if (s == SIGUSR2)
		siglongjmp(senv, 7);
}

static void __attribute__((noinline)) raise_deep(int n)
{
	volatile char pad[32];

	pad[0] = (char)n;
	if (!n)
		raise(SIGUSR2);
	else
		raise_deep(n - 1);
	depth += pad[0];
}

int main(void)
{
	static char alt[65536];
	stack_t ss = { .ss_sp = alt, .ss_size = sizeof(alt) };
	struct sigaction sa = { .sa_handler = on_signal };
	unsigned long before;

	before = rdssp();
	for (int i = 0; i < 100; i++) {
		int r = setjmp(env);

		if (!r)
			deep(i * 9);
		CHECK_EQ(r, 5);
		CHECK_EQ(rdssp(), before);
	}
	sigaltstack(&ss, NULL);
	for (int i = 0; i < 40; i++) {
		int r;

		sa.sa_flags = i & 1 ? SA_ONSTACK : 0;
		sigaction(SIGUSR1, &sa, NULL);
		sigaction(SIGUSR2, &sa, NULL);
		raise(SIGUSR1);
		r = sigsetjmp(senv, 1);
		if (!r)
			raise_deep(i);
		CHECK_EQ(r, 7);
		CHECK_EQ(rdssp(), before);
	}
	CHECK_EQ(handled, 80);
	return check_done();
}
