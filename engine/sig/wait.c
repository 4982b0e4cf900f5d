/* SPDX-License-Identifier: MIT */
/*
 * System calls that sleep: interrupted without a lost wakeup, restarted as the kernel would. Runs on the engine
 * stack of the thread that makes the call.
 */
#include "sig/ctx.h"

static bool handler_waits(struct vcpu *v, bool *restarts)
{
	u64 ready = v->sig->queued & ~v->sig->mask;

	if (!ready)
		return false;
	*restarts = v->sig->acts->a[__builtin_ctzl(ready) + 1].flags & SA_RESTART_;
	return true;
}

static long decide(struct vcpu *v, long nr, const u64 args[6], bool began)
{
	bool sa_restart = false, handler = handler_waits(v, &sa_restart);
	enum sig_restart class;

	if (!began) /* the signal came first: its handler runs, then the call is made */
		return SIG_RESTART;
	class = sig_restart_of ? sig_restart_of(nr, args) : RESTART_NEVER;
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

long sig_safe_syscall(struct vcpu *v, long nr, const u64 args[6])
{
	bool began;
	long ret = sig_syscall_raw(nr, args, &v->pending, &began);

	return ret == -EINTR ? decide(v, nr, args, began) : ret;
}

static void push_mask(struct vcpu *v, u64 mask)
{
	if (!v->sig->restore_mask)
		v->sig->saved_mask = v->sig->mask;
	v->sig->restore_mask = true;
	sig_set_mask(v, mask);
}

long sig_safe_syscall_mask(struct vcpu *v, long nr, const u64 args[6], u64 mask)
{
	bool began, restarts;
	long ret;

	push_mask(v, mask);
	ret = sig_syscall_raw(nr, args, &v->pending, &began);
	if (!handler_waits(v, &restarts)) {
		v->sig->restore_mask = false;
		sig_set_mask(v, v->sig->saved_mask);
		return ret == -EINTR && !began ? SIG_RESTART : ret;
	}
	return ret;
}

u64 sig_pending(struct vcpu *v)
{
	u64 set = 0;

	sys2(__NR_rt_sigpending, &set, 8);
	return (set | v->sig->queued) & v->sig->mask;
}

long sig_timedwait(struct vcpu *v, u64 set, u8 info[128], const s64 timeout[2])
{
	u64 have = v->sig->queued & set;
	u64 args[6] = { (u64)&set, (u64)info, (u64)timeout, 8 };
	bool began;
	int signo;

	if (!have) {
		long ret = sig_syscall_raw(__NR_rt_sigtimedwait, args, &v->pending, &began);

		return ret == -EINTR && !began ? SIG_RESTART : ret;
	}
	signo = __builtin_ctzl(have) + 1;
	memcpy(info, v->sig->info[signo], 128);
	v->sig->queued &= ~BIT(signo);
	host_mask_update(v);
	return signo;
}

long sig_suspend(struct vcpu *v, u64 mask)
{
	u64 host, args[6] = { (u64)&host, 8 };
	bool began, restarts;

	push_mask(v, mask);
	host = (v->sig->mask | v->sig->queued) & ~SYNC_SIGNALS;
	sig_syscall_raw(__NR_rt_sigsuspend, args, &v->pending, &began);
	if (handler_waits(v, &restarts))
		return -EINTR;
	v->sig->restore_mask = false;
	sig_set_mask(v, v->sig->saved_mask);
	return SIG_RESTART;
}
