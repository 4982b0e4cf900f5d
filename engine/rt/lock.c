/* SPDX-License-Identifier: MIT */
/*
 * Futex lock: 0 free, else the holder's thread id, and a bit when somebody may wait (Drepper, "Futexes are tricky",
 * mutex 3). The acquire in rt_lock() pairs with the release in rt_unlock(). [no-fp]
 *
 * A holder can die with the lock: SIGKILL to a process that shares this memory (vfork, CLONE_VM) cannot be held off,
 * and the kernel's robust list is the guest's. So who waits looks now and then whether the holder still has our memory.
 */
#include <linux/futex.h>
#include <linux/kcmp.h>
#include "rt/rt.h"

#define WAITERS 0x80000000u
#define LOOK_EVERY 100000000 /* ns */

static u32 one_thread(void)
{
	return 1;
}

u32 (*rt_self)(void) = one_thread;

bool rt_shares_memory(int tid)
{
	long self = sys0(__NR_gettid), r = sys5(__NR_kcmp, self, tid, KCMP_VM, 0, 0);

	/* a zombie has no memory; where kcmp is refused only the task's absence tells */
	return r == -ESRCH || r > 0 ? false : r == 0 || sys2(__NR_tkill, tid, 0) != -ESRCH;
}

/* [the word says that somebody waits] true: taken from a holder that is gone */
static bool wait(struct rt_lock *l, u32 seen)
{
	struct { s64 sec, nsec; } ns = { 0, LOOK_EVERY };
	u32 holder = seen & ~WAITERS;

	if (sys4(__NR_futex, &l->word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, seen, &ns) != -ETIMEDOUT || holder == 1 ||
	    rt_shares_memory((int)holder))
		return false;
	return __atomic_compare_exchange_n(&l->word, &seen, rt_self() | WAITERS, false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

static bool lock_slowly(struct rt_lock *l, u32 self)
{
	u32 c;

	for (int i = 0; i < 64; i++) {
		__builtin_ia32_pause();
		c = 0;
		if (__atomic_compare_exchange_n(&l->word, &c, self, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return false;
	}
	for (;;) {
		c = __atomic_load_n(&l->word, __ATOMIC_RELAXED);
		/* whoever was woken cannot know that it was the last to wait */
		if (!c && __atomic_compare_exchange_n(&l->word, &c, self | WAITERS, false, __ATOMIC_ACQUIRE,
						      __ATOMIC_RELAXED))
			return false;
		if (c && !(c & WAITERS) && !__atomic_compare_exchange_n(&l->word, &c, c | WAITERS, false,
									 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			continue;
		if (c && wait(l, c | WAITERS))
			return true;
	}
}

bool rt_lock(struct rt_lock *l)
{
	u32 c = 0, self = rt_self();

	if (likely(__atomic_compare_exchange_n(&l->word, &c, self, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)))
		return false;
	return lock_slowly(l, self);
}

void rt_unlock(struct rt_lock *l)
{
	u32 old = __atomic_exchange_n(&l->word, 0, __ATOMIC_RELEASE);

	BUG_ON(old == 0);
	if (old & WAITERS)
		sys3(__NR_futex, &l->word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1);
}

void rt_lock_after_fork(struct rt_lock *l)
{
	if (l->word) /* its page may not have been copied */
		__atomic_store_n(&l->word, 0, __ATOMIC_RELAXED);
}
