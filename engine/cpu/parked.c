/* SPDX-License-Identifier: MIT */
/*
 * Frames of stacks that were left and may be come back to: fibers, coroutines, goroutines. Where the stack pointer goes
 * to another stack, the frames of the one it leaves go from the shadow stack into a table, keyed by their place on it; where it
 * comes back, a few of them return, and the others when they are asked for. So a switch costs the same however many
 * stacks there are, and however deep they are. The table is the process': runtimes move fibers between threads.
 * Called by the thread whose shadow stack it is, on its engine stack.
 */
#include "cpu/cpu.h"

#define FIRST_CAP 1024u
#define MOST (1u << 20)
#define AT_ONCE 16 /* frames that come back together */

struct frame {
	u64 rsp, word; /* rsp 0: free */
	u64 up;        /* where the caller's stands; 0: the oldest that was parked */
	u64 twin, epoch; /* host return point, good as long as no block has died */
	u64 id;        /* of one stack, parked at one time */
};

static struct frame *table;
static u32 cap, used;
static u64 last_id;
static struct rt_lock lock;

static u32 slot_of(const struct frame *t, u32 n, u64 rsp)
{
	u32 i = (u32)((rsp >> 3) * 0x9e3779b97f4a7c15ull >> 40) & (n - 1);

	while (t[i].rsp && t[i].rsp != rsp)
		i = (i + 1) & (n - 1);
	return i;
}

static struct frame *lookup(u64 rsp)
{
	struct frame *f = cap && rsp ? &table[slot_of(table, cap, rsp)] : NULL;

	return f && f->rsp ? f : NULL;
}

static void forget_all(void)
{
	if (cap)
		memset(table, 0, cap * sizeof(*table));
	used = 0;
}

/* all forgotten when it is as large as it may be: then a return to one of them is a violation of its own */
static bool grow(void)
{
	u32 n = cap ? cap * 2 : FIRST_CAP, old_cap = cap;
	struct frame *t = n <= MOST ? rt_map(n * sizeof(*t)) : NULL, *old = table;

	if (!t) {
		forget_all();
		return cap != 0;
	}
	for (u32 i = 0; i < cap; i++)
		if (table[i].rsp)
			t[slot_of(t, n, table[i].rsp)] = table[i];
	table = t; /* in this order: a fork may come in between */
	cap = n;
	if (old)
		rt_unmap(old, old_cap * sizeof(*old));
	return true;
}

static struct frame *insert(u64 rsp)
{
	struct frame *f;

	if (used * 2 >= cap && !grow())
		return NULL;
	f = &table[slot_of(table, cap, rsp)];
	used += !f->rsp;
	f->rsp = rsp;
	return f;
}

static void drop(struct frame *f)
{
	u32 hole = (u32)(f - table), i = hole;

	table[hole].rsp = 0;
	used--;
	/* what was put behind it because of it moves up */
	while (table[i = (i + 1) & (cap - 1)].rsp) {
		struct frame moved = table[i];

		table[i].rsp = 0;
		table[slot_of(table, cap, moved.rsp)] = moved;
	}
}

static void take_lock(void)
{
	if (rt_lock(&lock)) /* its holder was killed at work */
		forget_all();
}

void parked_after_fork(void)
{
	if (lock.word) /* another thread was at work */
		forget_all();
	rt_lock_after_fork(&lock);
}

/* the epoch that v's twins are good for; 0: blocks have died, and v has not heard of it */
static u64 twins_epoch(struct vcpu *v)
{
	u64 epoch;

	cpu_lock_cache(v);
	epoch = v->pending & (PEND_FLUSH | PEND_STALE) ? 0 : cache_epoch + 1;
	cache_unlock();
	return epoch;
}

/* the frames below the newest one that belongs to a signal, or `until` */
static u64 end_of_frames(struct vcpu *v, u64 until)
{
	u64 t = v->twin_sp;

	while (t < until && !(shstk_word(v, t) & SHSTK_TOKEN) && !shstk_is_far(v, t))
		t += 8;
	return t;
}

/* [holds: lock] where the frame at `at` returns to: the one put in before it, or one that the stack pointer had not passed then */
static u64 above(struct vcpu *v, u64 last, u64 at)
{
	struct frame *f;

	if (!last || !stacks_same(v, last, at))
		return 0;
	while (last && last <= at) {
		f = lookup(last);
		last = f && !stacks_shared(v, at) ? f->up : 0;
	}
	return last;
}

static struct frame *put(struct vcpu *v, u64 t, u64 up, u64 epoch)
{
	u64 at = *shstk_rec(t);
	struct frame *f = insert(at), *next = lookup(up);

	if (f)
		*f = (struct frame){ .rsp = at, .word = shstk_word(v, t), .twin = *(u64 *)t, .epoch = epoch,
				     .up = up, .id = next ? next->id : ++last_id };
	return f;
}

u64 parked_put(struct vcpu *v, u64 until, u64 besides)
{
	u64 end = end_of_frames(v, until), epoch = twins_epoch(v), last = 0;

	take_lock();
	for (u64 t = end; t > v->twin_sp;) {
		u64 at = *shstk_rec(t -= 8);

		if (t + 8 == v->more_at)
			last = v->more;
		if (besides && stacks_same(v, at, besides))
			continue; /* left behind on the stack that goes on: nobody returns there */
		if (!put(v, t, above(v, last, at), epoch))
			break;
		last = at;
	}
	rt_unlock(&lock);
	return end;
}

bool parked_has(struct vcpu *v, u64 rsp, u64 word)
{
	struct frame *f;
	bool ret;

	if (!__atomic_load_n(&used, __ATOMIC_RELAXED) || v->guest_ss)
		return false;
	take_lock();
	f = lookup(rsp);
	ret = f && f->word == word;
	rt_unlock(&lock);
	return ret;
}

/*
 * [holds: lock] The frames from `at` on go back to the shadow stack, at v->twin_sp: those up to `to`, and a few more. False:
 * there is no room.
 */
static bool bring_back(struct vcpu *v, u64 at, u64 to)
{
	struct frame *f = lookup(at);
	u64 epoch = twins_epoch(v), n = 0, id = f ? f->id : 0, t;

	for (u32 more = AT_ONCE; f && f->id == id && more; n++) {
		more -= f->rsp >= to;
		f = lookup(f->up);
	}
	if (v->twin_sp - v->ss.twin < 8 * n)
		return false;
	v->more_at = v->twin_sp;
	v->back_twin = v->twin_sp -= 8 * n;
	for (t = v->twin_sp; t < v->more_at; t += 8) {
		f = lookup(at);
		*shstk_slot(t) = f->word;
		*shstk_rec(t) = f->rsp;
		*(u64 *)t = epoch && f->epoch == epoch ? f->twin : (u64)cpu_ret_miss;
		at = f->up;
		drop(f);
	}
	f = lookup(at);
	v->more = f && f->id == id ? at : 0;
	v->more_id = id;
	return true;
}

void parked_resume(struct vcpu *v, u64 rsp)
{
	take_lock();
	if (lookup(rsp) && bring_back(v, rsp, rsp))
		v->twin_sp += 8;
	rt_unlock(&lock);
}

/* has the stack pointer passed rsp before, without a return, and come back with other calls? */
static bool called_since(struct vcpu *v, u64 rsp)
{
	for (u64 t = v->twin_sp; t < v->more_at; t += 8)
		if (*shstk_rec(t) >= rsp && stacks_same(v, *shstk_rec(t), rsp))
			return true;
	return false;
}

bool parked_more(struct vcpu *v, u64 rsp, u64 word)
{
	struct frame *f;
	bool ret = false;

	if (!v->more || rsp < v->more || v->guest_ss || v->twin_sp > v->more_at)
		return false;
	take_lock();
	f = lookup(rsp);
	ret = f && f->id == v->more_id && (!word || f->word == word);
	rt_unlock(&lock);
	ret = ret && !called_since(v, rsp);
	if (!ret)
		return false;
	/* what is left of the newer ones is dead, or of another stack */
	(void)parked_put(v, v->more_at, rsp);
	take_lock();
	f = lookup(v->more);
	if (f && f->id == v->more_id) {
		v->twin_sp = v->more_at;
		ret = bring_back(v, v->more, rsp);
	}
	rt_unlock(&lock);
	return ret;
}
