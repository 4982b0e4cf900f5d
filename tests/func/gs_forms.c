/* SPDX-License-Identifier: MIT */
/* flags: -no-pie -Wa,--no-warn
 * also: far
 * Every kind of instruction with a gs: operand does what it does at the same address without gs:, for each form of
 * address and with the registers the engine borrows: first with base 0, then with a base and smaller addresses. */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <sys/syscall.h>
#include <cpuid.h>
#include "regs.h"

#define AREA 16384
#define AT 512 /* where in the area every operand is */

unsigned char area[AREA] __attribute__((aligned(4096)));
unsigned char anchor[AREA] __attribute__((aligned(4096)));
unsigned char xin[64] __attribute__((aligned(64)));
unsigned char xout[64] __attribute__((aligned(64)));
void *saved_sp;

enum { ANY, SSE42, ADX, MOVBE, AVX, AVX2, BMI, AVX512,
       SAME /* not with another base: its registers are in the result */, LEA /* nor where the base is in the operand */ };

struct entry {
	void (*gs)(void), (*plain)(void);
	long form, need;
	const char *name;
};
extern struct entry __start_forms[], __stop_forms[];

#define STR2(x) #x
#define STR(x) STR2(x)
#define E(need, form, pre, gs, plain, post)                                                                          \
	__asm__(".text\n1: " pre "%gs:" gs post "\nret\n2: " pre plain post "\nret\n"                               \
		".pushsection .rodata\n3: .asciz \"" pre "%gs:" gs post "\"\n.popsection\n"                         \
		".pushsection forms, \"aw\"\n.quad 1b, 2b, " STR(form) ", " STR(need) ", 3b\n.popsection\n");
/* the names of enum above as numbers for the assembler */
__asm__("ANY=0\nSSE42=1\nADX=2\nMOVBE=3\nAVX=4\nAVX2=5\nBMI=6\nAVX512=7\nSAME=8\nLEA=9\n");

/* addresses: registers by form in set_regs() */
#define I(need, pre, post)                                                   \
	E(need, 0, pre, "(%rdi)", "(%rdi)", post)                            \
	E(need, 1, pre, "24(%rdi)", "24(%rdi)", post)                        \
	E(need, 2, pre, "0x120(%r10)", "0x120(%r10)", post)                  \
	E(need, 3, pre, "8(%r11)", "8(%r11)", post)                          \
	E(need, 4, pre, "-8(%r10,%r11,4)", "-8(%r10,%r11,4)", post)          \
	E(need, 5, pre, "0x100(,%r9,8)", "0x100(,%r9,8)", post)              \
	E(need, 6, pre, "(%rbp)", "(%rbp)", post)                            \
	E(need, 7, pre, "(%r13)", "(%r13)", post)                            \
	E(need, 8, pre, "(%r12,%r9)", "(%r12,%r9)", post)                    \
	E(need, 9, pre, "16(%edi)", "16(%edi)", post)                        \
	E(need, 10, pre, "(%r10d,%r11d,4)", "(%r10d,%r11d,4)", post)         \
	E(need, 11, pre, "64(%rdi)", "64(%rdi)", post)                       \
	E(need, 12, pre, "-128(%r10,%r9)", "-128(%r10,%r9)", post)           \
	E(need, 13, pre, "64(%r13d)", "64(%r13d)", post)                     \
	E(need, 14, pre, "32(%r12d)", "32(%r12d)", post)                     \
	E(need, 15, pre, "anchor+512(%rip)", "area+512(%rip)", post)         \
	E(need, 16, pre, "512", "area+512", post)                            \
	E(need, 17, pre, "anchor+512(%eip)", "area+512(%eip)", post)
/* ah, bh, ch, dh cannot be with r8..r15 */
#define L(need, pre, post)                                                   \
	E(need, 0, pre, "(%rdi)", "(%rdi)", post)                            \
	E(need, 1, pre, "24(%rdi)", "24(%rdi)", post)                        \
	E(need, 6, pre, "(%rbp)", "(%rbp)", post)                            \
	E(need, 9, pre, "16(%edi)", "16(%edi)", post)                        \
	E(need, 15, pre, "anchor+512(%rip)", "area+512(%rip)", post)         \
	E(need, 16, pre, "512", "area+512", post)

#define X3 "movups xin, %xmm3; "
#define OUT3 "; movups %xmm3, xout"
#define OUT4 "; movups %xmm4, xout"
#define Y3 "vmovdqu xin, %ymm3; "
#define YOUT3 "; vmovdqu %ymm3, xout; vzeroupper"
#define YOUT4 "; vmovdqu %ymm4, xout; vzeroupper"
#define Z3 "mov $0x5a5a, %eax; kmovd %eax, %k1; vmovdqu64 xin, %zmm3; vmovdqu64 xin, %zmm4; "
#define ZOUT4 "; vmovdqu64 %zmm4, xout; vzeroupper"

I(ANY, "addq %rax, ", "") I(ANY, "addl %ecx, ", "") I(ANY, "addb %al, ", "") I(ANY, "adcq %rcx, ", "")
I(ANY, "sbbw %cx, ", "") I(ANY, "andq $0x7f, ", "") I(ANY, "orl $0x12345678, ", "") I(ANY, "xorb $0x55, ", "")
I(ANY, "subq %r14, ", "") I(ANY, "cmpq %rax, ", "") L(ANY, "cmpb %ah, ", "") L(ANY, "addb %dh, ", "")
L(ANY, "movb %bh, ", "") L(ANY, "movb ", ", %ch") I(ANY, "testl %eax, ", "") I(ANY, "addq ", ", %rax")
I(ANY, "cmpw $0x1234, ", "") I(ANY, "movq $-5, ", "") I(ANY, "movw $77, ", "") I(ANY, "movq %r15, ", "")
I(ANY, "movl ", ", %r14d") I(ANY, "addb %r8b, ", "") I(ANY, "movb ", ", %sil")
I(ANY, "incq ", "") I(ANY, "decl ", "") I(ANY, "negq ", "") I(ANY, "notw ", "") I(ANY, "mulq ", "") I(ANY, "imull ", "")
I(ANY, "xor %edx, %edx; mov $5, %eax; divq ", "") I(ANY, "mov $0, %ah; divb ", "") I(ANY, "imulq ", ", %rbx")
I(ANY, "imulq $100, ", ", %rbx") I(ANY, "imull $0x12345, ", ", %ebx") I(ANY, "xchgq %rbx, ", "") I(ANY, "xaddl %ebx, ", "")
I(ANY, "lock xaddq %rbx, ", "") I(ANY, "lock cmpxchgq %rbx, ", "") I(ANY, "cmpxchgb %bl, ", "") I(ANY, "cmpxchg8b ", "")
I(ANY, "lock cmpxchg16b ", "") I(ANY, "movq area+512, %rax; lock cmpxchgq %rbx, ", "") I(ANY, "lock incq ", "")
I(ANY, "lock andb $3, ", "") I(ANY, "lock btsl $5, ", "") I(ANY, "mov $100, %eax; btrq %rax, ", "")
I(ANY, "mov $-70, %rax; btcq %rax, ", "") I(ANY, "shlq ", "") I(ANY, "shll %cl, ", "") I(ANY, "sarq $3, ", "")
I(ANY, "rclb ", "") I(ANY, "rorw %cl, ", "") I(ANY, "shldq $3, %rbx, ", "") I(ANY, "shrdl %cl, %ebx, ", "")
I(ANY, "movzbl ", ", %ebx") I(ANY, "movswq ", ", %rbx") I(ANY, "movslq ", ", %rbx") I(ANY, "movnti %rbx, ", "")
I(MOVBE, "movbeq ", ", %rbx") I(MOVBE, "movbew %bx, ", "") I(ANY, "cmovbq ", ", %rbx") I(ANY, "cmovaew ", ", %bx")
I(ANY, "setb ", "") I(SSE42, "popcntq ", ", %rbx") I(BMI, "lzcntl ", ", %ebx") I(BMI, "tzcntq ", ", %rbx")
I(ADX, "adcxq ", ", %rbx") I(ADX, "adoxq ", ", %rbx") I(SSE42, "crc32q ", ", %rbx") I(SSE42, "crc32b ", ", %ebx")
I(ANY, "pushq ", "; popq %rax") I(ANY, "pushw ", "; popw %ax") I(ANY, "pushq %rbx; popq ", "")
I(ANY, "pushw %bx; popw ", "") I(LEA, "leaq ", ", %rbx") I(LEA, "leal ", ", %ebx") I(ANY, "nopl ", "")
I(ANY, "prefetcht0 ", "") I(ANY, "clflush ", "") I(ANY, "verr ", "") I(ANY, "smsww ", "")
I(ANY, X3 "movups ", ", %xmm3" OUT3) I(ANY, X3 "movaps ", ", %xmm3" OUT3) I(ANY, X3 "movss ", ", %xmm3" OUT3)
I(ANY, X3 "movups %xmm3, ", "") I(ANY, X3 "movsd %xmm3, ", "") I(ANY, X3 "movdqa %xmm3, ", "") I(ANY, X3 "paddd ", ", %xmm3" OUT3)
I(ANY, X3 "movhps ", ", %xmm3" OUT3) I(ANY, X3 "cvtsi2sdq ", ", %xmm3" OUT3) I(ANY, "cvttsd2siq ", ", %rbx")
I(ANY, X3 "ucomisd ", ", %xmm3") I(SSE42, X3 "pshufb ", ", %xmm3" OUT3) I(SSE42, X3 "pcmpistri $0xc, ", ", %xmm3")
I(SSE42, X3 "pcmpestrm $0x40, ", ", %xmm3; movups %xmm0, xout") I(SSE42, X3 "pinsrq $1, ", ", %xmm3" OUT3)
I(SSE42, X3 "pextrb $3, %xmm3, ", "") I(ANY, X3 "pinsrw $2, ", ", %xmm3" OUT3) I(ANY, "stmxcsr ", "")
I(ANY, "movups xin, %xmm12; addpd ", ", %xmm12; movups %xmm12, xout") I(ANY, X3 "movntdq %xmm3, ", "")
I(ANY, "fldl ", "; fstpt xout") I(ANY, "fildq ", "; fstpt xout") I(ANY, "fldpi; fstpl ", "") I(ANY, "fldpi; fistps ", "; fstp %st(0)")
I(ANY, "fldpi; fcoml ", "; fnstsw %ax; fstp %st(0)") I(ANY, "fnstcw ", "") I(ANY, "fldpi; fldl2e; fstpt ", "; fstp %st(0)")
I(ANY, "movq ", ", %mm1; paddb %mm1, %mm1; movq %mm1, xout; emms")
I(AVX, X3 "vmovups ", ", %xmm3" OUT3) I(AVX, Y3 "vmovdqu ", ", %ymm3" YOUT3) I(AVX, Y3 "vmovdqu %ymm3, ", "; vzeroupper")
I(AVX2, Y3 "vpaddd ", ", %ymm3, %ymm4" YOUT4) I(AVX, "vbroadcastss ", ", %ymm4" YOUT4) I(AVX, X3 "vpinsrb $3, ", ", %xmm3, %xmm4" OUT4)
I(AVX2, Y3 "vpmaskmovd ", ", %ymm3, %ymm4" YOUT4) I(AVX, Y3 "vmaskmovps %ymm3, %ymm3, ", "; vzeroupper")
I(AVX, X3 "vcvtsi2sdl ", ", %xmm3, %xmm4" OUT4) I(AVX, X3 "vmovss %xmm3, ", "") I(AVX, "vstmxcsr ", "")
I(AVX, "vmovdqu xin, %xmm13; vpxor ", ", %xmm13, %xmm14; vmovdqu %xmm14, xout") I(AVX, X3 "vpcmpistri $0xc, ", ", %xmm3")
I(BMI, "andnq ", ", %rbx, %rdx") I(BMI, "bextrq %rbx, ", ", %rdx") I(BMI, "mulxq ", ", %rbx, %r14")
I(BMI, "shlxq %rbx, ", ", %rdx") I(BMI, "rorxl $5, ", ", %r8d") I(BMI, "pdepq ", ", %rbx, %rdx") I(BMI, "blsrl ", ", %r15d")
I(AVX512, Z3 "vpaddd ", ", %zmm3, %zmm4" ZOUT4) I(AVX512, Z3 "vpaddd ", "{1to16}, %zmm3, %zmm4" ZOUT4)
I(AVX512, Z3 "vmovdqu32 %zmm3, ", "{%k1}; vzeroupper") I(AVX512, Z3 "vmovdqu8 ", ", %zmm4{%k1}{z}" ZOUT4)
I(AVX512, Z3 "vmovss ", ", %xmm17; vmovups %xmm17, xout; vzeroupper") I(AVX512, Z3 "vpmovdb %zmm3, ", "; vzeroupper")
I(AVX512, Z3 "vmovapd ", ", %zmm20; vmovupd %zmm20, xout; vzeroupper") I(AVX512, Z3 "vpcmpud $1, ", ", %zmm3, %k2; kmovd %k2, %ebx; vzeroupper")
I(AVX512, Z3 "vpternlogd $0x96, ", "{1to16}, %zmm3, %zmm4" ZOUT4)

/* with the borrowed registers as data: base 0 only, the registers of some addresses are in the result */
I(SAME, "addq %r10, ", "") I(SAME, "xchgq %r11, ", "") I(SAME, "cmpxchgq %r10, ", "") I(SAME, "movq ", ", %r10")
I(SAME, "movl ", ", %r11d") I(SAME, "xaddw %r10w, ", "") I(SAME, "imulq ", ", %r11") I(SAME, "shldq %cl, %r11, ", "")
I(SAME, "movb %r10b, ", "") I(SAME, "pushq ", "; popq %r10") I(SAME, "pushq %r11; popq ", "")

static int have(long need)
{
	switch (need) {
	case SSE42: return __builtin_cpu_supports("sse4.2");
	case AVX: return __builtin_cpu_supports("avx");
	case AVX2: return __builtin_cpu_supports("avx2");
	case BMI: return __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("lzcnt");
	case AVX512: return __builtin_cpu_supports("avx512bw");
	case ADX: {
		unsigned a, b, c, d;

		return __get_cpuid_count(7, 0, &a, &b, &c, &d) && b >> 19 & 1;
	}
	case MOVBE: {
		unsigned a, b, c, d;

		return __get_cpuid(1, &a, &b, &c, &d) && c >> 22 & 1;
	}
	}
	return 1;
}

/* registers so that the operand of that form is at `at` */
static struct regs set_regs(int form, unsigned long at)
{
	struct regs r = regs_pattern(FL_CF);

	r.r9 = 6;
	r.r11 = 5;
	switch (form) {
	case 0: r.rdi = at; break;
	case 1: r.rdi = at - 24; break;
	case 2: r.r10 = at - 0x120; break;
	case 3: r.r11 = at - 8; break;
	case 4: r.r10 = at + 8 - 20; break;
	case 5: r.r9 = (at - 0x100) / 8; break;
	case 6: r.rbp = at; break;
	case 7: r.r13 = at; break;
	case 8: r.r12 = at - 6; break;
	case 9: r.rdi = 0x7700000000 | (unsigned)(at - 16); break;
	case 10: r.r10 = 0x7700000000 | (unsigned)(at - 20); break;
	case 11: r.rdi = at - 64; break;
	case 12: r.r10 = at + 128 - 6; break;
	case 13: r.r13 = 0x7700000000 | (unsigned)(at - 64); break;
	case 14: r.r12 = 0x7700000000 | (unsigned)(at - 32); break;
	}
	return r;
}

static unsigned char before[AREA], results[2][AREA + sizeof(xout)];

static struct regs run(void (*piece)(void), struct regs in, unsigned char *result)
{
	struct regs r;

	memcpy(area, before, AREA);
	memset(xout, 0, sizeof(xout));
	r = regs_run(in, piece);
	memcpy(result, area, AREA);
	memcpy(result + AREA, xout, sizeof(xout));
	return r;
}

static void set_gs(unsigned long base)
{
	syscall(SYS_arch_prctl, ARCH_SET_GS, base);
}

static void same(const struct entry *e, struct regs gs, struct regs plain)
{
	regs_same(e->name, gs, plain, FL_ARITH);
	check_count++;
	if (memcmp(results[0], results[1], sizeof(results[0]))) {
		check_failed++;
		printf("not ok - %s: memory differs\n", e->name);
	}
}

/* one form, with base 0 and all registers alike */
static void alike(const struct entry *e)
{
	struct regs in = set_regs((int)e->form, (unsigned long)area + AT), gs;

	set_gs(e->form == 15 || e->form == 17 ? (unsigned long)area - (unsigned long)anchor : e->form == 16 ? (unsigned long)area : 0);
	gs = run(e->gs, in, results[0]);
	same(e, gs, run(e->plain, in, results[1]));
}

/* with the base of the area, and what the registers hold smaller by it */
static void based(const struct entry *e)
{
	struct regs in = set_regs((int)e->form, (unsigned long)area + AT), low = set_regs((int)e->form, AT), gs, plain;
	unsigned long *l = &low.rax, *i = &in.rax, *g = &gs.rax;

	set_gs((unsigned long)area);
	gs = run(e->gs, low, results[0]);
	plain = run(e->plain, in, results[1]);
	for (int n = 0; n < 15; n++)
		if (l[n] != i[n] && g[n] == l[n])
			g[n] = i[n];
	same(e, gs, plain);
}

int main(void)
{
	int n = 0;

	for (int i = 0; i < AREA; i++)
		before[i] = (unsigned char)(i * 7 + i / 256 + 3);
	for (int i = 0; i < 64; i++)
		xin[i] = (unsigned char)(i * 37 + 11);
	for (int again = 0; again < 2; again++)
		for (struct entry *e = __start_forms; e < __stop_forms; e++) {
			if (!have(e->need) || (e->need == LEA && e->form >= 15))
				continue;
			alike(e);
			if (e->need < SAME && e->form < 15)
				based(e);
			n++;
		}
	CHECK(n > 3000);
	return check_done();
}
