/* SPDX-License-Identifier: MIT */
/* A program that single-steps itself: by POPF, and by a handler that sets the flag in its frame. */
#define _GNU_SOURCE
#include <signal.h>
#include <ucontext.h>
#include "regs.h"

#define TF 0x100l

PIECE(steps, "pushfq; orl $0x100, (%rsp); popfq; nop; inc %rax; call 1f; pushfq; pop %rdx; pushfq; andl $~0x100, (%rsp); popfq;"
	     "ret; 1: ret");
PIECE(nothing, "nop; nop; nop; nop; pushfq; andl $~0x100, (%rsp); popfq; ret");

static int traps, wrong;

static void on_trap(int signo, siginfo_t *si, void *p)
{
	greg_t *g = ((ucontext_t *)p)->uc_mcontext.gregs;

	traps++;
	if (si->si_code != TRAP_TRACE || si->si_addr != (void *)g[REG_RIP])
		wrong++;
}

static void on_usr(int signo, siginfo_t *si, void *p)
{
	((ucontext_t *)p)->uc_mcontext.gregs[REG_EFL] |= TF;
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };
	extern void steps(void), nothing(void);
	struct regs r;

	sigaction(SIGTRAP, &sa, NULL);
	sa.sa_sigaction = on_usr;
	sigaction(SIGUSR1, &sa, NULL);
	r = regs_run(regs_pattern(0), steps);
	CHECK_EQ(traps, 9);
	CHECK_EQ(wrong, 0);
	CHECK_EQ(r.rdx & TF, TF);
	traps = 0;
	raise(SIGUSR1);
	regs_run(regs_pattern(0), nothing);
	CHECK(traps > 6);
	CHECK_EQ(wrong, 0);
	return check_done();
}
