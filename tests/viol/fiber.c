/* SPDX-License-Identifier: MIT */
/* Fibers as Ruby and greenlet have them: all switches are made by one call in one function, so that the switching
 * function's own return finds the word it expects, and the first that does not is another's, two calls further out.
 * The one to name is still the instruction that loaded RSP. A resumed fiber's own frames are its own: longjmp among them
 * is unwinding.
 * expect: stack-switch switcher=fiber_transfer
 * expect: unwind at=attempt */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

__asm__(".text\n.globl fiber_transfer\n.type fiber_transfer, @function\n"
	"fiber_transfer:\n	push %rbp\n	push %rbx\n	push %r12\n	push %r13\n	push %r14\n	push %r15\n"
	"	mov %rsp, (%rdi)\n	mov (%rsi), %rsp\n"
	"	pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n	pop %rbx\n	pop %rbp\n	ret\n"
	".size fiber_transfer, . - fiber_transfer\n");

struct fiber {
	void *sp;
	long value;
};
void fiber_transfer(struct fiber *from, struct fiber *to);

static struct fiber root, fibers[3], *current = &root;
static long total;

static long __attribute__((noinline)) fiber_switch(struct fiber *to, long value)
{
	struct fiber *from = current;

	to->value = value;
	current = to;
	fiber_transfer(from, to);
	total++;
	return current->value;
}

static long __attribute__((noinline)) yield(long value)
{
	return fiber_switch(&root, value) + 1;
}

static long __attribute__((noinline)) each(int n)
{
	long sum = 0;

	for (int i = 0; i < n; i++)
		sum += yield(i);
	return sum;
}

static jmp_buf handler[3];

static long __attribute__((noinline)) down(jmp_buf to, int n)
{
	if (n == 0)
		longjmp(to, 3);
	return down(to, n - 1) + 1;
}

/* an error in a fiber, behind a switch away and back */
static long __attribute__((noinline)) attempt(int me, long value)
{
	if (setjmp(handler[me]))
		return 5;
	total += yield(value);
	return down(handler[me], 4);
}

static void body(void)
{
	int me = (int)(current - fibers);

	for (;;)
		total += each(5) + attempt(me, me);
}

int main(void)
{
	long sum = 0;

	for (int i = 0; i < 3; i++) {
		void **sp = (void **)((char *)aligned_alloc(4096, 1 << 17) + (1 << 17));

		*--sp = NULL;
		*--sp = (void *)body;
		fibers[i].sp = sp - 6;
	}
	for (int round = 0; round < 50; round++)
		for (int i = 0; i < 3; i++)
			sum += fiber_switch(&fibers[i], round);
	printf("%ld %ld\n", sum, total);
	return 0;
}
