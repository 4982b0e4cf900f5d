/* SPDX-License-Identifier: MIT */
/* Shadow-stack instructions on a machine that shows none of them natively are no-ops or #UD exactly as there:
 * RDSSP leaves its register alone, ENDBR does nothing. */
#include "regs.h"

PIECE(endbr, "endbr64; endbr32; ret");
PIECE(notrack_call, "lea 9f(%rip), %rax; .byte 0x3e; call *%rax; xor %eax, %eax; ret; 9: ret");
PIECE(nops, "nop; .byte 0x66, 0x90; nopl (%rax); nopw 0x200(%rax,%rax,1); .byte 0xf3, 0x90; .byte 0xf, 0x18, 0xc0;"
	    ".byte 0xf, 0x1a, 0xc0; .byte 0xf, 0x1b, 0xc0; .byte 0x66, 0xf, 0x1f, 0x44, 0, 0; ret");

int main(void)
{
	for (int i = 0; i < 3; i++) {
		REGS(endbr, FL_ARITH, FL_ARITH, );
		REGS(notrack_call, FL_ARITH, 0, w.rax = 0);
		REGS(nops, FL_CF, FL_ARITH, );
	}
	return check_done();
}
