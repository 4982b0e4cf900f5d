/* SPDX-License-Identifier: MIT */
/*
 * PKRU on the ways into the engine and out of it (rt/pkey.h), for assembly in Intel syntax. Each changes rax, rcx, rdx; the
 * first two rsi and the flags as well. None touches the stack.
 */
#ifndef GNOMON_RT_PKEY_ASM_H
#define GNOMON_RT_PKEY_ASM_H

#define RT_PKEY_KEPT 0
#define RT_PKEY_CLOSED 4

#ifdef __ASSEMBLER__
/* the engine's memory can be written from here on */
.macro PKEY_OPEN
	mov	esi, [rip+rt_pkey+RT_PKEY_KEPT]
	test	esi, esi
	jz	9f
	not	esi
	xor	ecx, ecx
	rdpkru			/* edx = 0, as WRPKRU wants it */
	and	eax, esi
	wrpkru
9:
.endm

/* not any more */
.macro PKEY_CLOSE
	mov	esi, [rip+rt_pkey+RT_PKEY_KEPT]
	test	esi, esi
	jz	9f
	not	esi
	xor	ecx, ecx
	rdpkru
	and	eax, esi
	or	eax, [rip+rt_pkey+RT_PKEY_CLOSED]
	wrpkru
9:
.endm

/* The same with the flags as they are. PKRU's kept bits are 0 in the engine, and `closed` in the cache */
.macro PKEY_CLOSE_QUIETLY
	mov	ecx, [rip+rt_pkey+RT_PKEY_KEPT]
	jrcxz	9f
	mov	ecx, 0
	rdpkru
	mov	ecx, [rip+rt_pkey+RT_PKEY_CLOSED]
	lea	eax, [rax+rcx]
	mov	ecx, 0
	wrpkru
9:
.endm
.macro PKEY_OPEN_QUIETLY
	mov	ecx, [rip+rt_pkey+RT_PKEY_KEPT]
	jrcxz	9f
	mov	ecx, 0
	rdpkru
	mov	ecx, [rip+rt_pkey+RT_PKEY_CLOSED]
	not	eax
	lea	eax, [rax+rcx]
	not	eax
	mov	ecx, 0
	wrpkru
9:
.endm
#endif

#endif
