/* SPDX-License-Identifier: MIT */
/*
 * Threads and the cache that changes under them. A thread is *outside* when it holds nothing of the cache: no address
 * in it to go back to, no block, no exit. Only outside may it wait, for a lock or in the kernel. It goes outside at
 * the head of each of the dispatcher's functions, once it knows from its exit where the guest stands, and is inside
 * again from cpu_resume on, whose store of 0 and look at `pending` are the pair of kick_needed()'s store of `pending`
 * and look at `outside`: one of the two sees the other.
 */
#ifndef GNOMON_CPU_STOP_H
#define GNOMON_CPU_STOP_H

#include "cpu/vcpu.h"

/* somebody waits until this thread is outside, and now it is */
void stop_acknowledge(struct vcpu *v);

static inline void cpu_go_outside(struct vcpu *v)
{
	__atomic_store_n(&v->outside, 1, __ATOMIC_RELEASE);
	__atomic_signal_fence(__ATOMIC_SEQ_CST); /* the handler of a kick sees one, or sets the other */
	if (unlikely(v->owes_ack))
		stop_acknowledge(v);
}

/*
 * [holds: cache_lock] Returns when every other thread is outside, and keeps them there until the lock is free: all
 * have PEND_FLUSH then.
 */
void stop_others(struct vcpu *v);

/* [holds: cache_lock] Blocks with host code in [lo, hi) are dead. When this returns no other thread executes guest
 * instructions of theirs any more, and none will return into them. */
void stop_stale(struct vcpu *v, u64 lo, u64 hi);

/* Is this signal a kick, one thread's call to another to look at its `pending`? [as-safe] */
bool stop_is_kick(struct vcpu *v, int signo, const u8 *info);
/* what cpu_on_pending() does about PEND_FLUSH and PEND_STALE */
void stop_forget(struct vcpu *v);
/* in the only thread of a forked child */
void stop_after_fork(void);

#endif
