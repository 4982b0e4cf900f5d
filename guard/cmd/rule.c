/* SPDX-License-Identifier: MIT */
/*
 * What is done to a thread's pending slot before it dies and the kernel walks its list, or goes to a handler that it
 * may not come back from. A slot that names a word which the
 * thread has let go is cleared, as Linux 7.2 does for programs that use its unlock. With the slot goes the kernel's
 * wake for a thread that died before its own, so that is done here first, and where it cannot be done the slot stays:
 * a lock that nobody gets is worse than the race.
 *
 *   word holds             slot                                          why
 *   another id or none     wake if the kernel would, cleared             it has let go, or never had it
 *   the thread's id        left alone if the entry is on the list        it owns the lock
 *   the thread's id        cleared if its next instructions clear it     it has let go, and the word is other data
 *   the thread's id        else left alone                               it owns the lock, or nobody can tell
 *
 * A thread that lives on may be waiting for the lock: before a handler only the code decides.
 */
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tracee.h"

static bool wake(pid_t tid, uint64_t word)
{
	uint32_t *here = object_map(tracee_group(tid), word);

	if (!here)
		return false;
	syscall(SYS_futex, here, FUTEX_WAKE, 1);
	object_unmap(here);
	return true;
}

static void clear(pid_t tid, const struct robust *r, uint32_t value, const char *when)
{
	if (robust_clear(tid, r))
		msg("thread %d %s while it let go of the lock at %#lx (now %#x): slot cleared", tid, when,
		    (unsigned long)r->word, value);
}

/* the kernel gives up at words that cannot be read or are not aligned, and so do we */
static bool pending(pid_t tid, struct regs *regs, struct robust *r, uint32_t *value)
{
	return tracee_regs(tid, regs) && robust_get(tid, regs->bits, r) && r->entry && !(r->word & 3) &&
	       tracee_read(tid, r->word, value, sizeof(*value));
}

static bool let_go(pid_t tid, const struct regs *regs, const struct robust *r)
{
	return !robust_listed(tid, r) && window_open(tid, regs, r);
}

void rule_death(pid_t tid)
{
	struct robust r;
	struct regs regs;
	uint32_t value, owner;

	if (!pending(tid, &regs, &r, &value))
		return;
	owner = value & TID_MASK;
	if (owner == (uint32_t)tracee_own_tid(tid)) {
		if (!let_go(tid, &regs, &r))
			return;
		if (!r.pi)
			wake(tid, r.word);
	} else if (!r.pi && (!owner || !(value & WAITERS)) && !wake(tid, r.word)) {
		return;
	}
	clear(tid, &r, value, "died");
}

void rule_signal(pid_t tid)
{
	struct robust r;
	struct regs regs;
	uint32_t value;

	if (!pending(tid, &regs, &r, &value) || !let_go(tid, &regs, &r) || (!r.pi && !wake(tid, r.word)))
		return;
	clear(tid, &r, value, "was interrupted");
}
