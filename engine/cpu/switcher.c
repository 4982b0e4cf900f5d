/* SPDX-License-Identifier: MIT */
/*
 * Which instruction took RSP to another stack. Whoever switches was called, and that call is the newest on the shadow
 * stack of where it came from: the code from there on is read. But where its own RET finds the word it expects, because
 * all fibers wait in the same place, only a later one is seen; then it is the last instruction that loaded RSP, if that
 * went from one stack to another. Called with exact guest state and v->rip at a RET that does not match.
 */
#include "cpu/cpu.h"

#define MOST_INSNS 512
#define MOST_PATHS 24

static bool fetch(gaddr_t pc, u8 code[15])
{
	size_t n = 15;

	memset(code, 0, 15);
	while (n && rt_copy_from_guest(code, pc, n))
		n--;
	return n > 0;
}

gaddr_t switcher_call_site(gaddr_t next)
{
	u8 b[7];

	if (rt_copy_from_guest(b, next - 7, 7))
		return 0;
	if (b[2] == 0xe8)
		return next - 5;
	for (unsigned len = 2; len <= 7; len++) {
		struct insn in;

		if (!insn_decode(&in, b + 7 - len, len, next - len) && in.len == len &&
		    (in.class == INSN_CALL_IND || in.class == INSN_CALL_FAR))
			return next - len;
	}
	return 0;
}

/* where an indirect branch through a word beside the code goes: a PLT slot, -fno-plt; 0: elsewhere */
static gaddr_t through_memory(const struct insn *in, const u8 *code, gaddr_t pc)
{
	gaddr_t to = 0;
	s32 disp;

	if (!in->riprel)
		return 0;
	__builtin_memcpy(&disp, code + in->disp_off, 4);
	if (rt_copy_from_guest(&to, pc + in->len + (u64)(s64)disp, 8))
		return 0;
	return to;
}

/* a call through a register: to the last target of an indirect branch, if that is a place meant to be called */
static gaddr_t through_register(struct vcpu *v)
{
	static const u8 endbr[4] = { 0xf3, 0x0f, 0x1e, 0xfa };
	u8 code[15];

	return fetch(v->target, code) && !memcmp(code, endbr, 4) ? v->target : 0;
}

static gaddr_t callee(struct vcpu *v, gaddr_t call)
{
	struct insn in;
	gaddr_t to;
	u8 code[15];

	if (!call || !fetch(call, code))
		return 0;
	insn_decode(&in, code, sizeof(code), call);
	to = in.class == INSN_CALL ? in.target : through_memory(&in, code, call);
	return to || in.class != INSN_CALL_IND ? to : through_register(v);
}

/* ways through a function that are still to be read */
struct paths {
	gaddr_t at[MOST_PATHS];
	u32 n;
};

static void also(struct paths *p, gaddr_t pc)
{
	for (u32 i = 0; i < p->n; i++)
		if (p->at[i] == pc)
			return;
	if (p->n < MOST_PATHS)
		p->at[p->n++] = pc;
}

/* behind `in` at pc; 0 where this way ends */
static gaddr_t onwards(const struct insn *in, const u8 *code, gaddr_t pc, struct paths *p)
{
	switch (in->class) {
	case INSN_JCC:
		also(p, in->target);
		break;
	case INSN_JMP:
		return in->target;
	case INSN_JMP_IND:
		return through_memory(in, code, pc);
	case INSN_RET:
	case INSN_UD:
	case INSN_INVALID:
		return 0;
	}
	return pc + in->len;
}

/* one way from pc to its end: the first load of RSP, and whether v->rip is on it behind that */
static struct switcher follow(struct vcpu *v, gaddr_t pc, struct paths *p, u32 *left)
{
	struct switcher s = { 0 };
	struct insn in;
	u8 code[15];

	while (pc && *left && fetch(pc, code)) {
		--*left;
		insn_decode(&in, code, sizeof(code), pc);
		if (!s.pc && insn_loads_rsp(&in))
			s.pc = pc;
		if (pc == v->rip) {
			s.returns = s.pc != 0;
			break;
		}
		pc = onwards(&in, code, pc, p);
	}
	return s;
}

/* the way that comes out at v->rip rather than another */
static struct switcher search(struct vcpu *v, gaddr_t from)
{
	struct paths p = { .at = { from }, .n = from ? 1 : 0 };
	struct switcher first = { 0 };
	u32 left = MOST_INSNS;

	for (u32 i = 0; i < p.n; i++) {
		struct switcher s = follow(v, p.at[i], &p, &left);

		if (s.returns)
			return s;
		if (!first.pc)
			first = s;
	}
	return first;
}

static struct switcher from_code(struct vcpu *v)
{
	u64 newest = v->twin_sp < shstk_top(v) ? shstk_word(v, v->twin_sp) : 0;
	struct switch_memo *m = &v->switches[(newest ^ v->rip) % SWITCH_MEMOS];
	struct switcher s = { 0 };

	if (m->newest == newest && m->ret == v->rip && m->epoch == cache_epoch && m->target == v->target)
		return (struct switcher){ m->pc, m->returns };
	if (newest)
		s = search(v, callee(v, switcher_call_site(newest)));
	*m = (struct switch_memo){ newest, v->rip, cache_epoch, s.pc, v->target, s.returns };
	return s;
}

struct switcher switcher_find(struct vcpu *v)
{
	struct switcher s = from_code(v);

	if (!s.pc && v->switch_pc && !stacks_same(v, v->switch_from, v->switch_to) &&
	    stacks_same(v, v->switch_to, v->gregs[RSP]))
		s.pc = v->switch_pc;
	return s;
}
