/* SPDX-License-Identifier: MIT */
/* variant: O1: -O1
 * variant: O2: -O2
 * A hand-made coroutine switch, as in fiber libraries: push, exchange the stack pointers, pop, ret.
 * expect: stack-switch switcher=co_switch at=co_switch */
#include <stdio.h>
#include <stdlib.h>

__asm__(".text\n.globl co_switch\n.type co_switch, @function\n"
	"co_switch:\n	push %rbp\n	push %rbx\n	push %r12\n	push %r13\n	push %r14\n	push %r15\n"
	"	mov %rsp, (%rdi)\n	mov %rsi, %rsp\n"
	"	pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n	pop %rbx\n	pop %rbp\n	ret\n"
	".size co_switch, . - co_switch\n");
void co_switch(void **save, void *to);

static void *main_sp, *co_sp[3];
static int current;
static long total;

static long __attribute__((noinline)) work(long n)
{
	return n < 2 ? n : work(n - 1) + work(n - 2);
}

static void body(void)
{
	int me = current;

	for (long i = 0;; i++) {
		total += work(8 + me) + i;
		co_switch(&co_sp[me], main_sp);
	}
}

int main(void)
{
	for (int i = 0; i < 3; i++) {
		void **sp = (void **)((char *)aligned_alloc(4096, 65536) + 65536);

		*--sp = NULL;
		*--sp = (void *)body;
		sp -= 6;
		co_sp[i] = sp;
	}
	for (int round = 0; round < 50; round++)
		for (current = 0; current < 3; current++)
			co_switch(&main_sp, co_sp[current]);
	printf("%ld\n", total);
	return 0;
}
