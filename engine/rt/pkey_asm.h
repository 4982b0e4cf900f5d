/* SPDX-License-Identifier: MIT */
/*
 * PKRU on the ways into the engine and out of it (rt/pkey.h), for assembly in Intel syntax. Each changes rax, rcx, rdx;
 * PKEY_OPEN, which does not mind what they were, rsi and the flags as well. None touches the stack.
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

/*
 * PKRU's kept bits, which are 0 in the engine and `closed` in the cache, from the one to the other: \open, what is taken away
 * from PKRU is added to its complement. The flags stay as they are.
 */
.macro PKEY_CHANGE open
	mov	ecx, [rip+rt_pkey+RT_PKEY_KEPT]
	jrcxz	9f
	mov	ecx, 0
	rdpkru
	mov	ecx, [rip+rt_pkey+RT_PKEY_CLOSED]
	.ifnb \open
	not	eax
	.endif
	lea	eax, [rax+rcx]
	.ifnb \open
	not	eax
	.endif
	mov	ecx, 0
	wrpkru
9:
.endm
.macro PKEY_CLOSE
	PKEY_CHANGE
.endm
.macro PKEY_OPEN_QUIETLY
	PKEY_CHANGE open
.endm
#endif

#endif
