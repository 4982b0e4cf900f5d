/* SPDX-License-Identifier: MIT */
/*
 * A return whose word on the stack is not the word on the shadow stack: what happened, and where the shadow
 * stack pointer goes so that the run can continue. Runs on the engine stack with exact guest state, v->rip at the
 * RET, nothing popped.
 */
#include "cpu/cpu.h"
#include "gnomon/board.h"
#include "rt/engine.h"

#define FAR_APART (1ul << 20) /* stacks without a guard between them are at least told apart by this */
#define SEARCH_MAX (64ul << 10)

/* same mapping, or so close that it is one stack */
static bool same_stack(u64 a, u64 b)
{
	gaddr_t end = 0;

	if ((a > b ? a - b : b - a) < 4096)
		return true;
	if (a > b) {
		u64 t = a;

		a = b;
		b = t;
	}
	cpu_up.prot(PAGE_DOWN(a), &end);
	return b < end && b - a < 64 * FAR_APART;
}

/* slots above T that were pushed at `rsp` and hold `word`; -1 if none */
static long find_frame(struct vcpu *v, u64 word, u64 rsp, bool *at_rsp)
{
	u64 top = shstk_top(v), t = v->twin_sp;

	*at_rsp = false;
	for (long n = 0; t < top && n < (long)SEARCH_MAX; n++, t += 8) {
		if (*shstk_rec(t) != rsp)
			continue;
		*at_rsp = true;
		if (*shstk_slot(t) == word)
			return n;
	}
	return -1;
}

/* mov [rsp], reg right in front of the RET: the return address was replaced on purpose */
static bool is_retpoline(gaddr_t ret)
{
	u8 b[4];

	if (rt_copy_from_guest(b, ret - 4, 4))
		return false;
	return (b[0] & 0xfb) == 0x48 && b[1] == 0x89 && (b[2] & 0xc7) == 0x04 && b[3] == 0x24;
}

static u32 classify(struct vcpu *v, u64 rsp, long frame, bool at_rsp)
{
	bool empty = v->twin_sp >= shstk_top(v);
	u64 newest = empty ? rsp : *shstk_rec(v->twin_sp);

	if (frame >= 0)
		return same_stack(newest, rsp) && newest <= rsp ? GN_UNWIND : GN_STACK_SWITCH;
	if (!same_stack(newest, rsp))
		return GN_STACK_SWITCH;
	if (at_rsp)
		return is_retpoline(v->rip) ? GN_NEVER_CALLED : GN_OVERWRITTEN;
	return GN_NEVER_CALLED;
}

static gaddr_t call_site(gaddr_t next)
{
	u8 b[7];

	if (rt_copy_from_guest(b, next - 7, 7))
		return 0;
	if (b[2] == 0xe8)
		return next - 5;
	for (unsigned len = 2; len <= 7; len++) {
		struct insn in;

		if (!insn_decode(&in, b + 7 - len, len, next - len) && in.len == len && in.class == INSN_CALL_IND)
			return next - len;
	}
	return 0;
}

static bool moves_rsp(const struct insn *in)
{
	int reg = (in->modrm >> 3 & 7) | (in->rex & 4) << 1, rm = (in->modrm & 7) | (in->rex & 1) << 3;

	if (in->map || in->enc)
		return false;
	switch (in->opcode) {
	case 0x8b: return reg == RSP;
	case 0x89: return !in->mem && rm == RSP;
	case 0x87: return reg == RSP || (!in->mem && rm == RSP);
	case 0x5c: return !(in->rex & 1);
	case 0x8d: return reg == RSP && (in->modrm & 7) != 4;
	}
	return false;
}

/* the instruction that took RSP to another stack, where it stands in the block of the RET; else 0 */
static gaddr_t find_switcher(struct vcpu *v)
{
	struct block *b = NULL;
	gaddr_t found = 0;
	struct insn in;
	u8 code[15];

	for (u8 res = 0; res < 4 && !b; res++)
		for (gaddr_t pc = v->rip; pc > v->rip - 64 && !b; pc--)
			b = cache_find(pc, res);
	for (gaddr_t pc = b ? b->pc : v->rip; pc < v->rip; pc += in.len) {
		if (rt_copy_from_guest(code, pc, sizeof(code)))
			break;
		insn_decode(&in, code, sizeof(code), pc);
		if (moves_rsp(&in))
			found = pc;
	}
	return found;
}

static void fill_frames(struct vcpu *v, struct violation *viol)
{
	for (u64 t = v->twin_sp; t < shstk_top(v) && viol->nframes < VIOL_FRAMES; t += 8)
		viol->frames[viol->nframes++] = *shstk_slot(t);
}

bool violation_return(struct vcpu *v, u64 word)
{
	u64 rsp = v->gregs[RSP];
	bool empty = v->twin_sp >= shstk_top(v), at_rsp;
	long frame = find_frame(v, word, rsp, &at_rsp);
	struct violation viol = {
		.class = classify(v, rsp, frame, at_rsp),
		.depth = frame > 0 ? (u32)frame : 0,
		.ret = v->rip,
		.expected = empty ? 0 : *shstk_slot(v->twin_sp),
		.actual = word,
		.rsp = rsp,
		.ssp = vcpu_ssp(v),
	};

	if (!empty)
		viol.call = call_site(viol.expected);
	if (viol.class == GN_STACK_SWITCH)
		viol.switcher = find_switcher(v);
	fill_frames(v, &viol);
	v->stat_viol++;
	cpu_up.report(v, &viol);
	if (viol.class != GN_UNWIND && eng.set.flags & GN_OPT_STOP)
		return false;
	if (frame >= 0)
		v->twin_sp += 8 * ((u64)frame + 1);
	else if (at_rsp)
		while (*shstk_rec((v->twin_sp += 8) - 8) != rsp)
			;
	return true;
}
