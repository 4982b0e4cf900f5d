/* SPDX-License-Identifier: MIT */
/*
 * Far calls, jumps and returns, and IRET, to 64-bit code at the same privilege: order of checks and shadow stack
 * frames as in the SDM (CALL, RET, IRET). A change to 32-bit code is a #GP, as it is with shadow stacks above 4 GiB.
 */
#include <linux/signal.h>
#include "cpu/emul.h"

#define CPL 3
#define RPL(sel) ((sel) & 3)
#define GATE(sel) ((sel) & 0xfffcu) /* a selector as an error code */
#define TRAP_NP 11
#define TRAP_SS 12

/* what LAR gives */
#define AR_TYPE_CODE 0x800
#define AR_CONFORMING 0x400 /* of code */
#define AR_WRITABLE 0x200   /* of data */
#define AR_SEGMENT 0x1000   /* code or data */
#define AR_DPL(ar) ((ar) >> 13 & 3)
#define AR_PRESENT 0x8000
#define AR_LONG 0x200000

/* what IRET loads at CPL 3, with TF; not RF, which only matters to a debugger */
#define IRET_FLAGS POPF_FLAGS
#define IRET_FLAGS16 (IRET_FLAGS & 0xffff)

/* access rights of a descriptor that CPL 3 may see; 0 if there is none */
static u32 rights(u16 sel)
{
	u32 ar = 0;
	u8 found;

	__asm__("lar %2, %0\n\tsetz %1" : "+r"(ar), "=q"(found) : "r"((u32)sel) : "cc");
	return found ? ar : 0;
}

static bool segment_fault(struct vcpu *v, u16 sel)
{
	emul_gp(v, GATE(sel));
	return false;
}

/* may cs become `sel`, and is that 64-bit code? `ret`: by a return */
static bool check_code(struct vcpu *v, u16 sel, bool ret)
{
	u32 ar = rights(sel);

	if (!(ar & AR_SEGMENT) || !(ar & AR_TYPE_CODE) || (ret && RPL(sel) < CPL))
		return segment_fault(v, sel);
	if (ar & AR_CONFORMING ? AR_DPL(ar) > CPL : AR_DPL(ar) != CPL)
		return segment_fault(v, sel);
	if (!(ar & AR_PRESENT)) {
		cpu_up.fault(v, SIGBUS, 0x80 /* SI_KERNEL */, 0, TRAP_NP, GATE(sel));
		return false;
	}
	if (ar & AR_LONG)
		return true;
	rt_log_once("%lx: a change to 32-bit code (segment %x) is not possible under gnomon, nor with a shadow stack above 4 GiB",
		    v->rip, sel);
	emul_gp(v, 0);
	return false;
}

static bool check_stack(struct vcpu *v, u16 sel)
{
	u32 ar = rights(sel);

	if (!(ar & AR_SEGMENT) || ar & AR_TYPE_CODE || !(ar & AR_WRITABLE) || RPL(sel) != CPL || AR_DPL(ar) != CPL)
		return segment_fault(v, sel);
	if (ar & AR_PRESENT)
		return true;
	cpu_up.fault(v, SIGBUS, 0x80, 0, TRAP_SS, GATE(sel));
	return false;
}

static bool check_target(struct vcpu *v, u16 sel, u64 rip, bool ret)
{
	if (!check_code(v, sel, ret))
		return false;
	if (cpu_is_canonical(rip))
		return true;
	emul_gp(v, 0);
	return false;
}

static bool load_pointer(struct vcpu *v, const struct insn *in, const u8 *code, u32 size, u64 *rip, u16 *sel)
{
	gaddr_t at = emul_ea(v, in, code);

	*rip = 0;
	return emul_load(v, rip, at, size) && emul_load(v, sel, at + size, 2) && check_target(v, *sel, *rip, false);
}

/* the same on a shadow stack of the guest's; SSP moves once all of it is there */
static bool push_guest(struct vcpu *v, u64 next, u64 rsp)
{
	gaddr_t ssp = vcpu_ssp(v), to = ssp & ~7ul;
	const u64 words[3] = { 0x33, next, ssp };

	if (ssp & 7 && !ssp_store32(v, ssp - 4, 0)) {
		ssp_fault(v, ssp - 4, true);
		return false;
	}
	for (int i = 0; i < 3; i++)
		if (!ssp_store(v, to -= 8, words[i])) {
			ssp_fault(v, to, true);
			return false;
		}
	ssp_enter(v, to);
	for (u32 i = 0; i < 3; i++)
		*shstk_rec(v->twin_sp + 8 * i) = rsp + i;
	return true;
}

/* the 24 bytes that a far call leaves on the shadow stack */
static bool push_shadow(struct vcpu *v, u64 next, u64 rsp)
{
	gaddr_t ssp = vcpu_ssp(v);
	u64 pad = ssp & 7;

	if (v->guest_ss)
		return push_guest(v, next, rsp);
	if (v->twin_sp - pad - 24 < v->ss.twin) {
		emul_shadow_fault(v, ssp - 8, 0x46);
		return false;
	}
	if (pad) {
		*(u32 *)((u64)shstk_slot(v->twin_sp) - 4) = 0;
		v->twin_sp -= pad;
	}
	/* places that rise from the newest word on, or shstk_prune.c would take the older two for dead */
	return shstk_push(v, 0x33, rsp + 2) && shstk_push(v, next, rsp + 1) && shstk_push(v, ssp, rsp);
}

static void far_call(struct vcpu *v, const struct insn *in, const u8 *code, u32 size)
{
	u64 cs = 0x33, next = v->rip + in->len, rsp = v->gregs[RSP], rip;
	u16 sel;

	if (!load_pointer(v, in, code, size, &rip, &sel) || !emul_store(v, rsp - size, &cs, size) ||
	    !emul_store(v, rsp - 2 * size, &next, size))
		return;
	if (v->shstk_on && !push_shadow(v, next, rsp - 2 * size))
		return;
	v->gregs[RSP] = rsp - 2 * size;
	v->rip = rip;
}

static void far_jump(struct vcpu *v, const struct insn *in, const u8 *code, u32 size)
{
	u64 rip;
	u16 sel;

	if (load_pointer(v, in, code, size, &rip, &sel))
		v->rip = rip;
}

static bool pop_guest(struct vcpu *v, u64 cs, u64 rip)
{
	gaddr_t ssp = vcpu_ssp(v);
	u64 words[3]; /* SSP, address, CS */

	if (ssp & 7) {
		emul_cp(v, CP_FAR);
		return false;
	}
	for (u32 i = 3; i--;)
		if (!ssp_load(v, ssp + 8 * i, &words[i])) {
			ssp_fault(v, ssp + 8 * i, false);
			return false;
		}
	if (words[2] != cs || words[1] != rip || words[0] & 3) {
		emul_cp(v, CP_FAR);
		return false;
	}
	if (words[0] == ssp + 24)
		ssp_advance(v, 24);
	else
		ssp_enter(v, words[0]);
	return true;
}

/* the shadow stack's part of a return to cs:rip */
static bool pop_shadow(struct vcpu *v, u64 cs, u64 rip)
{
	u64 t = v->twin_sp, prev;

	if (!v->shstk_on)
		return true;
	if (v->guest_ss)
		return pop_guest(v, cs, rip);
	if ((vcpu_ssp(v) & 7 || t + 24 > shstk_top(v) || *shstk_slot(t + 16) != cs || *shstk_slot(t + 8) != rip) &&
	    !violation_far(v, cs, rip)) {
		emul_cp(v, CP_FAR);
		return false;
	}
	t = v->twin_sp; /* the report may have found the frame further down, or none */
	if (t + 24 > shstk_top(v) || *shstk_slot(t + 16) != cs || *shstk_slot(t + 8) != rip)
		return true;
	prev = *shstk_slot(t);
	if (prev & 3 || prev < v->ss.lo || prev > v->ss.hi) {
		emul_cp(v, CP_FAR);
		return false;
	}
	v->twin_sp = prev - v->ss.lo + v->ss.twin;
	return true;
}

/* reads `n` words of the frame at rsp; cs before rip, as AMD's CPUs do */
static bool load_frame(struct vcpu *v, u64 *frame, u32 n, u32 size)
{
	memset(frame, 0, n * sizeof(*frame));
	for (u32 i = 0; i < n; i++) {
		u32 which = i < 2 ? 1 - i : i;

		if (!emul_load(v, &frame[which], v->gregs[RSP] + which * size, size))
			return false;
	}
	return true;
}

static void far_return(struct vcpu *v, const struct insn *in, u32 size)
{
	u64 frame[2];

	if (!load_frame(v, frame, 2, size) || !check_target(v, (u16)frame[1], frame[0], true) ||
	    !pop_shadow(v, (u16)frame[1], frame[0]))
		return;
	v->gregs[RSP] += 2 * size + (in->opcode == 0xca ? in->imm : 0);
	v->rip = frame[0];
}

static void iret(struct vcpu *v, u32 size)
{
	u64 f[5], mask = size == 2 ? IRET_FLAGS16 : IRET_FLAGS;

	if (v->rflags & FLAG_NT) {
		emul_gp(v, 0);
		return;
	}
	if (!load_frame(v, f, 5, size) || !check_target(v, (u16)f[1], f[0], true) || !check_stack(v, (u16)f[4]) ||
	    !pop_shadow(v, (u16)f[1], f[0]))
		return;
	v->rip = f[0];
	v->rflags = (v->rflags & ~mask) | (f[2] & mask);
	v->gregs[RSP] = f[3];
	step_set(v, f[2] & FLAG_TF);
}

bool emul_far(struct vcpu *v, const struct insn *in, const u8 *code)
{
	u32 size = emul_opsize(in), psize = size == 8 && !emul_has_far64() ? 4 : size;

	switch (in->class) {
	case INSN_CALL_FAR:
		far_call(v, in, code, psize);
		return true;
	case INSN_JMP_FAR:
		far_jump(v, in, code, psize);
		return true;
	case INSN_RET_FAR:
		far_return(v, in, size);
		return true;
	case INSN_IRET:
		iret(v, size);
		return true;
	}
	return false;
}
