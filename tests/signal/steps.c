/* SPDX-License-Identifier: MIT */
/* A program that single-steps itself sees the addresses, registers and flags it would see natively: every kind of
 * instruction, repeated ones once for each round, calls and jumps of all kinds, system calls, faults and signals on the
 * way, a switch of the stack segment, which hides one step. What it sees is printed and compared with native. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include "regs.h"

#define TF 0x100l

#define ON "pushfq; orl $0x100, (%rsp); popfq;"
#define OFF "pushfq; andl $~0x100, (%rsp); popfq;"

PIECE(plain, ON "nop; inc %rax; mov %r10, %r11; add %r11, %r10; xchg %r10, %rax; push %rbx; pop %rcx; lea 5(%rip), %rdx;"
		"xor %eax, %eax; cpuid; rdtsc; xor %eax, %eax; xor %edx, %edx; mov $7, %ecx; div %ecx; pushfq; pop %rbx; lahf;" OFF "ret");
PIECE(transfers, ON "call 1f; lea 2f(%rip), %r10; call *%r10; lea 3f(%rip), %rax; jmp *%rax; nop; 3: jmp 4f; nop; 4: cmp %al, %al;"
		    "jz 5f; nop; 5: jnz 6f; nop; 6: mov $3, %ecx; 7: loop 7b; jrcxz 8f; nop; 8: push $9; call 9f;"
		    "pushq slot_jmp(%rip); pop %rdx; call *slot_call(%rip);" OFF "ret; 1: ret; 2: inc %eax; ret; 9: ret $8; transfers_leaf: ret;"
		    ".data; slot_jmp: .quad 0; slot_call: .quad transfers_leaf; .text");
PIECE(strings, ON "lea from(%rip), %rsi; lea to(%rip), %rdi; mov $3, %ecx; rep movsb; mov $2, %ecx; rep stosq; lea from(%rip), %rdi;"
		  "mov $'c', %al; mov $9, %ecx; repne scasb; lea from(%rip), %rsi; mov %rsi, %rdi; mov $2, %ecx; repe cmpsb;"
		  "xor %ecx, %ecx; rep lodsb; mov $2, %ecx; addr32 rep lodsl; movsb; lodsb;" OFF "ret;"
		  ".data; from: .ascii \"abcdefghijklmnop\"; to: .skip 64; .text");
PIECE(calls, ON "mov $39, %eax; syscall; mov %r11, %rbx; mov $39, %eax; syscall; inc %rbx;" OFF "ret");
PIECE(faults, ON "nop; ud2; nop; int3; nop; xor %eax, %eax; mov (%rax), %ebx; nop;" OFF "ret");
PIECE(stack, ON "mov %ss, %eax; mov %eax, %ss; nop; nop;" OFF "ret");
PIECE(nested, ON "mov $62, %eax; syscall; nop; nop;" OFF "ret");
PIECE(flags, ON "pushfq; pop %rax; stc; pushfq; pop %rcx; pushfw; pop %dx;" OFF "pushfq; pop %rdx; ret");
PIECE(endless, ON "mov $200, %ecx; 1: dec %ecx; jnz 1b;" OFF "ret");

static uintptr_t base;
static int traps, wrong, quiet;

static void say(const char *what, ucontext_t *uc)
{
	greg_t *g = uc->uc_mcontext.gregs;

	if (quiet)
		return;
	printf("%s +%ld efl %lx rcx %lx\n", what, (long)(g[REG_RIP] - base), (unsigned long)(g[REG_EFL] & 0xfd5),
	       (unsigned long)g[REG_RCX] & 0xff);
}

static void on_trap(int signo, siginfo_t *si, void *p)
{
	ucontext_t *uc = p;
	unsigned long now;

	traps++;
	__asm__ volatile("pushfq; pop %0" : "=r"(now));
	if (now & TF)
		wrong++; /* handlers are not stepped */
	if (si->si_code == TRAP_TRACE && si->si_addr != (void *)uc->uc_mcontext.gregs[REG_RIP])
		wrong++;
	say(si->si_code == TRAP_TRACE ? "step" : "trap", uc);
}

static void on_fault(int signo, siginfo_t *si, void *p)
{
	ucontext_t *uc = p;

	say(signo == SIGILL ? "ill" : "segv", uc);
	uc->uc_mcontext.gregs[REG_RIP] += 2;
}

static void on_usr(int signo, siginfo_t *si, void *p)
{
	say("usr", p);
}

static void run(const char *name, void (*piece)(void), struct regs in)
{
	printf("%s\n", name);
	fflush(stdout);
	base = (uintptr_t)piece;
	traps = 0;
	regs_run(in, piece);
	printf("%d steps, rsp %ld\n", traps, regs_rsp_moved);
}

#define RUN(piece) do { extern void piece(void); run(#piece, piece, regs_pattern(0)); } while (0)

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };
	struct regs r = regs_pattern(0);
	extern void nested(void), flags(void), endless(void);

	sigaction(SIGTRAP, &sa, NULL);
	sa.sa_sigaction = on_fault;
	sigaction(SIGILL, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	sa.sa_sigaction = on_usr;
	sigaction(SIGUSR1, &sa, NULL);
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	RUN(plain);
	RUN(transfers);
	RUN(strings);
	RUN(calls);
	RUN(faults);
	RUN(stack);
	r.rdi = (unsigned long)getpid();
	r.rsi = SIGUSR1;
	run("nested", nested, r);
	r = regs_run(regs_pattern(0), flags);
	printf("flags %lx %lx %lx\n", r.rax & 0xfd5, r.rcx & 0xfd5, r.rdx & 0xfd5);
	quiet = 1;
	for (int i = 0; i < 20; i++)
		run("endless", endless, regs_pattern(0));
	CHECK_EQ(wrong, 0);
	return check_done();
}
