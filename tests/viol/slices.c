/* SPDX-License-Identifier: MIT */
/* Greenlets: all of them run in the same place of the one stack; what is there is copied away and back, RSP moved by the
 * difference. The return addresses are those of other calls then, which is no corruption but a stack switch. One that is
 * smashed still is overwritten.
 * expect: stack-switch switcher=slice_switch
 * expect: unwind
 * expect: overwritten at=smashed
 * optional: 1 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct slice {
	char *start, *copy; /* what is kept while others run: [start, stop) of the stack */
};

static struct slice root, tasks[3], *now = &root, *next;
static char *stop;
static long total;

static int fresh;

/* keeps what is on the stack from sp on; where RSP was for the one that goes on. A new one goes on right here */
char *slice_exchange(char *sp)
{
	now->start = sp;
	now->copy = realloc(now->copy, (size_t)(stop - sp));
	memcpy(now->copy, sp, (size_t)(stop - sp));
	now = next;
	fresh = !now->copy;
	return fresh ? sp : now->start;
}

void slice_restore(void)
{
	if (!fresh)
		memcpy(now->start, now->copy, (size_t)(stop - now->start));
}

/*
 * Saves the stack, moves RSP by the difference, restores the other's words and returns among them. slice_restore() runs
 * below all that is copied.
 */
__asm__(".text\n.globl slice_switch\n.type slice_switch, @function\n"
	"slice_switch:\n	push %rbp\n	push %rbx\n	push %r12\n	push %r13\n	push %r14\n	push %r15\n	sub $8, %rsp\n"
	"	mov %rsp, %rdi\n	call slice_exchange\n"
	"	sub %rsp, %rax\n	add %rax, %rsp\n"
	"	call slice_restore\n"
	"	add $8, %rsp\n	pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n	pop %rbx\n	pop %rbp\n	ret\n"
	".size slice_switch, . - slice_switch\n"
	".globl smashed\n.type smashed, @function\nsmashed:\n	addq $2, (%rsp)\n	ret\n.size smashed, . - smashed\n"
	".globl smashed_caller\n.type smashed_caller, @function\nsmashed_caller:\n	sub $8, %rsp\n	call smashed\n	jmp 1f\n"
	"	movl $7, %eax\n	add $8, %rsp\n	ret\n1:	movl $1, %eax\n	add $8, %rsp\n	ret\n.size smashed_caller, . - smashed_caller\n");
void slice_switch(void);
int smashed_caller(void);

static int __attribute__((noinline)) go(struct slice *to)
{
	next = to;
	slice_switch();
	total++;
	return fresh;
}

static long __attribute__((noinline)) deep(int n)
{
	volatile char pad[48];

	memset((char *)pad, n, sizeof(pad));
	if (n == 0)
		return go(&root);
	return deep(n - 1) + pad[5];
}

static void __attribute__((noinline)) task(int me)
{
	for (int i = 0; i < 30; i++)
		total += deep((i + me) % 6);
	for (;;)
		go(&root);
}

static void __attribute__((noinline)) run(void)
{
	for (volatile int i = 0; i < 3; i++)
		if (go(&tasks[i]))
			task(i);
	for (volatile int round = 0; round < 40; round++)
		for (volatile int i = 0; i < 3; i++)
			go(&tasks[i]);
}

int main(void)
{
	stop = (char *)__builtin_frame_address(0);
	run();
	printf("%ld %d\n", total, smashed_caller());
	return 0;
}
