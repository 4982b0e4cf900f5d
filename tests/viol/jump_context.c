/* SPDX-License-Identifier: MIT */
/* variant: O1: -O1
 * variant: O2: -O2
 * A switch that leaves by a jump, reached through a pointer: the return that finds the wrong stack is somewhere else.
 * expect: stack-switch switcher=jump_context at=yield */
#include <stdio.h>
#include <stdlib.h>

__asm__(".text\n.globl jump_context\n.type jump_context, @function\n"
	"jump_context:\n	push %rbp\n	push %rbx\n	push %r12\n	push %r13\n	push %r14\n	push %r15\n"
	"	mov %rsp, (%rdi)\n	lea (%rsi), %rsp\n"
	"	pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n	pop %rbx\n	pop %rbp\n	pop %r8\n	jmp *%r8\n"
	".size jump_context, . - jump_context\n");
void jump_context(void **save, void *to);

static void (*volatile jump)(void **, void *) = jump_context;
static void *main_sp, *co_sp;
static volatile long total;

static void __attribute__((noinline, noclone)) yield(void **save, void *to)
{
	jump(save, to);
	total++;
}

static void __attribute__((noinline, noclone)) deeper(int n)
{
	if (n)
		deeper(n - 1);
	else
		yield(&co_sp, main_sp);
	total++;
}

static void body(void)
{
	for (;;)
		deeper(3);
}

int main(void)
{
	void **sp = (void **)((char *)aligned_alloc(4096, 65536) + 65536);

	*--sp = NULL;
	*--sp = (void *)body;
	co_sp = sp - 6;
	for (int i = 0; i < 20; i++)
		yield(&main_sp, co_sp);
	printf("%ld\n", total);
	return 0;
}
