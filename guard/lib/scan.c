/* SPDX-License-Identifier: MIT */
/*
 * The scan. A thread whose pending slot names a word in the range, while the word is not (any more) its own, is
 * between releasing a lock and clearing the slot. Once the mapping is gone the kernel could not tell the word from
 * what lies there then, so the slot is cleared now; and because that also takes away the kernel's wake for a thread
 * that dies before its own, the wake is done first. A thread that did not die wakes once more, which is harmless,
 * and clears an empty slot.
 *
 * Left alone: words that hold the thread's id (it owns the lock: to be marked when it dies), and words whose
 * mapping is replaced by the same file at the same place (it may be waiting for the lock).
 */
#include <linux/futex.h>

#include "guard.h"

/* how often a slot was cleared, for the tests and for the curious */
API unsigned long gnomon_guard_cleared;

struct look {
	const struct range *r;
	bool act, found;
};

/* true also for words that cannot be read: the kernel would not get anywhere with them either */
static bool owned(const uint32_t *word, uint32_t tid)
{
	static const uint32_t bits[] = { 0, FUTEX_WAITERS, FUTEX_OWNER_DIED, FUTEX_WAITERS | FUTEX_OWNER_DIED };

	for (unsigned i = 0; i < 4; i++)
		if (guard_word_is(word, tid | bits[i]) != 0)
			return true;
	return false;
}

static bool settle(struct slot *s, const struct robust_head *h, void *arg)
{
	struct look *l = arg;
	uintptr_t word = (h->pending & ~(uintptr_t)1) + (uintptr_t)h->futex_offset;

	/* the word's bytes count, not the list entry's; the kernel takes aligned words only */
	if (word & 3 || word + 4 <= l->r->start || word >= l->r->end)
		return false;
	if (!heads_alive(s) || owned((const uint32_t *)word, (uint32_t)s->tid))
		return false;
	if (l->r->goes && !l->r->goes(l->r, word))
		return false;
	l->found = true;
	if (!l->act)
		return true;
	if (!(h->pending & 1)) /* PI: the kernel's own state takes care of the waiters */
		guard_futex((uint32_t *)word, FUTEX_WAKE, 1);
	heads_clear(s, h->pending);
	__atomic_fetch_add(&gnomon_guard_cleared, 1, __ATOMIC_RELAXED);
	return false;
}

static bool look(const struct range *r, bool act)
{
	struct look l = { .r = r, .act = act };
	struct heads_lock lock;

	if (r->end <= r->start || heads_quiet())
		return false;
	heads_lock(&lock);
	heads_pending(settle, &l);
	heads_unlock(&lock);
	return l.found;
}

void guard_scan(const struct range *r)
{
	look(r, true);
}

bool guard_touches(const struct range *r)
{
	return look(r, false);
}
