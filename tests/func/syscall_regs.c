/* SPDX-License-Identifier: MIT */
/* SYSCALL: rcx is the next instruction, r11 the flags, rax the result, everything else as it was. */
#include "regs.h"

PIECE(getpid_, "mov $39, %eax; syscall; 1: lea 1b(%rip), %rax; sub %rax, %rcx; mov %r11, %rax; ret");
PIECE(unknown, "mov $0x7fff, %eax; syscall; lea (%rcx), %rcx; ret");
PIECE(huge, "mov $-1, %rax; syscall; ret");
PIECE(high_half, "mov $0x100000027, %rax; syscall; test %rax, %rax; setg %cl; ret"); /* the kernel looks at eax only */
PIECE(write_bad, "mov $1, %eax; mov $-1, %rdi; syscall; ret");
PIECE(six, "mov $9, %eax; xor %edi, %edi; mov $4096, %esi; mov $3, %edx; mov $0x22, %r10d; mov $-1, %r8; xor %r9d, %r9d;"
	   "syscall; mov %rax, %rdi; movq $7, (%rdi); mov $11, %eax; syscall; ret");
PIECE(twice, "mov $39, %eax; syscall; mov %eax, %r12d; mov $39, %eax; syscall; sub %r12d, %eax; ret");
PIECE(in_loop, "mov $20, %r12d; mov $77, %r10d; 1: mov $39, %eax; syscall; mov $5, %r11d; add %r11d, %r10d; dec %r12d; jnz 1b; ret");

int main(void)
{
	static const unsigned long flags[] = { 0, FL_CF, FL_ZF | FL_OF, FL_ARITH, FL_DF, FL_DF | FL_ARITH };

	for (int again = 0; again < 3; again++) {
		for (int i = 0; i < 6; i++) {
			struct regs in = regs_pattern(flags[i]), r, w = in;
			extern void getpid_(void), unknown(void), huge(void), write_bad(void), six(void), twice(void), in_loop(void);

			r = regs_run(in, getpid_);
			w.rcx = 0;
			w.r11 = w.rax = in.flags;
			regs_same("getpid", r, w, FL_DF);
			w = in;
			r = regs_run(in, unknown);
			w.rax = -38ul;
			w.rcx = r.rcx;
			w.r11 = in.flags;
			regs_same("unknown", r, w, FL_ARITH | FL_DF);
			r = regs_run(in, huge);
			w.rcx = r.rcx;
			regs_same("huge", r, w, FL_ARITH | FL_DF);
			r = regs_run(in, write_bad);
			w.rax = -9ul;
			w.rdi = -1ul;
			w.rcx = r.rcx;
			regs_same("write", r, w, FL_ARITH | FL_DF);
			r = regs_run(in, six);
			w = in;
			w.rax = 0;
			w.rcx = r.rcx;
			w.rdi = r.rdi;
			w.rsi = 4096;
			w.rdx = 3;
			w.r10 = 0x22;
			w.r8 = -1ul;
			w.r9 = 0;
			w.r11 = r.r11;
			regs_same("six", r, w, FL_DF);
			CHECK_EQ(regs_run(in, twice).rax, 0);
			CHECK_EQ(regs_run(in, in_loop).r10, 77 + 100);
			CHECK_EQ(regs_area.r11, 5);
		}
	}
	return check_done();
}
