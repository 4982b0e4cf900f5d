/* SPDX-License-Identifier: MIT */
/* verdict: clean unwinds
 * Synchronous faults reach the program's handler with the program's own instruction pointer, all registers, flags
 * and siginfo; what the handler changes in the frame is what goes on.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include "regs.h"

static struct {
	int signo, code;
	unsigned long addr, trapno, err, cr2, csgsfs;
	unsigned long g[23];
	int count;
} seen;
static unsigned long resume_at;
static int change;

static void handler(int signo, siginfo_t *si, void *p)
{
	ucontext_t *uc = p;
	greg_t *g = uc->uc_mcontext.gregs;

	seen.signo = signo;
	seen.code = si->si_code;
	seen.addr = (unsigned long)si->si_addr;
	seen.trapno = (unsigned long)g[REG_TRAPNO];
	seen.err = (unsigned long)g[REG_ERR];
	seen.cr2 = (unsigned long)g[REG_CR2];
	memcpy(seen.g, g, sizeof(seen.g));
	seen.count++;
	if (resume_at)
		g[REG_RIP] = (greg_t)resume_at;
	if (change) {
		g[REG_R10] = 0x1010101010;
		g[REG_R11] = 0x1111111111;
		g[REG_RAX] = 0xaaaa;
		g[REG_EFL] ^= FL_CF | FL_ZF;
	}
}

#define FAULT(name, before, insn, after) \
	PIECE(name, before "; .globl " #name "_at; " #name "_at: " insn "; .globl " #name "_on; " #name "_on: " after "; ret")

FAULT(load, "", "mov (%rbx), %rcx", "");
FAULT(load10, "", "mov (%r10), %rcx", "");
FAULT(load11, "", "mov 8(%r11,%rbx), %r11", "");
FAULT(over10, "", "mov (%rbx), %r10", "");
FAULT(over11, "", "mov (%rbx), %r11", "");
FAULT(over11_home, "lea (%r10), %rax", "mov (%rbx), %r11d", "");
FAULT(store, "", "mov %rcx, (%rbx)", "");
FAULT(store_in, "call 9f; mov %r10, %r12; jmp 8f; 9: ret; 8:", "movb $1, (%rbx)", "call 9b");
FAULT(push_, "mov %rsp, %r12; mov %rbx, %rsp", "push %r11", "mov %r12, %rsp");
FAULT(call_, "mov %rsp, %r12; mov %rbx, %rsp", "call 9f", "mov %r12, %rsp; ret; 9: ud2");
FAULT(call_mem, "", "call *(%rbx)", "");
FAULT(call_mem10, "", "call *16(%r10,%rbx)", "");
FAULT(jump_mem, "", "jmp *(%rbx)", "");
FAULT(jump_mem11, "", "jmp *(%r11)", "");
FAULT(ret_, "mov %rsp, %r12; mov %rbx, %rsp", "ret", "mov %r12, %rsp");
FAULT(noncanonical, "", "mov (%rsi), %rcx", "");
FAULT(wild_call, "", "call *%rsi", "");
FAULT(wild_call10, "mov %rsi, %r10", "call *%r10", "");
FAULT(wild_call_mem, "mov %rsi, wild(%rip)", "call *wild(%rip)", "");
FAULT(wild_jump_mem, "mov %rsi, wild(%rip)", "jmp *wild(%rip)", "");
FAULT(kernel_jump, "", "jmp *%rdi", "");
FAULT(divide, "xor %ecx, %ecx", "div %rcx", "");
FAULT(divide10, "xor %r10d, %r10d", "idiv %r10", "");
FAULT(illegal, "", "ud2", "");
FAULT(illegal_bytes, "", ".byte 0x06", "");
FAULT(privileged, "", "hlt", "");
FAULT(privileged2, "", "cli", "");
FAULT(breakpoint, "", "int3", "");
FAULT(icebp, "", ".byte 0xf1", "");
FAULT(int_n, "", "int $0x47", "");
FAULT(misaligned, "", "movaps 1(%rsp), %xmm0", "");
FAULT(loop_load, "mov $5, %r10d; xor %r11d, %r11d; 1: add $3, %r11; dec %r10; jnz 1b", "mov (%rbx,%r10), %rax", "");

unsigned long wild;

static void one(const char *name, void (*piece)(void), char *at, char *on, struct regs in, struct regs want, int signo,
		int code, unsigned long addr, unsigned long trapno, unsigned long err, unsigned long rip_add)
{
	static const int order[15] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RBP, REG_RSI, REG_RDI, REG_R8, REG_R9,
				       REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15 };
	const unsigned long *w = &want.rax;
	int before = check_failed;

	for (change = 0; change < 2; change++) {
		struct regs r;

		memset(&seen, 0, sizeof(seen));
		resume_at = (unsigned long)on;
		r = regs_run(in, piece);
		CHECK_EQ(seen.count, 1);
		CHECK_EQ(seen.signo, signo);
		CHECK_EQ(seen.code, code);
		CHECK_EQ(seen.addr, addr == 1 ? (unsigned long)at : addr);
		CHECK_EQ(seen.g[REG_RIP], (unsigned long)at + rip_add);
		CHECK_EQ(seen.trapno, trapno);
		CHECK_EQ(seen.err, err);
		if (trapno == 14)
			CHECK_EQ(seen.cr2, addr);
		for (int i = 0; i < 15; i++)
			if (w[i] != ~77ul && seen.g[order[i]] != w[i]) {
				printf("not ok - %s: register %d in the frame is %#lx, not %#lx\n", name, i,
				       seen.g[order[i]], w[i]);
				check_failed++;
			}
		CHECK_EQ((seen.g[REG_EFL] ^ want.flags) & (want.flags == ~77ul ? 0 : FL_ARITH | FL_DF), 0);
		CHECK_EQ(seen.g[REG_CSGSFS] & 0xffff, 0x33);
		if (change && strcmp(name, "store_in")) {
			CHECK_EQ(r.r10, 0x1010101010);
			CHECK_EQ(r.r11, 0x1111111111);
			CHECK_EQ(r.rax, 0xaaaa);
			CHECK_EQ((r.flags ^ seen.g[REG_EFL]) & FL_ARITH, FL_CF | FL_ZF);
		} else if (!change) {
			CHECK_EQ(r.r10, seen.g[REG_R10]);
			CHECK_EQ(r.r11, seen.g[REG_R11]);
			CHECK_EQ(r.rax, seen.g[REG_RAX]);
		}
	}
	if (check_failed != before)
		printf("# in %s\n", name);
	change = 0;
}

#define ONE(name, in, want, ...)                                              \
	do {                                                                  \
		extern void name(void);                                       \
		extern char name##_at[], name##_on[];                         \
		one(#name, name, name##_at, name##_on, in, want, __VA_ARGS__); \
	} while (0)

static sigjmp_buf jump;
static volatile int depth;

static void jumper(int signo)
{
	depth++;
	siglongjmp(jump, signo);
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP };
	char *none = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *ro, *past;
	struct regs in, want;
	int fd;

	for (int i = 0; i < 5; i++)
		sigaction(signals[i], &sa, NULL);
	munmap(none, 8192);
	ro = mmap(none, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CHECK(ro == none && *(volatile char *)ro == 0);

	for (int k = 0; k < 3; k++) {
		in = regs_pattern(k == 1 ? FL_ARITH : k == 2 ? FL_CF | FL_OF : 0);
		in.rbx = (unsigned long)none + 4096;
		want = in;
		ONE(load, in, want, SIGSEGV, SEGV_MAPERR, in.rbx, 14, 4, 0);
		ONE(over10, in, want, SIGSEGV, SEGV_MAPERR, in.rbx, 14, 4, 0);
		ONE(over11, in, want, SIGSEGV, SEGV_MAPERR, in.rbx, 14, 4, 0);
		want.rax = in.r10;
		ONE(over11_home, in, want, SIGSEGV, SEGV_MAPERR, in.rbx, 14, 4, 0);
		want = in;
		ONE(store, in, want, SIGSEGV, SEGV_MAPERR, in.rbx, 14, 6, 0);
		ONE(call_mem, in, want, SIGSEGV, SEGV_MAPERR, in.rbx, 14, 4, 0);
		ONE(jump_mem, in, want, SIGSEGV, SEGV_MAPERR, in.rbx, 14, 4, 0);
		want.r12 = ~77ul;
		{
			/* no stack to run a handler on: an alternate one */
			static char stack[65536];
			stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };

			sa.sa_flags |= SA_ONSTACK;
			sigaction(SIGSEGV, &sa, NULL);
			sigaltstack(&ss, NULL);
			in.rbx += 256;
			want.rbx = in.rbx;
			ONE(push_, in, want, SIGSEGV, SEGV_MAPERR, in.rbx - 8, 14, 6, 0);
			CHECK_EQ(seen.g[REG_RSP], in.rbx);
			ONE(call_, in, want, SIGSEGV, SEGV_MAPERR, in.rbx - 8, 14, 6, 0);
			CHECK_EQ(seen.g[REG_RSP], in.rbx);
			ONE(ret_, in, want, SIGSEGV, SEGV_MAPERR, in.rbx, 14, 4, 0);
			CHECK_EQ(seen.g[REG_RSP], in.rbx);
			in.rbx -= 256;
			ss.ss_flags = SS_DISABLE;
			sigaltstack(&ss, NULL);
			sa.sa_flags &= ~SA_ONSTACK;
			sigaction(SIGSEGV, &sa, NULL);
		}
		in.r10 = in.r11 = in.rbx;
		want = in;
		ONE(load10, in, want, SIGSEGV, SEGV_MAPERR, in.rbx, 14, 4, 0);
		ONE(jump_mem11, in, want, SIGSEGV, SEGV_MAPERR, in.rbx, 14, 4, 0);
		in.r10 = in.rbx - 16;
		in.rbx = 0;
		want = in;
		ONE(call_mem10, in, want, SIGSEGV, SEGV_MAPERR, in.r10 + 16, 14, 4, 0);
		in.r11 = in.r10;
		in.rbx = 8;
		want = in;
		ONE(load11, in, want, SIGSEGV, SEGV_MAPERR, in.r11 + 16, 14, 4, 0);
		in.rbx = (unsigned long)ro;
		in.r10 = 0x1234;
		want = in;
		want.r12 = in.r10;
		ONE(store_in, in, want, SIGSEGV, SEGV_ACCERR, in.rbx, 14, 7, 0);
		in.rbx = (unsigned long)none + 4096;
		want = in;
		want.r10 = 0;
		want.r11 = 15;
		want.flags = FL_ZF | FL_PF | (k == 1 ? 0 : 0);
		ONE(loop_load, in, want, SIGSEGV, SEGV_MAPERR, in.rbx, 14, 4, 0);
		want = in;
		ONE(noncanonical, in, want, SIGSEGV, SI_KERNEL, 0, 13, 0, 0);
		ONE(wild_call, in, want, SIGSEGV, SI_KERNEL, 0, 13, 0, 0);
		ONE(wild_call_mem, in, want, SIGSEGV, SI_KERNEL, 0, 13, 0, 0);
		ONE(wild_jump_mem, in, want, SIGSEGV, SI_KERNEL, 0, 13, 0, 0);
		want.r10 = in.rsi;
		ONE(wild_call10, in, want, SIGSEGV, SI_KERNEL, 0, 13, 0, 0);
		want = in;
		for (int i = 0; i < 3; i++) {
			static const unsigned long kernel[] = { 0xffffffff81000000, 0x7ffffffff000, 0xffff800000000000 };

			in.rdi = want.rdi = kernel[i];
			ONE(kernel_jump, in, want, SIGSEGV, SEGV_MAPERR, in.rdi, 14, 0x15, in.rdi - (unsigned long)kernel_jump_at);
		}
		ONE(privileged, in, want, SIGSEGV, SI_KERNEL, 0, 13, 0, 0);
		ONE(privileged2, in, want, SIGSEGV, SI_KERNEL, 0, 13, 0, 0);
		ONE(int_n, in, want, SIGSEGV, SI_KERNEL, 0, 13, 0x47 * 8 + 2, 0);
		ONE(misaligned, in, want, SIGSEGV, SI_KERNEL, 0, 13, 0, 0);
		ONE(illegal, in, want, SIGILL, ILL_ILLOPN, 1, 6, 0, 0);
		ONE(illegal_bytes, in, want, SIGILL, ILL_ILLOPN, 1, 6, 0, 0);
		ONE(breakpoint, in, want, SIGTRAP, SI_KERNEL, 0, 3, 0, 1);
		want.rcx = 0;
		want.flags = ~77ul;
		ONE(divide, in, want, SIGFPE, FPE_INTDIV, 1, 0, 0, 0);
		want = in;
		want.r10 = 0;
		want.flags = ~77ul;
		ONE(divide10, in, want, SIGFPE, FPE_INTDIV, 1, 0, 0, 0);
	}

	/* SIGBUS behind the end of a file */
	fd = memfd_create("file", 0);
	CHECK(fd >= 0 && ftruncate(fd, 100) == 0);
	past = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	in = regs_pattern(0);
	in.rbx = (unsigned long)past + 4096;
	ONE(load, in, in, SIGBUS, BUS_ADRERR, in.rbx, 14, 4, 0);

	/* the handler repairs the cause and the instruction is repeated */
	{
		struct regs r;
		extern void load(void);

		resume_at = 0;
		in.rbx = (unsigned long)none;
		mprotect(none, 4096, PROT_NONE);
		memset(&seen, 0, sizeof(seen));
		sa.sa_sigaction = (void (*)(int, siginfo_t *, void *))(void *)handler;
		for (int i = 0; i < 50; i++) {
			if (sigsetjmp(jump, 1) == 0) {
				struct sigaction j = { .sa_handler = jumper };

				sigaction(SIGSEGV, &j, NULL);
				*(volatile char *)none = 1;
				CHECK(0);
			}
		}
		CHECK_EQ(depth, 50);
	}
	return check_done();
}
