/* SPDX-License-Identifier: MIT */
/* The return address is replaced by another place in the same caller, twice at one site: one report, counted.
 * expect: overwritten at=hook */
#include <stdio.h>

/* returns 5 bytes further: over the jmp behind the call */
__asm__(".text\n.type hook, @function\nhook:\n	addq $2, (%rsp)\n	ret\n.size hook, . - hook\n"
	".globl use\n.type use, @function\nuse:\n	sub $8, %rsp\n	call hook\n	jmp 1f\n	mov $7, %eax\n	add $8, %rsp\n	ret\n"
	"1:	mov $1, %eax\n	add $8, %rsp\n	ret\n.size use, . - use\n");
int use(void);

int main(void)
{
	int sum = 0;

	for (int i = 0; i < 10; i++)
		sum += use();
	printf("%d\n", sum);
	return sum != 70;
}
