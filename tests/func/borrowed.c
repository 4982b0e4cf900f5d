/* SPDX-License-Identifier: MIT */
/* Instructions that name r10 or r11 in every operand place, and implicit uses of the stack, between calls. */
/* flags: -O1 -mcrc32 */
#include "regs.h"

#define U "call 9f; " /* makes the registers travel */
#define E "; 9: ret"
PIECE(xchg_both, U "xchg %r10, %r11;" U "ret" E);
PIECE(push_pop, U "push %r10; push %r11; pop %r10;" U "pop %r11; ret" E);
PIECE(push_rsp, "push %rsp; pop %rax; sub %rsp, %rax; ret");
PIECE(pop_rsp, "mov %rsp, %rax; push %rax; pop %rsp; sub %rsp, %rax; ret");
PIECE(memory, "lea -64(%rsp), %r10; movq $5, (%r10);" U "lea -64(%rsp), %r11; mov (%r10), %r10; mov (%r11), %r11;" U "ret" E);
PIECE(push_mem, "lea cell(%rip), %r10;" U "push (%r10); mov $cell-cell, %r11d; pop 8(%r10,%r11);"
		"mov 8(%r10), %rax;" U "ret" E);
__asm__(".data\n.balign 64\ncell: .quad 0x1234, 0, 3, 4, 5, 6, 7, 8\ndcell: .double 1.5, 2.5, 3.5, 4.5\n.text");
PIECE(lea_rip, "lea cell(%rip), %r10;" U "lea cell(%rip), %r11; sub %r10, %r11; mov cell(%rip), %r10d; ret" E);
PIECE(lea_forms, "mov $3, %r10d; mov $5, %r11d; lea 7(%r10,%r11,4), %rax;" U "lea (%r11,%r10,8), %ecx; lea -1(,%r10,2), %edx; ret" E);
PIECE(addr32, "mov $0x500000003, %r10; mov $0x700000005, %r11; lea (%r10d,%r11d,2), %rax;" U "lea 1(%r11d), %rcx; ret" E);
PIECE(narrow, U "mov $0x12, %r10b; mov $0x3456, %r11w;" U "inc %r10b; mov %r11b, %al; mov %r10w, %cx; ret" E);
PIECE(alu, "mov $100, %r10; mov $7, %r11; add %r11, %r10; imul %r10, %r11;" U "sub $1, %r11; neg %r10; xor %r11, %r10; ret" E);
PIECE(muldiv, "mov $1000003, %r10d; mov $77, %eax; mul %r10; mov %rax, %r11; xor %edx, %edx; mov $77, %r10d;"
	      "div %r10;" U "mov %rax, %r10; ret" E);
PIECE(muldiv2, "mov $-5, %r11; mov $12, %eax; imul %r11; cqo; mov $7, %r11d; idiv %r11;" U "mov %rdx, %r10; ret" E);
PIECE(shifts, "mov $0x81, %r10d; mov $3, %ecx; shl %cl, %r10; mov %r10, %r11; ror $4, %r11; shld %cl, %r11, %r10;" U "sar $1, %r10; ret" E);
PIECE(cmov, "mov $1, %r10d; mov $2, %r11d; cmp %r10, %r11; cmova %r11, %r10; cmovb %r10, %rax;" U "setb %r11b; ret" E);
PIECE(cmpxchg, "mov $5, %r10d; mov $9, %r11d; mov $5, %eax; cmpxchg %r11, %r10;" U "sete %cl; ret" E);
PIECE(cmpxchg_mem, "lea cell(%rip), %r10; mov 16(%r10), %rax; mov $77, %r11d; lock cmpxchg %r11, 16(%r10);" U
		   "mov 16(%r10), %rcx; movq $3, 16(%r10); ret" E);
PIECE(xadd, "lea cell(%rip), %r10; mov $10, %r11d; lock xadd %r11, 24(%r10);" U "mov 24(%r10), %rax; movq $4, 24(%r10); ret" E);
PIECE(cmpxchg16, "lea cell+32(%rip), %r11; mov (%r11), %rax; mov 8(%r11), %rdx; push %rbx; mov $1, %ebx; mov $2, %ecx;"
		 "lock cmpxchg16b (%r11); pop %rbx; sete %r10b; movq $5, (%r11); movq $6, 8(%r11);" U "ret" E);
PIECE(bits, "mov $0xf0, %r10d; bsf %r10, %r11; bsr %r10, %rax; bts $1, %r10; bt %r11, %r10; setc %cl;" U "popcnt %r10, %rdx; bswap %r10; ret" E);
PIECE(movs, "lea cell(%rip), %r10; movzbl (%r10), %r11d; movsbq 1(%r10), %rax; movslq %r11d, %rcx; movzwl %r11w, %edx;" U "ret" E);
PIECE(sse, "lea dcell(%rip), %r10; xor %r11d, %r11d; movsd 8(%r10,%r11,8), %xmm0; addsd (%r10), %xmm0; cvttsd2si %xmm0, %r11;"
	   "cvtsi2sd %r11, %xmm1; movq %xmm1, %r10; movd %r11d, %xmm2; pextrw $0, %xmm2, %eax;" U "ret" E);
PIECE(x87, "lea dcell(%rip), %r11; fldl (%r11); faddl 8(%r11); fisttpll -72(%rsp); mov -72(%rsp), %r10;" U "ret" E);
PIECE(crc, "mov $0, %r10d; mov $0x1234567, %r11d; crc32q %r11, %r10;" U "ret" E);
PIECE(movbe_, "lea cell(%rip), %r10; movbe (%r10), %r11; bswap %r11;" U "ret" E);
PIECE(string, "push %rsi; push %rdi; lea cell(%rip), %rsi; lea -200(%rsp), %rdi; mov $64, %ecx; rep movsb;"
	      "mov -200(%rsp), %r10; lea (%rcx), %r11;" U "pop %rdi; pop %rsi; ret" E);
PIECE(xlat_, "push %rbx; lea cell(%rip), %rbx; mov $1, %eax; xlat; pop %rbx; mov %al, %r10b;" U "ret" E);
PIECE(bmi, "mov $0xf0f0, %r10d; mov $0x0ff0, %r11d; andn %r10, %r11, %rax; mov %r10, %rdx; mulx %r11, %r10, %r11;" U
	   "pext %r11, %r10, %rcx; rorx $5, %r11, %r11; shlx %r10, %r11, %rdx; ret" E);
PIECE(avx, "lea dcell(%rip), %r10; vmovupd (%r10), %ymm3; xor %r11d, %r11d; vaddpd (%r10,%r11), %ymm3, %ymm3; vmovq %xmm3, %rax;"
	   "vzeroupper;" U "vmovq %rax, %xmm4; vmovq %xmm4, %r10; ret" E);
PIECE(gather, "lea cell(%rip), %r10; vpcmpeqd %ymm0, %ymm0, %ymm0; vpxor %xmm1, %xmm1, %xmm1; vpgatherqq %ymm0, (%r10,%ymm1,8), %ymm2;"
	      "vmovq %xmm2, %r11; vzeroupper;" U "ret" E);
PIECE(flags_reg, "mov $0x246, %r10d; push %r10; popfq; pushfq; pop %r11; and $0xcd5, %r11d;" U "lahf; movzbl %ah, %ecx; mov %ecx, %r10d; ret" E);
PIECE(sahf_, "mov $0xd5, %ah; sahf;" U "setc %r10b; setz %r11b; ret" E);
PIECE(prefetch, "lea cell(%rip), %r10; prefetcht0 (%r10); lfence; clflush (%r10); sfence; nopw 16(%r11,%r10,2); pause;" U "ret" E);
PIECE(leave_r10, "push %rbp; mov %rsp, %rbp; push %r10; sub $64, %rsp;" U "mov -8(%rbp), %r11; leave; ret" E);

static int has(unsigned leaf7_ebx_bit)
{
	unsigned a = 7, b, c = 0, d;

	__asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return b >> leaf7_ebx_bit & 1;
}

#define M FL_ARITH
int main(void)
{
	for (int again = 0; again < 4; again++) {
		unsigned long f = again & 1 ? M : 0;

		REGS(xchg_both, f, M, w.r10 = 0xb1b1b1b1b1b1b1b1; w.r11 = 0xa0a0a0a0a0a0a0a0);
		REGS(push_pop, f, M, w.r10 = 0xb1b1b1b1b1b1b1b1; w.r11 = 0xa0a0a0a0a0a0a0a0);
		REGS(push_rsp, f, 0, w.rax = 0);
		REGS(pop_rsp, f, 0, w.rax = 0);
		REGS(memory, f, M, w.r10 = w.r11 = 5);
		REGS(push_mem, f, M, w.rax = 0x1234; w.r11 = 0; extern char cell[]; __asm__("lea cell(%%rip), %0" : "=r"(w.r10)));
		REGS(lea_rip, f, 0, w.r10 = 0x1234; w.r11 = 0);
		REGS(lea_forms, f, M, w.r10 = 3; w.r11 = 5; w.rax = 30; w.rcx = 29; w.rdx = 5);
		REGS(addr32, f, M, w.r10 = 0x500000003; w.r11 = 0x700000005; w.rax = 13; w.rcx = 6);
		REGS(narrow, f, 0, w.r10 = 0xa0a0a0a0a0a0a013; w.r11 = 0xb1b1b1b1b1b13456; w.rax = 0x1111111111111156;
		     w.rcx = 0x222222222222a013);
		REGS(alu, f, 0, w.r11 = 748; w.r10 = (unsigned long)-107 ^ 748);
		REGS(muldiv, f, 0, w.r11 = 77ul * 1000003; w.rax = w.r10 = 1000003; w.rdx = 0);
		REGS(muldiv2, f, 0, w.r11 = 7; w.rax = -8ul; w.rdx = w.r10 = -4ul);
		REGS(shifts, f, 0, w.rcx = 3; unsigned long a = 0x408, b = a >> 4 | a << 60; w.r11 = b;
		     w.r10 = (unsigned long)((long)(a << 3 | b >> 61) >> 1));
		REGS(cmov, f, 0, w.r10 = 2; w.r11 = 0);
		REGS(cmpxchg, f, 0, w.r10 = 9; w.r11 = 9; w.rax = 5; w.rcx = 0x2222222222222201);
		REGS(cmpxchg_mem, f, 0, w.rax = 3; w.rcx = 77; w.r11 = 77; __asm__("lea cell(%%rip), %0" : "=r"(w.r10)));
		REGS(xadd, f, 0, w.rax = 14; w.r11 = 4; __asm__("lea cell(%%rip), %0" : "=r"(w.r10)));
		REGS(cmpxchg16, f, 0, w.rax = 5; w.rdx = 6; w.rcx = 2; w.r10 = 0xa0a0a0a0a0a0a001;
		     __asm__("lea cell+32(%%rip), %0" : "=r"(w.r11)));
		REGS(bits, f, 0, w.r11 = 4; w.rax = 7; w.rcx = 0x2222222222222201; w.rdx = 5; w.r10 = 0xf200000000000000);
		REGS(movs, f, M, w.r11 = 0x34; w.rax = 0x12; w.rcx = 0x34; w.rdx = 0x34; __asm__("lea cell(%%rip), %0" : "=r"(w.r10)));
		REGS(sse, f, 0, w.r11 = 4; w.r10 = 0x4010000000000000; w.rax = 4);
		REGS(x87, f, M, w.r10 = 4; __asm__("lea dcell(%%rip), %0" : "=r"(w.r11)));
		REGS(crc, f, 0, w.r11 = 0x1234567; w.r10 = __builtin_ia32_crc32di(0, 0x1234567));
		REGS(movbe_, f, M, w.r11 = 0x1234; __asm__("lea cell(%%rip), %0" : "=r"(w.r10)));
		REGS(string, f, M, w.rcx = 0; w.r10 = 0x1234; w.r11 = 0);
		REGS(xlat_, f, M, w.rax = 0x12; w.r10 = 0xa0a0a0a0a0a0a012);
		if (has(3) && has(5) && has(8)) {
			REGS(bmi, f, 0, w.rax = 0xf000; unsigned long p = 0xf0f0ul * 0x0ff0; w.r10 = p;
			     w.r11 = 0; w.rcx = 0; w.rdx = 0);
			REGS(avx, f, 0, w.rax = w.r10 = 0x4008000000000000; w.r11 = 0);
			REGS(gather, f, M, w.r11 = 0x1234; __asm__("lea cell(%%rip), %0" : "=r"(w.r10)));
		}
		REGS(flags_reg, f, 0, w.r10 = w.rcx = 6; w.r11 = 0x44; w.rax = 0x1111111111110611);
		REGS(sahf_, f, M & ~FL_OF, w.rax = 0x111111111111d511; w.flags = 0xd5; w.r10 = 0xa0a0a0a0a0a0a001;
		     w.r11 = 0xb1b1b1b1b1b1b101);
		REGS(prefetch, f, M, __asm__("lea cell(%%rip), %0" : "=r"(w.r10)));
		REGS(leave_r10, f, 0, w.r11 = w.r10);
	}
	return check_done();
}
