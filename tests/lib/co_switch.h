/* SPDX-License-Identifier: MIT */
/* A switch of stacks as fiber libraries have it. */
#ifndef CO_SWITCH_H
#define CO_SWITCH_H

#include <stdlib.h>

/* saves the callee's registers and RSP to *save, and returns on the stack `to`, which such a call has left, or co_stack() made */
__asm__(".text\n.globl co_switch\n.type co_switch, @function\n"
	"co_switch:\n	push %rbp\n	push %rbx\n	push %r12\n	push %r13\n	push %r14\n	push %r15\n"
	"	mov %rsp, (%rdi)\n	mov %rsi, %rsp\n"
	"	pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n	pop %rbx\n	pop %rbp\n	ret\n"
	".size co_switch, . - co_switch\n");
void co_switch(void **save, void *to);

/* a new stack: the first switch to it begins `body`, which must not return */
static inline void *co_stack(size_t size, void (*body)(void))
{
	void **sp = (void **)((char *)aligned_alloc(4096, size) + size);

	*--sp = NULL;
	*--sp = (void *)body;
	return sp - 6;
}

#endif
