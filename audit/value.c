/* SPDX-License-Identifier: MIT */
/* Values, slots and states of a function that is followed. */
#include <string.h>

#include "flow.h"

enum base_kind val_kind(const struct flow *f, struct val v)
{
	return (enum base_kind)f->kinds[v.base];
}

bool val_own_stack(const struct flow *f, struct val v)
{
	return val_kind(f, v) == B_ENTRY || val_kind(f, v) == B_FRAME;
}

struct val val_fresh(struct flow *f, enum base_kind kind)
{
	if (f->nbases == BASES)
		return (struct val){ BASES, false, 0 }; /* too much going on: nothing is known of it */
	f->kinds[f->nbases] = (uint8_t)kind;
	return (struct val){ (uint8_t)f->nbases++, true, 0 };
}

struct val val_const(int64_t n)
{
	return (struct val){ 3, n == (int32_t)n, (int32_t)n };
}

struct val val_entry_sp(int32_t off)
{
	return (struct val){ 1, true, off };
}

struct val val_plus(struct val v, int64_t n)
{
	int64_t sum = v.off + n;

	v.known = v.known && sum == (int32_t)sum && n == (int32_t)n;
	v.off = (int32_t)sum;
	return v;
}

static bool same(struct val a, struct val b)
{
	return a.base == b.base && a.off == b.off && a.known && b.known;
}

struct slot *flow_slot(struct flow *f, struct val at)
{
	for (unsigned i = 0; at.known && i < f->s.nslots; i++)
		if (same(f->s.slots[i].at, at))
			return &f->s.slots[i];
	return NULL;
}

void flow_store(struct flow *f, struct val at, struct val v, enum slot_how how)
{
	struct slot *s = flow_slot(f, at);

	if (!at.known)
		return;
	if (!s) {
		/* the oldest is the least likely to be asked for */
		if (f->s.nslots == SLOTS) {
			memmove(f->s.slots, f->s.slots + 1, (SLOTS - 1) * sizeof(*f->s.slots));
			f->s.nslots--;
		}
		s = &f->s.slots[f->s.nslots++];
	} else if (how == S_STORED && (s->how == S_CALLED || s->how == S_REPLACED)) {
		how = S_REPLACED;
	}
	*s = (struct slot){ at, v, (uint8_t)how, f->block };
}

struct val flow_load(struct flow *f, struct val at)
{
	struct slot *s = flow_slot(f, at);

	if (s)
		return s->v;
	if (same(at, val_entry_sp(0)))
		return (struct val){ 2, true, 0 };
	return val_fresh(f, val_own_stack(f, at) || val_kind(f, at) == B_LOADED ? B_LOADED : B_OTHER);
}

void flow_begin(struct flow *f)
{
	static const uint8_t fixed[FIXED_BASES] = {
		B_OTHER, B_ENTRY, B_RETURN, B_CONST, B_CODE, B_MIXED, B_OTHER, B_OTHER, B_SAVED, B_SAVED, B_SAVED, B_SAVED,
		B_SAVED, B_SAVED, B_SAVED, B_SAVED, B_SAVED, B_SAVED, B_SAVED, B_SAVED, B_SAVED, B_SAVED, B_SAVED, B_SAVED,
	};

	memset(&f->s, 0, offsetof(struct state, slots));
	f->s.nslots = 0;
	f->s.switched = 0;
	f->s.inside = 0;
	f->s.unknown = false;
	memcpy(f->kinds, fixed, sizeof(fixed));
	f->nbases = FIXED_BASES;
	f->kinds[BASES] = B_LOADED;
	for (unsigned r = 0; r < 16; r++)
		f->s.reg[r] = GIVEN_BACK >> r & 1 ? (struct val){ (uint8_t)(8 + r), true, 0 } : val_fresh(f, B_OTHER);
	f->s.reg[RSP] = val_entry_sp(0);
}

/* code that is reached in ways not seen: nothing found in it is worth telling */
void flow_unknown(struct flow *f)
{
	for (unsigned r = 0; r < 16; r++)
		f->s.reg[r] = (struct val){ BASES, false, 0 };
	f->s.reg[RSP] = val_fresh(f, B_FRAME);
	f->s.nslots = 0;
	f->s.switched = 0;
	f->s.inside = 0;
	f->s.unknown = true;
}

void flow_branch_to(struct flow *f, uint64_t target)
{
	if (target <= f->pc || target >= f->fn->end || f->ntargets == TARGETS)
		return;
	for (unsigned i = 0; i < f->ntargets; i++)
		if (f->targets[i].at == target)
			return;
	f->targets[f->ntargets].at = target;
	f->targets[f->ntargets++].s = f->s;
}

/* the first place that a branch leads to behind the instruction's first byte and before `end`; 0: none */
uint64_t flow_target_inside(const struct flow *f, uint64_t end)
{
	for (unsigned i = 0; i < f->ntargets; i++)
		if (f->targets[i].at > f->pc && f->targets[i].at < end)
			return f->targets[i].at;
	return 0;
}

/*
 * Where a branch leads to, what is known there is what was known at the branch; but of two ways there of which one leads
 * over a change of stacks that one is followed.
 */
bool flow_arrive(struct flow *f, uint64_t at)
{
	for (unsigned i = 0; i < f->ntargets; i++)
		if (f->targets[i].at == at) {
			if (!f->s.switched || f->targets[i].s.switched)
				f->s = f->targets[i].s;
			f->block++;
			f->targets[i] = f->targets[--f->ntargets];
			return true;
		}
	return false;
}

/*
 * Registers that a callee may change. One that held an address of the own stack is taken to hold one still: compilers and
 * hand-written code use such a register again only where they know that the callee leaves it alone. Where results are
 * returned it may be that or something else.
 */
void flow_clobber(struct flow *f)
{
	for (unsigned r = 0; r < 16; r++) {
		bool own = val_own_stack(f, f->s.reg[r]), perhaps = val_kind(f, f->s.reg[r]) == B_LOADED;

		if (r == RSP || (GIVEN_BACK >> r & 1))
			continue;
		if (r == RAX || r == RDX)
			f->s.reg[r] = val_fresh(f, own || perhaps ? B_LOADED : B_OTHER);
		else
			f->s.reg[r] = val_fresh(f, own ? B_FRAME : B_OTHER);
	}
}
