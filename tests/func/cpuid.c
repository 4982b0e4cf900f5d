/* SPDX-License-Identifier: MIT */
/* CPUID, XGETBV, RDTSC, RDTSCP, RDPID: steady answers, other registers untouched; never a feature natively absent. */
#include <cpuid.h>
#include "regs.h"

PIECE(cpuid_, "cpuid; call 9f; ret; 9: ret");
PIECE(rdtsc_, "rdtsc; shl $32, %rdx; or %rdx, %rax; mov %rax, %rcx; rdtsc; shl $32, %rdx; or %rdx, %rax; ret");
PIECE(xgetbv_, "xor %ecx, %ecx; xgetbv; ret");
PIECE(rdtscp_, "rdtscp; mov $0, %eax; mov $0, %edx; ret");

int main(void)
{
	unsigned a, b, c, d, max;
	struct regs in = regs_pattern(FL_ARITH), r, first, want;
	extern void cpuid_(void), rdtsc_(void), xgetbv_(void), rdtscp_(void);

	__cpuid(0, max, b, c, d);
	printf("%u %.4s%.4s%.4s\n", max, (char *)&b, (char *)&d, (char *)&c);
	__cpuid(1, a, b, c, d);
	printf("%x %x %x\n", a, c & ~(1u << 27), d);
	for (unsigned leaf = 2; leaf <= max; leaf++) {
		if (leaf == 0xb || leaf == 0x1f || leaf == 0x19 || leaf == 0xd)
			continue;
		__cpuid_count(leaf, 0, a, b, c, d);
		if (leaf == 7) {
			/* ecx.7 SHSTK and edx.20 IBT are gnomon's to show */
			c &= ~(1u << 7);
			d &= ~(1u << 20);
		}
		if (leaf == 7)
			printf("%x: %x %x %x %x\n", leaf, a, b, c, d);
	}
	for (int again = 0; again < 5; again++) {
		in.rax = 0;
		in.rcx = 0;
		r = regs_run(in, cpuid_);
		if (!again)
			first = r;
		want = in;
		want.rax = first.rax;
		want.rbx = first.rbx;
		want.rcx = first.rcx;
		want.rdx = first.rdx;
		regs_same("cpuid", r, want, FL_ARITH);
		in.rax = 0x100000001; /* the upper half does not count */
		r = regs_run(in, cpuid_);
		CHECK_EQ(r.rax >> 32 | r.rcx >> 32, 0);
		r = regs_run(in, rdtsc_);
		CHECK(r.rax > r.rcx);
		r = regs_run(in, xgetbv_);
		want = in;
		want.rax = r.rax;
		want.rdx = 0;
		want.rcx = 0;
		regs_same("xgetbv", r, want, 0);
		CHECK((r.rax & 3) == 3);
		r = regs_run(in, rdtscp_);
		want = in;
		want.rax = want.rdx = 0;
		want.rcx = r.rcx;
		regs_same("rdtscp", r, want, FL_ARITH);
	}
	return check_done();
}
