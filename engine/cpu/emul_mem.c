/* SPDX-License-Identifier: MIT */
/*
 * gs: operands that are not in ModRM: lods, movs, cmps, xlat, mov with an absolute address. (stos and scas know no
 * prefix; all that has ModRM is rewritten by xlate/operand.c.)
 */
#include "cpu/emul.h"

/* elements of a repeated instruction until signals are looked at again */
#define BATCH 4096

static u64 address_mask(const struct insn *in)
{
	return in->addrsize ? 0xffffffff : ~0ul;
}

static void advance(struct vcpu *v, const struct insn *in, int reg, s64 by)
{
	v->gregs[reg] = (v->gregs[reg] + (u64)by) & address_mask(in);
}

/* arithmetic flags of a - b */
#define COMPARE(type)                                                                                     \
	__asm__("cmp %2, %1\n\tlahf\n\tseto %%al" : "=&a"(ax) : "r"((type)a), "r"((type)b) : "cc")
static u64 compare_flags(u64 a, u64 b, u32 size)
{
	u16 ax;

	switch (size) {
	case 1: COMPARE(u8); break;
	case 2: COMPARE(u16); break;
	case 4: COMPARE(u32); break;
	default: COMPARE(u64);
	}
	return (ax >> 8 & FLAGS_ARITH) | (ax & 1 ? FLAG_OF : 0);
}

enum step { STEP_ON, STEP_LAST, STEP_FAULT };

/* one element of lods, movs or cmps */
static enum step string_element(struct vcpu *v, const struct insn *in, u32 size)
{
	u64 mask = address_mask(in), from = 0, to = 0;
	s64 by = v->rflags & FLAG_DF ? -(s64)size : size;
	u8 op = in->opcode & 0xfe;
	enum step ret = STEP_ON;

	if (!emul_load(v, &from, (v->gregs[RSI] & mask) + v->guest_gs, size))
		return STEP_FAULT;
	switch (op) {
	case 0xa4:
		if (!emul_store(v, v->gregs[RDI] & mask, &from, size))
			return STEP_FAULT;
		break;
	case 0xa6:
		if (!emul_load(v, &to, v->gregs[RDI] & mask, size))
			return STEP_FAULT;
		v->rflags = (v->rflags & ~(u64)FLAGS_ARITH) | compare_flags(from, to, size);
		if (!(v->rflags & FLAG_ZF) == (in->rep == 0xf3))
			ret = STEP_LAST;
		break;
	default:
		emul_set_reg(v, RAX, from, size);
	}
	advance(v, in, RSI, by);
	if (op != 0xac)
		advance(v, in, RDI, by);
	return ret;
}

static void string(struct vcpu *v, const struct insn *in)
{
	u32 size = in->opcode & 1 ? emul_opsize(in) : 1;
	enum step s = STEP_ON;

	for (int n = 0; n < BATCH && s == STEP_ON; n++) {
		if (in->rep && !(v->gregs[RCX] & address_mask(in)))
			break;
		s = string_element(v, in, size);
		if (s == STEP_FAULT)
			return;
		if (!in->rep)
			s = STEP_LAST;
		else
			advance(v, in, RCX, -1);
	}
	if (s == STEP_LAST || !(v->gregs[RCX] & address_mask(in)))
		v->rip += in->len;
}

static bool xlat(struct vcpu *v, const struct insn *in)
{
	u64 byte = 0;

	if (!emul_load(v, &byte, ((v->gregs[RBX] + (u8)v->gregs[RAX]) & address_mask(in)) + v->guest_gs, 1))
		return false;
	emul_set_reg(v, RAX, byte, 1);
	return true;
}

/* mov between al, ax, eax, rax and an absolute address */
static bool mov_absolute(struct vcpu *v, const struct insn *in, const u8 *code)
{
	u32 size = in->opcode & 1 ? emul_opsize(in) : 1;
	u64 at = 0, value = 0;

	memcpy(&at, code + in->disp_off, in->disp_size);
	at += v->guest_gs;
	if (in->opcode & 2)
		return emul_store(v, at, &v->gregs[RAX], size);
	if (!emul_load(v, &value, at, size))
		return false;
	emul_set_reg(v, RAX, value, size);
	return true;
}

bool emul_mem(struct vcpu *v, const struct insn *in, const u8 *code)
{
	if (in->class != INSN_PLAIN || in->seg != 0x65 || in->map || in->enc || in->mem)
		return false;
	if (in->opcode >= 0xa0 && in->opcode <= 0xa3) {
		if (mov_absolute(v, in, code))
			v->rip += in->len;
		return true;
	}
	if (in->opcode == 0xd7) {
		if (xlat(v, in))
			v->rip += in->len;
		return true;
	}
	string(v, in);
	return true;
}
