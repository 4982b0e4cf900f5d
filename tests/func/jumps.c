/* SPDX-License-Identifier: MIT */
/* Direct, conditional and indirect jumps, loops and switch tables, with r10, r11 and the flags live throughout. */
#include "regs.h"

PIECE(jump_r10, "mov %r10, %r12; lea 1f(%rip), %r10; jmp *%r10; ud2; 1: mov %r12, %r10; ret");
PIECE(jump_r11, "mov %r11, %r12; lea 1f(%rip), %r11; jmp *%r11; ud2; 1: mov %r12, %r11; ret");
PIECE(jump_rcx, "lea 1f(%rip), %rcx; jmp *%rcx; ud2; 1: xor %ecx, %ecx; ret");
PIECE(jump_memory, "jmp *where(%rip); ud2; .globl there; there: ret");
__asm__(".data\nwhere: .quad there\n.text");
PIECE(jump_mem_r10, "push %r10; lea where-16(%rip), %r10; jmp *16(%r10)");
PIECE(jump_mem_both, "push %r10; lea where-16(%rip), %r10; xor %r11d, %r11d; jmp *16(%r10,%r11,4)");
PIECE(jump_stack, "lea 1f(%rip), %rcx; push %rcx; jmp *(%rsp); ud2; 1: pop %rcx; xor %ecx, %ecx; ret");
/* the same place reached with r10, r11 in use and not */
PIECE(mixed, "xor %eax, %eax; mov $4, %r10d; lea 2f(%rip), %rcx; mov $7, %r11d; jmp 1f;"
	     "2: lea 3f(%rip), %rcx; add $1, %eax; 1: dec %r10; jz 4f; jmp *%rcx;"
	     "3: lea 2b(%rip), %rcx; add %r11d, %eax; jmp 1b; 4: lea 1b(%rip), %rcx; sub %rcx, %rcx; ret");
PIECE(loop_r10, "xor %eax, %eax; mov $1000, %r10d; 1: add %r10, %rax; dec %r10; jnz 1b; ret");
PIECE(loop_r11, "xor %eax, %eax; mov $1000, %r11d; 1: add %r11, %rax; sub $1, %r11; jnz 1b; ret");
PIECE(loop_both, "mov $1, %eax; mov $50, %r10d; xor %r11d, %r11d; 1: lea (%r11,%rax), %r11; xchg %r11, %rax;"
		 "dec %r10d; jg 1b; ret");
PIECE(loop_call, "xor %eax, %eax; mov $1000, %r10d; mov $3, %r11d; 1: call 2f; dec %r10d; jnz 1b; ret;"
		 "2: lea (%rax,%r11), %rax; ret");
PIECE(loop_flags, "xor %eax, %eax; mov $100, %ecx; clc; 1: adc $0, %rax; cmc; dec %ecx; jnz 1b; ret");
PIECE(loop_insn, "xor %eax, %eax; mov $77, %ecx; 1: inc %eax; loop 1b; ret");
PIECE(loop_e, "xor %eax, %eax; mov $77, %ecx; 1: inc %eax; cmp $20, %eax; loopne 1b; ret");
PIECE(loop_z, "xor %eax, %eax; mov $77, %ecx; 1: inc %eax; test $0x20, %al; loope 1b; ret");
PIECE(jrcxz_yes, "xor %ecx, %ecx; stc; jrcxz 1f; ud2; 1: ret");
PIECE(jrcxz_no, "mov $1, %ecx; stc; jrcxz 1f; ret; 1: ud2");
PIECE(jecxz_yes, "mov $0x100000000, %rcx; jecxz 1f; ud2; 1: ret");
PIECE(jecxz_no, "mov $0x80000000, %ecx; jecxz 1f; ret; 1: ud2");
PIECE(loop32, "mov $0x500000003, %rcx; xor %eax, %eax; 1: inc %eax; addr32 loop 1b; ret");
/* every condition, taken and not, with a result bit each */
#define CC(n, cc) "j" cc " 1f; jmp 2f; 1: bts $" #n ", %eax; 2: push %rdx; popfq;"
PIECE(conditions, "pushfq; pop %rdx; mov $0, %eax;" CC(0, "o") CC(1, "no") CC(2, "c") CC(3, "nc") CC(4, "z")
	CC(5, "nz") CC(6, "be") CC(7, "a") CC(8, "s") CC(9, "ns") CC(10, "p") CC(11, "np") CC(12, "l")
	CC(13, "ge") CC(14, "le") CC(15, "g") "ret");
#define CN(n, cc) "jn" cc " 1f; bts $" #n ", %eax; .skip 200, 0x90; push %rdx; popfq; 1:"
/* far enough for rel32 forms */
PIECE(far_forms, "pushfq; pop %rdx; mov $0, %eax; jo 1f; jc 1f; jz 1f; js 1f; jmp 2f; .skip 300, 0x90;"
		 "1: bts $1, %eax; jmp 3f; .skip 300, 0x90; 2: bts $2, %eax; 3: push %rdx; popfq; ret");
PIECE(hinted, "mov $5, %eax; cmp $5, %eax; .byte 0x3e; je 1f; ud2; 1: .byte 0x2e; jne 2f; ret; 2: ud2");
PIECE(notrack, "lea 1f(%rip), %rcx; .byte 0x3e; jmp *%rcx; ud2; 1: xor %ecx, %ecx; ret");
/* a table of offsets as compilers emit for a switch, index in r10, table in r11 */
PIECE(table, "xor %eax, %eax; mov $600, %ecx; 1: mov %ecx, %r10d; and $7, %r10d; lea 9f(%rip), %r11;"
	     "movslq (%r11,%r10,4), %r10; add %r11, %r10; jmp *%r10;"
	     "2: add $1, %eax; jmp 8f; 3: add $2, %eax; jmp 8f; 4: add $3, %eax; jmp 8f; 5: add $5, %eax; jmp 8f;"
	     "6: add $7, %eax; 7: add $11, %eax; 8: dec %ecx; jnz 1b; ret; .balign 4;"
	     "9: .long 2b-9b, 3b-9b, 4b-9b, 5b-9b, 6b-9b, 7b-9b, 8b-9b, 2b-9b");
/* a jump into the middle of an instruction */
PIECE(middle, "xor %eax, %eax; jmp 1f+2; 1: .byte 0x48, 0xb8; inc %eax; inc %eax; nop; nop; nop; ret");
PIECE(overlap, "mov $2, %ecx; xor %eax, %eax; 1: .byte 0xeb, 0xff, 0xc0; ret");
PIECE(across_pages, "jmp 1f; .balign 4096; .skip 4094, 0x90; 1: .byte 0x48, 0xb8; .quad 0x123456789abcdef0;"
		    "cmp %rax, %rax; jne 2f; ret; 2: ud2");

static unsigned cc_bits(unsigned long f)
{
	int o = !!(f & FL_OF), c = !!(f & FL_CF), z = !!(f & FL_ZF), s = !!(f & FL_SF), p = !!(f & FL_PF);
	int v[16] = { o, !o, c, !c, z, !z, c | z, !(c | z), s, !s, p, !p, s != o, s == o, z | (s != o), !(z | (s != o)) };
	unsigned r = 0;

	for (int i = 0; i < 16; i++)
		r |= (unsigned)v[i] << i;
	return r;
}

static int __attribute__((noinline)) classify(int x)
{
	switch (x) {
	case 0: return 12;
	case 1: return 5;
	case 2: return 99;
	case 3: return -4;
	case 4: return 71;
	case 5: return 1000;
	case 6: return 17;
	case 7: return 8;
	case 8: return x * 3;
	case 9: return -x;
	default: return 0;
	}
}

int main(void)
{
	unsigned long sum = 0;
	void *go[] = { &&one, &&two, &&three };

	for (int again = 0; again < 3; again++) {
		for (unsigned long f = 0; f <= FL_ARITH; f = (f - FL_ARITH) & FL_ARITH) {
			extern void there(void);

			REGS(jump_r10, f, FL_ARITH, w.r12 = w.r10);
			REGS(jump_r11, f, FL_ARITH, w.r12 = w.r11);
			REGS(jump_rcx, f, 0, w.rcx = 0);
			REGS(jump_memory, f, FL_ARITH, );
			REGS(jump_stack, f, 0, w.rcx = 0);
			REGS(jrcxz_yes, f, FL_ARITH & ~FL_AF, w.rcx = 0; w.flags = FL_ZF | FL_PF | FL_CF);
			REGS(jrcxz_no, f, FL_ARITH, w.rcx = 1; w.flags |= FL_CF);
			REGS(jecxz_yes, f, FL_ARITH, w.rcx = 0x100000000);
			REGS(jecxz_no, f, FL_ARITH, w.rcx = 0x80000000);
			REGS(conditions, f, FL_ARITH, w.rdx = f | 0x202; w.rax = cc_bits(f));
			REGS(far_forms, f, FL_ARITH, w.rdx = f | 0x202;
			     w.rax = f & (FL_OF | FL_CF | FL_ZF | FL_SF) ? 2 : 4);
			if (f == FL_ARITH)
				break;
		}
		REGS(mixed, 0, 0, w.rax = 9; w.rcx = 0; w.r10 = 0; w.r11 = 7);
		REGS(loop_r10, 0, 0, w.rax = 500500; w.r10 = 0);
		REGS(loop_r11, 0, 0, w.rax = 500500; w.r11 = 0);
		REGS(loop_both, 0, 0, w.rax = 20365011074; w.r10 = 0; w.r11 = 12586269025);
		REGS(loop_call, 0, 0, w.rax = 3000; w.r10 = 0; w.r11 = 3);
		REGS(loop_flags, 0, 0, w.rax = 99; w.rcx = 0);
		REGS(loop_insn, FL_CF, 0, w.rax = 77; w.rcx = 0);
		REGS(loop_e, FL_CF, 0, w.rax = 20; w.rcx = 57);
		REGS(loop_z, FL_CF, 0, w.rax = 32; w.rcx = 45);
		REGS(loop32, 0, 0, w.rax = 3; w.rcx = 0);
		REGS(hinted, 0, 0, w.rax = 5);
		REGS(notrack, 0, 0, w.rcx = 0);
		REGS(across_pages, 0, 0, w.rax = 0x123456789abcdef0);
		REGS(middle, 0, 0, w.rax = 2);
		REGS(overlap, 0, 0, w.rax = 1; w.rcx = 2);
		{
			struct regs r;
			extern void table(void);

			r = regs_run(regs_pattern(0), table);
			CHECK_EQ(r.rax, 75 * (1 + 2 + 3 + 5 + 18 + 11 + 1));
		}
	}
	for (int i = 0; i < 10000; i++)
		sum = sum * 31 + (unsigned long)classify(i % 13 - 1);
	printf("%#lx\n", sum);
	sum = 0;
	for (int i = 0; i < 3000; i++) {
		goto *go[i % 3];
	one:
		sum += 1;
		continue;
	two:
		sum += 10;
		continue;
	three:
		sum += 100;
	}
	CHECK_EQ(sum, 111000);
	return check_done();
}
