/* SPDX-License-Identifier: MIT */
/* A call over data whose return address is popped: its caller's return skips a shadow frame. Registers and flags
 * stay exact all the same.
 * expect: unwind at=get_pc_jump */
#include "regs.h"

PIECE(get_pc_jump, "call 2f; 1: .quad 0; 2: pop %rax; lea 1b(%rip), %rcx; sub %rcx, %rax; stc; ret");
__asm__(".size get_pc_jump, . - get_pc_jump");

int main(void)
{
	for (int i = 0; i < 5; i++) {
		struct regs in = regs_pattern(i & 1 ? FL_ARITH : 0), r;
		extern void get_pc_jump(void);

		r = regs_run(in, get_pc_jump);
		in.rcx = r.rcx;
		in.rax = 0;
		regs_same("pc", r, in, 0);
		CHECK_EQ(r.flags & FL_ARITH, FL_ZF | FL_PF | FL_CF);
	}
	return check_done();
}
