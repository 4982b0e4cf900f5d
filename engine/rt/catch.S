/* SPDX-License-Identifier: MIT */
/*
 * Leaving a function in the middle of it, from a host signal handler: rt_catch(c) notes where it was called, and
 * a handler that continues at rt_catch_land with c in rdi makes it return true. [as-safe] [no-fp]
 */
	.text

	.globl	rt_catch, rt_catch_land
	.hidden	rt_catch, rt_catch_land
	.type	rt_catch, @function
	.type	rt_catch_land, @function
	/* bool rt_catch(struct rt_catch *c rdi) */
rt_catch:
	mov	(%rsp), %rax
	mov	%rbx, (%rdi)
	mov	%rbp, 8(%rdi)
	mov	%r12, 16(%rdi)
	mov	%r13, 24(%rdi)
	mov	%r14, 32(%rdi)
	mov	%r15, 40(%rdi)
	mov	%rsp, 48(%rdi)
	mov	%rax, 56(%rdi)
	xor	%eax, %eax
	ret
rt_catch_land:
	mov	(%rdi), %rbx
	mov	8(%rdi), %rbp
	mov	16(%rdi), %r12
	mov	24(%rdi), %r13
	mov	32(%rdi), %r14
	mov	40(%rdi), %r15
	mov	48(%rdi), %rsp
	mov	56(%rdi), %rax
	mov	%rax, (%rsp)
	mov	$1, %eax
	ret
	.size	rt_catch, . - rt_catch

	.section .note.GNU-stack, "", @progbits
