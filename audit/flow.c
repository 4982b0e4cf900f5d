/* SPDX-License-Identifier: MIT */
/* What each instruction does to the values of a function that is followed. */
#include "flow.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct flow *flow_new(void)
{
	return xmalloc(sizeof(struct flow));
}

void found(struct flow *f, enum rule rule, enum confidence conf, uint64_t at, const char *fmt, ...)
{
	struct seen *s;
	va_list ap;

	/* a retpoline is one by what stands in it, however one gets there */
	if ((f->s.unknown && rule != R_RETPOLINE) || f->c->nseen == SEEN_MOST)
		return;
	/* one of a kind says it for the function */
	for (unsigned i = 0; i < f->c->nseen; i++)
		if (f->c->seen[i].rule == rule)
			return;
	s = &f->c->seen[f->c->nseen++];
	s->rule = (uint16_t)rule;
	/* without unwind information or a symbol this may be data */
	s->confidence = (uint8_t)(f->fn->cfi || conf <= CONF_LOW ? conf : conf - 1);
	s->at = at;
	va_start(ap, fmt);
	vsnprintf(s->detail, sizeof(s->detail), fmt, ap);
	va_end(ap);
}

/* 0 to 15, -1: no general register; *wide: all of it is written */
static int gpr(ZydisRegister r, bool *wide)
{
	ZydisRegisterClass c = ZydisRegisterGetClass(r);
	ZyanI8 id;

	if (c != ZYDIS_REGCLASS_GPR64 && c != ZYDIS_REGCLASS_GPR32 && c != ZYDIS_REGCLASS_GPR16 && c != ZYDIS_REGCLASS_GPR8)
		return -1;
	*wide = c == ZYDIS_REGCLASS_GPR64;
	id = ZydisRegisterGetId(ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, r));
	return id >= 0 && id < 16 ? id : -1;
}

static struct val address(struct flow *f, const ZydisDecodedOperand *op)
{
	bool wide;
	int base;

	if (op->mem.segment == ZYDIS_REGISTER_FS || op->mem.segment == ZYDIS_REGISTER_GS ||
	    op->mem.base == ZYDIS_REGISTER_RIP)
		return fresh(f, B_OTHER);
	base = gpr(op->mem.base, &wide);
	if (base < 0 || !wide)
		return fresh(f, B_OTHER);
	if (op->mem.index != ZYDIS_REGISTER_NONE) {
		struct val v = f->s.reg[base];

		/* somewhere in the same array */
		return kind_of(f, v) == B_CODE ? v : fresh(f, own_stack(f, v) ? B_FRAME : B_OTHER);
	}
	return plus(f->s.reg[base], op->mem.disp.value);
}

static struct val value(struct flow *f, const ZydisDecodedOperand *op)
{
	bool wide;
	int r;

	switch (op->type) {
	case ZYDIS_OPERAND_TYPE_IMMEDIATE: return constant(op->imm.value.s);
	case ZYDIS_OPERAND_TYPE_REGISTER:
		r = gpr(op->reg.value, &wide);
		if (r >= 0 && wide)
			return f->s.reg[r];
		return r >= 0 && kind_of(f, f->s.reg[r]) == B_CONST ? f->s.reg[r] : fresh(f, B_OTHER);
	case ZYDIS_OPERAND_TYPE_MEMORY: return op->size == 64 ? load(f, address(f, op)) : fresh(f, B_OTHER);
	default: return fresh(f, B_OTHER);
	}
}

/* a context: registers to be given back, the stack pointer, the return address, saved in memory that is not the stack */
static void saved(struct flow *f, struct val at, struct val v)
{
	enum base_kind k = kind_of(f, v);
	struct context *c = NULL;

	if (own_stack(f, at) || kind_of(f, at) == B_LOADED || at.base == BASES)
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

void set_sp(struct flow *f, struct val v)
{
	enum base_kind k;

	/* %rbp as it came is a frame pointer still: this is a part of a function, and the frame its own */
	if (v.base == 8 + RBP)
		v = fresh(f, B_FRAME);
	k = kind_of(f, v);
	f->s.reg[RSP] = v;
	if (k == B_ENTRY || k == B_FRAME || k == B_LOADED)
		f->s.switched = 0;
	else if (!f->s.switched)
		f->s.switched = f->pc;
}

static void set(struct flow *f, const ZydisDecodedOperand *op, struct val v)
{
	bool wide;
	int r;

	if (op->type == ZYDIS_OPERAND_TYPE_MEMORY) {
		struct val at = address(f, op);

		if (op->size == 64) {
			if (v.base == 1 && !own_stack(f, at) && kind_of(f, at) != B_LOADED)
				f->saves_sp = true;
			saved(f, at, v);
		} else {
			v = fresh(f, B_OTHER);
			at.off &= ~7; /* half of a slot is no longer the other half's */
		}
		store(f, at, v, S_STORED);
		return;
	}
	if (op->type != ZYDIS_OPERAND_TYPE_REGISTER || (r = gpr(op->reg.value, &wide)) < 0)
		return;
	if (!wide && kind_of(f, v) != B_CONST)
		v = fresh(f, B_OTHER);
	if (r == RSP) {
		/* mov $0, %spl is an alignment */
		set_sp(f, op->size < 32 && own_stack(f, f->s.reg[RSP]) ? fresh(f, B_FRAME) : v);
		return;
	}
	if ((GIVEN_BACK >> r & 1) && kind_of(f, v) == B_OTHER && op[1].type == ZYDIS_OPERAND_TYPE_MEMORY)
		f->restored++;
	f->s.reg[r] = v;
}

static void push(struct flow *f, struct val v, enum slot_how how)
{
	f->s.reg[RSP] = plus(f->s.reg[RSP], -8);
	store(f, f->s.reg[RSP], v, how);
	saved(f, f->s.reg[RSP], v);
}

static void pop(struct flow *f, const ZydisDecodedOperand *to)
{
	struct val top = f->s.reg[RSP], v = load(f, top);
	struct slot *s = slot_at(f, top);
	bool wide;
	int r = to->type == ZYDIS_OPERAND_TYPE_REGISTER ? gpr(to->reg.value, &wide) : -1;

	if (s && s->how == S_CALLED)
		found(f, R_CALL_POP, CONF_MEDIUM, f->pc, "pop of what a call in the same function pushed");
	if (r >= 0 && (GIVEN_BACK >> r & 1) && kind_of(f, top) == B_OTHER)
		f->restored++;
	f->s.reg[RSP] = plus(top, 8);
	if (r == RSP)
		set_sp(f, v);
	else if (r >= 0)
		f->s.reg[r] = v;
}

/* lock or $0, (%rsp) is a memory barrier */
static bool changes_nothing(const struct flow *f)
{
	return f->op[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && !f->op[1].imm.value.u &&
	       f->in.mnemonic != ZYDIS_MNEMONIC_AND;
}

static void arithmetic(struct flow *f, int sign)
{
	struct val a = value(f, &f->op[0]);
	const ZydisDecodedOperand *b = &f->op[1];
	struct val v;

	if (changes_nothing(f))
		return;
	if (b->type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
		v = f->op[0].type == ZYDIS_OPERAND_TYPE_MEMORY && kind_of(f, a) == B_RETURN ?
			    fresh(f, B_CODE) :
			    plus(a, sign * b->imm.value.s);
	else if (own_stack(f, a))
		v = fresh(f, B_FRAME); /* alloca */
	else if (kind_of(f, a) == B_CODE || kind_of(f, value(f, b)) == B_CODE)
		v = (struct val){ 4, false, 0 }; /* an entry of a jump table */
	else
		v = fresh(f, kind_of(f, a) == B_LOADED ? B_LOADED : B_OTHER);
	set(f, &f->op[0], v);
}

/* and, or, xor, rotations: alignment of the stack pointer, pointer guards, clearing */
static void bits(struct flow *f)
{
	struct val a = value(f, &f->op[0]), v;
	enum base_kind k = kind_of(f, a);

	if (changes_nothing(f))
		return;
	if (f->in.mnemonic == ZYDIS_MNEMONIC_XOR && f->op[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	    f->op[1].type == ZYDIS_OPERAND_TYPE_REGISTER && f->op[0].reg.value == f->op[1].reg.value)
		v = constant(0);
	else if (f->in.mnemonic == ZYDIS_MNEMONIC_AND && own_stack(f, a))
		v = fresh(f, B_FRAME);
	else if (k == B_RETURN || k == B_ENTRY || k == B_MIXED)
		v = (struct val){ 5, false, 0 };
	else
		v = fresh(f, k == B_LOADED ? B_LOADED : B_OTHER);
	set(f, &f->op[0], v);
}

static void exchange(struct flow *f)
{
	struct val a = value(f, &f->op[0]), b = value(f, &f->op[1]);

	set(f, &f->op[0], b);
	set(f, &f->op[1], a);
}

static void call(struct flow *f)
{
	uint64_t next = f->pc + f->in.length, to = 0;

	f->after_call = true;
	f->block++;
	if (f->op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
		to = next + (uint64_t)f->op[0].imm.value.s;
	if (to == next) { /* only this one leaves the shadow stack alone */
		push(f, (struct val){ 4, false, 0 }, S_PUSHED);
		return;
	}
	if (to > f->pc && to < f->fn->end) {
		struct state back = f->s;

		push(f, (struct val){ 4, false, 0 }, S_CALLED);
		f->s.inside++;
		state_to(f, to);
		f->s = back;
	}
	clobbered_by_call(f);
}

static bool is_constant(struct flow *f, unsigned r, int32_t n)
{
	return kind_of(f, f->s.reg[r]) == B_CONST && f->s.reg[r].known && f->s.reg[r].off == n;
}

static void system_call(struct flow *f)
{
	if (is_constant(f, RAX, 451))
		found(f, R_OLD_SYSCALL, is_constant(f, RDX, 1) ? CONF_HIGH : CONF_LOW, f->pc, is_constant(f, RDX, 1) ?
		      "syscall 451 with flags 1, SHADOW_STACK_SET_TOKEN" : "syscall 451, arguments not known");
	f->s.reg[RAX] = fresh(f, B_OTHER);
	f->s.reg[RCX] = fresh(f, B_OTHER);
	f->s.reg[11] = fresh(f, B_OTHER);
}

static void jump(struct flow *f)
{
	uint64_t next = f->pc + f->in.length;
	struct val to;

	if (f->op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
		uint64_t target = next + (uint64_t)f->op[0].imm.value.s;

		if (target >= f->fn->start && target < f->fn->end)
			state_to(f, target);
		else
			flow_leaves(f);
		state_unknown(f);
		return;
	}
	f->block++;
	to = value(f, &f->op[0]);
	if (kind_of(f, to) == B_CODE || (f->op[0].type == ZYDIS_OPERAND_TYPE_MEMORY && f->op[0].mem.index != ZYDIS_REGISTER_NONE))
		return; /* a switch statement: it goes on with the same frame */
	flow_jump(f, to);
	state_unknown(f);
}

static void anything_else(struct flow *f)
{
	if (f->in.meta.category == ZYDIS_CATEGORY_COND_BR) {
		if (f->op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
			state_to(f, f->pc + f->in.length + (uint64_t)f->op[0].imm.value.s);
		return;
	}
	for (unsigned i = 0; i < f->in.operand_count; i++) {
		const ZydisDecodedOperand *o = &f->op[i];
		bool wide;
		int r;

		if (!(o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			continue;
		if (o->type == ZYDIS_OPERAND_TYPE_REGISTER && (r = gpr(o->reg.value, &wide)) >= 0) {
			if (r != RSP)
				f->s.reg[r] = fresh(f, B_OTHER);
			else if (o->visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT)
				state_unknown(f);
		} else if (o->type == ZYDIS_OPERAND_TYPE_MEMORY && o->size >= 64 && !(o->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN)) {
			struct val at = address(f, o);

			if (slot_at(f, at))
				store(f, at, fresh(f, B_OTHER), S_STORED);
		}
	}
}

static void step(struct flow *f)
{
	switch (f->in.mnemonic) {
	case ZYDIS_MNEMONIC_MOV: set(f, &f->op[0], value(f, &f->op[1])); break;
	case ZYDIS_MNEMONIC_LEA:
		set(f, &f->op[0], f->op[1].mem.base == ZYDIS_REGISTER_RIP ? (struct val){ 4, false, 0 } : address(f, &f->op[1]));
		break;
	case ZYDIS_MNEMONIC_ADD: arithmetic(f, 1); break;
	case ZYDIS_MNEMONIC_SUB: arithmetic(f, -1); break;
	case ZYDIS_MNEMONIC_AND:
	case ZYDIS_MNEMONIC_OR:
	case ZYDIS_MNEMONIC_XOR:
	case ZYDIS_MNEMONIC_ROL:
	case ZYDIS_MNEMONIC_ROR: bits(f); break;
	case ZYDIS_MNEMONIC_XCHG: exchange(f); break;
	case ZYDIS_MNEMONIC_PUSH: push(f, value(f, &f->op[0]), S_PUSHED); break;
	case ZYDIS_MNEMONIC_POP: pop(f, &f->op[0]); break;
	case ZYDIS_MNEMONIC_LEAVE:
		set_sp(f, f->s.reg[RBP]);
		f->s.reg[RBP] = load(f, f->s.reg[RSP]);
		f->s.reg[RSP] = plus(f->s.reg[RSP], 8);
		break;
	case ZYDIS_MNEMONIC_CALL: call(f); break;
	case ZYDIS_MNEMONIC_RET:
		flow_ret(f);
		state_unknown(f);
		break;
	case ZYDIS_MNEMONIC_JMP: jump(f); break;
	case ZYDIS_MNEMONIC_SYSCALL: system_call(f); break;
	case ZYDIS_MNEMONIC_RDSSPD:
	case ZYDIS_MNEMONIC_RDSSPQ:
	case ZYDIS_MNEMONIC_INCSSPD:
	case ZYDIS_MNEMONIC_INCSSPQ:
	case ZYDIS_MNEMONIC_RSTORSSP:
	case ZYDIS_MNEMONIC_SAVEPREVSSP:
	case ZYDIS_MNEMONIC_WRSSD:
	case ZYDIS_MNEMONIC_WRSSQ: f->c->ssp = true; break;
	case ZYDIS_MNEMONIC_PAUSE:
	case ZYDIS_MNEMONIC_LFENCE: f->spins = true; break;
	case ZYDIS_MNEMONIC_HLT:
	case ZYDIS_MNEMONIC_UD0:
	case ZYDIS_MNEMONIC_UD1:
	case ZYDIS_MNEMONIC_UD2:
	case ZYDIS_MNEMONIC_INT3:
		flow_leaves(f);
		state_unknown(f);
		break;
	case ZYDIS_MNEMONIC_NOP:
	case ZYDIS_MNEMONIC_ENDBR64:
	case ZYDIS_MNEMONIC_CMP:
	case ZYDIS_MNEMONIC_TEST: break;
	default: anything_else(f); break;
	}
}

static bool privileged(const ZydisDecodedInstruction *in)
{
	return in->attributes & ZYDIS_ATTRIB_IS_PRIVILEGED || in->meta.category == ZYDIS_CATEGORY_IO;
}

void flow_function(struct code *c, const struct func *fn, const uint8_t *p, size_t n)
{
	struct flow *f = c->flow;
	uint64_t target;
	size_t at = 0;

	f->c = c;
	f->fn = fn;
	f->ntargets = f->ncontexts = f->restored = f->block = 0;
	f->saves_sp = f->spins = f->after_call = f->junk = false;
	c->nseen = 0;
	c->ssp = false;
	state_begin(f);
	while (at < n) {
		f->pc = fn->start + at;
		state_from(f, f->pc);
		if (ZYAN_FAILED(ZydisDecoderDecodeFull(&c->decoder, p + at, n - at, &f->in, f->op)) || privileged(&f->in)) {
			/* data, or padding of an odd kind */
			f->junk = !fn->cfi;
			state_unknown(f);
			at++;
			continue;
		}
		/* a branch into the middle of this: it is data that a call or jump leads over */
		target = state_inside(f, f->pc + f->in.length);
		if (target) {
			at = (size_t)(target - fn->start);
			continue;
		}
		step(f);
		at += f->in.length;
	}
	flow_over(f);
}
