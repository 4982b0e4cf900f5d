/* SPDX-License-Identifier: MIT */
/* Following a function from its first instruction to its last; calls, jumps and what is left of the instructions. */
#include "flow.h"

#include <stdlib.h>
#include <string.h>

struct flow *flow_new(void)
{
	return xmalloc(sizeof(struct flow));
}

static void call(struct flow *f)
{
	uint64_t next = f->pc + f->in.length, to = 0;

	f->after_call = true;
	f->block++;
	if (f->op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
		to = next + (uint64_t)f->op[0].imm.value.s;
	if (to == next) { /* only this one leaves the shadow stack alone */
		flow_push(f, (struct val){ 4, false, 0 }, S_PUSHED);
		return;
	}
	if (to > f->pc && to < f->fn->end) {
		struct state back = f->s;

		flow_push(f, (struct val){ 4, false, 0 }, S_CALLED);
		f->s.inside++;
		flow_branch_to(f, to);
		f->s = back;
	}
	flow_clobber(f);
}

static bool is_constant(struct flow *f, unsigned r, int32_t n)
{
	return val_kind(f, f->s.reg[r]) == B_CONST && f->s.reg[r].known && f->s.reg[r].off == n;
}

static void system_call(struct flow *f)
{
	if (is_constant(f, RAX, 451))
		flow_found(f, R_OLD_SYSCALL, is_constant(f, RDX, 1) ? CONF_HIGH : CONF_LOW, f->pc, is_constant(f, RDX, 1) ?
		      "syscall 451 with flags 1, SHADOW_STACK_SET_TOKEN" : "syscall 451, arguments not known");
	f->s.reg[RAX] = val_fresh(f, B_OTHER);
	f->s.reg[RCX] = val_fresh(f, B_OTHER);
	f->s.reg[11] = val_fresh(f, B_OTHER);
}

static void jump(struct flow *f)
{
	uint64_t next = f->pc + f->in.length;
	struct val to;

	if (f->op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
		uint64_t target = next + (uint64_t)f->op[0].imm.value.s;

		if (target >= f->fn->start && target < f->fn->end)
			flow_branch_to(f, target);
		else
			flow_leaves(f);
		flow_unknown(f);
		return;
	}
	f->block++;
	to = flow_value(f, &f->op[0]);
	if (val_kind(f, to) == B_CODE || (f->op[0].type == ZYDIS_OPERAND_TYPE_MEMORY && f->op[0].mem.index != ZYDIS_REGISTER_NONE))
		return; /* a switch statement: it goes on with the same frame */
	flow_jump(f, to);
	flow_unknown(f);
}

static void anything_else(struct flow *f)
{
	if (f->in.meta.category == ZYDIS_CATEGORY_COND_BR) {
		if (f->op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
			flow_branch_to(f, f->pc + f->in.length + (uint64_t)f->op[0].imm.value.s);
		return;
	}
	for (unsigned i = 0; i < f->in.operand_count; i++) {
		const ZydisDecodedOperand *o = &f->op[i];
		bool wide;
		int r;

		if (!(o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			continue;
		if (o->type == ZYDIS_OPERAND_TYPE_REGISTER && (r = flow_gpr(o->reg.value, &wide)) >= 0) {
			if (r != RSP)
				f->s.reg[r] = val_fresh(f, B_OTHER);
			else if (o->visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT)
				flow_unknown(f);
		} else if (o->type == ZYDIS_OPERAND_TYPE_MEMORY && o->size >= 64 && !(o->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN)) {
			struct val at = flow_address(f, o);

			if (flow_slot(f, at))
				flow_store(f, at, val_fresh(f, B_OTHER), S_STORED);
		}
	}
}

static void step(struct flow *f)
{
	switch (f->in.mnemonic) {
	case ZYDIS_MNEMONIC_MOV: flow_set(f, &f->op[0], flow_value(f, &f->op[1])); break;
	case ZYDIS_MNEMONIC_LEA:
		flow_set(f, &f->op[0], f->op[1].mem.base == ZYDIS_REGISTER_RIP ? (struct val){ 4, false, 0 } : flow_address(f, &f->op[1]));
		break;
	case ZYDIS_MNEMONIC_ADD: flow_arithmetic(f, 1); break;
	case ZYDIS_MNEMONIC_SUB: flow_arithmetic(f, -1); break;
	case ZYDIS_MNEMONIC_AND:
	case ZYDIS_MNEMONIC_OR:
	case ZYDIS_MNEMONIC_XOR:
	case ZYDIS_MNEMONIC_ROL:
	case ZYDIS_MNEMONIC_ROR: flow_bits(f); break;
	case ZYDIS_MNEMONIC_XCHG: flow_exchange(f); break;
	case ZYDIS_MNEMONIC_PUSH: flow_push(f, flow_value(f, &f->op[0]), S_PUSHED); break;
	case ZYDIS_MNEMONIC_POP: flow_pop(f, &f->op[0]); break;
	case ZYDIS_MNEMONIC_LEAVE:
		flow_set_sp(f, f->s.reg[RBP]);
		f->s.reg[RBP] = flow_load(f, f->s.reg[RSP]);
		f->s.reg[RSP] = val_plus(f->s.reg[RSP], 8);
		break;
	case ZYDIS_MNEMONIC_CALL: call(f); break;
	case ZYDIS_MNEMONIC_RET:
		flow_ret(f);
		flow_unknown(f);
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
		flow_unknown(f);
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
	f->moved_at = 0;
	f->saves_sp = f->spins = f->after_call = f->junk = false;
	c->nseen = 0;
	c->ssp = false;
	flow_begin(f);
	while (at < n) {
		f->pc = fn->start + at;
		flow_arrive(f, f->pc);
		if (ZYAN_FAILED(ZydisDecoderDecodeFull(&c->decoder, p + at, n - at, &f->in, f->op)) || privileged(&f->in)) {
			/* data, or padding of an odd kind */
			f->junk = !fn->cfi;
			flow_unknown(f);
			at++;
			continue;
		}
		/* a branch into the middle of this: it is data that a call or jump leads over */
		target = flow_target_inside(f, f->pc + f->in.length);
		if (target) {
			at = (size_t)(target - fn->start);
			continue;
		}
		step(f);
		at += f->in.length;
	}
	flow_over(f);
}
