/* SPDX-License-Identifier: MIT */
/*
 * Getting other threads out of the cache, or out of dead blocks. The kick is a signal that the host never blocks and
 * always hands to the engine; its handler (sig/host.c) recovers the guest's state wherever the thread was. A thread
 * that does not run takes it before its next instruction, so only a flush, which throws away what recovery needs,
 * has to wait for threads; for dead blocks it is enough that the signal is there and that running threads have passed
 * through the kernel once (membarrier).
 */
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <linux/signal.h>
#include "cpu/cpu.h"
#include "rt/engine.h"

#define KICK_SIGNAL SIGFPE  /* of those that are always ours the one that programs send each other least */
#define KICK_CODE (-0x676e) /* si_code */
#define LOOK_EVERY 20000000 /* ns between looks whether a process that shares this memory was killed */

static u32 acks; /* futex; grows with every acknowledgement */
static bool barrier_registered;

void stop_acknowledge(struct vcpu *v)
{
	v->owes_ack = false;
	__atomic_add_fetch(&acks, 1, __ATOMIC_SEQ_CST);
	sys3(__NR_futex, &acks, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 0x7fffffff);
}

bool stop_is_kick(struct vcpu *v, int signo, const u8 *info)
{
	s32 code, pid;
	u64 value;

	if (signo != KICK_SIGNAL)
		return false;
	__builtin_memcpy(&code, info + 8, 4);
	__builtin_memcpy(&pid, info + 16, 4);
	__builtin_memcpy(&value, info + 24, 8);
	/* where RLIMIT_SIGPENDING is used up the kernel drops what came with a signal, not the signal */
	if (!(code == KICK_CODE && value == (u64)&acks) && !(v->kicked && code == SI_USER && !pid))
		return false;
	v->kicked = false;
	if (v->outside)
		stop_acknowledge(v);
	else
		v->owes_ack = true;
	return true;
}

/* [holds: cache_lock] false: there is no such thread any more, or it may not be kicked */
static bool kick(struct vcpu *t)
{
	u8 info[128] = { 0 };
	s32 code = KICK_CODE;
	u64 value = (u64)&acks;
	long r;

	__builtin_memcpy(info + 8, &code, 4);
	__builtin_memcpy(info + 16, &t->pid, 4);
	__builtin_memcpy(info + 24, &value, 8);
	t->kicked = true;
	r = sys4(__NR_rt_tgsigqueueinfo, t->pid, t->tid, KICK_SIGNAL, info);
	if (r)
		t->kicked = false;
	return !r;
}

/* tells t, and whether it may be inside */
static bool kick_needed(struct vcpu *t, u32 why)
{
	__atomic_or_fetch(&t->pending, why, __ATOMIC_SEQ_CST);
	return !__atomic_load_n(&t->outside, __ATOMIC_SEQ_CST);
}

/* Threads of this process end through the engine or with the process. One of another process that shares the memory
 * (clone with CLONE_VM alone) can be killed anywhere. */
static void wait_outside(struct vcpu *t)
{
	struct { s64 sec, nsec; } wait = { 0, LOOK_EVERY };

	for (;;) {
		u32 seen = __atomic_load_n(&acks, __ATOMIC_SEQ_CST);

		if (__atomic_load_n(&t->outside, __ATOMIC_SEQ_CST))
			return;
		if (sys4(__NR_futex, &acks, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, seen, &wait) == -ETIMEDOUT &&
		    !rt_shares_memory(t->tid))
			return;
	}
}

void stop_others(struct vcpu *v)
{
	for (struct vcpu *t = cpu_threads; t; t = t->next)
		if (t != v && kick_needed(t, PEND_FLUSH))
			kick(t);
	for (struct vcpu *t = cpu_threads; t; t = t->next) {
		if (t == v)
			continue;
		wait_outside(t);
		if (!t->outside) { /* it will run no more. The parent of a vfork child cleans up itself */
			t->gone = !t->vfork_child;
			t->outside = 1;
		}
	}
}

static void barrier(void)
{
	if (!barrier_registered)
		barrier_registered = !sys3(__NR_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
	sys3(__NR_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

void stop_stale(struct vcpu *v, u64 lo, u64 hi)
{
	bool any = false;

	for (struct vcpu *t = cpu_threads; t; t = t->next) {
		t->stale_lo = min(t->stale_lo, lo);
		t->stale_hi = max(t->stale_hi, hi);
		if (t == v)
			__atomic_or_fetch(&t->pending, PEND_STALE, __ATOMIC_SEQ_CST);
		else if (kick_needed(t, PEND_STALE))
			any |= kick(t);
	}
	if (any)
		barrier();
}

void stop_forget(struct vcpu *v)
{
	u32 what;

	cache_lock();
	what = __atomic_fetch_and(&v->pending, ~(u32)(PEND_FLUSH | PEND_STALE), __ATOMIC_SEQ_CST);
	if (what & PEND_FLUSH) {
		cpu_tables_reset(v);
		shstk_forget_all(v);
	} else if (what & PEND_STALE) {
		shstk_forget_dead(v, v->stale_lo, v->stale_hi);
	}
	v->stale_lo = ~0ul;
	v->stale_hi = 0;
	cache_unlock();
	/* Who kicked us did it under the lock. On the way out of any call the kernel delivers it: later it would
	 * interrupt a call of the guest's */
	if (v->kicked)
		sys0(__NR_gettid);
	BUG_ON(v->kicked);
}

void stop_after_fork(void)
{
	barrier_registered = false;
}
