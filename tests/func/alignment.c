/* SPDX-License-Identifier: MIT */
/*
 * EFLAGS.AC is the guest's own: set by POPF, seen by PUSHF and by signal handlers, in force for the guest's accesses
 * and nobody else's. Virtual machines set it at start to find out what CPU they are on.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <ucontext.h>
#include "check.h"

#define AC 0x40000ul

/* with AC set: calls, indirect jumps and calls, system calls, CPUID, each of which leaves the cache */
extern unsigned long with_ac(unsigned long n);
__asm__(".text\n"
	".type with_ac, @function\n"
	"with_ac:\n"
	"	push %rbx\n	push %rbp\n	push %r12\n"
	"	mov %rdi, %r12\n"
	"	xor %ebp, %ebp\n"
	"	pushfq\n	orq $0x40000, (%rsp)\n	popfq\n"
	"1:	lea 2f(%rip), %rax\n"
	"	jmp *%rax\n"
	".balign 4096\n"
	"2:	call 4f\n"
	"	lea 4f(%rip), %rax\n"
	"	call *%rax\n"
	"	mov $39, %eax\n" /* getpid */
	"	syscall\n"
	"	xor %eax, %eax\n"
	"	cpuid\n"
	"	pushfq\n	pop %rax\n"
	"	shr $18, %rax\n	and $1, %eax\n"
	"	add %rax, %rbp\n"
	"	dec %r12\n"
	"	jnz 1b\n"
	"	pushfq\n	andq $~0x40000, (%rsp)\n	popfq\n"
	"	mov %rbp, %rax\n"
	"	pop %r12\n	pop %rbp\n	pop %rbx\n"
	"	ret\n"
	".balign 4096\n"
	"4:	inc %rbp\n"
	"	ret\n");

extern unsigned long unaligned_load(void *p);
extern char unaligned_insn[], unaligned_end[];
__asm__(".type unaligned_load, @function\n"
	"unaligned_load:\n"
	"	pushfq\n	orq $0x40000, (%rsp)\n	popfq\n"
	"unaligned_insn:\n"
	"	mov 1(%rdi), %rax\n"
	"unaligned_end:\n"
	"	pushfq\n	andq $~0x40000, (%rsp)\n	popfq\n"
	"	ret\n");

static volatile int seen, code, flag_in_frame;
static void *volatile where, *volatile addr;

/* the kernel leaves AC as it was: the handler's own code must not be the next to fault */
static void handler(int signo, siginfo_t *si, void *ctx)
{
	greg_t *r = ((ucontext_t *)ctx)->uc_mcontext.gregs;

	__asm__ volatile("pushfq\n\tandq $~0x40000, (%%rsp)\n\tpopfq" : : : "memory", "cc");
	seen = signo;
	code = si->si_code;
	addr = si->si_addr;
	where = (void *)r[REG_RIP];
	flag_in_frame = (r[REG_EFL] & (long)AC) != 0;
	if (signo == SIGBUS)
		r[REG_EFL] &= ~(long)AC;
}

/* a signal that arrives by itself, AC set */
extern void spin_with_ac(volatile int *until);
__asm__(".type spin_with_ac, @function\n"
	"spin_with_ac:\n"
	"	pushfq\n	orq $0x40000, (%rsp)\n	popfq\n"
	"1:	cmpl $0, (%rdi)\n"
	"	je 1b\n"
	"	pushfq\n	andq $~0x40000, (%rsp)\n	popfq\n"
	"	ret\n");

int main(void)
{
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
	unsigned long words[2] = { 0x1122334455667788, 0x99 };

	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGALRM, &sa, NULL);
	CHECK_EQ(with_ac(300), 900);
	CHECK_EQ(unaligned_load(words), 0x9911223344556677);
	CHECK_EQ(seen, SIGBUS);
	CHECK_EQ(code, BUS_ADRALN);
	CHECK_EQ((unsigned long)addr, 0);
	CHECK(where == unaligned_insn);
	CHECK(flag_in_frame);
	seen = 0;
	ualarm(2000, 0);
	spin_with_ac(&seen);
	CHECK_EQ(seen, SIGALRM);
	CHECK(flag_in_frame);
	return check_done();
}
