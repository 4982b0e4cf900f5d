/* SPDX-License-Identifier: MIT */
/* variant: dynamic:dynamic */
/* variant: static:static */
#define _GNU_SOURCE
/* Returns that a shadow stack stops: the handler sees the fault, repairs it, and the program goes on. */
#include <signal.h>
#include <string.h>
#include <ucontext.h>
#include "cet.h"
#include "check.h"

static unsigned long good;
static int faults, code, trapno, err;

static void on_fault(int s, siginfo_t *info, void *uc)
{
	greg_t *g = ((ucontext_t *)uc)->uc_mcontext.gregs;

	(void)s;
	faults++;
	code = info->si_code;
	trapno = (int)g[REG_TRAPNO];
	err = (int)g[REG_ERR];
	*(unsigned long *)g[REG_RSP] = good;
}

static void __attribute__((noinline, optimize("no-omit-frame-pointer"))) victim(void)
{
	volatile unsigned long *ret = (unsigned long *)__builtin_frame_address(0) + 1;

	good = *ret;
	*ret = 0x41414141;
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

	if (!(shstk_status() & 1))
		SKIP("no shadow stack");
	sigaction(SIGSEGV, &sa, NULL);
	for (int i = 0; i < 20; i++)
		victim();
	CHECK_EQ(faults, 20);
	CHECK_EQ(code, 10);
	CHECK_EQ(trapno, 21);
	CHECK_EQ(err, 1);
	return check_done();
}
