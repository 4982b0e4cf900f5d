/* SPDX-License-Identifier: MIT */
/*
 * A shadow stack that is full, of frames that no return will ever drop: a program whose longjmp knows nothing of shadow
 * stacks and comes back to a loop, exceptions that leave by push and ret. A CPU would fault; gnomon check is to find all
 * there is to find, so the dead frames go. Called by the thread that owns the stack, on its engine stack.
 */
#include "cpu/cpu.h"
#include "gnomon/board.h"
#include "rt/engine.h"

#define DEAD 1ul    /* a twin no block has */
#define STACKS 16

/* memory that the frames' return words lie in, and the highest of them so far */
struct seen {
	u64 lo, end, highest;
};

static struct seen *stack_of(struct seen *s, u32 *n, u64 rsp)
{
	u32 i = 0;

	while (i < *n && (rsp < s[i].lo || rsp >= s[i].end))
		i++;
	if (i < *n)
		return &s[i];
	for (i = 0; i < *n; i++) /* the same one, lower down? */
		if (rsp < s[i].lo) {
			gaddr_t end = 0;

			if (cpu_up.prot(PAGE_DOWN(rsp), &end) >= 0 && end == s[i].end) {
				s[i].lo = rsp;
				return &s[i];
			}
		}
	if (*n == STACKS)
		*n = 0; /* forgotten, which keeps too much at worst */
	s[*n] = (struct seen){ .lo = rsp, .end = rsp + 8 };
	(void)cpu_up.prot(PAGE_DOWN(rsp), &s[*n].end);
	return &s[(*n)++];
}

/*
 * From the newest to the oldest: where a newer frame's word lies as high or higher, this one's has been popped. The
 * two words of a signal frame have one place.
 */
static u32 mark_dead(struct vcpu *v)
{
	struct seen s[STACKS];
	bool newer_lives = false;
	u32 n = 0, dead = 0;

	for (u64 t = v->twin_sp; t < shstk_top(v); t += 8) {
		u64 rsp = *shstk_rec(t);
		struct seen *on = stack_of(s, &n, rsp);

		if (rsp > on->highest || (rsp == on->highest && newer_lives && *shstk_slot(t) & SHSTK_TOKEN)) {
			on->highest = rsp;
			newer_lives = true;
			continue;
		}
		newer_lives = false;
		*(u64 *)t = DEAD;
		dead++;
	}
	return dead;
}

static void move_up(struct vcpu *v, u64 from, u64 to)
{
	u64 word = *shstk_slot(from), ssp = from + 8 - v->ss.twin + v->ss.lo;

	if (word == (ssp | SHSTK_TOKEN) || shstk_is_far(v, from)) /* says where it stands */
		word += to - from;
	*shstk_slot(to) = word;
	*shstk_rec(to) = *shstk_rec(from);
	*(u64 *)to = *(u64 *)from;
}

bool shstk_prune(struct vcpu *v)
{
	u64 to = shstk_top(v);
	u32 dead;

	/* where the guest's libc is to keep its shadow stack in order itself, a full one is the guest's fault; a vfork
	 * child's is its parent's */
	if (v->guest_ss || v->vfork_child || (v->shstk_on && eng.set.mode == GN_MODE_RUN))
		return false;
	v->more = 0;
	dead = mark_dead(v);
	for (u64 t = to - 8; dead && t >= v->twin_sp; t -= 8) {
		if (*(u64 *)t == DEAD)
			continue;
		to -= 8;
		if (to != t)
			move_up(v, t, to);
	}
	if (dead)
		v->twin_sp = to;
	return dead > 0;
}
