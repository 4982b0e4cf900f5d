/* SPDX-License-Identifier: MIT */
/*
 * The border between the cache and the engine. Every way out saves the guest's registers in the vcpu, takes the
 * thread's engine stack and calls one C function of run.c; every way in goes through cpu_resume.
 * The only code that runs with a mixture of guest and engine state: host handlers know it by its labels.
 */
#include "rt/pkey_asm.h"
#include "xlate/slots.h"

	.section .note.GNU-stack, "", @progbits
	.text
	.intel_syntax noprefix

/* guest registers to the vcpu, but for r10, r11 and rsp */
.macro SAVE_GPRS
	mov	gs:[SLOT_GREG(0)], rax
	mov	gs:[SLOT_GREG(1)], rcx
	mov	gs:[SLOT_GREG(2)], rdx
	mov	gs:[SLOT_GREG(3)], rbx
	mov	gs:[SLOT_GREG(5)], rbp
	mov	gs:[SLOT_GREG(6)], rsi
	mov	gs:[SLOT_GREG(7)], rdi
	mov	gs:[SLOT_GREG(8)], r8
	mov	gs:[SLOT_GREG(9)], r9
	mov	gs:[SLOT_GREG(12)], r12
	mov	gs:[SLOT_GREG(13)], r13
	mov	gs:[SLOT_GREG(14)], r14
	mov	gs:[SLOT_GREG(15)], r15
.endm

/*
 * Saves, calls \fn(v) on the engine stack, goes on at cpu_resume. rsp holds the guest's, r11 T. A guest that has
 * alignment checked asked for its own accesses, not for the engine's; POPF is too slow to be done each time.
 */
.macro LEAVE fn
	mov	gs:[SLOT_TSP], r11
	LEAVE_TSP \fn
.endm
.macro LEAVE_TSP fn, open
	SAVE_GPRS
	mov	gs:[SLOT_GREG(4)], rsp
	mov	rsp, gs:[SLOT_ENGINE_SP]
	pushfq
	pop	qword ptr gs:[SLOT_RFLAGS]
	test	dword ptr gs:[SLOT_RFLAGS], 0x40000
	jz	1f
	push	2
	popfq
1:	cld
	.ifb \open
	PKEY_OPEN
	.endif
	mov	rdi, gs:[SLOT_SELF]
	xor	ebp, ebp
	call	\fn
	jmp	cpu_resume
.endm

	.globl	cpu_asm_begin, cpu_asm_end
	.hidden	cpu_asm_begin, cpu_asm_end
cpu_asm_begin:

.macro ENTRY name
	.globl	\name
	.hidden	\name
	.balign	16
\name:
.endm

ENTRY cpu_exit_res0	/* both borrowed */
	mov	gs:[SLOT_EXIT], r10d
	LEAVE	cpu_on_exit
ENTRY cpu_exit_res1	/* r10 at home */
	mov	gs:[SLOT_GREG(10)], r10
	LEAVE	cpu_on_exit
ENTRY cpu_exit_res2	/* r11 at home, T in its slot already */
	mov	gs:[SLOT_EXIT], r10d
	mov	gs:[SLOT_GREG(11)], r11
	LEAVE_TSP cpu_on_exit
ENTRY cpu_exit_res3
	mov	gs:[SLOT_GREG(10)], r10
	mov	gs:[SLOT_GREG(11)], r11
	LEAVE_TSP cpu_on_exit
ENTRY cpu_exit_call	/* behind a host call: rsp = T, r10 = guest rsp */
	mov	gs:[SLOT_EXIT], r11d
	mov	r11, rsp
	mov	rsp, r10
	LEAVE	cpu_on_exit
ENTRY cpu_exit_ret_slow	/* landing: popped on both stacks, rcx spilled */
	mov	rcx, [r11+SHSTK_SPILL]
	lea	r11, [r11-8]
	lea	rsp, [rsp-8]
	LEAVE	cpu_on_ret
ENTRY cpu_ret_miss	/* reached by a host ret through a twin without translation; r10 = guest rsp */
	lea	r11, [rsp-8]
	mov	rsp, r10
	LEAVE	cpu_on_ret
ENTRY cpu_exit_jmiss
	LEAVE	cpu_on_jmiss
ENTRY cpu_exit_cmiss
	mov	r11, rsp
	mov	rsp, r10
	LEAVE	cpu_on_cmiss
ENTRY cpu_exit_syscall
	LEAVE	cpu_on_syscall
ENTRY cpu_exit_emul
	LEAVE	cpu_on_emul
ENTRY cpu_exit_sealed	/* eax: the exit. What SLOT_OPEN_x hold may be changed by the guest, which spoils its own registers */
	mov	gs:[SLOT_OPEN_RCX], rcx
	mov	gs:[SLOT_OPEN_RDX], rdx
	mov	gs:[SLOT_OPEN_RBX], rbx
	mov	ebx, eax
	PKEY_OPEN_QUIETLY
	mov	gs:[SLOT_EXIT], ebx
	mov	rax, gs:[SLOT_OPEN_RAX]
	mov	rcx, gs:[SLOT_OPEN_RCX]
	mov	rdx, gs:[SLOT_OPEN_RDX]
	mov	rbx, gs:[SLOT_OPEN_RBX]
	mov	gs:[SLOT_GREG(10)], r10
	mov	gs:[SLOT_GREG(11)], r11
	LEAVE_TSP cpu_on_sealed, opened

/* host handlers come here with rsp = engine stack and everything in the vcpu */
ENTRY cpu_from_signal
	PKEY_OPEN
	mov	rdi, gs:[SLOT_SELF]
	call	cpu_on_signal
	jmp	cpu_resume
ENTRY cpu_from_fault
	PKEY_OPEN
	mov	rdi, gs:[SLOT_SELF]
	call	cpu_on_fault
	jmp	cpu_resume

/*
 * Into the guest at SLOT_RESUME. Until the last instruction nothing in the vcpu changes but SLOT_OUTSIDE, so that a
 * host handler that finds the thread in here starts it over at cpu_resume_pending.
 */
	.globl	cpu_resume, cpu_resume_check, cpu_resume_end, cpu_resume_pending
	.hidden	cpu_resume, cpu_resume_check, cpu_resume_end, cpu_resume_pending
cpu_resume_pending:
	mov	rsp, gs:[SLOT_ENGINE_SP]
	PKEY_OPEN
	mov	rdi, gs:[SLOT_SELF]
	call	cpu_on_pending
cpu_resume:
	mov	rsp, gs:[SLOT_ENGINE_SP]
cpu_resume_check:
	xor	eax, eax
	xchg	gs:[SLOT_OUTSIDE], eax	/* inside; and a fence in front of the look at what is pending: cpu/stop.h */
	cmp	dword ptr gs:[SLOT_PENDING], 0
	jne	cpu_resume_pending
	push	qword ptr gs:[SLOT_RFLAGS]
	popfq
	PKEY_CLOSE
	mov	rax, gs:[SLOT_GREG(0)]
	mov	rcx, gs:[SLOT_GREG(1)]
	mov	rdx, gs:[SLOT_GREG(2)]
	mov	rbx, gs:[SLOT_GREG(3)]
	mov	rbp, gs:[SLOT_GREG(5)]
	mov	rsi, gs:[SLOT_GREG(6)]
	mov	rdi, gs:[SLOT_GREG(7)]
	mov	r8, gs:[SLOT_GREG(8)]
	mov	r9, gs:[SLOT_GREG(9)]
	mov	r10, gs:[SLOT_GREG(10)]
	mov	r11, gs:[SLOT_R11]
	mov	r12, gs:[SLOT_GREG(12)]
	mov	r13, gs:[SLOT_GREG(13)]
	mov	r14, gs:[SLOT_GREG(14)]
	mov	r15, gs:[SLOT_GREG(15)]
	mov	rsp, gs:[SLOT_GREG(4)]
	jmp	gs:[SLOT_RESUME]
cpu_resume_end:
cpu_asm_end:

/*
 * long cpu_host_clone(flags, stack, ptid, ctid, tls, struct vcpu *child)
 * In a child with its own stack: takes its vcpu and calls cpu_child_start(v). Signals are blocked.
 */
ENTRY cpu_host_clone
	push	rbx
	mov	rbx, r9
	mov	r10, rcx
	mov	eax, 56
	syscall
	test	rax, rax
	jnz	1f
	test	rbx, rbx
	jz	1f
	xor	ebp, ebp
	wrgsbase rbx
	mov	rsp, gs:[SLOT_ENGINE_SP]
	mov	rdi, rbx
	call	cpu_child_start
	jmp	cpu_resume
1:	pop	rbx
	ret
/* the same by clone3: (args, size, struct vcpu *child) */
ENTRY cpu_host_clone3
	push	rbx
	mov	rbx, rdx
	mov	eax, 435
	syscall
	test	rax, rax
	jnz	1b
	test	rbx, rbx
	jz	1b
	xor	ebp, ebp
	wrgsbase rbx
	mov	rsp, gs:[SLOT_ENGINE_SP]
	mov	rdi, rbx
	call	cpu_child_start
	jmp	cpu_resume

/* from the store on somebody else may use this stack and this vcpu: cpu_leave_and_exit(status) */
ENTRY cpu_leave_and_exit
	mov	eax, 60
	mov	dword ptr gs:[SLOT_LEFT], 1
	syscall
	ud2

/* gives back the region this stack lies in, then exits: cpu_free_and_exit(base, size, status) */
ENTRY cpu_free_and_exit
	mov	ebx, edx
	mov	eax, 11
	syscall
	mov	edi, ebx
	mov	eax, 60
	syscall
	ud2
