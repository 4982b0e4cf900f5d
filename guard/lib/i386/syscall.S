/* SPDX-License-Identifier: MIT */
/* syscall(2), see x86_64/syscall.S. All arguments are on the stack. */
#include <asm/unistd.h>

	.text
	.globl	syscall
	.type	syscall, @function
syscall:
	endbr32
	movl	4(%esp), %eax
	cmpl	$__NR_munmap, %eax
	je	guard_syscall
	cmpl	$__NR_mmap2, %eax
	je	guard_syscall
	cmpl	$__NR_mremap, %eax
	je	guard_syscall
	cmpl	$__NR_set_robust_list, %eax
	je	guard_syscall
	cmpl	$__NR_shmdt, %eax
	je	guard_syscall
	cmpl	$__NR_shmat, %eax
	je	guard_syscall
	cmpl	$__NR_brk, %eax
	je	guard_syscall
	cmpl	$__NR_remap_file_pages, %eax
	je	guard_syscall
	call	here
	addl	$_GLOBAL_OFFSET_TABLE_, %ecx
	jmp	*guard_next_syscall@GOTOFF(%ecx)
	.size	syscall, . - syscall

here:
	movl	(%esp), %ecx
	ret

	.globl	guard_raw_syscall
	.hidden	guard_raw_syscall
	.type	guard_raw_syscall, @function
guard_raw_syscall:
	endbr32
	pushl	%ebp
	pushl	%edi
	pushl	%esi
	pushl	%ebx
	movl	20(%esp), %eax
	movl	24(%esp), %ebx
	movl	28(%esp), %ecx
	movl	32(%esp), %edx
	movl	36(%esp), %esi
	movl	40(%esp), %edi
	movl	44(%esp), %ebp
	int	$0x80
	popl	%ebx
	popl	%esi
	popl	%edi
	popl	%ebp
	movl	%eax, 4(%esp)
	jmp	guard_result
	.size	guard_raw_syscall, . - guard_raw_syscall

	.section .note.GNU-stack, "", @progbits
	.section .note.gnu.property, "a"
	.p2align 2
	.long	4, 12, 5
	.asciz	"GNU"
	.long	0xc0000002, 4, 3
