/* SPDX-License-Identifier: MIT */
/*
 * Near calls, returns and jumps that the engine executes itself: those that cannot go the way of translated code. As
 * emul.h says, v->rip is at the instruction and the guest's state is exact.
 */
#include "cpu/emul.h"
#include "gnomon/board.h"
#include "rt/engine.h"
#include "xlate/recipe.h"

#define RESYNC_MAX 256 /* frames */

/* the guest address of the indirect branch in block b whose template ends at host address h; 0: the last one there */
static gaddr_t branch_in(const struct block *b, u64 h)
{
	struct recipe_walk w;
	gaddr_t pc = 0;

	recipe_walk_init(&w, b);
	while (recipe_walk_next(&w)) {
		if (w.glen)
			pc = b->pc + w.goff;
		if (h && w.kind == RK_CALL && (u64)block_host(b) + w.hoff + w.hlen == h)
			break;
	}
	return pc;
}

gaddr_t emul_branch_of(const struct block *b)
{
	return branch_in(b, 0);
}

void emul_wild_call(struct vcpu *v)
{
	u64 h = *(u64 *)v->twin_sp;
	struct block *b = cache_find_host(h);

	BUG_ON(!b);
	v->rip = branch_in(b, h);
	v->gregs[RSP] += 8;
	v->twin_sp += 8;
	cpu_go_outside(v);
	emul_gp(v, 0);
}

void emul_wild_jump(struct vcpu *v, const struct block *b)
{
	v->rip = b ? branch_in(b, 0) : v->target;
	cpu_go_outside(v);
	emul_gp(v, 0);
}

/* the shadow word that a near return pops; false after a fault. *match: it is the one on the stack */
static bool pop_matches(struct vcpu *v, u64 word, bool *match)
{
	gaddr_t ssp = vcpu_ssp(v);
	u64 shadow = 0;

	if (!v->guest_ss) {
		*match = v->twin_sp < shstk_top(v) && *shstk_slot(v->twin_sp) == word;
	} else if (ssp_load(v, ssp, &shadow)) {
		*match = shadow == word;
	} else {
		ssp_fault(v, ssp, false);
		return false;
	}
	return true;
}

/* Nobody checks, but calls of functions that longjmp left would never match again: back to the frame that does */
static void resync(struct vcpu *v, u64 word)
{
	u64 end = min(shstk_top(v), v->twin_sp + 8 * RESYNC_MAX);

	for (u64 t = v->twin_sp; t < end; t += 8)
		if (*shstk_rec(t) == v->gregs[RSP] && *shstk_slot(t) == word)
			v->twin_sp = t + 8;
}

static bool may_mismatch(struct vcpu *v, u64 word)
{
	if (!v->shstk_on) {
		resync(v, word);
		return true;
	}
	return eng.set.mode != GN_MODE_RUN && violation_return(v, word);
}

/* a near return in full: word and shadow word, `extra` bytes more from the stack */
void emul_return(struct vcpu *v, u32 extra)
{
	u64 word, rsp = v->gregs[RSP], t = v->twin_sp;
	bool match;

	if (!emul_load(v, &word, rsp, 8) || !pop_matches(v, word, &match))
		return;
	if (match && likely(cpu_is_canonical(word))) {
		if (v->guest_ss)
			ssp_advance(v, 8);
		else
			v->twin_sp += 8;
	} else if (!match && !may_mismatch(v, word)) {
		emul_cp(v, 1);
		return;
	}
	if (unlikely(!cpu_is_canonical(word))) {
		v->twin_sp = t;
		emul_gp(v, 0);
		return;
	}
	v->gregs[RSP] = rsp + 8 + extra;
	v->rip = word;
}

/* the target of an indirect branch; false after a fault */
static bool branch_operand(struct vcpu *v, const struct insn *in, const u8 *code, u64 *target)
{
	if (in->mem)
		return emul_load(v, target, emul_ea(v, in, code), 8);
	*target = v->gregs[emul_rm(in)];
	return true;
}

static void near_call(struct vcpu *v, u64 target, u64 next, bool shadow)
{
	u64 rsp = v->gregs[RSP] - 8;

	if (!cpu_is_canonical(target)) {
		emul_gp(v, 0);
		return;
	}
	if (!emul_store(v, rsp, &next, 8))
		return;
	if (shadow && !ssp_push(v, next, rsp)) {
		ssp_fault(v, vcpu_ssp(v) - 8, true);
		return;
	}
	v->gregs[RSP] = rsp;
	v->rip = target;
}

static void near_jump(struct vcpu *v, u64 target)
{
	if (cpu_is_canonical(target))
		v->rip = target;
	else
		emul_gp(v, 0);
}

bool emul_near(struct vcpu *v, const struct insn *in, const u8 *code)
{
	u64 next = v->rip + in->len, target = in->target;

	if (in->class == INSN_CALL_IND || in->class == INSN_JMP_IND) {
		if (!branch_operand(v, in, code, &target))
			return true;
		v->target = target; /* as the templates leave it, for switcher_find() */
	}
	if (in->class == INSN_CALL)
		near_call(v, target, next, target != next);
	else if (in->class == INSN_CALL_IND)
		near_call(v, target, next, true);
	else if (in->class == INSN_JMP_IND)
		near_jump(v, target);
	else if (in->class == INSN_RET)
		emul_return(v, (u32)in->imm);
	else
		return false;
	return true;
}
