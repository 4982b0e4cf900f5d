/* SPDX-License-Identifier: MIT */
/* push/ret used as a jump.
 * expect: never-called at=trampoline actual=target */
#include <stdio.h>

__asm__(".text\n.globl trampoline\n.type trampoline, @function\n"
	"trampoline:\n	lea target(%rip), %rax\n	push %rax\n	ret\n.size trampoline, . - trampoline\n"
	".type target, @function\ntarget:\n	lea 1(%rdi), %eax\n	ret\n.size target, . - target\n");
int trampoline(int);

int main(void)
{
	int sum = 0;

	for (int i = 0; i < 1000; i++)
		sum += trampoline(i);
	printf("%d\n", sum);
	return 0;
}
