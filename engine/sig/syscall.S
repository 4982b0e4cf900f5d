/* SPDX-License-Identifier: MIT */
/*
 * long sig_syscall_raw(nr, args, &pending, &began, own): a system call that does not start once something is pending.
 * A host handler that finds the thread in [begin, insn] sends it to `interrupted`: the call has not begun.
 *
 * It goes without the right to the engine's memory, unless what it stores is for the engine's `own`: where the guest points there
 * the kernel finds what it would natively.
 *
 * sig_host_entry: where the kernel starts host handlers. It leaves the guest's AC on, which is not for the engine, and
 * denies all keys but the first. What was interrupted has its PKRU back when the handler returns.
 */
#include "rt/pkey_asm.h"

	.section .note.GNU-stack, "", @progbits
	.text
	.intel_syntax noprefix
	.globl	sig_host_entry
	.hidden	sig_host_entry
	.globl	sig_syscall_raw, sig_syscall_begin, sig_syscall_insn, sig_syscall_interrupted, sig_host_restorer
	.hidden	sig_syscall_raw, sig_syscall_begin, sig_syscall_insn, sig_syscall_interrupted, sig_host_restorer
sig_syscall_raw:
	push	rbx
	push	r12
	mov	rbx, rdx
	mov	r12, rcx
	mov	r11, rsi
	lock or	dword ptr [rsp], 0	/* outside is seen before `pending` is looked at: nobody kicks a call that sleeps */
	test	r8d, r8d
	jnz	2f
	PKEY_CLOSE			/* perhaps of this stack, too */
2:
	mov	rax, rdi
	mov	rdi, [r11]
	mov	rsi, [r11+8]
	mov	rdx, [r11+16]
	mov	r10, [r11+24]
	mov	r8, [r11+32]
	mov	r9, [r11+40]
sig_syscall_begin:
	cmp	dword ptr [rbx], 0
	jne	sig_syscall_interrupted
sig_syscall_insn:
	syscall
	mov	rdi, rax
	PKEY_OPEN
	mov	byte ptr [r12], 1
	mov	rax, rdi
	pop	r12
	pop	rbx
	ret
sig_syscall_interrupted:
	PKEY_OPEN
	mov	byte ptr [r12], 0
	mov	rax, -4
	pop	r12
	pop	rbx
	ret
sig_host_entry:
	cmp	dword ptr [rip+rt_pkey+RT_PKEY_KEPT], 0
	je	1f
	mov	r8, rdx
	xor	eax, eax
	xor	ecx, ecx
	xor	edx, edx
	wrpkru
	mov	rdx, r8
1:	pushfq
	and	dword ptr [rsp], ~0x40000
	popfq
	jmp	sig_host_handler
sig_host_restorer:
	mov	eax, 15
	syscall
	ud2
