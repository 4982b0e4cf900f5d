/* SPDX-License-Identifier: MIT */
/*
 * Copies that survive a bad guest pointer, and loads of segments that survive a bad value. Each touches what is
 * the guest's only between its two labels; a fault there continues at the third (rt_fault_fixup below reads the
 * table). Leaf functions: nothing on the stack at that moment but return addresses. DF is clear, as everywhere
 * in C. [as-safe] [no-fp]
 *
 * And what else is done without the right to the engine's memory: stores for the guest, and system calls that do not sleep.
 */
#include "rt/pkey_asm.h"

	.text

	/* What is stored for the guest goes where the guest may store: without the right to the engine's memory. Calls \to,
	 * rdi, rsi and rdx as they came */
	.macro	WITHOUT_KEY to
	cmpl	$0, rt_pkey+RT_PKEY_KEPT(%rip)
	je	\to
	mov	%rdx, %r8
	lea	1f(%rip), %rax
	push	%rax			/* now: this stack may have the key, too */
	xor	%ecx, %ecx
	rdpkru				/* of the engine's key it is 0 */
	mov	%eax, %r9d
	or	rt_pkey+RT_PKEY_CLOSED(%rip), %eax
	wrpkru
	mov	%r8, %rdx
	jmp	\to
1:	mov	%rax, %r8
	mov	%r9d, %eax
	xor	%ecx, %ecx
	xor	%edx, %edx
	wrpkru
	mov	%r8, %rax
	ret
	.endm

	.globl	rt_copy_from_guest, rt_copy_to_guest
	.hidden	rt_copy_from_guest, rt_copy_to_guest
	.type	rt_copy_from_guest, @function
	.type	rt_copy_to_guest, @function
	/* long rt_copy_*_guest(dst rdi, src rsi, n rdx) */
	.p2align 4
rt_copy_to_guest:
	WITHOUT_KEY rt_copy_from_guest
	.size	rt_copy_to_guest, . - rt_copy_to_guest
	.p2align 4
rt_copy_from_guest:
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
	jz	.Lcopy_end
2:	rep movsb
.Lcopy_end:
	xor	%eax, %eax
	ret
	.size	rt_copy_from_guest, . - rt_copy_from_guest

	.globl	rt_syscall_for_guest
	.hidden	rt_syscall_for_guest
	.type	rt_syscall_for_guest, @function
	/* long rt_syscall_for_guest(nr rdi, args rsi): nothing is stored between the two WRPKRU, this stack may have the key */
	.p2align 4
rt_syscall_for_guest:
	push	%rbx
	mov	rt_pkey+RT_PKEY_CLOSED(%rip), %ebx
	mov	%rsi, %r11
	test	%ebx, %ebx
	jz	1f
	xor	%ecx, %ecx
	rdpkru				/* of the engine's key it is 0 */
	or	%eax, %ebx
	xchg	%eax, %ebx		/* ebx: as it was */
	wrpkru
1:	mov	%rdi, %rax
	mov	(%r11), %rdi
	mov	8(%r11), %rsi
	mov	16(%r11), %rdx
	mov	24(%r11), %r10
	mov	32(%r11), %r8
	mov	40(%r11), %r9
	syscall
	cmpl	$0, rt_pkey+RT_PKEY_CLOSED(%rip)
	je	2f
	mov	%rax, %r8
	mov	%ebx, %eax
	xor	%ecx, %ecx
	xor	%edx, %edx
	wrpkru
	mov	%r8, %rax
2:	pop	%rbx
	ret
	.size	rt_syscall_for_guest, . - rt_syscall_for_guest

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

	/*
	 * By way of fs, which the engine has no use for and gives back; the handlers that may run meanwhile do not
	 * either. long rt_selector_base(sel edi, base rsi), long rt_base_check(base rdi)
	 */
	.globl	rt_selector_base, rt_base_check
	.hidden	rt_selector_base, rt_base_check
	.type	rt_selector_base, @function
	.type	rt_base_check, @function
rt_selector_base:
	rdfsbase %r8
	mov	%fs, %ecx
	mov	(%rsi), %rax
	wrfsbase %rax
.Lsel_start:
	mov	%edi, %fs
.Lsel_end:
	rdfsbase %rax
	mov	%rax, (%rsi)
	xor	%eax, %eax
1:	mov	%ecx, %fs
	wrfsbase %r8
	ret
sel_fixup:
	mov	$-14, %rax
	jmp	1b
	.size	rt_selector_base, . - rt_selector_base
rt_base_check:
	rdfsbase %r8
	xor	%eax, %eax
.Lbase_start:
	wrfsbase %rdi
.Lbase_end:
	wrfsbase %r8
	ret
	.size	rt_base_check, . - rt_base_check

	.globl	rt_store32_guest, rt_cas64_guest
	.hidden	rt_store32_guest, rt_cas64_guest
	.type	rt_store32_guest, @function
	.type	rt_cas64_guest, @function
	/* long rt_store32_guest(to rdi, value esi) */
rt_store32_guest:
	WITHOUT_KEY store32
	.size	rt_store32_guest, . - rt_store32_guest
	/* long rt_cas64_guest(at rdi, old rsi, new rdx): 1 = stored */
rt_cas64_guest:
	WITHOUT_KEY cas64
	.size	rt_cas64_guest, . - rt_cas64_guest
store32:
	xor	%eax, %eax
.Lword_start:
	mov	%esi, (%rdi)
	ret
cas64:
	mov	%rsi, %rax
	lock cmpxchg %rdx, (%rdi)
.Lword_end:
	sete	%al
	movzbl	%al, %eax
	ret

	.globl	rt_xrstor
	.hidden	rt_xrstor
	.type	rt_xrstor, @function
	/* long rt_xrstor(image rdi, features rsi, wide edx, u32 *pkru rcx). What it loads into PKRU may deny all memory: none
	 * is touched until PKRU is right again */
rt_xrstor:
	mov	%rcx, %r9
	mov	rt_pkey+RT_PKEY_KEPT(%rip), %r8d
	not	%r8d
	mov	%edx, %ecx
	mov	%esi, %eax
	mov	%rsi, %rdx
	shr	$32, %rdx
	test	%ecx, %ecx
.Lxrstor_start:
	jz	1f
	xrstor64 (%rdi)
	jmp	2f
1:	xrstor	(%rdi)
.Lxrstor_end:
2:	xor	%ecx, %ecx
	rdpkru
	mov	%eax, %esi
	and	%r8d, %eax
	wrpkru
	mov	%esi, (%r9)
	xor	%eax, %eax
	ret
	.size	rt_xrstor, . - rt_xrstor

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
	lea	fixups(%rip), %rcx
1:	movslq	(%rcx), %rax
	test	%rax, %rax
	jz	3f
	add	%rcx, %rax
	cmp	%rax, %rdi
	jb	2f
	movslq	4(%rcx), %rax
	add	%rcx, %rax
	cmp	%rax, %rdi
	jae	2f
	movslq	8(%rcx), %rax
	add	%rcx, %rax
	ret
2:	add	$12, %rcx
	jmp	1b
3:	ret
	.size	rt_fault_fixup, . - rt_fault_fixup

	/* from, to, where to continue; relative to the row. 0: the end */
	.macro FIXUP from, to, cont
99:	.long	\from - 99b, \to - 99b, \cont - 99b
	.endm
	.section .rodata
	.balign	4
fixups:
	FIXUP	.Lcopy_start, .Lcopy_end, fault_fixup
	FIXUP	.Lstr_start, .Lstr_end, fault_fixup
	FIXUP	.Lsel_start, .Lsel_end, sel_fixup
	FIXUP	.Lbase_start, .Lbase_end, fault_fixup
	FIXUP	.Lword_start, .Lword_end, fault_fixup
	FIXUP	.Lxrstor_start, .Lxrstor_end, fault_fixup
	.long	0

	.section .note.GNU-stack, "", @progbits
