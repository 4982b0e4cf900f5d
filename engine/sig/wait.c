/* SPDX-License-Identifier: MIT */
/*
 * System calls that sleep: interrupted without a lost wakeup, restarted as the kernel would. Runs on the engine
 * stack of the thread that makes the call.
 */
#include <linux/signal.h>
#include "sig/ctx.h"

/* a handler of the guest's is about to run; does it have SA_RESTART? */
static bool handler_waits(struct vcpu *v, bool *restarts)
{
	u64 ready = v->sig->queued & ~v->sig->mask;
	const struct ksigaction *act = &v->sig->acts->a[ready ? __builtin_ctzl(ready) + 1 : 0];

	*restarts = act->flags & SA_RESTART_;
	return ready && act->handler > 1;
}

/*
 * Woken by a SIGCHLD that is none of the guest's business, or that the kernel would not even send, and by nothing else? It is
 * dropped, and the call made again.
 */
static bool woken_for_nothing(struct vcpu *v)
{
	struct sigctx *s = v->sig;

	if (likely(!action_look) || s->queued != BIT(SIGCHLD))
		return false;
	s->looked = s->looked || action_wants_child(v, s->info[SIGCHLD]);
	if (s->looked)
		return s->acts->a[SIGCHLD].handler <= 1;
	__atomic_and_fetch(&s->queued, ~BIT(SIGCHLD), __ATOMIC_SEQ_CST);
	host_mask_update(v);
	return true;
}

static long decide(struct vcpu *v, long nr, const u64 args[6])
{
	bool sa_restart = false, nothing = woken_for_nothing(v), handler = handler_waits(v, &sa_restart);
	enum sig_restart class = sig_restart_of ? sig_restart_of(nr, args) : RESTART_NEVER;

	if (unlikely(v->traced.on || v->traced.said) && !nothing && class != RESTART_NEVER) { /* its tracer decides whether there is a handler */
		v->traced.again = v->rip - 2;
		v->traced.again_class = class;
		return SIG_RESTART;
	}
	if (unlikely(nothing))
		return SIG_RESTART;
	switch (class) {
	case RESTART_NEVER:
		return -EINTR;
	case RESTART_ALWAYS:
		return SIG_RESTART;
	case RESTART_SYS:
		return !handler || sa_restart ? SIG_RESTART : -EINTR;
	default:
		return handler ? -EINTR : SIG_RESTART;
	}
}

static long safe_syscall(struct vcpu *v, long nr, const u64 args[6], bool own)
{
	bool began;
	long ret = sig_syscall_raw(nr, args, &v->pending, &began, own);

	if (ret != -EINTR)
		return ret;
	return began ? decide(v, nr, args) : SIG_RESTART; /* the signal came first: its handler runs, then the call is made */
}

long sig_safe_syscall(struct vcpu *v, long nr, const u64 args[6])
{
	return safe_syscall(v, nr, args, false);
}

long sig_safe_syscall_own(struct vcpu *v, long nr, const u64 args[6])
{
	return safe_syscall(v, nr, args, true);
}

/*
 * The kernel puts the mask in force and takes it back; what came before it did is delivered under the old one. Only
 * where the call failed because a handler is to run does that one see the new mask, and its frame bring the old one back.
 */
long sig_safe_syscall_mask(struct vcpu *v, long nr, const u64 args[6], u64 *mask)
{
	struct sigctx *s = v->sig;
	u64 old = s->mask;
	bool began, restarts;
	long ret;

	s->mask = *mask & ~UNBLOCKABLE;
	*mask = s->mask & ~SYNC_SIGNALS;
	if (s->queued & ~s->mask) /* a fault's, blocked until now */
		__atomic_or_fetch(&v->pending, PEND_SIGNAL, __ATOMIC_SEQ_CST);
	ret = sig_syscall_raw(nr, args, &v->pending, &began, false);
	if (ret == -EINTR && !woken_for_nothing(v) && handler_waits(v, &restarts) && (began || s->queued & old)) {
		s->saved_mask = old;
		s->restore_mask = true;
		return -EINTR;
	}
	s->mask = old;
	if (unlikely(action_look))
		host_mask_update(v);
	return ret == -EINTR ? SIG_RESTART : ret;
}

u64 sig_pending(struct vcpu *v)
{
	u64 set = 0;

	sys2(__NR_rt_sigpending, &set, 8);
	return (set | v->sig->queued) & v->sig->mask;
}

long sig_timedwait(struct vcpu *v, u64 set, u8 info[128], const s64 timeout[2])
{
	u64 have = v->sig->queued & set & SYNC_SIGNALS;
	u64 args[6] = { (u64)&set, (u64)info, (u64)timeout, 8 };
	bool began;
	long ret;
	int signo;

	if (!have) {
		do
			ret = sig_syscall_raw(__NR_rt_sigtimedwait, args, &v->pending, &began, true);
		while (unlikely(action_look) && ret == SIGCHLD && !action_wants_child(v, info));
		return ret == -EINTR && !began ? SIG_RESTART : ret;
	}
	signo = __builtin_ctzl(have) + 1;
	memcpy(info, v->sig->info[signo], 128);
	__atomic_and_fetch(&v->sig->queued, ~BIT(signo), __ATOMIC_SEQ_CST);
	return signo;
}

long sig_suspend(struct vcpu *v, u64 mask)
{
	const u64 args[6] = { (u64)&mask, 8 };

	return sig_safe_syscall_mask(v, __NR_rt_sigsuspend, args, &mask);
}
