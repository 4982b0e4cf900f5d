/* SPDX-License-Identifier: MIT */
/*
 * What the files that execute instructions share (emul*.c). All of it is called with v->rip at the instruction and
 * exact guest state. A function that says so has told a fault to the floor above when it returns false; the
 * instruction then changes nothing more.
 */
#ifndef GNOMON_CPU_EMUL_H
#define GNOMON_CPU_EMUL_H

#include "cpu/cpu.h"

#define FLAG_TF 0x100u
#define FLAG_NT 0x4000u
#define FLAG_AC 0x40000u
#define FLAG_ID 0x200000u
#define POPF_FLAGS (FLAGS_ARITH | FLAG_DF | FLAG_NT | FLAG_AC | FLAG_ID) /* what POPF loads at CPL 3, with TF */

#define TRAP_DB 1
#define TRAP_BP 3
#define TRAP_UD 6
#define TRAP_GP 13
#define TRAP_PF 14
#define TRAP_CP 21
#define SI_KERNEL_CODE 0x80 /* si_code of faults that have no address */
#define SEGV_CPERR_CODE 10  /* si_code of #CP */

#define CP_FAR 2 /* error code of #CP: far return or IRET */

/* emul_parts.c. Faults by name, errors as the CPU gives them */
void emul_ud(struct vcpu *v);
void emul_gp(struct vcpu *v, u64 err);
void emul_cp(struct vcpu *v, u64 err);
void emul_shadow_fault(struct vcpu *v, gaddr_t addr, u64 err);
/* the fault that the host's handler found in a copy */
void emul_host_fault(struct vcpu *v);

/* guest memory; false after a fault */
bool emul_load(struct vcpu *v, void *to, gaddr_t at, u32 size);
bool emul_store(struct vcpu *v, gaddr_t at, const void *from, u32 size);

/* linear address of the ModRM operand */
gaddr_t emul_ea(struct vcpu *v, const struct insn *in, const u8 *code);
/* a general register of `size` bytes takes a value: 4 and 8 replace it, 2 leaves the rest; no 8-bit ones but al */
void emul_set_reg(struct vcpu *v, int reg, u64 value, u32 size);
/* bytes of an operand that is 16, 32 or 64 bits by prefix */
static inline u32 emul_opsize(const struct insn *in)
{
	return in->rex & 8 ? 8 : in->opsize ? 2 : 4;
}
static inline int emul_rm(const struct insn *in)
{
	return (in->modrm & 7) | (in->rex & 1) << 3;
}
/* m16:64 is Intel's; AMD's CPUs ignore REX.W there */
bool emul_has_far64(void);

/* a fault in the alias at v->rip: executes what stands there, which goes on elsewhere or faults as the guest sees it. False:
 * it is nothing that uses the shadow stack */
bool emul_faulting_transfer(struct vcpu *v);

/* The instruction, or false if it is none of theirs. Afterwards v->rip is right, whether behind it or not. */
bool emul_near(struct vcpu *v, const struct insn *in, const u8 *code); /* emul_near.c: near transfers */
bool emul_gs(struct vcpu *v, const struct insn *in, const u8 *code);  /* emul_gs.c: base and selector of gs */
bool emul_mem(struct vcpu *v, const struct insn *in, const u8 *code); /* emul_mem.c: gs: operands without ModRM */
bool emul_cet(struct vcpu *v, const struct insn *in, const u8 *code); /* emul_cet.c: shadow stacks */
bool emul_pkru(struct vcpu *v, const struct insn *in, const u8 *code); /* emul_pkru.c: PKRU, XRSTOR */
bool emul_far(struct vcpu *v, const struct insn *in, const u8 *code); /* emul_far.c: far transfers, IRET */

#endif
