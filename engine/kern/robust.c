/* SPDX-License-Identifier: MIT */
/*
 * Whose list is where, and the scan. The heads are found through the list of threads and its lock, which also keeps
 * a thread that is being made from being missed: it is on the list before it runs. On engine stacks.
 */
#include <linux/futex.h>
#include "cpu/threads.h"
#include "kern/kern.h"
#include "kern/robust.h"

static u32 heads; /* threads that have registered one: none nearly never, but it costs nothing to ask */

/* a thread's pending slot: what it holds and which word that names; false if nothing */
static bool pending(const struct vcpu *t, struct robust_head *h, gaddr_t *word)
{
	if (!t->k || !t->k->robust || rt_copy_from_guest(&h->pending, t->k->robust + ROBUST_PENDING, 8) || !h->pending ||
	    rt_copy_from_guest(h, t->k->robust, sizeof(*h)) || !h->pending)
		return false;
	*word = (h->pending & ~1ul) + (u64)h->futex_offset;
	return !(*word & 3); /* the kernel looks at aligned words only */
}

/* the kernel's wake for a thread that died before its own, which goes with the slot */
static void clear(const struct vcpu *t, const struct robust_head *h, gaddr_t word)
{
	if (!(h->pending & 1))
		sys3(__NR_futex, word, FUTEX_WAKE, 1);
	(void)!rt_cas64_guest(t->k->robust + ROBUST_PENDING, h->pending, 0);
}

/* [holds: the thread list] */
static bool look_locked(const struct robust_range *r, bool act)
{
	bool found = false;

	for (struct vcpu *t = cpu_threads; t; t = t->next) {
		struct robust_head h;
		gaddr_t word;
		u32 value;

		if (!pending(t, &h, &word) || word + 4 <= r->start || word >= r->end)
			continue;
		if (rt_copy_from_guest(&value, word, 4) || (value & FUTEX_TID) == (u32)t->tid)
			continue;
		if (r->goes && !r->goes(r, word))
			continue;
		found = true;
		if (act)
			clear(t, &h, word);
	}
	return found;
}

static bool look(const struct robust_range *r, bool act)
{
	bool found;

	if (!__atomic_load_n(&heads, __ATOMIC_RELAXED))
		return false;
	cpu_threads_lock();
	found = look_locked(r, act);
	cpu_threads_unlock();
	return found;
}

void robust_scan(const struct robust_range *r)
{
	look(r, true);
}

bool robust_touches(const struct robust_range *r)
{
	return look(r, false);
}

static void forget(struct vcpu *v)
{
	cpu_threads_lock();
	if (v->k && v->k->robust) {
		v->k->robust = 0;
		__atomic_sub_fetch(&heads, 1, __ATOMIC_RELAXED);
	}
	cpu_threads_unlock();
}

long robust_set(struct vcpu *v, gaddr_t head, u64 size)
{
	struct kthread *k = kthread_get(v);
	long r = sys2(__NR_set_robust_list, head, size);

	if (r)
		return r;
	forget(v);
	if (!head || !k)
		return 0;
	cpu_threads_lock();
	k->robust = head;
	__atomic_add_fetch(&heads, 1, __ATOMIC_RELAXED);
	cpu_threads_unlock();
	return 0;
}

void robust_drop(struct vcpu *v, gaddr_t slot)
{
	if (v->k && v->k->robust && v->k->robust + ROBUST_PENDING == slot)
		(void)!robust_set(v, 0, sizeof(struct robust_head));
}

/*
 * A thread that leaves by a system call with its slot set does so from a signal handler. Its word, if it is not its
 * own, was let go; what happens to the memory from here on is not the kernel's business.
 */
void robust_exit(struct vcpu *v)
{
	struct robust_head h;
	gaddr_t word;
	u32 value;

	if (pending(v, &h, &word) && !rt_copy_from_guest(&value, word, 4) && (value & FUTEX_TID) != (u32)v->tid)
		clear(v, &h, word);
	forget(v);
}

/* Nothing is registered in a child, but its C library will register the same head, slot and all. */
void robust_after_fork(struct vcpu *v)
{
	u64 none = 0, was;

	if (v->k && v->k->robust && !rt_copy_from_guest(&was, v->k->robust + ROBUST_PENDING, 8) && was)
		(void)!rt_copy_to_guest(v->k->robust + ROBUST_PENDING, &none, 8);
	if (v->k)
		v->k->robust = 0;
	heads = 0;
}

void robust_interrupted(struct vcpu *t)
{
	struct robust_head h;
	gaddr_t word;

	if (pending(t, &h, &word) && robust_let_go(t, t->k->robust, &h))
		clear(t, &h, word);
}

static const struct robust_range everything = { .end = ~0ul };
static bool held;

static bool any_pending(void)
{
	struct robust_head h;
	bool any = false;
	gaddr_t word;

	cpu_threads_lock();
	for (struct vcpu *t = cpu_threads; t && !any; t = t->next)
		any = pending(t, &h, &word);
	cpu_threads_unlock();
	return any;
}

/*
 * Threads are stopped only where that can matter: the vDSO's unlock has been used, so that one may stand in its window,
 * or somebody's slot is set. A vfork child's end is nobody else's.
 */
bool robust_hold(struct vcpu *v)
{
	if (v->pid != kern_pid || cpu_thread_count() < 2 || (!eng.unlock_used && !any_pending()))
		return false;
	cpu_hold_others(v);
	held = true;
	for (struct vcpu *t = cpu_threads; t; t = t->next)
		if (t != v && t->pid == v->pid && !t->gone)
			sig_finish_window(t);
	look_locked(&everything, true);
	return true;
}

void robust_release(struct vcpu *v)
{
	if (!held || v->pid != kern_pid)
		return;
	held = false;
	cpu_release_others();
}
