/* SPDX-License-Identifier: MIT */
/*
 * A switch of stacks that is called through a register: a function that begins with ENDBR, or, with an argument, the part of one
 * that a pivot would use. Prints 20.
 */
#include <stdio.h>
#include <stdlib.h>

__asm__(".text\n.globl co_switch, gadget\n"
	"co_switch:\n	endbr64\n	push %rbp\n	push %rbx\n	mov %rsp, (%rdi)\n	mov %rsi, %rsp\n"
	"	pop %rbx\n	pop %rbp\n	ret\n"
	"gadget:	mov %rsi, %rsp\n	pop %rbx\n	pop %rbp\n	ret\n");
void co_switch(void **from, void *to);
void gadget(void **from, void *to);

static void (*volatile to_call)(void **, void *);
static void *first, *second;
static int count;

static void body(void)
{
	for (;;) {
		count++;
		to_call(&second, first);
	}
}

int main(int argc, char **argv)
{
	void **sp = (void **)((char *)aligned_alloc(4096, 65536) + 65536);

	(void)argv;
	*--sp = NULL;
	*--sp = (void *)body;
	second = sp - 2;
	to_call = argc > 1 ? gadget : co_switch;
	for (int i = 0; i < 20; i++) {
		void (*f)(void **, void *) = to_call;

		f(&first, second);
	}
	printf("%d\n", count);
	return 0;
}
