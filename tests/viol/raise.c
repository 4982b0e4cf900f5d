/* SPDX-License-Identifier: MIT */
/* Exceptions as OCaml's native code has them: a handler's address is pushed, raising sets RSP to it and returns there. Each
 * is a return to what no call pushed, whatever was called and skipped before: frames that the stack pointer has passed
 * are gone, also from the shadow stack. Left there, they would take a handler in their old place for a return address
 * that was overwritten, and in the end there would be too many of them.
 * variant: few: -DROUNDS=300
 * variant: many: -DROUNDS=60000
 * expect: never-called at=raise_exn */
#include <stdio.h>

/* for (n = rounds; n; n--) sum += f(n) with a handler in place, some words deeper or higher each time, or what was raised */
__asm__(".text\n.globl attempts\n.type attempts, @function\n"
	"attempts:\n	push %rbx\n	push %rbp\n	push %r12\n	push %r13\n	push %r14\n"
	"	mov %rdi, %r12\n	mov %rsi, %rbx\n	xor %ebp, %ebp\n	mov %rsp, frame(%rip)\n"
	"1:	mov %ebx, %eax\n	and $7, %eax\n	shl $4, %eax\n	sub %rax, %rsp\n"
	"	lea 2f(%rip), %rax\n	push handler(%rip)\n	push %rax\n	mov %rsp, handler(%rip)\n"
	"	mov %ebx, %edi\n"
	"	call *%r12\n"
	"	add $8, %rsp\n"
	"2:	pop handler(%rip)\n"
	"	cltq\n	add %rax, %rbp\n"
	"	mov frame(%rip), %rsp\n"
	"	dec %rbx\n"
	"	jnz 1b\n"
	"	mov %rbp, %rax\n	pop %r14\n	pop %r13\n	pop %r12\n	pop %rbp\n	pop %rbx\n	ret\n"
	".size attempts, . - attempts\n"
	".globl raise_exn\n.type raise_exn, @function\n"
	"raise_exn:\n	mov %edi, %eax\n	mov handler(%rip), %rsp\n	ret\n.size raise_exn, . - raise_exn\n");
void *handler, *frame;
long attempts(int (*f)(int), long rounds);
void raise_exn(int value) __attribute__((noreturn));

static int __attribute__((noinline)) down(int n)
{
	if (n == 0)
		raise_exn(7);
	return down(n - 1) + 1;
}

static int __attribute__((noinline)) step(int n)
{
	return n % 11 ? down(n % 37) : n;
}

int main(void)
{
	printf("%ld\n", attempts(step, ROUNDS));
	return 0;
}
