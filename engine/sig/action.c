/* SPDX-License-Identifier: MIT */
/*
 * Dispositions, and what threads have of them. The host has our handler for what the guest handles, and the guest's own
 * default or ignore otherwise, so that default actions are the kernel's. Runs on engine stacks.
 */
#include <linux/signal.h>
#include "rt/engine.h"
#include "sig/ctx.h"
#include "sig/freeze.h"

#define CLEAR_SIGHAND (1ul << 32) /* CLONE_CLEAR_SIGHAND */

enum sig_restart (*sig_restart_of)(long nr, const u64 args[6]);

/* see sig_watch_deaths(), sig_watch_all(); of the last two the process that has installed them: a vfork child's are its own */
static bool watch_deaths;
static int watch_all, watch_cores;
bool (*action_look)(struct vcpu *v, const u8 info[128]);

static bool ours(int signo, const struct ksigaction *act)
{
	return act->handler > 1 || watch_all || (action_look && signo == SIGCHLD) ||
	       (watch_cores && !act->handler && CORE_SIGNALS & BIT(signo)) || SYNC_SIGNALS & BIT(signo) ||
	       (watch_deaths && !act->handler && !((DEFAULT_IGNORES | DEFAULT_STOPS) & BIT(signo)));
}

bool sig_host_kills(struct vcpu *v, int signo)
{
	const struct ksigaction *act;

	if (signo < 1 || signo > GSIG_MAX || (DEFAULT_IGNORES | DEFAULT_STOPS | BIT(9)) & BIT(signo))
		return false;
	act = &v->sig->acts->a[signo];
	return !act->handler && !ours(signo, act);
}

void action_host(int signo, const struct ksigaction *act)
{
	struct ksigaction h = { .handler = act->handler };

	if (BIT(signo) & UNBLOCKABLE)
		return;
	if (ours(signo, act)) {
		h.handler = (u64)sig_host_entry;
		h.flags = SA_SIGINFO_ | SA_ONSTACK_ | SA_RESTORER_;
		h.restorer = (u64)sig_host_restorer;
		h.mask = ~0ul;
	}
	h.flags |= act->flags & (SA_NOCLDSTOP_ | SA_NOCLDWAIT_);
	if (action_look)
		h.flags &= ~SA_NOCLDSTOP_;
	if (signo == SIGCHLD && act->handler == 1)
		h.flags |= SA_NOCLDWAIT_; /* as the kernel sees it where it is ignored */
	sys4(__NR_rt_sigaction, signo, &h, NULL, 8);
}

static struct sigacts *acts_new(const struct sigacts *from)
{
	struct sigacts *a = rt_map(PAGE_SIZE);

	if (a && from)
		memcpy(a->a, from->a, sizeof(a->a));
	if (a)
		a->refs = 1;
	return a;
}

void sig_init(void)
{
}

void sig_watch_deaths(struct vcpu *v)
{
	watch_deaths = true;
	for (int n = 1; n <= GSIG_MAX; n++)
		if (!v->sig->acts->a[n].handler)
			action_host(n, &v->sig->acts->a[n]);
}

static void watch(struct vcpu *v, int *what)
{
	if (*what == v->pid)
		return;
	*what = v->pid;
	rt_lock(&v->sig->acts->lock);
	for (int n = 1; n <= GSIG_MAX; n++)
		action_host(n, &v->sig->acts->a[n]);
	rt_unlock(&v->sig->acts->lock);
}

void sig_watch_cores(struct vcpu *v)
{
	watch(v, &watch_cores);
}

void sig_watch_all(struct vcpu *v)
{
	watch(v, &watch_all);
}

void sig_watch_children(struct vcpu *v, bool (*look)(struct vcpu *v, const u8 info[128]))
{
	if (action_look)
		return;
	action_look = look;
	rt_lock(&v->sig->acts->lock);
	action_host(SIGCHLD, &v->sig->acts->a[SIGCHLD]);
	rt_unlock(&v->sig->acts->lock);
}

bool action_wants_child(struct vcpu *v, const u8 info[128])
{
	bool stop = *(const s32 *)(info + 8) >= 4; /* CLD_TRAPPED, STOPPED, CONTINUED */

	if (!action_look(v, info))
		return false;
	return !stop || !(v->sig->acts->a[SIGCHLD].flags & SA_NOCLDSTOP_);
}

static void inherit_host(struct sigacts *a)
{
	for (int n = 1; n <= GSIG_MAX; n++) {
		struct ksigaction h = { 0 };

		if (sys4(__NR_rt_sigaction, n, NULL, &h, 8) == 0 && h.handler == 1)
			a->a[n].handler = 1;
		if (SYNC_SIGNALS & BIT(n))
			action_host(n, &a->a[n]);
	}
}

static void host_altstack(struct vcpu *v)
{
	struct kstack ss = { .sp = (u64)v->sig->host_alt, .size = HOST_ALTSTACK };

	sys2(__NR_sigaltstack, &ss, NULL);
}

/* in the child: what CLONE_CLEAR_SIGHAND asks for */
static void clear_handlers(struct vcpu *v)
{
	struct ksigaction dfl = { 0 };

	for (int n = 1; n <= GSIG_MAX; n++)
		if (v->sig->acts->a[n].handler > 1)
			sig_action(v, n, &dfl, NULL);
}

static void thread_start(struct vcpu *v)
{
	host_altstack(v);
	if (v->birth & CLEAR_SIGHAND)
		clear_handlers(v);
}

static void hold_signals(struct vcpu *v, bool all)
{
	u64 set = all ? ~0ul : 0;

	for (int n = 1; n <= GSIG_MAX; n++)
		if (v->sig->acts->a[n].handler > 1)
			set |= BIT(n);
	set &= ~SYNC_SIGNALS;
	sys4(__NR_rt_sigprocmask, 0 /* SIG_BLOCK */, &set, NULL, 8);
}

static long thread_new(struct vcpu *v, struct vcpu *parent, u64 clone_flags)
{
	struct sigctx *s = v->sig_room, *p = parent->sig;

	v->sig = s;
	s->queued = 0;
	s->restore_mask = s->stepping = false;
	s->trapno = p->trapno;
	s->trap_err = p->trap_err;
	s->cr2 = p->cr2;
	s->mask = p->mask;
	s->alt = clone_flags & 0x4000 /* CLONE_VFORK */ ? p->alt : (struct kstack){ .flags = SIG_DISABLE };
	if (clone_flags & 0x800) { /* CLONE_SIGHAND */
		s->acts = p->acts;
		__atomic_add_fetch(&s->acts->refs, 1, __ATOMIC_SEQ_CST);
	} else {
		s->acts = acts_new(p->acts);
	}
	return s->acts ? 0 : -ENOMEM;
}

static void thread_end(struct vcpu *v)
{
	struct sigctx *s = v->sig;

	if (!__atomic_sub_fetch(&s->acts->refs, 1, __ATOMIC_SEQ_CST))
		rt_unmap(s->acts, PAGE_SIZE);
}

long sig_thread_init(struct vcpu *v, struct vcpu *parent)
{
	u64 mask = 0;

	cpu_up.thread_new = thread_new;
	cpu_up.thread_start = thread_start;
	cpu_up.hold_signals = hold_signals;
	cpu_up.release_signals = host_mask_update;
	if (parent)
		return thread_new(v, parent, 0);
	v->sig = v->sig_room;
	v->sig->acts = acts_new(NULL);
	if (!v->sig->acts)
		return -ENOMEM;
	v->sig->alt.flags = SIG_DISABLE;
	host_altstack(v);
	inherit_host(v->sig->acts);
	sys4(__NR_rt_sigprocmask, 0, NULL, &mask, 8);
	v->sig->mask = mask & ~UNBLOCKABLE;
	host_mask_update(v);
	return 0;
}

void sig_thread_exit(struct vcpu *v)
{
	thread_end(v);
}

void sig_after_fork(struct vcpu *v)
{
	/* what is pending for the parent is its own; that child's mask is put right by release_signals() */
	v->sig->queued = 0;
	__atomic_and_fetch(&v->pending, ~(u32)PEND_SIGNAL, __ATOMIC_SEQ_CST);
	if (v->birth & CLEAR_SIGHAND)
		clear_handlers(v);
}

long sig_action(struct vcpu *v, int signo, const struct ksigaction *act, struct ksigaction *old)
{
	struct sigacts *a = v->sig->acts;

	if (signo < 1 || signo > GSIG_MAX || (act && BIT(signo) & UNBLOCKABLE))
		return -EINVAL;
	rt_lock(&a->lock);
	if (old)
		*old = a->a[signo];
	if (act) {
		a->a[signo] = *act;
		a->a[signo].flags &= SA_KNOWN;
		a->a[signo].mask &= ~UNBLOCKABLE;
		action_host(signo, act);
	}
	rt_unlock(&a->lock);
	return 0;
}

/* ignored by the guest, and yet the host has our handler for it */
static bool hides_ignored(const struct vcpu *v, int signo)
{
	const struct ksigaction *act = &v->sig->acts->a[signo];

	return act->handler == 1 && ours(signo, act);
}

static bool ignores_ours(const struct vcpu *v)
{
	for (int n = 1; n <= GSIG_MAX; n++)
		if (hides_ignored(v, n))
			return true;
	return false;
}

/* exec leaves ignored signals ignored and resets the others. Ours are never ignored, as long as there is a choice */
static void ignore_ours(const struct vcpu *v, bool on)
{
	struct ksigaction h = { .handler = 1 };

	for (int n = 1; n <= GSIG_MAX; n++)
		if (hides_ignored(v, n)) {
			if (on)
				sys4(__NR_rt_sigaction, n, &h, NULL, 8);
			else
				action_host(n, &v->sig->acts->a[n]);
		}
}

long sig_exec(struct vcpu *v, int dirfd, const char *path, char *const *argv, char *const *envp, int flags)
{
	const u64 a[6] = { (u64)dirfd, (u64)path, (u64)argv, (u64)envp, (u64)flags };
	bool began = true, ignored, held, lock;
	long r;

	if (!v)
		return sys5(__NR_execveat, dirfd, path, argv, envp, flags);
	held = cpu_up.dying(v); /* while the engine still has its signals */
	if (held && v->pending) {
		cpu_up.alive(v);
		return SIG_RESTART;
	}
	ignored = ignores_ours(v);
	lock = ignored && !held && !v->vfork_child && cpu_thread_count() > 1;
	if (lock)
		cache_lock(); /* no kick is ignored: they are sent with it held */
	if (ignored)
		ignore_ours(v, true);
	sys4(__NR_rt_sigprocmask, 2, &v->sig->mask, NULL, 8);
	r = sig_syscall_raw(__NR_execveat, a, &v->pending, &began, false);
	host_mask_update(v);
	cpu_up.alive(v);
	if (ignored)
		ignore_ours(v, false);
	if (lock)
		cache_unlock();
	return r == -EINTR && !began ? SIG_RESTART : r;
}

bool sig_quit(struct vcpu *v)
{
	u64 async = ~SYNC_SIGNALS;

	sys4(__NR_rt_sigprocmask, 2, &async, NULL, 8);
	if (!(v->sig->queued & ~v->sig->mask))
		return true;
	host_mask_update(v);
	return false;
}

/* The default action of a stop signal, by the kernel: the whole process stops here until it is continued */
void action_stop(struct vcpu *v, int signo)
{
	struct ksigaction dfl = { 0 };
	u64 set = BIT(signo);

	if (signo == SIGSTOP) {
		sys3(__NR_tgkill, v->pid, v->tid, signo);
		return;
	}
	rt_lock(&v->sig->acts->lock);
	sys4(__NR_rt_sigaction, signo, &dfl, NULL, 8);
	sys3(__NR_tgkill, v->pid, v->tid, signo);
	sys4(__NR_rt_sigprocmask, 1 /* SIG_UNBLOCK */, &set, NULL, 8);
	action_host(signo, &v->sig->acts->a[signo]);
	rt_unlock(&v->sig->acts->lock);
}

void __noreturn action_die(struct vcpu *v, int signo, const u8 *info)
{
	struct ksigaction dfl = { 0 };
	u64 none = 0;

	if (watch_cores && sig_core && CORE_SIGNALS & BIT(signo)) {
		u8 nothing[128] = { (u8)signo };

		sig_core(v, signo, info ? info : nothing);
	}
	cpu_up.dying(v);
	sys4(__NR_rt_sigaction, signo, &dfl, NULL, 8);
	sys3(__NR_tgkill, v->pid, v->tid, signo);
	sys4(__NR_rt_sigprocmask, 2, &none, NULL, 8);
	for (;;)
		sys1(__NR_exit_group, 128 + signo);
}
