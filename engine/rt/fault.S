/* SPDX-License-Identifier: MIT */
/*
 * Copies that survive a bad guest pointer. Each touches the guest only between its two labels; a fault
 * there continues at the third (rt_fault_fixup below reads the table). Leaf functions: nothing on the
 * stack at that moment but the return address. DF is clear, as everywhere in C. [as-safe] [no-fp]
 */
	.text

	.globl	rt_copy_from_guest, rt_copy_to_guest
	.hidden	rt_copy_from_guest, rt_copy_to_guest
	.type	rt_copy_from_guest, @function
	.type	rt_copy_to_guest, @function
	/* long rt_copy_*_guest(dst rdi, src rsi, n rdx) */
	.p2align 4
rt_copy_from_guest:
rt_copy_to_guest:
	mov	%rdx, %rcx
	cmp	$64, %rdx
	jae	2f
.Lcopy_start:
1:	sub	$8, %rcx		/* short: words, then bytes */
	jb	3f
	mov	(%rsi), %rax
	mov	%rax, (%rdi)
	add	$8, %rsi
	add	$8, %rdi
	jmp	1b
3:	add	$8, %rcx
2:	rep movsb
.Lcopy_end:
	xor	%eax, %eax
	ret
	.size	rt_copy_from_guest, . - rt_copy_from_guest
	.size	rt_copy_to_guest, . - rt_copy_to_guest

	.globl	rt_str_from_guest
	.hidden	rt_str_from_guest
	.type	rt_str_from_guest, @function
	/* long rt_str_from_guest(dst rdi, src rsi, size rdx) */
	.p2align 4
rt_str_from_guest:
	xor	%eax, %eax
.Lstr_start:
1:	cmp	%rdx, %rax
	jae	2f
	mov	(%rsi,%rax), %cl
	mov	%cl, (%rdi,%rax)
	test	%cl, %cl
	je	3f
	inc	%rax
	jmp	1b
.Lstr_end:
2:	mov	$-36, %rax		/* -ENAMETOOLONG */
3:	ret
	.size	rt_str_from_guest, . - rt_str_from_guest

	.type	fault_fixup, @function
fault_fixup:
	mov	$-14, %rax		/* -EFAULT */
	ret
	.size	fault_fixup, . - fault_fixup

	.globl	rt_fault_fixup
	.hidden	rt_fault_fixup
	.type	rt_fault_fixup, @function
	/* u64 rt_fault_fixup(pc rdi): where to continue, or 0 */
rt_fault_fixup:
	lea	.Lcopy_start(%rip), %rax
	lea	.Lcopy_end(%rip), %rcx
	cmp	%rax, %rdi
	jb	1f
	cmp	%rcx, %rdi
	jb	2f
1:	lea	.Lstr_start(%rip), %rax
	lea	.Lstr_end(%rip), %rcx
	cmp	%rax, %rdi
	jb	3f
	cmp	%rcx, %rdi
	jae	3f
2:	lea	fault_fixup(%rip), %rax
	ret
3:	xor	%eax, %eax
	ret
	.size	rt_fault_fixup, . - rt_fault_fixup

	.section .note.GNU-stack, "", @progbits
