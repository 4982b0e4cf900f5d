/* SPDX-License-Identifier: MIT */
/* flags: -no-pie
 * A far return and an IRET used as jumps, and a far return that finds its frame deeper.
 * expect: other at=by_lret
 * expect: other at=by_iret
 * expect: unwind at=outer */
#include <stdio.h>

struct {
	unsigned offset;
	unsigned short cs;
} inner_ptr, outer_ptr;

__asm__(".text\n"
	".type by_lret, @function\nby_lret: push $0x33; lea 1f(%rip), %rax; push %rax; lretq\n1: ret\n.size by_lret, . - by_lret\n"
	".type by_iret, @function\nby_iret: mov %rsp, %rcx; push $0x2b; push %rcx; pushfq; push $0x33; lea 1f(%rip), %rax;"
	"push %rax; iretq\n1: ret\n.size by_iret, . - by_iret\n"
	/* inner is called from outer and leaves without a return */
	".type inner, @function\ninner: add $8, %rsp; jmp *%rbx\n.size inner, . - inner\n"
	".type outer, @function\nouter: push %rbx; lea 1f(%rip), %rbx; lcall *inner_ptr\n1: pop %rbx; lretl\n.size outer, . - outer\n"
	".globl call_outer\n.type call_outer, @function\ncall_outer: lcall *outer_ptr; ret\n.size call_outer, . - call_outer\n"
	".globl by_lret, by_iret, inner, outer\n");
void by_lret(void), by_iret(void), inner(void), outer(void), call_outer(void);

int main(void)
{
	inner_ptr.cs = outer_ptr.cs = 0x33;
	inner_ptr.offset = (unsigned)(unsigned long)inner;
	outer_ptr.offset = (unsigned)(unsigned long)outer;
	for (int i = 0; i < 3; i++) {
		by_lret();
		by_iret();
		call_outer();
	}
	puts("done");
	return 0;
}
