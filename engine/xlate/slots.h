/* SPDX-License-Identifier: MIT */
/*
 * Offsets into struct vcpu that emitted code and assembly use as gs:[SLOT_x]. cpu/slots_check.c asserts
 * that they agree with the structure. Usable from .S files.
 */
#ifndef GNOMON_XLATE_SLOTS_H
#define GNOMON_XLATE_SLOTS_H

#define SLOT_SELF 0x00
#define SLOT_TSP 0x08
#define SLOT_TARGET 0x10
#define SLOT_SPILL 0x18
#define SLOT_ENGINE_SP 0x20
#define SLOT_GUEST_GS 0x28
#define SLOT_TMP 0x30
#define SLOT_EXIT 0x38 /* dword */
#define SLOT_GREGS 0x40
#define SLOT_GREG(n) (SLOT_GREGS + 8 * (n))
#define SLOT_RIP 0xc0
#define SLOT_RFLAGS 0xc8
#define SLOT_RESUME 0xd0
#define SLOT_OUTSIDE 0xd8
#define SLOT_PENDING 0xdc
#define SLOT_R11 0xe8    /* what cpu_resume loads into r11 */
#define SLOT_SAMPLE 0xe0 /* wrong predictions of calls until the engine looks at one */
#define SLOT_JMASK 0xf0
#define SLOT_CMASK 0x110
#define SLOT_SWITCH 0x130 /* where RSP was loaded last, */
#define SLOT_SWITCH_FROM 0x138 /* before */
#define SLOT_SWITCH_TO 0x140   /* and after */
#define SLOT_SLICE 0x148       /* where a register was added to RSP last */
#define SLOT_RSEQ 0x150      /* address of the guest's rseq_cs; of SLOT_RSEQ_NONE where it has none */
#define SLOT_RSEQ_USED 0x158 /* which of the two the critical section under way uses */
#define SLOT_RSEQ_NONE 0x160 /* stands for a field; never 0 */
#define SLOT_LEFT 0x168 /* dword: the thread is gone for good */
#define SLOT_SWITCH_TWIN 0x170 /* T when RSP was loaded last */

/* tables behind struct vcpu, in the same reservation */
#define VCPU_SIZE 0x4000
/* the last page of struct vcpu's room: with --seal all that translated code writes. The guest can change it: it holds nothing
 * but values of guest registers on their way */
#define SLOT_OPEN 0x3000
#define SLOT_OPEN_RAX SLOT_OPEN
#define SLOT_OPEN_RCX (SLOT_OPEN + 8)
#define SLOT_OPEN_RDX (SLOT_OPEN + 16)
#define SLOT_OPEN_RBX (SLOT_OPEN + 24)
#define SLOT_OPEN_SPILL (SLOT_OPEN + 32)
#define SLOT_OPEN_TMP (SLOT_OPEN + 40)
#define TABLE_ENTRIES 0x10000 /* at most */
#define SLOT_JTABLE VCPU_SIZE
#define SLOT_CTABLE (SLOT_JTABLE + TABLE_ENTRIES * 8)
#define VCPU_REGION (SLOT_CTABLE + TABLE_ENTRIES * 8)

/* Distances between a shadow slot (engine's writable view), its twin (host return point) and its record (the
 * guest RSP the call pushed at); disp32 in emitted code. T = twin pointer, see docs/architecture.md. */
#define SHSTK_TWIN_DELTA 0x402a5340 /* slot = T - this */
#define SHSTK_REC_DELTA 0x20155680  /* record = T + this */
#define SHSTK_SPILL (-24)           /* from T: where a landing keeps rcx, below the id that the RET left there */
#define SHSTK_SIZE_MAX 0x1fff0000   /* so that the three never overlap */
/* Not round numbers: where the three addresses of one slot differ in high bits alone, the L1 way predictor of AMD's
 * cores takes one for the other, and recursion costs 19x native instead of 1.3x (measured on Zen 4). */

#endif
