/* SPDX-License-Identifier: MIT */
/* flags: -no-pie
 * Far calls, jumps and returns and IRET between 64-bit code segments: stacks, registers, flags, and the faults of
 * selectors that do not lead there. A return that matches its far call is clean; tests/viol/far*.c are not. */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include "regs.h"

/* m16:32, which every CPU has in 64-bit mode; the program is below 4 GiB */
struct far_ptr {
	unsigned offset;
	unsigned short cs, pad;
} ptr __attribute__((aligned(16)));
unsigned long seen_word, seen_cs, seen_depth, saved_sp;

PIECE(back32, "lretl");
PIECE(back_pop, "lretl $8");
/* far returns that take 64-bit words: widens the two of 32 bits */
PIECE(back64, "push %rax; push %rax; mov 16(%rsp), %eax; mov %rax, 8(%rsp); mov 20(%rsp), %eax; mov %rax, 16(%rsp); pop %rax; lretq");
PIECE(back_iretq, "mov (%rsp), %r8d; mov 4(%rsp), %r9d; lea 8(%rsp), %r10; mov $0x2b, %r11d; push %r11; push %r10; pushfq;"
		  "orq $0xc1, (%rsp); push %r9; push %r8; iretq");
PIECE(back_iret32, "mov $0, %r8d; xchg %r8, (%rsp); mov %rsp, %r10; mov $iret_stack+4096-20, %esp; mov %r8, (%rsp);"
		   "movl $0x202, 8(%rsp); movl $iret_stack+2048, 12(%rsp); movl $0x2b, 16(%rsp); iretl");
PIECE(look, "mov %rsp, %rax; sub saved_sp, %rax; mov %rax, seen_depth; mov (%rsp), %rax; mov %rax, seen_word;"
	    "mov %cs, %eax; mov %rax, seen_cs; lretl");
char iret_stack[4096] __attribute__((aligned(16)));

PIECE(call_, "lcall *ptr; ret");
PIECE(call_reg, "lea ptr-8(%rip), %r10; mov $1, %r11d; lcall *(%r10,%r11,8); ret");
PIECE(call_pop, "push %rbx; lcall *ptr; ret");
PIECE(call_look, "mov %rsp, saved_sp; lcall *ptr; .globl call_look_on; call_look_on: ret");
PIECE(call_iret32, "mov %rsp, %rbx; lcall *ptr; mov %rsp, %rax; mov %rbx, %rsp; ret");
PIECE(jump, "ljmp *ptr");
PIECE(just_ret, "ret");
PIECE(nested, "push %rbx; call 1f; pop %rbx; ret; 1: lcall *ptr; call 2f; ret; 2: lcall *ptr; ret");
PIECE(deep, "call 1f; lretl; 1: call 2f; ret; 2: ret");

/* ---- faults: at the instruction, with nothing changed ---- */
static struct {
	int signo, code, count;
	unsigned long addr, rip, rsp, trapno, err;
} seen;
static void *resume_at;
static unsigned long resume_sp;

static void on_fault(int signo, siginfo_t *si, void *p)
{
	greg_t *g = ((ucontext_t *)p)->uc_mcontext.gregs;

	if (!resume_at)
		_exit(3);
	seen.signo = signo;
	seen.code = si->si_code;
	seen.addr = (unsigned long)si->si_addr;
	seen.rip = (unsigned long)g[REG_RIP];
	seen.rsp = (unsigned long)g[REG_RSP];
	seen.trapno = (unsigned long)g[REG_TRAPNO];
	seen.err = (unsigned long)g[REG_ERR];
	seen.count++;
	g[REG_RIP] = (greg_t)resume_at;
	g[REG_EFL] &= ~0x4000l; /* NT */
	resume_at = NULL;
}

#define FAULT(name, before, insn, behind) \
	PIECE(name, before "; .globl " #name "_at; " #name "_at: " insn "; .globl " #name "_on; " #name "_on: " behind "; ret")
FAULT(b_call, "", "lcall *ptr", "");
FAULT(b_jump, "", "ljmp *ptr", "");
FAULT(b_mem, "", "lcall *(%rdi)", "");
FAULT(b_stack, "mov %rsp, %r12; mov %rdi, %rsp", "lcall *ptr", "mov %r12, %rsp");
FAULT(b_lretq, "push %rsi; push %rdi", "lretq", "add $16, %rsp");
FAULT(b_lret, "push %rdi", "lretl", "add $8, %rsp");
FAULT(b_iretq, "mov %rsp, %r12; push %rdx; push %r12; pushfq; push %rsi; push %rdi", "iretq", "mov %r12, %rsp");
FAULT(b_nt, "mov %rsp, %r12; pushfq; orl $0x4000, (%rsp); popfq; push $0x2b; push %r12; push $0x202; push $0x33; push $just_ret",
      "iretq", "mov %r12, %rsp");

static void fault(const char *name, void (*piece)(void), void *at, void *on, struct regs in, unsigned long addr,
		  unsigned long trapno, unsigned long err)
{
	int before = seen.count;

	resume_at = on;
	regs_run(in, piece);
	check_count++;
	if (seen.count != before + 1 || seen.signo != SIGSEGV || seen.code != (trapno == 13 ? 0x80 : SEGV_MAPERR) ||
	    seen.addr != addr || seen.rip != (unsigned long)at || seen.trapno != trapno || (seen.err | 1) != (err | 1)) {
		check_failed++;
		printf("not ok - %s: %d times, signal %d code %d addr %#lx rip %+ld trap %ld err %#lx\n", name, seen.count - before,
		       seen.signo, seen.code, seen.addr, seen.rip - (unsigned long)at, seen.trapno, seen.err);
	}
}

#define F(name, ...)                                                                            \
	do {                                                                                    \
		extern void name(void), name##_at(void), name##_on(void);                       \
		fault(#name, name, (void *)name##_at, (void *)name##_on, __VA_ARGS__);           \
	} while (0)

static void faults(void)
{
	/* where the kernel puts nothing by itself: what surrounds it must stay unmapped */
	char *page = mmap((void *)0x40000000, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	static const unsigned short bad[] = { 0x2b, 0x10, 0x18, 0x43, 0x1003, 0xfff3, 0, 3 };
	extern void just_ret(void);
	struct regs in = regs_pattern(0);

	CHECK(page != MAP_FAILED);
	ptr.offset = (unsigned)(unsigned long)just_ret;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		ptr.cs = bad[i];
		F(b_call, in, 0, 13, bad[i] & 0xfffc);
		F(b_jump, in, 0, 13, bad[i] & 0xfffc);
		in.rsi = bad[i];
		in.rdi = (unsigned long)just_ret;
		in.rdx = 0x2b;
		F(b_lretq, in, 0, 13, bad[i] & 0xfffc);
		F(b_iretq, in, 0, 13, bad[i] & 0xfffc);
		in.rdi |= (unsigned long)bad[i] << 32;
		F(b_lret, in, 0, 13, bad[i] & 0xfffc);
	}
	in.rsi = 0x30; /* a return cannot raise the privilege it asks for */
	in.rdi = (unsigned long)just_ret;
	F(b_lretq, in, 0, 13, 0x30);
	F(b_iretq, in, 0, 13, 0x30);
	in.rsi = 0x33;
	in.rdi = 0x1234000000000000;
	F(b_lretq, in, 0, 13, 0);
	F(b_iretq, in, 0, 13, 0);
	in.rdi = (unsigned long)just_ret;
	for (unsigned i = 0; i < 4; i++) {
		static const unsigned short ss[] = { 0, 3, 0x28, 0x33 };

		in.rdx = ss[i];
		F(b_iretq, in, 0, 13, ss[i] & 0xfffc);
	}
	F(b_nt, in, 0, 13, 0);
	in.rdi = (unsigned long)page + 4094;
	F(b_mem, in, (unsigned long)page + 4096, 14, 4);
	in.rdi = (unsigned long)page + 4096;
	F(b_mem, in, (unsigned long)page + 4096, 14, 4);
	ptr.cs = 0x33;
	in.rdi = (unsigned long)page + 4;
	F(b_stack, in, (unsigned long)page - 4, 14, 6);
	munmap(page, 4096);
}

static void transfers(void)
{
	extern void back32(void), back_pop(void), back64(void), back_iretq(void), back_iret32(void), look(void), call_(void),
		call_reg(void), call_pop(void), call_look(void), call_look_on(void), call_iret32(void), jump(void),
		just_ret(void), nested(void), deep(void);
	struct regs in = regs_pattern(FL_ARITH), r;
	static const unsigned short cs[] = { 0x33, 0x30, 0x32 };

	for (int i = 0; i < 3; i++) {
		ptr.cs = cs[i];
		ptr.offset = (unsigned)(unsigned long)back32;
		regs_same("call", regs_run(in, call_), in, FL_ARITH);
		r = regs_run(in, call_reg);
		CHECK_EQ(r.r11, 1);
		CHECK_EQ(r.flags & FL_ARITH, FL_ARITH);
		regs_same("nested", regs_run(in, nested), in, FL_ARITH);
		ptr.offset = (unsigned)(unsigned long)deep;
		regs_same("deep", regs_run(in, call_), in, FL_ARITH);
		ptr.offset = (unsigned)(unsigned long)back_pop;
		regs_same("call_pop", regs_run(in, call_pop), in, FL_ARITH);
		ptr.offset = (unsigned)(unsigned long)back64;
		regs_same("back64", regs_run(in, call_), in, FL_ARITH);
		ptr.offset = (unsigned)(unsigned long)just_ret;
		regs_same("jump", regs_run(in, jump), in, FL_ARITH);
		ptr.offset = (unsigned)(unsigned long)look;
		r = regs_run(in, call_look);
		CHECK_EQ(seen_depth, -8ul);
		CHECK_EQ(seen_cs, 0x33);
		CHECK_EQ(seen_word, 0x3300000000 | (unsigned)(unsigned long)call_look_on);
		ptr.offset = (unsigned)(unsigned long)back_iretq;
		r = regs_run(regs_pattern(0), call_);
		CHECK_EQ(regs_rsp_moved, 0);
		CHECK_EQ(r.flags & (FL_CF | FL_ZF | FL_SF | FL_OF), FL_CF | FL_ZF | FL_SF);
		ptr.offset = (unsigned)(unsigned long)back_iret32;
		r = regs_run(regs_pattern(FL_ARITH), call_iret32);
		CHECK_EQ(r.rax, (unsigned long)iret_stack + 2048);
		CHECK_EQ(r.flags & FL_ARITH, 0);
	}
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	static char alt[65536];
	stack_t ss = { .ss_sp = alt, .ss_size = sizeof(alt) };

	sigaltstack(&ss, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	for (int again = 0; again < 3; again++) {
		transfers();
		faults();
	}
	return check_done();
}
