/* SPDX-License-Identifier: MIT */
/* flags: -no-pie -Wa,--no-warn
 * also: far
 * gs: in instructions whose operand is not an ordinary one: strings, xlat, absolute moves, rsp as base, gathers, masked
 * stores; the gs selector itself; faults of gs: operands; and that a signal in the middle neither loses nor repeats
 * an instruction. */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include "regs.h"

unsigned char area[8192] __attribute__((aligned(4096)));
unsigned char other[8192] __attribute__((aligned(4096)));
unsigned long vec[16] __attribute__((aligned(64))), result[8];
static struct regs in, r;

static void set_gs(const void *base)
{
	syscall(SYS_arch_prctl, ARCH_SET_GS, base);
}

static unsigned long get_gs(void)
{
	unsigned long base = 1;

	syscall(SYS_arch_prctl, ARCH_GET_GS, &base);
	return base;
}

static void fill(void)
{
	for (unsigned i = 0; i < sizeof(area); i++) {
		area[i] = (unsigned char)(i * 11 + i / 256 + 1);
		other[i] = area[i];
	}
}

/* ---- strings: piece with gs, the same without; rsi is smaller by the base ---- */
#define STRING_DF(name, before, insn, behind) \
	PIECE(name##_gs, before ".byte 0x65; " insn behind "; ret"); PIECE(name##_plain, before insn behind "; ret")
#define STRING(name, insn) STRING_DF(name, "", insn, "")
STRING(s_lodsb, "lodsb");
STRING(s_lodsw, "lodsw");
STRING(s_lodsl, "lodsl");
STRING(s_lodsq, "lodsq");
STRING(s_repl, "rep lodsq");
STRING(s_movsb, "movsb");
STRING(s_rmovsb, "rep movsb");
STRING(s_rmovsq, "rep movsq");
STRING_DF(s_rmovsw, "std; ", "rep movsw", "; cld");
STRING(s_cmpsb, "cmpsb");
STRING(s_cmpsl, "cmpsl");
STRING(s_recmps, "repe cmpsb");
STRING(s_recmpsq, "repe cmpsq");
STRING_DF(s_recmpsw, "std; ", "repe cmpsw", "; cld");
STRING(s_rncmps, "repne cmpsb");
STRING(s_stos, "stosq");
STRING(s_rstos, "rep stosb");
STRING(s_scas, "repne scasb");
/* 32-bit addresses; the prefix of gs in front of all */
PIECE(s_32_gs, ".byte 0x65, 0x67; rep movsb; ret");
PIECE(s_32_plain, ".byte 0x67; rep movsb; ret");
PIECE(s_32l_gs, ".byte 0x65, 0x67, 0xac; ret");
PIECE(s_32l_plain, ".byte 0x67, 0xac; ret");

static unsigned char after[2][sizeof(other)];

static void string(const char *name, void (*gs)(void), void (*plain)(void), unsigned long count, unsigned long from)
{
	int reads_es = strstr(name, "stos") || strstr(name, "scas");
	struct regs a, b;

	in = regs_pattern(FL_OF | FL_AF);
	in.rcx = count;
	in.rdi = (unsigned long)other + 2000;
	fill();
	set_gs(area);
	in.rsi = reads_es ? 5 : from;
	a = regs_run(in, gs);
	memcpy(after[0], other, sizeof(other));
	fill();
	in.rsi = reads_es ? 5 : from + (unsigned long)area;
	b = regs_run(in, plain);
	memcpy(after[1], other, sizeof(other));
	if (!reads_es)
		a.rsi += (unsigned long)area;
	regs_same(name, a, b, FL_ARITH);
	CHECK(!memcmp(after[0], after[1], sizeof(other)));
}

#define S(name, count, from)                                                                  \
	do {                                                                                  \
		extern void name##_gs(void), name##_plain(void);                              \
		string(#name, name##_gs, name##_plain, count, from);                          \
	} while (0)

static void strings(void)
{
	S(s_lodsb, 9, 100); S(s_lodsw, 9, 100); S(s_lodsl, 9, 100); S(s_lodsq, 9, 100); S(s_repl, 7, 100);
	S(s_repl, 0, 100); S(s_movsb, 9, 100); S(s_rmovsb, 1000, 3); S(s_rmovsb, 0, 3); S(s_rmovsb, 6100, 3);
	S(s_rmovsq, 100, 4000); S(s_rmovsw, 100, 3000); S(s_cmpsb, 1, 100); S(s_cmpsl, 1, 4000);
	S(s_recmps, 50, 2000); S(s_recmps, 50, 100); S(s_recmpsq, 5, 2001); S(s_recmpsw, 30, 2000); S(s_rncmps, 500, 100);
	S(s_rncmps, 0, 100); S(s_stos, 3, 0); S(s_rstos, 300, 0); S(s_scas, 300, 0);
	S(s_32, 200, 40); S(s_32l, 200, 40);
}

/* ---- operands that are not in ModRM, or are not quite ordinary there ---- */
PIECE(x_lat, ".byte 0x65; xlatb; ret");
PIECE(x_abs8, ".byte 0x65; movabs 0x30, %al; ret");
PIECE(x_abs64, ".byte 0x65; movabs 0x30, %rax; ret");
PIECE(x_abs16s, ".byte 0x65; movabs %ax, 0x123456789a; ret");
PIECE(x_abs32s, ".byte 0x65; movabs %eax, 0x30; ret");
PIECE(x_push, "movq $77, -24(%rsp); pushq %gs:-24(%rsp); pop %rax; ret");
PIECE(x_pop, "mov $88, %eax; push %rax; popq %gs:-32(%rsp); mov -32(%rsp), %rdx; ret");
PIECE(x_popw, "pushw $99; popw %gs:-32(%rsp); movzwl -32(%rsp), %edx; ret");
PIECE(x_rsp, "movq $66, -40(%rsp); lock addq $2, %gs:-40(%rsp); mov %gs:-40(%rsp), %rax; ret");
PIECE(x_double, ".byte 0x64, 0x65; mov 0x30, %rax; .byte 0x65, 0x64; mov 0, %rcx; mov %fs:0, %rdx; sub %rcx, %rdx; mov $0, %ecx; ret");
PIECE(x_mask, "movups area+64, %xmm0; movups area+128, %xmm1; .byte 0x65; maskmovdqu %xmm1, %xmm0; ret");
PIECE(x_mask32, "movups area+64, %xmm0; movups area+128, %xmm1; .byte 0x65, 0x67; maskmovdqu %xmm1, %xmm0; ret");
PIECE(x_maskq, "movq area+64, %mm0; movq area+128, %mm1; .byte 0x65; maskmovq %mm1, %mm0; emms; ret");
PIECE(x_vmask, "vmovups area+64, %xmm0; vmovups area+128, %xmm1; .byte 0x65; vmaskmovdqu %xmm1, %xmm0; ret");
PIECE(x_gather, "vpcmpeqd %ymm5, %ymm5, %ymm5; vmovdqu vec, %ymm4; vpgatherdd %ymm5, %gs:12(%rdi,%ymm4,4), %ymm3;"
		"vmovdqu %ymm3, result; vzeroupper; ret");
PIECE(x_gather10, "vpcmpeqd %ymm5, %ymm5, %ymm5; vmovdqu vec, %ymm12; vpgatherdd %ymm5, %gs:300(%r10,%ymm12,4), %ymm3;"
		"vmovdqu %ymm3, result; vzeroupper; ret");
PIECE(x_gather0, "vpcmpeqd %ymm5, %ymm5, %ymm5; vmovdqu vec, %ymm4; vpgatherdd %ymm5, %gs:12(,%ymm4,4), %ymm3;"
		 "vmovdqu %ymm3, result; vzeroupper; ret");
PIECE(x_scatter, "mov $0xff, %eax; kmovw %eax, %k1; vmovdqu32 vec, %zmm4; vmovdqu32 area, %zmm20;"
		 "vpscatterdd %zmm20, %gs:64(%r11,%zmm4,4){%k1}; vzeroupper; ret");
PIECE(x_call, "call *%gs:(%r10); ret");
PIECE(x_call32, "call *%gs:16(%r11d); ret");
PIECE(x_jmp, "jmp *%gs:-8(%r11,%rcx,8)");
PIECE(x_back, "ret");

static unsigned at4(unsigned off)
{
	unsigned x;

	memcpy(&x, area + off, 4);
	return x;
}

static unsigned long at8(unsigned off)
{
	unsigned long x;

	memcpy(&x, area + off, 8);
	return x;
}

#define RUN(piece)                                   \
	({                                           \
		extern void piece(void);             \
		regs_run(in, piece);                 \
	})

static void masked(void)
{
	extern void x_mask(void), x_mask32(void), x_maskq(void), x_vmask(void);
	void (*pieces[4])(void) = { x_mask, x_mask32, x_maskq, x_vmask };

	for (int n = 0; n < 3 + (__builtin_cpu_supports("avx") != 0); n++) {
		in = regs_pattern(FL_ARITH);
		in.rdi = n == 1 ? 0x5500000321 : 0x321;
		fill();
		r = regs_run(in, pieces[n]);
		regs_same("masked", r, in, FL_ARITH);
		for (int i = 0; i < (n == 2 ? 8 : 16); i++)
			CHECK_EQ(area[0x321 + i], area[128 + i] & 0x80 ? area[64 + i] : other[0x321 + i]);
	}
}

static void vectors(void)
{
	int *index = (int *)vec;

	if (!__builtin_cpu_supports("avx2"))
		return;
	for (int i = 0; i < 16; i++)
		index[i] = i * 13 - 9;
	for (int n = 0; n < 3; n++) {
		int at = n == 2 ? 12 : 512;

		for (int i = 0; i < 8 && n == 2; i++)
			index[i] += 9;
		in = regs_pattern(0);
		in.rdi = 500;
		in.r10 = 212;
		fill();
		if (n == 0)
			RUN(x_gather);
		else if (n == 1)
			RUN(x_gather10);
		else
			RUN(x_gather0);
		for (int i = 0; i < 8; i++)
			CHECK_EQ(((unsigned *)result)[i], at4((unsigned)(at + 4 * index[i])));
	}
	if (!__builtin_cpu_supports("avx512f"))
		return;
	in = regs_pattern(0);
	in.r11 = 1000;
	fill();
	RUN(x_scatter);
	for (int i = 0; i < 8; i++)
		CHECK_EQ(at4((unsigned)(1064 + 4 * index[i])), at4((unsigned)(4 * i)));
}

static void special(void)
{
	extern void x_back(void);
	void *back = x_back;
	char *high = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	fill();
	set_gs(area);
	in = regs_pattern(FL_ARITH);
	in.rbx = 0x100;
	in.rax = 0x1234567890abcd80;
	CHECK_EQ(RUN(x_lat).rax, (in.rax & ~0xfful) | area[0x180]);
	CHECK_EQ(RUN(x_abs8).rax, (in.rax & ~0xfful) | area[0x30]);
	CHECK_EQ(RUN(x_abs64).rax, at8(0x30));
	CHECK_EQ(RUN(x_double).rax, at8(0x30));
	CHECK_EQ(RUN(x_double).rdx, 0);
	set_gs(high - 0x123456789a);
	r = RUN(x_abs16s);
	CHECK_EQ(*(unsigned *)high, 0xcd80);
	munmap(high, 4096);
	set_gs(area);
	r = RUN(x_abs32s);
	regs_same("x_abs32s", r, in, FL_ARITH);
	CHECK_EQ(at4(0x30), 0x90abcd80);
	memcpy(area + 64, &back, 8);
	in.r10 = 64;
	in.r11 = 56;
	in.rcx = 2;
	regs_same("x_call", RUN(x_call), in, FL_ARITH);
	regs_same("x_jmp", RUN(x_jmp), in, FL_ARITH);
	in.r11 = 0x900000000 + 48;
	regs_same("x_call32", RUN(x_call32), in, FL_ARITH);
	masked();
	vectors();
	set_gs(NULL);
	CHECK_EQ(RUN(x_push).rax, 77);
	r = RUN(x_pop);
	CHECK_EQ(r.rdx, 88);
	CHECK_EQ(RUN(x_popw).rdx, 99);
	CHECK_EQ(RUN(x_rsp).rax, 68);
}

/* ---- faults ---- */
static struct {
	int signo, code, count;
	unsigned long addr, rip, trapno, err;
	struct regs r;
} seen;
static unsigned long resume_at;

static void on_fault(int signo, siginfo_t *si, void *p)
{
	greg_t *g = ((ucontext_t *)p)->uc_mcontext.gregs;

	if (!resume_at || seen.count > 10000)
		_exit(3);
	seen.signo = signo;
	seen.code = si->si_code;
	seen.addr = (unsigned long)si->si_addr;
	seen.rip = (unsigned long)g[REG_RIP];
	seen.trapno = (unsigned long)g[REG_TRAPNO];
	seen.err = (unsigned long)g[REG_ERR];
	seen.count++;
	seen.r = (struct regs){ g[REG_RAX], g[REG_RCX], g[REG_RDX], g[REG_RBX], g[REG_RBP], g[REG_RSI], g[REG_RDI],
				g[REG_R8], g[REG_R9], g[REG_R10], g[REG_R11], g[REG_R12], g[REG_R13], g[REG_R14],
				g[REG_R15], g[REG_EFL] };
	g[REG_RIP] = (greg_t)resume_at;
}

#define FAULT(name, insn) PIECE(name, insn "; .globl " #name "_on; " #name "_on: ret")
FAULT(f_load, "mov %gs:8(%rdi), %rax");
FAULT(f_store, "movq $1, %gs:(%rdi,%r9)");
FAULT(f_r10, "add %rbx, %gs:(%r10)");
FAULT(f_both, "lock cmpxchg %r11, %gs:(%r10,%r11)");
FAULT(f_wide, "lock cmpxchg16b %gs:(%rsi,%rdi)");
FAULT(f_ah, "xchg %ah, %gs:(%rdi)");
FAULT(f_rip, "incl %gs:0x100(%rip)");
FAULT(f_32, "incl %gs:0x100(%edi)");
FAULT(f_32b, "xadd %r10, %gs:0x100(%r11d)");
FAULT(f_push, "pushq %gs:(%rdi)");
PIECE(f_pop, "push %rax; .globl f_pop_at; f_pop_at: popq %gs:(%rdi); ret; .globl f_pop_on; f_pop_on: pop %rax; ret");
FAULT(f_sse, "addps %gs:(%rdi), %xmm3");
FAULT(f_vex, "vaddps %gs:(%rdi), %xmm3, %xmm4");
FAULT(f_call, "call *%gs:(%rdi)");
FAULT(f_jmp, "jmp *%gs:(%rdi)");
FAULT(f_lods, ".byte 0x65; lodsb");
FAULT(f_movs, ".byte 0x65; rep movsw");
FAULT(f_cmps, ".byte 0x65; repe cmpsb");
FAULT(f_xlat, ".byte 0x65; xlatb");
FAULT(f_mask, ".byte 0x65; maskmovdqu %xmm3, %xmm3");
FAULT(f_abs, ".byte 0x65; movabs %rax, 0x40");
FAULT(f_ud, ".byte 0x65; ud2");
FAULT(f_lock, ".byte 0xf0, 0x65, 0x8b, 0x07"); /* lock mov: no such thing */

/* faults at `piece` with everything as it was */
static void fault(const char *name, void (*piece)(void), void *at, void *on, int signo, int code, unsigned long addr,
		  unsigned long trapno, unsigned long err)
{
	unsigned long fl = FL_ARITH;
	int before = seen.count;

	resume_at = (unsigned long)on;
	r = regs_run(in, piece);
	resume_at = 0;
	check_count++;
	if (seen.count != before + 1 || seen.signo != signo || seen.code != code || seen.addr != addr ||
	    seen.rip != (unsigned long)at || seen.trapno != trapno || (seen.err | 1) != (err | 1)) {
		check_failed++;
		printf("not ok - %s: signal %d code %d addr %#lx rip %+ld trap %ld err %lx\n", name, seen.signo, seen.code,
		       seen.addr, seen.rip - (unsigned long)at, seen.trapno, seen.err);
	}
	regs_same(name, seen.r, in, fl);
}

#define F(name, ...)                                                                             \
	do {                                                                                     \
		extern void name(void), name##_on(void);                                         \
		fault(#name, name, (void *)name, (void *)name##_on, __VA_ARGS__);                 \
	} while (0)

static void faults(void)
{
	char *none = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned long hole = (unsigned long)none + 4096;
	extern void f_rip_on(void), f_pop(void), f_pop_at(void), f_pop_on(void);

	munmap(none + 4096, 4096);
	set_gs(none);
	in = regs_pattern(FL_CF | FL_ZF);
	in.rdi = 8;
	F(f_load, SIGSEGV, SEGV_ACCERR, (unsigned long)none + 16, 14, 4);
	in.rdi = 4096;
	in.r9 = 24;
	F(f_load, SIGSEGV, SEGV_MAPERR, hole + 8, 14, 4);
	F(f_store, SIGSEGV, SEGV_MAPERR, hole + 24, 14, 6);
	in.r10 = 4096;
	F(f_r10, SIGSEGV, SEGV_MAPERR, hole, 14, 6);
	in.r11 = 16;
	F(f_both, SIGSEGV, SEGV_MAPERR, hole + 16, 14, 6);
	in.rsi = 32;
	F(f_wide, SIGSEGV, SEGV_MAPERR, hole + 32, 14, 6);
	F(f_ah, SIGSEGV, SEGV_MAPERR, hole, 14, 6);
	F(f_push, SIGSEGV, SEGV_MAPERR, hole, 14, 4);
	fault("f_pop", f_pop, f_pop_at, f_pop_on, SIGSEGV, SEGV_MAPERR, hole, 14, 6);
	F(f_sse, SIGSEGV, SEGV_MAPERR, hole, 14, 4);
	if (__builtin_cpu_supports("avx"))
		F(f_vex, SIGSEGV, SEGV_MAPERR, hole, 14, 4);
	F(f_call, SIGSEGV, SEGV_MAPERR, hole, 14, 4);
	F(f_jmp, SIGSEGV, SEGV_MAPERR, hole, 14, 4);
	in.rdi = 4096 - 0x100 + 0x300000000;
	F(f_32, SIGSEGV, SEGV_MAPERR, hole, 14, 6);
	in.r11 = 4096 - 0x100 + 0x300000000;
	F(f_32b, SIGSEGV, SEGV_MAPERR, hole, 14, 6);
	in.rdi = 4096;
	in.rsi = 4096;
	F(f_lods, SIGSEGV, SEGV_MAPERR, hole, 14, 4);
	in.rbx = 4096 - (in.rax & 0xff);
	F(f_xlat, SIGSEGV, SEGV_MAPERR, hole, 14, 4);
	set_gs((void *)(hole - 0x40));
	F(f_abs, SIGSEGV, SEGV_MAPERR, hole, 14, 6);
	set_gs((void *)(hole - (unsigned long)f_rip_on - 0x100));
	F(f_rip, SIGSEGV, SEGV_MAPERR, hole, 14, 6);
	set_gs(none);
	in.rdi = 0x1234567812345678;
	F(f_load, SIGSEGV, 0x80, 0, 13, 0);
	F(f_call, SIGSEGV, 0x80, 0, 13, 0);
	in.rsi = in.rdi;
	F(f_lods, SIGSEGV, 0x80, 0, 13, 0);
	F(f_ud, SIGILL, ILL_ILLOPN, (unsigned long)f_ud, 6, 0);
	F(f_lock, SIGILL, ILL_ILLOPN, (unsigned long)f_lock, 6, 0);
	munmap(none, 4096);
}

/* a string that meets a hole: so many elements are done */
static void partial_faults(void)
{
	int fd = memfd_create("one page", 0);
	unsigned char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *f;
	struct regs want;

	munmap(p + 4096, 4096);
	memset(p, 7, 4096);
	set_gs(p);
	in = regs_pattern(0);
	in.rcx = 100;
	in.rsi = 4086;
	in.rdi = (unsigned long)other;
	resume_at = (unsigned long)({ extern void f_movs_on(void); f_movs_on; });
	want = in;
	want.rcx = 95;
	want.rsi = 4096;
	want.rdi += 10;
	r = RUN(f_movs);
	regs_same("f_movs", r, want, FL_ARITH);
	CHECK_EQ(seen.addr, (unsigned long)p + 4096);
	memset(other, 7, 100);
	resume_at = (unsigned long)({ extern void f_cmps_on(void); f_cmps_on; });
	want.rcx = 90;
	r = RUN(f_cmps);
	regs_same("f_cmps", r, want, 0);
	CHECK_EQ(r.flags & FL_ARITH, FL_ZF | FL_PF);
	/* the end of a file */
	CHECK(ftruncate(fd, 4096) == 0);
	f = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	set_gs(f);
	in = regs_pattern(0);
	in.rsi = in.rdi = 5000;
	F(f_lods, SIGBUS, BUS_ADRERR, (unsigned long)f + 5000, 14, 4);
	F(f_load, SIGBUS, BUS_ADRERR, (unsigned long)f + 5008, 14, 4);
	close(fd);
}

/* ---- the selector ---- */
PIECE(g_load, "mov %eax, %gs; mov %gs, %ecx; mov %gs, %dx; .byte 0x48, 0x8c, 0xeb; ret");
PIECE(g_mem, "mov (%rdi), %gs; mov %gs, 8(%rdi); mov %gs, %r10d; mov %gs, %r11w; mov %gs, %r9; ret");
PIECE(g_stack, "push %gs; pop %rax; mov $-1, %edx; push %rdx; pushw %gs; popw %dx; pop %rcx; push %rbx; pop %gs; pushw %bx;"
	       "popw %gs; ret");
PIECE(g_lgs, "lgs (%rdi), %ebx; ret");
PIECE(g_lgs10, "lgsw (%rdi), %r10w; ret");
FAULT(g_bad, "mov %eax, %gs");
FAULT(g_swap, "swapgs");
FAULT(g_base, "wrgsbase %rdi");
PIECE(g_badpop, "push %rax; .globl g_badpop_at; g_badpop_at: pop %gs; ret; .globl g_badpop_on; g_badpop_on: pop %rax; ret");

static void selectors(void)
{
	extern void g_badpop(void), g_badpop_at(void), g_badpop_on(void);
	unsigned short ptr[8] = { 0x2b, 0, 0, 0, 0xffff, 0xffff };

	set_gs(area);
	in = regs_pattern(FL_ARITH);
	in.rax = 0x2b;
	r = RUN(g_load);
	CHECK_EQ(r.rcx, 0x2b);
	CHECK_EQ(r.rdx, (in.rdx & ~0xfffful) | 0x2b);
	CHECK_EQ(r.rbx, 0x2b);
	CHECK_EQ(r.flags & FL_ARITH, FL_ARITH);
	CHECK_EQ(get_gs(), 0); /* a flat segment */
	set_gs(area);
	in.rax = 3;
	CHECK_EQ(RUN(g_load).rcx, 3);
	in.rdi = (unsigned long)ptr;
	r = RUN(g_mem);
	CHECK_EQ(ptr[4], 0x2b);
	CHECK_EQ(ptr[5], 0xffff);
	CHECK_EQ(r.r10, 0x2b);
	CHECK_EQ(r.r11, (in.r11 & ~0xfffful) | 0x2b);
	CHECK_EQ(r.r9, 0x2b);
	in.rbx = 0;
	r = RUN(g_stack);
	CHECK_EQ(r.rax, 0x2b);
	CHECK_EQ(r.rdx, 0xffff002b);
	CHECK_EQ(r.rcx, 0xffffffff);
	ptr[0] = 0x1122;
	ptr[1] = 0x3344;
	ptr[2] = 0x2b;
	CHECK_EQ(RUN(g_lgs).rbx, 0x33441122);
	ptr[1] = 0;
	CHECK_EQ(RUN(g_lgs10).r10, (in.r10 & ~0xfffful) | 0x1122);
	in.rax = 0;
	CHECK_EQ(RUN(g_load).rcx, 0);
	set_gs(area);
	in.rax = 0x33;
	CHECK_EQ(RUN(g_load).rcx, 0x33);
	set_gs(area); /* clears the selector too */
	in.rax = 0x63;
	F(g_bad, SIGSEGV, 0x80, 0, 13, 0x60);
	fault("g_badpop", g_badpop, g_badpop_at, g_badpop_on, SIGSEGV, 0x80, 0, 13, 0x60);
	in.rax = 0x1b;
	F(g_bad, SIGSEGV, 0x80, 0, 13, 0x18);
	F(g_swap, SIGSEGV, 0x80, 0, 13, 0);
	CHECK_EQ(get_gs(), (unsigned long)area);
	if (getauxval(AT_HWCAP2) & 2) {
		in.rdi = 0x8000000000000000;
		F(g_base, SIGSEGV, 0x80, 0, 13, 0);
		CHECK_EQ(get_gs(), (unsigned long)area);
	}
}

/* ---- signals in the middle: each instruction happens once ---- */
unsigned long counters[8] __attribute__((aligned(64)));
volatile unsigned char stop;
PIECE(count_all, "xor %r12d, %r12d; 1: incq %gs:(%r10); lock addq $1, %gs:counters+8(%rip); xaddq %r13, %gs:16(%r11d);"
		 "incq %gs:24(%rdi); .byte 0x65; lodsb; dec %rsi; addq $1, %gs:counters+32; incq counters+40(%rip);"
		 "inc %r12; .globl count_end; count_end: cmpb $0, stop(%rip); je 1b; ret");
static int signals, broken;

static void on_alarm(int signo, siginfo_t *si, void *p)
{
	greg_t *g = ((ucontext_t *)p)->uc_mcontext.gregs;
	extern void count_all(void), count_end(void);

	if ((void *)g[REG_RIP] > (void *)count_all && (void *)g[REG_RIP] < (void *)count_end &&
	    (g[REG_R8] != 0x1122 || g[REG_RCX] != 0x3344 || g[REG_RDX] != 0x5566 || g[REG_RBX] != 0x7788 ||
	     g[REG_RBP] != 0x99aa || (g[REG_RAX] & ~0xffl) != 0xbb00 || (g[REG_RSI] & ~1l) != (long)area ||
	     g[REG_R10] != (long)counters || g[REG_R11] != (long)counters || g[REG_RDI] != (long)counters))
		broken++;
	if (++signals == 400)
		stop = 1;
}

static void asynchronous(void)
{
	struct sigaction sa = { .sa_sigaction = on_alarm, .sa_flags = SA_SIGINFO | SA_RESTART };
	struct itimerval often = { { 0, 150 }, { 0, 150 } }, never = { { 0, 0 }, { 0, 0 } };

	sigaction(SIGALRM, &sa, NULL);
	set_gs(NULL);
	memset(counters, 0, sizeof(counters));
	in = regs_pattern(0);
	in.r8 = 0x1122, in.rcx = 0x3344, in.rdx = 0x5566, in.rbx = 0x7788, in.rbp = 0x99aa, in.rax = 0xbb00;
	in.rsi = (unsigned long)area;
	in.r10 = in.r11 = in.rdi = (unsigned long)counters;
	in.r13 = 0;
	setitimer(ITIMER_REAL, &often, NULL);
	r = RUN(count_all);
	setitimer(ITIMER_REAL, &never, NULL);
	CHECK_EQ(broken, 0);
	CHECK_EQ(counters[0], r.r12);
	CHECK_EQ(counters[1], r.r12);
	CHECK_EQ(counters[3], r.r12);
	CHECK_EQ(counters[4], r.r12);
	CHECK_EQ(counters[5], r.r12);
	CHECK(signals >= 400);
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGILL, &sa, NULL);
	for (int again = 0; again < 3; again++) {
		strings();
		special();
		faults();
		partial_faults();
		selectors();
	}
	asynchronous();
	return check_done();
}
