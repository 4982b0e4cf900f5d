/* SPDX-License-Identifier: MIT */
/*
 * A return whose word on the stack is not the word on the shadow stack: what happened, and where the shadow
 * stack pointer goes so that the run can continue. Runs on the engine stack with exact guest state, v->rip at the
 * RET, nothing popped.
 */
#include "cpu/cpu.h"
#include "gnomon/board.h"
#include "rt/engine.h"

#define OLDER_MAX (2ul << 10) /* frames looked at on stacks that the newest ones do not stand on */
#define NEWEST 64
#define PAD_REACH (1ul << 20) /* a landing pad and the call it belongs to are in one function */

/* what the shadow stack knows of the place a RET returns from */
struct place {
	u64 frame;  /* pushed at RSP, with this word; 0 = none */
	u64 victim; /* the newest live frame pushed at RSP, whatever its word; 0 = none */
	u64 above;  /* the newest live frame on RSP's stack that is still to return; 0 = none */
	bool same;  /* all of these on the stack the newest frames stand on, or on one that was interrupted for it */
	u64 skipped; /* the oldest live frame that RSP has passed on its stack; 0 = none */
	bool known_stack; /* RSP lies on such a stack */
	bool home;        /* and right below `above` */
	bool parked;      /* a stack that was left, and is back */
	bool shared;      /* RSP lies in memory that is several stacks */
	u64 elsewhere;    /* the newest frame with this word that was pushed at another RSP, down to `above`; 0 = none */
};

/* `token`: the last of a stack's frames belongs to a signal, so that what follows was interrupted for it */
struct walk {
	u64 t;
	bool token;
};

/*
 * Walks over one stack, from its newest frame on. Frames whose word lies lower than a newer one's are dead: the stack
 * pointer passed them without a return. So none can be RSP's behind the first one above it: the walk is done.
 */
static void walk_stack(struct vcpu *v, struct walk *w, u64 rsp, u64 word, struct place *p)
{
	u64 base = *shstk_rec(w->t), low = base, high = 0;
	bool on_it = stacks_same(v, base, rsp);

	p->known_stack |= on_it;
	for (; w->t < shstk_top(v) && !p->frame && !p->above; w->t += 8) {
		u64 at = *shstk_rec(w->t);

		if ((at < low || at > max(high, base)) && !stacks_same(v, base, at))
			break;
		low = min(low, at);
		w->token = shstk_word(v, w->t) & SHSTK_TOKEN;
		if (at != rsp && !p->elsewhere && shstk_word(v, w->t) == word)
			p->elsewhere = w->t;
		if (at <= high)
			continue;
		high = at;
		if (on_it && at < rsp)
			p->skipped = w->t;
		if (!on_it || at < rsp)
			continue;
		if (at == rsp && !p->victim)
			p->victim = w->t;
		if (at == rsp && shstk_word(v, w->t) == word)
			p->frame = w->t;
		if (at > rsp)
			p->above = w->t;
	}
}

/* over a stack that nothing says was interrupted for the newer ones: a coroutine's, or one that a handler left by longjmp */
static void skip_stack(struct vcpu *v, struct walk *w)
{
	u64 base = *shstk_rec(w->t), low = base, high = base;

	for (; w->t < shstk_top(v); w->t += 8) {
		u64 at = *shstk_rec(w->t);

		if ((at < low || at > high) && !stacks_same(v, base, at))
			break;
		low = min(low, at);
		high = max(high, at);
		w->token = shstk_word(v, w->t) & SHSTK_TOKEN;
	}
}

/* Was the last load of RSP a switch to where RSP is now? */
static bool loaded_here(struct vcpu *v)
{
	u64 far = max(v->switch_from, v->switch_to) - min(v->switch_from, v->switch_to);

	return v->switch_pc && far >= PAGE_SIZE && v->gregs[RSP] - v->switch_to < PAGE_SIZE;
}

/* this very frame among the newest `most` ones */
static u64 find_frame(struct vcpu *v, u64 rsp, u64 word, u64 most)
{
	u64 end = min(shstk_top(v), v->twin_sp + 8 * most);

	for (u64 t = v->twin_sp; t < end; t += 8)
		if (*shstk_rec(t) == rsp && shstk_word(v, t) == word)
			return t;
	return 0;
}

/* the newest stack and those that were interrupted for it, one after the other; then all the rest for this very frame */
static struct place look_for(struct vcpu *v, u64 rsp, u64 word)
{
	struct walk w = { v->twin_sp, true };
	struct place p = { 0 };
	u64 end = v->twin_sp + 8 * OLDER_MAX;

	/* who switches often: what was parked is not looked for everywhere else first */
	if (parked_has(v, rsp, word) && !find_frame(v, rsp, word, NEWEST))
		return (struct place){ .parked = true };
	while (w.t < shstk_top(v) && !p.frame && !p.above && w.t < end) {
		if (w.token) {
			walk_stack(v, &w, rsp, word, &p);
			end = max(end, w.t + 8 * OLDER_MAX);
		} else {
			skip_stack(v, &w);
		}
	}
	p.same = p.frame || p.victim || p.above;
	p.home = p.above && *shstk_rec(p.above) - rsp < PAGE_SIZE && !loaded_here(v);
	if (!p.frame && !p.home) {
		p.frame = find_frame(v, rsp, word, OLDER_MAX);
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

/* a switch, although RSP is near the newest frames: what it is near to is not one stack */
static void note_shared(struct vcpu *v, const struct place *p, const struct switcher *s)
{
	if (s->pc != v->switch_pc || !loaded_here(v) || p->frame || !(p->known_stack || p->parked || stacks_switcher(s->pc)) ||
	    !stacks_same(v, v->switch_from, v->switch_to))
		return;
	stacks_share(v, v->switch_from, v->gregs[RSP], s->pc);
}

/*
 * In memory of several stacks, a frame at RSP with another word: is it what another stack has left here, or this one before it
 * ran elsewhere? It is, where it stood there when RSP was loaded last; perhaps, where it came back from the table since.
 */
static bool is_stale(struct vcpu *v, const struct place *p, u64 word)
{
	if (!p->shared || !p->victim)
		return false;
	if (eng.set.mode == GN_MODE_PROTECT) /* the less is excused the better */
		return stacks_switcher(v->switch_pc);
	return p->victim >= v->switch_twin || (p->victim >= v->back_twin && switcher_call_site(word));
}

/*
 * Where the stack pointer is at home, a return to what was not pushed is a push and a ret; where it is not, somebody
 * moved it. Stacks that are pieces of one mapping cannot be told apart by their addresses: there it counts whether RSP
 * was loaded, and by whom (a runtime that jumps behind it; an exception, which returns itself, is no switch). And where
 * the stack stays and what is on it is exchanged, the words are the return addresses of other calls.
 */
static u32 classify(struct vcpu *v, struct place *p, u64 word, struct switcher *s)
{
	bool away = (p->frame && !p->same) || p->parked || (!p->known_stack && v->twin_sp < shstk_top(v));

	p->shared = stacks_shared(v, v->gregs[RSP]);
	if (p->frame && p->same && !(p->shared && loaded_here(v) && stacks_switcher(v->switch_pc)))
		return GN_UNWIND;
	if ((p->shared && p->frame && stacks_switcher(v->switch_pc)) || is_stale(v, p, word)) {
		*s = (struct switcher){ stacks_switcher(v->switch_pc) ? v->switch_pc : stacks_first_switcher(), false };
		return GN_STACK_SWITCH;
	}
	if (p->known_stack && v->slice_pc && switcher_call_site(word)) {
		*s = (struct switcher){ v->slice_pc, false };
		return GN_STACK_SWITCH;
	}
	if (p->victim && !away)
		return is_retpoline(v->rip) ? GN_NEVER_CALLED : GN_OVERWRITTEN;
	if (!away && v->base_pc && v->twin_sp == v->base_at) { /* nobody called on this stack what ends here, or it was copied */
		*s = (struct switcher){ v->base_pc, false };
		return GN_STACK_SWITCH;
	}
	if (p->home && !p->shared)
		return GN_NEVER_CALLED;
	*s = switcher_find(v);
	if (p->shared && !p->frame) { /* a stack that began here, or was copied to here */
		if (!s->pc)
			s->pc = v->base_pc ? v->base_pc : stacks_first_switcher();
		return GN_STACK_SWITCH;
	}
	return away || (s->pc && !(p->above && s->returns)) ? GN_STACK_SWITCH : GN_NEVER_CALLED;
}

/*
 * gnomon protect: a function begins on a new stack, whose return address nobody pushed. Who made the stack put it where
 * the function will find it; from now on it has to stay.
 */
static void enter_new_stack(struct vcpu *v)
{
	u64 word, at = v->gregs[RSP] + 8;

	if (!rt_copy_from_guest(&word, at, 8))
		(void)shstk_push(v, word, at);
}

/* RSP is on another stack, whose frames are not there: those that are belong to the one it has left */
static void leave_stack(struct vcpu *v, gaddr_t switcher)
{
	if (!v->guest_ss)
		v->twin_sp = parked_put(v, shstk_top(v), 0);
	v->more = 0;
	v->base_at = v->switch_twin = v->back_twin = v->twin_sp;
	v->base_pc = switcher;
}

/* what the run goes on with: without this frame, and without those that RSP has passed */
static void drop_frames(struct vcpu *v, const struct place *p, u32 class, gaddr_t switcher)
{
	u64 rsp = v->gregs[RSP];

	if (p->parked || (!p->frame && class == GN_STACK_SWITCH && (!p->known_stack || p->shared))) {
		leave_stack(v, switcher);
		if (p->parked) /* frames of its own, if it has not run elsewhere */
			parked_resume(v, rsp);
		return;
	}
	if (p->frame) {
		bool here = p->shared || loaded_here(v); /* perhaps these are on a stack of their own, in the same memory */

		if ((class == GN_STACK_SWITCH || here) && !v->guest_ss)
			(void)parked_put(v, p->frame, here ? 0 : rsp);
		v->twin_sp = p->frame + 8;
	} else if (class != GN_STACK_SWITCH && p->victim) {
		v->twin_sp = p->victim + 8;
	} else if (class != GN_STACK_SWITCH && p->above) {
		v->twin_sp = p->above;
	}
	v->switch_twin = v->back_twin = v->twin_sp;
}

/* how deep on the shadow stack the word stands: the frame returned to, or one that has moved since it was pushed; 0 = nowhere */
static u32 depth_of(struct vcpu *v, const struct place *p, u32 class)
{
	u64 t = p->frame;

	if (!t && (class == GN_NEVER_CALLED || class == GN_OVERWRITTEN))
		t = p->elsewhere;
	return t ? (u32)((t - v->twin_sp) / 8) : 0;
}

static void fill_frames(struct vcpu *v, struct violation *viol)
{
	for (u64 t = v->twin_sp; t < shstk_top(v) && viol->nframes < VIOL_FRAMES; t += 8) {
		bool far = shstk_is_far(v, t);

		viol->frames[viol->nframes++] = shstk_word(v, far ? t + 8 : t);
		t += far ? 16 : 0;
	}
}

/*
 * gnomon protect: is this what legitimate code does? Frames that are there, with RSP where it was when they were pushed;
 * a function that loads RSP and returns, called last: one that switches to a new stack. Or an unwinder that returns to a
 * landing pad, close to where the frame that it ends at would have returned to.
 */
static bool is_recognised(struct vcpu *v, u32 class, const struct place *p, struct switcher *s, u64 word)
{
	u64 home, at = p->skipped;

	switch (class) {
	case GN_UNWIND:
		return true;
	case GN_STACK_SWITCH:
		return p->frame || p->parked || (s->pc && s->returns);
	case GN_OVERWRITTEN:
		at = p->victim;
		break;
	case GN_NEVER_CALLED:
		break;
	default:
		return false;
	}
	home = at ? shstk_word(v, at) : 0;
	if (home)
		*s = switcher_find(v);
	return home && s->pc && s->returns && word - home + PAD_REACH < 2 * PAD_REACH;
}

static enum gn_policy policy(u32 class, bool recognised)
{
	if (eng.set.mode == GN_MODE_PROTECT)
		return recognised ? GN_ALLOW : GN_POLICY_OF(eng.set.policy, class);
	return class == GN_UNWIND || !(eng.set.flags & GN_OPT_STOP) ? GN_REPORT : GN_KILL;
}

/* what a near and a far return have in common. False: #CP */
static bool report(struct vcpu *v, struct violation *viol, u64 word, bool recognised)
{
	enum gn_policy what = policy(viol->class, recognised);
	u64 t = v->twin_sp;

	v->stat_viol++;
	if (what == GN_ALLOW)
		return true;
	if (t < shstk_top(v)) {
		viol->expected = shstk_word(v, shstk_is_far(v, t) ? t + 8 : t);
		viol->call = switcher_call_site(viol->expected);
	}
	viol->ret = v->rip;
	viol->actual = word;
	viol->rsp = v->gregs[RSP];
	viol->ssp = vcpu_ssp(v);
	fill_frames(v, viol);
	cpu_up.report(v, viol);
	return what == GN_REPORT;
}

bool violation_return(struct vcpu *v, u64 word)
{
	struct violation viol = { 0 };
	struct switcher s = { 0 };
	struct place p;

	stacks_begin(v);
	if (parked_more(v, v->gregs[RSP], stacks_shared(v, v->gregs[RSP]) ? word : 0) &&
	    *shstk_rec(v->twin_sp) == v->gregs[RSP] && shstk_word(v, v->twin_sp) == word) {
		v->twin_sp += 8;
		return true;
	}
	p = look_for(v, v->gregs[RSP], word);
	viol.class = classify(v, &p, word, &s);
	viol.depth = depth_of(v, &p, viol.class);
	if (viol.class == GN_STACK_SWITCH) {
		viol.switcher = s.pc;
		note_shared(v, &p, &s);
	}
	if (!report(v, &viol, word, is_recognised(v, viol.class, &p, &s, word)))
		return false;
	drop_frames(v, &p, viol.class, viol.switcher);
	if (viol.class == GN_STACK_SWITCH && !p.frame && !p.parked && eng.set.mode == GN_MODE_PROTECT &&
	    !switcher_call_site(word)) /* behind a call: a stack that was moved goes on */
		enter_new_stack(v);
	return true;
}

bool violation_far(struct vcpu *v, u64 cs, u64 rip)
{
	struct violation viol = { .class = GN_CP_OTHER };
	u64 t = v->twin_sp, top = shstk_top(v);

	while (t + 24 <= top && !(shstk_is_far(v, t) && shstk_word(v, t + 8) == rip && shstk_word(v, t + 16) == cs &&
				  *shstk_rec(t) == v->gregs[RSP]))
		t += 8;
	if (t + 24 <= top) {
		viol.class = GN_UNWIND;
		viol.depth = (u32)((t - v->twin_sp) / 8);
	}
	if (!report(v, &viol, rip, viol.class == GN_UNWIND))
		return false;
	if (t + 24 <= top)
		v->twin_sp = t;
	return true;
}

bool violation_endbr(struct vcpu *v, gaddr_t from)
{
	struct violation viol = { .class = GN_MISSING_ENDBR, .ret = v->rip, .actual = v->rip };
	u64 word = 0;

	if (eng.set.mode == GN_MODE_RUN)
		return false;
	v->stat_viol++;
	if (!from && v->twin_sp < shstk_top(v) && !rt_copy_from_guest(&word, v->gregs[RSP], 8) &&
	    shstk_word(v, v->twin_sp) == word)
		from = switcher_call_site(word); /* a call, which has just pushed it */
	viol.call = from;
	viol.rsp = v->gregs[RSP];
	viol.ssp = vcpu_ssp(v);
	fill_frames(v, &viol);
	cpu_up.report(v, &viol);
	return !(eng.set.flags & GN_OPT_STOP);
}
