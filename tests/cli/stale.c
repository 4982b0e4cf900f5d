/* SPDX-License-Identifier: MIT */
/*
 * What `protect` makes of two returns. Without an argument: an unwinder that comes out with RET, a few words up the stack it
 * was called on, behind a call with arguments on the stack. With one: after a fiber was there and back, a
 * function's return address, older than that, is changed to one behind another call. Prints 42; with an argument 7 natively.
 */
#include <stdio.h>
#include "co_switch.h"

__asm__(".text\n.globl unwind, thrower\n"
	"unwind:\n	push %rbx\n	mov %rsp, landing_sp(%rip)\n	sub $16, %rsp\n	call thrower\n	ud2\n"
	"landing:	mov $42, %eax\n	pop %rbx\n	ret\n"
	"thrower:	lea landing(%rip), %rax\n	mov landing_sp(%rip), %rsp\n	push %rax\n	ret\n"
	/* there and back, then: returns behind the other call of its caller */
	".globl victim, caller\nvictim:\n	sub $8, %rsp\n	call to_fiber\n	lea other(%rip), %rax\n	mov %rax, 8(%rsp)\n"
	"	add $8, %rsp\n	ret\n"
	"caller:	sub $8, %rsp\n	call victim\n	mov $1, %eax\n	add $8, %rsp\n	ret\n"
	"	call victim\nother:	mov $7, %eax\n	add $8, %rsp\n	ret\n");
int unwind(void), caller(void);
void *landing_sp;

static void *first, *second;

static void body(void)
{
	for (;;)
		co_switch(&second, first);
}

void to_fiber(void)
{
	co_switch(&first, second);
}

int main(int argc, char **argv)
{
	int n = unwind();

	(void)argv;
	second = co_stack(65536, body);
	to_fiber();
	printf("%d\n", argc > 1 ? caller() : n);
	return 0;
}
