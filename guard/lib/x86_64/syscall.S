/* SPDX-License-Identifier: MIT */
/*
 * syscall(2): a jump and no frame, because some calls return twice or on another stack. Numbers that end mappings
 * go to guard_syscall(), which has the same arguments.
 */
#include <asm/unistd.h>

	.text
	.globl	syscall
	.type	syscall, @function
syscall:
	endbr64
	cmpl	$__NR_munmap, %edi
	je	guard_syscall
	cmpl	$__NR_mmap, %edi
	je	guard_syscall
	cmpl	$__NR_mremap, %edi
	je	guard_syscall
	cmpl	$__NR_set_robust_list, %edi
	je	guard_syscall
	cmpl	$__NR_shmdt, %edi
	je	guard_syscall
	cmpl	$__NR_shmat, %edi
	je	guard_syscall
	cmpl	$__NR_brk, %edi
	je	guard_syscall
	cmpl	$__NR_remap_file_pages, %edi
	je	guard_syscall
	jmp	*guard_next_syscall(%rip)
	.size	syscall, . - syscall

/* until libc's is found */
	.globl	guard_raw_syscall
	.hidden	guard_raw_syscall
	.type	guard_raw_syscall, @function
guard_raw_syscall:
	endbr64
	movl	%edi, %eax
	movq	%rsi, %rdi
	movq	%rdx, %rsi
	movq	%rcx, %rdx
	movq	%r8, %r10
	movq	%r9, %r8
	movq	8(%rsp), %r9
	syscall
	movq	%rax, %rdi
	jmp	guard_result
	.size	guard_raw_syscall, . - guard_raw_syscall

	.section .note.GNU-stack, "", @progbits
/* IBT and SHSTK, so that the library does not switch them off where a program has them */
	.section .note.gnu.property, "a"
	.p2align 3
	.long	4, 16, 5
	.asciz	"GNU"
	.long	0xc0000002, 4, 3, 0
