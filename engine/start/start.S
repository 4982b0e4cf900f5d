/* SPDX-License-Identifier: MIT */
/*
 * Entry from the kernel. The initial stack becomes the guest's and must stay as it is, so C runs on a stack of
 * the engine's own until cpu_run() leaves it for good.
 */
	.text
	.globl	_start
	.hidden	_start
	.type	_start, @function
_start:
	xor	%ebp, %ebp
	mov	%rsp, %r12			/* argc; survives the call */
	lea	start_stack_end(%rip), %rsp
	lea	__ehdr_start(%rip), %rdi	/* linked at 0: the load address */
	lea	_DYNAMIC(%rip), %rsi
	call	start_relocate
	mov	%r12, %rdi
	call	start_main
	ud2
	.size	_start, . - _start

	.hidden	__ehdr_start, _DYNAMIC
	.weak	_DYNAMIC

	.bss
	.p2align 12
	.skip	4096				/* not a guard page, but room to notice */
start_stack:
	.skip	256 * 1024
start_stack_end:

	/* by which another engine knows it: elf_is_engine() */
	.section .note.gnomon, "a", @note
	.p2align 2
	.long	7, 0, 1
	.asciz	"gnomon"
	.p2align 2

	.section .note.GNU-stack, "", @progbits
