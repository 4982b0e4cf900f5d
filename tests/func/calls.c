/* SPDX-License-Identifier: MIT */
/* Calls and returns of every form leave all registers and flags alone, r10, r11 and the flags above all. */
#include "regs.h"

PIECE(leaf, "ret");
PIECE(direct, "call leaf; call leaf; ret");
PIECE(nested, "call 1f; ret; 1: call 2f; ret; 2: call 3f; call 3f; ret; 3: call leaf; ret");
PIECE(by_r10, "push %r10; lea leaf(%rip), %r10; call *%r10; pop %r10; ret");
PIECE(by_r11, "push %r11; lea leaf(%rip), %r11; call *%r11; pop %r11; ret");
PIECE(by_rax, "push %rax; lea leaf(%rip), %rax; call *%rax; pop %rax; ret");
PIECE(by_memory, "call *leaf_pointer(%rip); ret");
__asm__(".data\nleaf_pointer: .quad leaf\nleaf_table: .quad 0, leaf, by_memory, direct\n.text");
PIECE(by_r10_r11, "push %r10; push %r11; lea leaf_table-8(%rip), %r10; mov $2, %r11d; call *(%r10,%r11,8);"
		  "pop %r11; pop %r10; ret");
PIECE(by_r11_disp, "push %r11; lea leaf_table(%rip), %r11; call *24(%r11); pop %r11; ret");
PIECE(by_rsp, "lea leaf(%rip), %r12; push %r12; call *(%rsp); lea 8(%rsp), %rsp; ret");
PIECE(rsp_8, "lea -8(%rsp), %rsp; mov leaf_pointer(%rip), %r12; push %r12; push %rbx; call *8(%rsp); pop %rbx;"
	     "lea 16(%rsp), %rsp; ret");
PIECE(ret_imm, "lea -16(%rsp), %rsp; call 1f; ret; 1: ret $16");
PIECE(ret_imm0, "call 1f; ret; 1: .byte 0xc2, 0, 0");
PIECE(ret_rep, "call 1f; ret; 1: rep; ret");
PIECE(ret_bnd, "call 1f; ret; 1: .byte 0xf2; ret");
PIECE(tail, "jmp leaf");
PIECE(tail_indirect, "jmp *leaf_pointer(%rip)");
PIECE(tail_chain, "call 1f; ret; 1: jmp 2f; 2: jmp 3f; 3: jmp *leaf_pointer(%rip)");
PIECE(get_pc, "call 1f; 1: pop %rax; lea 1b(%rip), %rcx; sub %rcx, %rax; ret");
PIECE(call_data, "push %rcx; call 1f; lea (%rsp), %rsp; pop %rcx; ret; 1: ret");
PIECE(addr_word, "call leaf; 1: mov -8(%rsp), %rax; lea 1b(%rip), %rcx; sub %rcx, %rax; ret");
PIECE(addr_inside, "call 2f; 1: ret; 2: mov (%rsp), %rax; lea 1b(%rip), %rcx; sub %rcx, %rax; ret");
PIECE(call_push_pop, "call 1f; ret; 1: popq hold(%rip); pushq hold(%rip); ret");
__asm__(".bss\nhold: .quad 0\n.text");
PIECE(call_xchg, "call 1f; ret; 1: xchg %rax, (%rsp); xchg %rax, (%rsp); ret");
PIECE(data16, ".byte 0x66, 0x66, 0x48; call leaf; ret");
PIECE(deep, "mov $5000, %ecx; call 1f; ret; 1: dec %ecx; jz 2f; call 1b; inc %edx; 2: ret");
PIECE(flags_carry, "stc; call 1f; setc %al; ret; 1: cmc; call 2f; cmc; ret; 2: setc %cl; ret");
PIECE(flags_out, "call 1f; setz %al; setc %cl; ret; 1: cmp %eax, %eax; ret");
PIECE(flags_in, "xor %eax, %eax; call 1f; ret; 1: jnz 2f; mov $7, %eax; 2: ret");
PIECE(flags_adc, "mov $-1, %rax; add $1, %rax; call 1f; adc $0, %rcx; ret; 1: mov %rbx, %rbx; ret");
PIECE(both_live, "mov $3, %r10; mov $4, %r11; call 1f; add %r11, %r10; mov %r10, %rax; ret; 1: add %r10, %r11; ret");
PIECE(args_r10, "mov $1000, %r10; mov %r10, %r11; call 1f; ret; 1: lea (%r10,%r11), %rax; ret");
PIECE(enter_leave, "call 1f; ret; 1: enter $32, $0; mov %r10, -8(%rbp); mov -8(%rbp), %rax; leave; ret");
PIECE(call_endbr, "call 1f; ret; 1: endbr64; ret");
PIECE(conditional, "cmp $0, %rax; je 1f; call leaf; jne 2f; 1: ud2; 2: call leaf; ret");

int main(void)
{
	static const unsigned long flags[] = { 0, FL_CF, FL_ZF | FL_OF, FL_SF | FL_PF, FL_AF | FL_CF, FL_ARITH,
					       FL_ARITH & ~FL_OF, FL_DF | FL_CF };

	for (unsigned k = 0; k < sizeof(flags) / sizeof(*flags); k++) {
		unsigned long f = flags[k], all = FL_ARITH | FL_DF;

		for (int again = 0; again < 3; again++) {
			REGS(leaf, f, all, );
			REGS(direct, f, all, );
			REGS(nested, f, all, );
			REGS(by_r10, f, all, );
			REGS(by_r11, f, all, );
			REGS(by_rax, f, all, );
			REGS(by_memory, f, all, );
			REGS(by_r10_r11, f, all, );
			REGS(by_r11_disp, f, all, );
			REGS(ret_imm, f, all, );
			REGS(ret_imm0, f, all, );
			REGS(ret_rep, f, all, );
			REGS(ret_bnd, f, all, );
			REGS(tail, f, all, );
			REGS(tail_indirect, f, all, );
			REGS(tail_chain, f, all, );
			REGS(call_data, f, all, );
			REGS(call_push_pop, f, all, );
			REGS(call_xchg, f, all, );
			REGS(data16, f, all, );
			REGS(call_endbr, f, all, );
		}
		{
			extern void leaf(void);

			REGS(by_rsp, f, all, w.r12 = (unsigned long)leaf);
			REGS(rsp_8, f, all, w.r12 = (unsigned long)leaf);
		}
		/* call $+5 and its kin: differences and their flags are known */
		{
			struct regs r, in = regs_pattern(f);
			extern void get_pc(void), addr_word(void), addr_inside(void);
			void (*const piece[])(void) = { get_pc, addr_word, addr_inside };

			for (int i = 0; i < 3; i++) {
				r = regs_run(in, piece[i]);
				in.rcx = r.rcx;
				in.rax = 0;
				regs_same("pc", r, in, 0);
				CHECK_EQ(r.flags & FL_ARITH, FL_ZF | FL_PF);
			}
		}
		REGS(deep, f, 0, w.rcx = 0; w.rdx = 0x33333333 + 4999);
		REGS(flags_carry, f, FL_ARITH & ~FL_CF, w.rax = 0x1111111111111101; w.rcx = 0x2222222222222200);
		REGS(flags_out, f, FL_ARITH, w.rax = 0x1111111111111101; w.rcx = 0x2222222222222200;
		     w.flags = (f & FL_DF) | FL_ZF | FL_PF);
		REGS(flags_in, f, FL_ARITH, w.rax = 7; w.flags = FL_ZF | FL_PF);
		REGS(flags_adc, f, FL_ARITH, w.rax = 0; w.rcx++; w.flags = 0);
		REGS(both_live, f, 0, w.r10 = 10; w.r11 = 7; w.rax = 10);
		REGS(args_r10, f, FL_ARITH, w.r10 = w.r11 = 1000; w.rax = 2000);
		REGS(enter_leave, f, FL_ARITH, w.rax = w.r10);
		REGS(conditional, f, 0, );
	}
	return check_done();
}
