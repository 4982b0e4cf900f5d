/* SPDX-License-Identifier: MIT */
/* A frame that is moved, as Lisp systems do when they leave functions early: the word returned to was pushed by a call, which
 * stands deeper on the shadow stack, but at another place of the stack. The report says how deep.
 * expect: never-called at=leave deeper=2 actual=outer */
#include <stdio.h>

/* outer calls middle, which calls inner, which calls leave: it moves middle's frame up and ends it */
__asm__(".text\n.globl outer\n.type outer, @function\n"
	"outer:\n	push %rbp\n	mov %rsp, %rbp\n	sub $64, %rsp\n	call middle\n	lea 1(%rdi), %eax\n"
	"	mov %rbp, %rsp\n	pop %rbp\n	ret\n.size outer, . - outer\n"
	".type middle, @function\nmiddle:\n	mov %rsp, %rsi\n	call inner\n	ud2\n.size middle, . - middle\n"
	".type inner, @function\ninner:\n	call leave\n	ud2\n.size inner, . - inner\n"
	".type leave, @function\nleave:\n	mov (%rsi), %rax\n	lea 16(%rsi), %rsp\n	mov %rax, (%rsp)\n	nop\n	ret\n"
	".size leave, . - leave\n");
int outer(int);

int main(void)
{
	int sum = 0;

	for (int i = 0; i < 1000; i++)
		sum += outer(i);
	printf("%d\n", sum);
	return 0;
}
