/* SPDX-License-Identifier: MIT */
/* flags: -O1 -mno-vzeroupper */
/* x87, MXCSR, XMM, YMM, ZMM and mask registers: whole in the signal frame, restored from it, untouched by everything
 * the engine does for the program (first calls, system calls, faults). */
#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>
#include "check.h"

/* 64 bytes each of zmm0..31, 8 masks; loaded and stored by assembly, as much as the CPU has */
static struct vectors {
	uint8_t z[32][64];
	uint64_t k[8];
	uint32_t mxcsr;
	uint16_t fcw;
	double st[4];
} in, out __attribute__((aligned(64)));
static int level; /* 1 SSE, 2 AVX, 3 AVX-512 */
static uint64_t xcr0;

extern void probe(struct vectors *in, struct vectors *out, int kind, int level);
#define EACH16(f) f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9) f(10) f(11) f(12) f(13) f(14) f(15)
#define EACH32(f) EACH16(f) f(16) f(17) f(18) f(19) f(20) f(21) f(22) f(23) f(24) f(25) f(26) f(27) f(28) f(29) f(30) f(31)
#define EACH8(f) f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7)
#define LX(n) "movups " #n "*64(%rdi), %xmm" #n "\n"
#define SX(n) "movups %xmm" #n ", " #n "*64(%rsi)\n"
#define LY(n) "vmovups " #n "*64(%rdi), %ymm" #n "\n"
#define SY(n) "vmovups %ymm" #n ", " #n "*64(%rsi)\n"
#define LZ(n) "vmovups " #n "*64(%rdi), %zmm" #n "\n"
#define SZ(n) "vmovups %zmm" #n ", " #n "*64(%rsi)\n"
#define LK(n) "kmovq 2048+" #n "*8(%rdi), %k" #n "\n"
#define SK(n) "kmovq %k" #n ", 2048+" #n "*8(%rsi)\n"
__asm__(".text\nprobe:\n"
	"push %rbx\npush %rbp\npush %r12\npush %r13\n sub $8, %rsp\n"
	"mov %edx, %r12d\n mov %ecx, %r13d\n"
	"ldmxcsr 2112(%rdi)\n fninit\n fldcw 2116(%rdi)\n"
	"fldl 2120(%rdi)\n fldl 2128(%rdi)\n fldl 2136(%rdi)\n"
	"cmp $2, %r13d\n ja 3f\n je 2f\n" EACH16(LX) "jmp 4f\n"
	"2:" EACH16(LY) "jmp 4f\n"
	"3:" EACH32(LZ) EACH8(LK)
	"4: mov %rdi, %rbx\n mov %rsi, %rbp\n"
	"mov $30, %r10d\n mov $4, %r11d\n"
	"cmp $1, %r12d\n jb 5f\n je 6f\n cmp $3, %r12d\n jb 7f\n je 8f\n jmp 10f\n"
	"5: mov $0, %ecx\n .globl fault_here\n fault_here: movb $1, (%rcx)\n jmp 9f\n"   /* 0: SIGSEGV */
	"6: .globl ill_here\n ill_here: ud2\n jmp 9f\n"                                    /* 1: SIGILL */
	"7: mov $39, %eax\n syscall\n jmp 9f\n"                                            /* 2: a system call */
	"8: call 11f\n lea 11f(%rip), %rax\n call *%rax\n jmp 9f\n 11: ret\n"              /* 3: calls */
	"10: mov $39, %eax\n syscall\n mov %eax, %edi\n mov $10, %esi\n mov $62, %eax\n syscall\n" /* 4: kill(self, USR1) */
	"9: mov %rbp, %rsi\n mov %rbx, %rdi\n"
	"cmp $2, %r13d\n ja 3f\n je 2f\n" EACH16(SX) "jmp 4f\n"
	"2:" EACH16(SY) "jmp 4f\n"
	"3:" EACH32(SZ) EACH8(SK)
	"4: stmxcsr 2112(%rsi)\n fnstcw 2116(%rsi)\n"
	"fstpl 2136(%rsi)\n fstpl 2128(%rsi)\n fstpl 2120(%rsi)\n"
	"add $8, %rsp\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n ret\n");

static int got, edit;
static const char *bad;

static void handler(int signo, siginfo_t *si, void *p)
{
	ucontext_t *uc = p;
	uint8_t *fp = (uint8_t *)uc->uc_mcontext.fpregs;
	uint32_t magic, size;
	uint64_t xfeatures;
	extern char fault_here[], ill_here[];

	got++;
	if (!fp) {
		bad = "no fpstate";
		return;
	}
	if ((uintptr_t)fp % 64)
		bad = "fpstate is not aligned";
	if (*(uint32_t *)(fp + 24) != in.mxcsr)
		bad = "mxcsr in the frame";
	if (*(uint16_t *)fp != in.fcw)
		bad = "fcw in the frame";
	for (int n = 0; n < 16; n++)
		if (memcmp(fp + 160 + 16 * n, in.z[n], 16))
			bad = "xmm in the frame";
	memcpy(&magic, fp + 464, 4);
	if (magic != 0x46505853) {
		bad = "no FP_XSTATE_MAGIC1";
		return;
	}
	memcpy(&xfeatures, fp + 472, 8);
	memcpy(&size, fp + 480, 4);
	if (xfeatures != xcr0)
		bad = "xfeatures";
	memcpy(&magic, fp + size, 4);
	if (magic != 0x46505845)
		bad = "no FP_XSTATE_MAGIC2";
	if (level >= 2) {
		unsigned a, b, c, d;

		__cpuid_count(0xd, 2, a, b, c, d);
		for (int n = 0; n < 16; n++)
			if (memcmp(fp + b + 16 * n, in.z[n] + 16, 16))
				bad = "ymm in the frame";
		if (edit)
			memset(fp + b + 16 * 3, 0x5a, 16);
	}
	if (level >= 3) {
		unsigned a, b, c, d;

		__cpuid_count(0xd, 5, a, b, c, d);
		if (memcmp(fp + b, in.k, 64))
			bad = "masks in the frame";
		__cpuid_count(0xd, 6, a, b, c, d);
		for (int n = 0; n < 16; n++)
			if (memcmp(fp + b + 32 * n, in.z[n] + 32, 32))
				bad = "zmm in the frame";
		__cpuid_count(0xd, 7, a, b, c, d);
		for (int n = 0; n < 16; n++)
			if (memcmp(fp + b + 64 * n, in.z[16 + n], 64))
				bad = "high zmm in the frame";
	}
	if (edit)
		memset(fp + 160 + 16 * 2, 0xa5, 16);
	/* the handler spoils everything; the frame has the truth */
	if (level >= 3)
		__asm__ volatile("vpternlogd $0xff, %%zmm7, %%zmm7, %%zmm7; vpternlogd $0xff, %%zmm20, %%zmm20, %%zmm20; kxorq %%k3, %%k3, %%k3" ::: "memory");
	__asm__ volatile("pcmpeqd %%xmm0, %%xmm0; pcmpeqd %%xmm9, %%xmm9; fninit" ::: "xmm0", "xmm9");
	if (uc->uc_mcontext.gregs[REG_RIP] == (greg_t)(uintptr_t)fault_here)
		uc->uc_mcontext.gregs[REG_RIP] += 3;
	if (uc->uc_mcontext.gregs[REG_RIP] == (greg_t)(uintptr_t)ill_here)
		uc->uc_mcontext.gregs[REG_RIP] += 2;
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
	unsigned a, b, c, d;
	int width;

	level = 1;
	__cpuid(1, a, b, c, d);
	if (c & bit_OSXSAVE) {
		uint32_t lo, hi;

		__asm__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
		xcr0 = lo | (uint64_t)hi << 32;
		__cpuid_count(7, 0, a, b, c, d);
		if ((xcr0 & 6) == 6 && b & bit_AVX2)
			level = (xcr0 & 0xe0) == 0xe0 && b & bit_AVX512F && b & bit_AVX512BW ? 3 : 2;
	} else {
		SKIP("no XSAVE");
	}
	width = 16 << (level - 1);
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGILL, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	for (int round = 0; round < 20; round++) {
		for (int n = 0; n < 32; n++)
			for (int i = 0; i < 64; i++)
				in.z[n][i] = (uint8_t)(round * 7 + n * 64 + i + 1);
		for (int n = 0; n < 8; n++)
			in.k[n] = 0x0101010101010101u * (unsigned)(n + 1 + round);
		in.mxcsr = round & 1 ? 0x1f80 : 0x7fa0;
		in.fcw = round & 2 ? 0x37f : 0x27f;
		in.st[0] = 1.5 + round;
		in.st[1] = -2.25;
		in.st[2] = 1e100;
		for (int kind = 0; kind < 5; kind++) {
			memset(&out, 0, sizeof(out));
			got = 0;
			bad = NULL;
			edit = kind != 2 && kind != 3 && round % 3 == 2;
			probe(&in, &out, kind, level);
			__asm__ volatile("fninit");
			if (bad)
				printf("not ok - kind %d: %s\n", kind, bad);
			CHECK(!bad);
			CHECK_EQ(got, kind != 2 && kind != 3);
			for (int n = 0; n < (level >= 3 ? 32 : 16); n++) {
				uint8_t want[64];

				memcpy(want, in.z[n], 64);
				if (edit && n == 2)
					memset(want, 0xa5, 16);
				if (edit && n == 3 && level >= 2)
					memset(want + 16, 0x5a, 16);
				check_count++;
				if (memcmp(want, out.z[n], (size_t)width)) {
					printf("not ok - kind %d: vector %d\n", kind, n);
					check_failed++;
				}
			}
			if (level >= 3)
				CHECK(!memcmp(in.k, out.k, 64));
			CHECK_EQ(out.mxcsr, in.mxcsr);
			CHECK_EQ(out.fcw, in.fcw);
			CHECK(out.st[0] == in.st[0] && out.st[1] == in.st[1] && out.st[2] == in.st[2]);
		}
	}
	return check_done();
}
