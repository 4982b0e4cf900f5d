/* SPDX-License-Identifier: MIT */
/* syscall(2), see x86_64/syscall.S. */
#include <asm/unistd.h>

	.text
	.globl	syscall
	.type	syscall, %function
syscall:
	hint	#34	/* bti c */
	cmp	w0, #__NR_munmap
	b.eq	guard_syscall
	cmp	w0, #__NR_mmap
	b.eq	guard_syscall
	cmp	w0, #__NR_mremap
	b.eq	guard_syscall
	cmp	w0, #__NR_set_robust_list
	b.eq	guard_syscall
	cmp	w0, #__NR_shmdt
	b.eq	guard_syscall
	cmp	w0, #__NR_shmat
	b.eq	guard_syscall
	cmp	w0, #__NR_brk
	b.eq	guard_syscall
	cmp	w0, #__NR_remap_file_pages
	b.eq	guard_syscall
	adrp	x16, guard_next_syscall
	ldr	x16, [x16, #:lo12:guard_next_syscall]
	br	x16
	.size	syscall, . - syscall

	.globl	guard_raw_syscall
	.hidden	guard_raw_syscall
	.type	guard_raw_syscall, %function
guard_raw_syscall:
	hint	#34
	uxtw	x8, w0
	mov	x0, x1
	mov	x1, x2
	mov	x2, x3
	mov	x3, x4
	mov	x4, x5
	mov	x5, x6
	svc	#0
	b	guard_result
	.size	guard_raw_syscall, . - guard_raw_syscall

	.section .note.GNU-stack, "", %progbits
/* BTI and PAC */
	.section .note.gnu.property, "a"
	.p2align 3
	.word	4, 16, 5
	.asciz	"GNU"
	.word	0xc0000000, 4, 3, 0
