/* SPDX-License-Identifier: MIT */
/*
 * Signal calls: copies in, the kernel's checks in the kernel's order, sig/ for the meaning, copies out. Where the
 * kernel changes state before it finds the output pointer bad, so does this.
 */
#include <asm/signal.h>
#include "kern/kern.h"
#include "kern/robust.h"

#define KILL_STOP (1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1))

SYSCALL(rt_sigaction)
{
	struct ksigaction act, old;
	long r;

	if (a[3] != 8)
		return -EINVAL;
	if (a[1] && rt_copy_from_guest(&act, a[1], sizeof(act)))
		return -EFAULT;
	if (a[1])
		act.flags &= ~(u64)SIG_IA32;
	r = sig_action(v, (int)a[0], a[1] ? &act : NULL, &old);
	old.flags &= ~(u64)SIG_IA32;
	return r ? r : kern_put(a[2], &old, sizeof(old));
}

SYSCALL(rt_sigprocmask)
{
	u64 old = sig_mask(v), set;

	if (a[3] != 8)
		return -EINVAL;
	if (a[1]) {
		if (rt_copy_from_guest(&set, a[1], sizeof(set)))
			return -EFAULT;
		switch ((int)a[0]) {
		case SIG_BLOCK:
			set |= old;
			break;
		case SIG_UNBLOCK:
			set = old & ~set;
			break;
		case SIG_SETMASK:
			break;
		default:
			return -EINVAL;
		}
		if (!sig_set_mask(v, set))
			return SIG_RESTART;
	}
	return kern_put(a[2], &old, sizeof(old));
}

SYSCALL(rt_sigreturn)
{
	(void)a;
	return sig_return(v) == SIG_RESTART ? SIG_RESTART : KERN_NO_RESULT;
}

SYSCALL(rt_sigpending)
{
	u64 set;

	if (a[1] > 8)
		return -EINVAL;
	set = sig_pending(v);
	return rt_copy_to_guest(a[0], &set, a[1]);
}

SYSCALL(rt_sigtimedwait)
{
	u8 info[128];
	s64 ts[2];
	u64 set;
	long r;

	if (a[3] != 8)
		return -EINVAL;
	if (rt_copy_from_guest(&set, a[0], sizeof(set)))
		return -EFAULT;
	if (a[2]) {
		if (rt_copy_from_guest(ts, a[2], sizeof(ts)))
			return -EFAULT;
		if (ts[0] < 0 || (u64)ts[1] >= 1000000000)
			return -EINVAL;
	}
	r = sig_timedwait(v, set & ~KILL_STOP, info, a[2] ? ts : NULL);
	if (r > 0 && kern_put(a[1], info, sizeof(info)))
		return -EFAULT;
	return r;
}

SYSCALL(rt_sigsuspend)
{
	u64 set;

	if (a[1] != 8)
		return -EINVAL;
	if (rt_copy_from_guest(&set, a[0], sizeof(set)))
		return -EFAULT;
	return sig_suspend(v, set);
}

SYSCALL(pause)
{
	(void)a;
	return sig_suspend(v, sig_mask(v));
}

SYSCALL(sigaltstack)
{
	struct kstack ss, old;
	long r;

	if (a[0] && rt_copy_from_guest(&ss, a[0], sizeof(ss)))
		return -EFAULT;
	r = sig_altstack(v, a[0] ? &ss : NULL, &old);
	return r ? r : kern_put(a[1], &old, sizeof(old));
}

/* A process that ends itself, abort() before all, ends in good order */
static long send(struct vcpu *v, long nr, const u64 a[6], int signo, bool to_us)
{
	bool held = to_us && sig_host_kills(v, signo) && robust_hold(v);
	long r = kern_host(v, nr, a);

	if (held)
		robust_release(v);
	return r;
}

SYSCALL(kill)
{
	return send(v, __NR_kill, a, (int)a[1], (int)a[0] <= 0 || (int)a[0] == v->pid);
}

SYSCALL(tkill)
{
	return send(v, __NR_tkill, a, (int)a[1], (int)a[0] == v->tid);
}

SYSCALL(tgkill)
{
	return send(v, __NR_tgkill, a, (int)a[2], (int)a[0] == v->pid);
}

/* sig/ restarts calls by their own number; what is left is a guest that calls this by itself */
SYSCALL(restart_syscall)
{
	(void)v, (void)a;
	return -EINTR;
}
