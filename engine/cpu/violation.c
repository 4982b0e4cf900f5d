/* SPDX-License-Identifier: MIT */
/*
 * A return whose word on the stack is not the word on the shadow stack: what happened, and where the shadow
 * stack pointer goes so that the run can continue. Runs on the engine stack with exact guest state, v->rip at the
 * RET, nothing popped.
 */
#include "cpu/cpu.h"
#include "gnomon/board.h"
#include "rt/engine.h"

#define OLDER_MAX (64ul << 10) /* frames looked at on stacks that the newest ones do not stand on */
#define STACK_MAX (64ul << 20) /* two stacks without a guard between them are told apart by this at least */

/* what the shadow stack knows of the place a RET returns from */
struct place {
	u64 frame;  /* pushed at RSP, with this word; 0 = none */
	u64 victim; /* the newest live frame pushed at RSP, whatever its word; 0 = none */
	u64 above;  /* the newest live frame on RSP's stack that is still to return; 0 = none */
	bool same;  /* all of these on the stack the newest frames stand on, or on one that was interrupted for it */
	bool known_stack; /* RSP lies on such a stack */
	bool parked;      /* a stack that was left, and is back */
};

/* `token`: the last of a stack's frames belongs to a signal, so that what follows was interrupted for it */
struct walk {
	u64 t;
	bool token;
};

bool cpu_same_stack(u64 a, u64 b)
{
	gaddr_t end = 0;

	if ((a > b ? a - b : b - a) < PAGE_SIZE)
		return true;
	cpu_up.prot(PAGE_DOWN(min(a, b)), &end);
	return max(a, b) < end && max(a, b) - min(a, b) < STACK_MAX;
}

/*
 * Walks over one stack, from its newest frame on. Frames whose word lies lower than a newer one's are dead: the stack
 * pointer passed them without a return.
 */
static void walk_stack(struct vcpu *v, struct walk *w, u64 rsp, u64 word, struct place *p)
{
	u64 base = *shstk_rec(w->t), low = base, high = 0;
	bool on_it = cpu_same_stack(base, rsp);

	p->known_stack |= on_it;
	for (; w->t < shstk_top(v) && !p->frame; w->t += 8) {
		u64 at = *shstk_rec(w->t);

		if ((at < low || at > max(high, base)) && !cpu_same_stack(base, at))
			break;
		low = min(low, at);
		w->token = shstk_word(w->t) & SHSTK_TOKEN;
		if (at <= high)
			continue;
		high = at;
		if (!on_it || at < rsp)
			continue;
		if (at == rsp && !p->victim)
			p->victim = w->t;
		if (at == rsp && shstk_word(w->t) == word)
			p->frame = w->t;
		if (at > rsp && !p->above)
			p->above = w->t;
	}
}

/* over a stack that nothing says was interrupted for the newer ones: a coroutine's, or one that a handler left by longjmp */
static void skip_stack(struct vcpu *v, struct walk *w)
{
	u64 base = *shstk_rec(w->t), low = base, high = base;

	for (; w->t < shstk_top(v); w->t += 8) {
		u64 at = *shstk_rec(w->t);

		if ((at < low || at > high) && !cpu_same_stack(base, at))
			break;
		low = min(low, at);
		high = max(high, at);
		w->token = shstk_word(w->t) & SHSTK_TOKEN;
	}
}

static u64 find_older(struct vcpu *v, u64 rsp, u64 word)
{
	u64 end = min(shstk_top(v), v->twin_sp + 8 * OLDER_MAX);

	for (u64 t = v->twin_sp; t < end; t += 8)
		if (*shstk_rec(t) == rsp && shstk_word(t) == word)
			return t;
	return 0;
}

/* the newest stack and those that were interrupted for it, one after the other; then all the rest for this very frame */
static struct place look_for(struct vcpu *v, u64 rsp, u64 word)
{
	struct walk w = { v->twin_sp, true };
	struct place p = { 0 };

	while (w.t < shstk_top(v) && !p.frame && w.t < v->twin_sp + 8 * OLDER_MAX) {
		if (w.token)
			walk_stack(v, &w, rsp, word, &p);
		else
			skip_stack(v, &w);
	}
	p.same = p.frame || p.victim || p.above;
	if (!p.frame) {
		p.frame = find_older(v, rsp, word);
		p.same &= !p.frame;
		p.parked = !p.frame && parked_has(v, rsp, word);
	}
	return p;
}

/* mov [rsp], reg right in front of the RET: the return address was replaced on purpose */
static bool is_retpoline(gaddr_t ret)
{
	u8 b[4];

	if (rt_copy_from_guest(b, ret - 4, 4))
		return false;
	return (b[0] & 0xfb) == 0x48 && b[1] == 0x89 && (b[2] & 0xc7) == 0x04 && b[3] == 0x24;
}

/*
 * Where the stack pointer is at home, a return to what was not pushed is a push and a ret; where it is not, somebody
 * moved it. Stacks that are pieces of one mapping cannot be told apart by their addresses: there it counts whether RSP
 * was loaded, and by whom (a runtime that jumps behind it; an exception, which returns itself, is no switch). And where
 * the stack stays and what is on it is exchanged, the words are the return addresses of other calls.
 */
static u32 classify(struct vcpu *v, const struct place *p, u64 word, struct switcher *s)
{
	bool away = (p->frame && !p->same) || p->parked || (!p->known_stack && v->twin_sp < shstk_top(v));

	if (p->frame && p->same)
		return GN_UNWIND;
	if (p->known_stack && v->slice_pc && switcher_call_site(word)) {
		*s = (struct switcher){ v->slice_pc, false };
		return GN_STACK_SWITCH;
	}
	if (p->victim && !away)
		return is_retpoline(v->rip) ? GN_NEVER_CALLED : GN_OVERWRITTEN;
	*s = switcher_find(v);
	return away || (s->pc && !(p->above && s->returns)) ? GN_STACK_SWITCH : GN_NEVER_CALLED;
}

/* what the run goes on with: without this frame, and without those that RSP has passed */
static void drop_frames(struct vcpu *v, const struct place *p, u32 class, u64 word)
{
	u64 rsp = v->gregs[RSP];

	if (p->frame) {
		if (class == GN_STACK_SWITCH)
			parked_put(v, p->frame, rsp);
		v->twin_sp = p->frame + 8;
	} else if (p->parked) {
		parked_resume(v, rsp, word);
	} else if (class != GN_STACK_SWITCH && p->victim) {
		v->twin_sp = p->victim + 8;
	} else if (class != GN_STACK_SWITCH && p->above) {
		v->twin_sp = p->above;
	}
}

static void fill_frames(struct vcpu *v, struct violation *viol)
{
	for (u64 t = v->twin_sp; t < shstk_top(v) && viol->nframes < VIOL_FRAMES; t += 8) {
		bool far = shstk_is_far(v, t);

		viol->frames[viol->nframes++] = shstk_word(far ? t + 8 : t);
		t += far ? 16 : 0;
	}
}

/* what a near and a far return have in common. False: #CP */
static bool report(struct vcpu *v, struct violation *viol, u64 word)
{
	u64 t = v->twin_sp;

	if (t < shstk_top(v)) {
		viol->expected = shstk_word(shstk_is_far(v, t) ? t + 8 : t);
		viol->call = switcher_call_site(viol->expected);
	}
	viol->ret = v->rip;
	viol->actual = word;
	viol->rsp = v->gregs[RSP];
	viol->ssp = vcpu_ssp(v);
	fill_frames(v, viol);
	v->stat_viol++;
	cpu_up.report(v, viol);
	return viol->class == GN_UNWIND || !(eng.set.flags & GN_OPT_STOP);
}

bool violation_return(struct vcpu *v, u64 word)
{
	struct place p = look_for(v, v->gregs[RSP], word);
	struct switcher s = { 0 };
	struct violation viol = {
		.class = classify(v, &p, word, &s),
		.depth = p.frame ? (u32)((p.frame - v->twin_sp) / 8) : 0,
	};

	if (viol.class == GN_STACK_SWITCH)
		viol.switcher = s.pc;
	if (!report(v, &viol, word))
		return false;
	drop_frames(v, &p, viol.class, word);
	return true;
}

bool violation_far(struct vcpu *v, u64 cs, u64 rip)
{
	struct violation viol = { .class = GN_CP_OTHER };
	u64 t = v->twin_sp, top = shstk_top(v);

	while (t + 24 <= top && !(shstk_is_far(v, t) && shstk_word(t + 8) == rip && shstk_word(t + 16) == cs &&
				  *shstk_rec(t) == v->gregs[RSP]))
		t += 8;
	if (t + 24 <= top) {
		viol.class = GN_UNWIND;
		viol.depth = (u32)((t - v->twin_sp) / 8);
	}
	if (!report(v, &viol, rip))
		return false;
	if (t + 24 <= top)
		v->twin_sp = t;
	return true;
}
