/* SPDX-License-Identifier: MIT */
/*
 * rseq(2) of a thread: where its area is, what the engine learns from it, and what the kernel would do about it where the engine
 * interrupts the guest by itself. How it all works: docs/rseq.md. Called on engine stacks.
 */
#include "cpu/cpu.h"
#include "xlate/critical.h"

#define FIELD 8 /* of struct rseq: rseq_cs */
#define TASK_TOP 0x7ffffffff000ul

void rseq_forget(struct vcpu *v)
{
	v->rseq_none = 1;
	v->rseq_field = (u64)&v->rseq_none;
}

void rseq_registered(struct vcpu *v, gaddr_t area, u32 sig)
{
	v->rseq_sig = sig;
	__atomic_store_n(&v->rseq_field, area + FIELD, __ATOMIC_RELAXED);
}

bool rseq_has_area(const struct vcpu *v)
{
	return v->rseq_field != (u64)&v->rseq_none;
}

bool rseq_in_page(gaddr_t page)
{
	for (struct vcpu *t = cpu_threads; t; t = t->next)
		if (rseq_has_area(t) && (PAGE_DOWN(t->rseq_field - FIELD) == page || PAGE_DOWN(t->rseq_field + 23) == page))
			return true;
	return false;
}

/* [holds: cache_lock] */
void rseq_learn(struct vcpu *v)
{
	u64 desc;

	if (!rseq_has_area(v) || rt_copy_from_guest(&desc, v->rseq_field, 8) || !desc || desc == v->rseq_seen)
		return;
	v->rseq_seen = desc;
	if (!rt_owns(desc, desc + sizeof(struct rseq_cs)))
		critical_learn(desc);
}

/* the field is 0: did the host clear it before the section's block was reached? */
static void abort_at_start(struct vcpu *v)
{
	struct critical *c;

	if (!critical_count)
		return;
	cpu_lock_cache(v);
	c = critical_at(v->rip);
	if (c)
		v->rip = c->abort;
	cache_unlock();
}

/* as rseq_get_rseq_cs() */
static bool check(const struct vcpu *v, u64 at, struct rseq_cs *d)
{
	u32 sig;

	if (at >= TASK_TOP || rt_copy_from_guest(d, at, sizeof(*d)))
		return false;
	if (d->start >= TASK_TOP || d->start + d->len >= TASK_TOP || d->abort >= TASK_TOP || d->version ||
	    d->start + d->len < d->start || d->abort - d->start < d->len)
		return false;
	return !rt_copy_from_guest(&sig, d->abort - 4, 4) && sig == v->rseq_sig;
}

bool rseq_interrupt(struct vcpu *v)
{
	struct rseq_cs d;
	u64 at;

	if (!rseq_has_area(v))
		return true;
	if (rt_copy_from_guest(&at, v->rseq_field, 8))
		return false;
	if (!at) {
		abort_at_start(v);
		return true;
	}
	if (!check(v, at, &d))
		return false;
	if (v->rip - d.start < d.len) {
		if (d.flags)
			return false;
		v->rip = d.abort;
	}
	return !rt_copy_to_guest(v->rseq_field, &(u64){ 0 }, 8);
}
