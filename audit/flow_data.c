/* SPDX-License-Identifier: MIT */
/* What the instructions that move and compute do to the values of a function that is followed. */
#include "flow.h"

int flow_gpr(ZydisRegister r, bool *wide)
{
	ZydisRegisterClass c = ZydisRegisterGetClass(r);
	ZyanI8 id;

	if (c != ZYDIS_REGCLASS_GPR64 && c != ZYDIS_REGCLASS_GPR32 && c != ZYDIS_REGCLASS_GPR16 && c != ZYDIS_REGCLASS_GPR8)
		return -1;
	*wide = c == ZYDIS_REGCLASS_GPR64;
	id = ZydisRegisterGetId(ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, r));
	return id >= 0 && id < 16 ? id : -1;
}

struct val flow_address(struct flow *f, const ZydisDecodedOperand *op)
{
	bool wide;
	int base;

	if (op->mem.segment == ZYDIS_REGISTER_FS || op->mem.segment == ZYDIS_REGISTER_GS ||
	    op->mem.base == ZYDIS_REGISTER_RIP)
		return val_fresh(f, B_OTHER);
	base = flow_gpr(op->mem.base, &wide);
	if (base < 0 || !wide)
		return val_fresh(f, B_OTHER);
	if (op->mem.index != ZYDIS_REGISTER_NONE) {
		struct val v = f->s.reg[base];

		/* somewhere in the same array */
		return val_kind(f, v) == B_CODE ? v : val_fresh(f, val_own_stack(f, v) ? B_FRAME : B_OTHER);
	}
	return val_plus(f->s.reg[base], op->mem.disp.value);
}

struct val flow_value(struct flow *f, const ZydisDecodedOperand *op)
{
	bool wide;
	int r;

	switch (op->type) {
	case ZYDIS_OPERAND_TYPE_IMMEDIATE: return val_const(op->imm.value.s);
	case ZYDIS_OPERAND_TYPE_REGISTER:
		r = flow_gpr(op->reg.value, &wide);
		if (r >= 0 && wide)
			return f->s.reg[r];
		return r >= 0 && val_kind(f, f->s.reg[r]) == B_CONST ? f->s.reg[r] : val_fresh(f, B_OTHER);
	case ZYDIS_OPERAND_TYPE_MEMORY: return op->size == 64 ? flow_load(f, flow_address(f, op)) : val_fresh(f, B_OTHER);
	default: return val_fresh(f, B_OTHER);
	}
}

/* a context: registers to be given back, the stack pointer, the return address, saved in memory that is not the stack */
static void saved(struct flow *f, struct val at, struct val v)
{
	enum base_kind k = val_kind(f, v);
	struct context *c = NULL;

	if (val_own_stack(f, at) || val_kind(f, at) == B_LOADED || at.base == BASES)
		return;
	if (k != B_SAVED && k != B_RETURN && k != B_MIXED && k != B_ENTRY)
		return;
	for (unsigned i = 0; i < f->ncontexts && !c; i++)
		if (f->contexts[i].base == at.base)
			c = &f->contexts[i];
	if (!c) {
		if (f->ncontexts == CONTEXTS)
			return;
		c = &f->contexts[f->ncontexts++];
		*c = (struct context){ .base = at.base, .at = f->pc };
	}
	if (k == B_SAVED)
		c->regs |= (uint16_t)(1u << ((v.base - 8) & 15));
	c->sp |= k == B_ENTRY || k == B_MIXED;
	c->ret |= k == B_RETURN || k == B_MIXED;
}

void flow_set_sp(struct flow *f, struct val v)
{
	enum base_kind k;

	/* %rbp as it came is a frame pointer still: this is a part of a function, and the frame its own */
	if (v.base == 8 + RBP)
		v = val_fresh(f, B_FRAME);
	k = val_kind(f, v);
	f->s.reg[RSP] = v;
	if (k == B_ENTRY || k == B_FRAME || k == B_LOADED)
		f->s.switched = 0;
	else if (!f->s.switched)
		f->s.switched = f->pc;
}

void flow_set(struct flow *f, const ZydisDecodedOperand *op, struct val v)
{
	bool wide;
	int r;

	if (op->type == ZYDIS_OPERAND_TYPE_MEMORY) {
		struct val at = flow_address(f, op);

		if (op->size == 64) {
			if (v.base == 1 && !val_own_stack(f, at) && val_kind(f, at) != B_LOADED)
				f->saves_sp = true;
			saved(f, at, v);
		} else {
			v = val_fresh(f, B_OTHER);
			at.off &= ~7; /* half of a slot is no longer the other half's */
		}
		flow_store(f, at, v, S_STORED);
		return;
	}
	if (op->type != ZYDIS_OPERAND_TYPE_REGISTER || (r = flow_gpr(op->reg.value, &wide)) < 0)
		return;
	if (!wide && val_kind(f, v) != B_CONST)
		v = val_fresh(f, B_OTHER);
	if (r == RSP) {
		/* mov $0, %spl is an alignment */
		flow_set_sp(f, op->size < 32 && val_own_stack(f, f->s.reg[RSP]) ? val_fresh(f, B_FRAME) : v);
		return;
	}
	if ((GIVEN_BACK >> r & 1) && val_kind(f, v) == B_OTHER && op[1].type == ZYDIS_OPERAND_TYPE_MEMORY)
		f->restored++;
	f->s.reg[r] = v;
}

void flow_push(struct flow *f, struct val v, enum slot_how how)
{
	f->s.reg[RSP] = val_plus(f->s.reg[RSP], -8);
	flow_store(f, f->s.reg[RSP], v, how);
	saved(f, f->s.reg[RSP], v);
}

void flow_pop(struct flow *f, const ZydisDecodedOperand *to)
{
	struct val top = f->s.reg[RSP], v = flow_load(f, top);
	struct slot *s = flow_slot(f, top);
	bool wide;
	int r = to->type == ZYDIS_OPERAND_TYPE_REGISTER ? flow_gpr(to->reg.value, &wide) : -1;

	if (s && s->how == S_CALLED)
		flow_found(f, R_CALL_POP, CONF_MEDIUM, f->pc, "pop of what a call in the same function pushed");
	if (r >= 0 && (GIVEN_BACK >> r & 1) && val_kind(f, top) == B_OTHER)
		f->restored++;
	f->s.reg[RSP] = val_plus(top, 8);
	if (r == RSP)
		flow_set_sp(f, v);
	else if (r >= 0)
		f->s.reg[r] = v;
}

/* lock or $0, (%rsp) is a memory barrier */
static bool changes_nothing(const struct flow *f)
{
	return f->op[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && !f->op[1].imm.value.u &&
	       f->in.mnemonic != ZYDIS_MNEMONIC_AND;
}

/*
 * Is this the second of add %reg, %rsp and add %reg, %rbp? Room for variables moves the stack pointer alone; moving
 * the frame pointer along makes another stack of it.
 */
static bool moves_frame(struct flow *f)
{
	bool wide;
	int to = flow_gpr(f->op[0].reg.value, &wide), by = flow_gpr(f->op[1].reg.value, &wide);

	if (f->op[0].type != ZYDIS_OPERAND_TYPE_REGISTER || f->op[1].type != ZYDIS_OPERAND_TYPE_REGISTER)
		return false;
	if (to == RSP && val_own_stack(f, f->s.reg[RSP])) {
		f->moved_at = f->pc + f->in.length;
		f->moved_by = by;
	}
	return to == RBP && f->moved_at == f->pc && f->moved_by == by && val_own_stack(f, f->s.reg[RBP]);
}

void flow_arithmetic(struct flow *f, int sign)
{
	struct val a = flow_value(f, &f->op[0]);
	const ZydisDecodedOperand *b = &f->op[1];
	struct val v;

	if (changes_nothing(f))
		return;
	if (sign > 0 && moves_frame(f)) {
		f->s.reg[RBP] = val_fresh(f, B_OTHER);
		flow_set_sp(f, f->s.reg[RBP]);
		return;
	}
	if (b->type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
		v = f->op[0].type == ZYDIS_OPERAND_TYPE_MEMORY && val_kind(f, a) == B_RETURN ?
			    val_fresh(f, B_CODE) :
			    val_plus(a, sign * b->imm.value.s);
	else if (val_own_stack(f, a))
		v = val_fresh(f, B_FRAME); /* alloca */
	else if (val_kind(f, a) == B_CODE || val_kind(f, flow_value(f, b)) == B_CODE)
		v = (struct val){ 4, false, 0 }; /* an entry of a jump table */
	else
		v = val_fresh(f, val_kind(f, a) == B_LOADED ? B_LOADED : B_OTHER);
	flow_set(f, &f->op[0], v);
}

/* and, or, xor, rotations: alignment of the stack pointer, pointer guards, clearing */
void flow_bits(struct flow *f)
{
	struct val a = flow_value(f, &f->op[0]), v;
	enum base_kind k = val_kind(f, a);

	if (changes_nothing(f))
		return;
	if (f->in.mnemonic == ZYDIS_MNEMONIC_XOR && f->op[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	    f->op[1].type == ZYDIS_OPERAND_TYPE_REGISTER && f->op[0].reg.value == f->op[1].reg.value)
		v = val_const(0);
	else if (f->in.mnemonic == ZYDIS_MNEMONIC_AND && val_own_stack(f, a))
		v = val_fresh(f, B_FRAME);
	else if (k == B_RETURN || k == B_ENTRY || k == B_MIXED)
		v = (struct val){ 5, false, 0 };
	else
		v = val_fresh(f, k == B_LOADED ? B_LOADED : B_OTHER);
	flow_set(f, &f->op[0], v);
}

void flow_exchange(struct flow *f)
{
	struct val a = flow_value(f, &f->op[0]), b = flow_value(f, &f->op[1]);

	flow_set(f, &f->op[0], b);
	flow_set(f, &f->op[1], a);
}
