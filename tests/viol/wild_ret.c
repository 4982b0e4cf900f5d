/* SPDX-License-Identifier: MIT */
/* A return address that no code can have: the RET faults, and nothing has been popped.
 * expect: overwritten at=victim
 * stop-status: 0 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

static void on_segv(int signo, siginfo_t *si, void *p)
{
	greg_t *g = ((ucontext_t *)p)->uc_mcontext.gregs;
	unsigned char *at = (unsigned char *)g[REG_RIP];

	if (si->si_code == SI_KERNEL) { /* else #CP, with --stop */
		printf("trap %d err %d addr %p\n", (int)g[REG_TRAPNO], (int)g[REG_ERR], si->si_addr);
		printf("at the RET: %s\n", (unsigned long)at >> 47 ? "no" : *at == 0xc3 ? "yes" : "no");
		printf("word: %lx\n", *(unsigned long *)g[REG_RSP]);
	}
	fflush(stdout);
	_Exit(0);
}

void victim(void);
__asm__(".globl victim\n.type victim, @function\nvictim: movabs $0x4141414141414141, %rax; mov %rax, (%rsp); nop; ret\n"
	".size victim, . - victim\n");

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_segv, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &sa, NULL);
	victim();
	return 1;
}
