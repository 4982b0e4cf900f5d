/* SPDX-License-Identifier: MIT */
/*
 * Masks and delivery. The host's mask is the guest's, but for signals of faults, which are never blocked there, and for
 * the time between the host's handler and the guest's frame, when everything else is: so the kernel keeps what is
 * pending, in its order and for whichever thread may have it, and the engine has one signal in its hands at a time.
 * Runs on engine stacks.
 */
#include <linux/signal.h>
#include "rt/engine.h"
#include "sig/ctx.h"
#include "sig/traced.h"


void host_mask_update(struct vcpu *v)
{
	struct sigctx *s = v->sig;
	u64 host = (s->queued & ~SYNC_SIGNALS ? ~0ul : s->mask) & ~SYNC_SIGNALS;

	sys4(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, &host, NULL, 8);
}

u64 sig_mask(struct vcpu *v)
{
	return v->sig->mask;
}

gaddr_t sig_mask_at(const struct sigctx *s)
{
	return (gaddr_t)&s->mask;
}

bool sig_set_mask(struct vcpu *v, u64 mask)
{
	struct sigctx *s = v->sig;
	u64 old = s->mask, ready;

	s->mask = mask & ~UNBLOCKABLE;
	host_mask_update(v);
	ready = s->queued & ~SYNC_SIGNALS;
	if (ready & s->mask) { /* it came before the host's mask changed, when it was not blocked */
		s->mask = old;
		return false;
	}
	if (s->queued & ~s->mask)
		__atomic_or_fetch(&v->pending, PEND_SIGNAL, __ATOMIC_SEQ_CST);
	return true;
}

/* takes the action for delivery: RESETHAND is done here. False: default or ignored */
static bool action_of(struct vcpu *v, int signo, struct ksigaction *act)
{
	struct sigacts *a = v->sig->acts;

	rt_lock(&a->lock);
	*act = a->a[signo];
	if (act->handler > 1 && act->flags & SA_RESETHAND_) {
		a->a[signo].handler = 0;
		action_host(signo, &a->a[signo]);
	}
	rt_unlock(&a->lock);
	return act->handler > 1;
}

/* 32-bit code: with a shadow stack above 4 GiB the kernel's way to it ends in #GP. The engine has none to run it without, either */
static void run_ia32(struct vcpu *v, int signo, const struct ksigaction *act)
{
	v->sig->restore_mask = false;
	v->sig->mask |= act->mask | (act->flags & SA_NODEFER_ ? 0 : BIT(signo));
	v->rip = act->handler;
	if (!(v->shstk_features & 1))
		rt_log_once("a signal handler in 32-bit code cannot run under gnomon");
	if (signo == SIGSEGV)
		action_die(v, SIGSEGV, NULL);
	sig_fault(v, SIGSEGV, SI_KERNEL, 0, 13, 0);
}

static void run_handler(struct vcpu *v, int signo, const struct ksigaction *act, const u8 *info)
{
	struct sigctx *s = v->sig;
	u64 mask = s->restore_mask ? s->saved_mask : s->mask;

	if (unlikely(v->traced.again))
		traced_end_call(v, act);
	if (!rseq_interrupt(v))
		action_die(v, SIGSEGV, NULL);
	if (unlikely(act->flags & SIG_IA32)) {
		run_ia32(v, signo, act);
		return;
	}
	if (!frame_build(v, signo, act, mask, info, s->trap_err, s->trapno, s->cr2)) {
		if (signo == SIGSEGV)
			action_die(v, SIGSEGV, NULL);
		sig_fault(v, SIGSEGV, SI_KERNEL, 0, -1, 0);
		return;
	}
	s->restore_mask = false;
	s->mask |= act->mask | (act->flags & SA_NODEFER_ ? 0 : BIT(signo));
	traced_handler(v);
}

static int next_signal(struct sigctx *s)
{
	u64 ready = s->queued & ~s->mask;

	if (!ready)
		return 0;
	if (ready & SYNC_SIGNALS)
		ready &= SYNC_SIGNALS;
	return __builtin_ctzl(ready) + 1;
}

static void act_upon(struct vcpu *v, int signo, const u8 info[128])
{
	struct ksigaction act;

	if (action_of(v, signo, &act))
		run_handler(v, signo, &act, info);
	else if (act.handler || DEFAULT_IGNORES & BIT(signo))
		return;
	else if (!(DEFAULT_STOPS & BIT(signo)))
		action_die(v, signo, info);
	else if (v->traced.on)
		traced_group_stop(v, signo);
	else
		action_stop(v, signo);
}

/* a SIGCHLD where there are tracees; asked once for each */
static bool is_for_guest(struct vcpu *v, const u8 info[128])
{
	bool looked = v->sig->looked;

	v->sig->looked = false;
	return looked || action_wants_child(v, info);
}

void sig_queue(struct vcpu *v, int signo, const u8 info[128])
{
	memcpy(v->sig->info[signo], info, 128);
	__atomic_or_fetch(&v->sig->queued, BIT(signo), __ATOMIC_SEQ_CST);
	__atomic_or_fetch(&v->pending, PEND_SIGNAL, __ATOMIC_SEQ_CST);
}

void sig_deliver(struct vcpu *v)
{
	struct sigctx *s = v->sig;
	int signo;

	__atomic_and_fetch(&v->pending, ~(u32)PEND_SIGNAL, __ATOMIC_SEQ_CST);
	if (unlikely(v->traced.said || v->traced.attached))
		traced_attend(v);
	while ((signo = next_signal(s))) {
		u8 info[128];

		sig_finish_window(v);
		memcpy(info, s->info[signo], 128);
		__atomic_and_fetch(&s->queued, ~BIT(signo), __ATOMIC_SEQ_CST);
		if (unlikely(action_look) && signo == SIGCHLD && !is_for_guest(v, info))
			continue;
		if (unlikely(v->traced.on))
			signo = traced_signal(v, signo, info);
		if (signo)
			act_upon(v, signo, info);
	}
	if (s->restore_mask) {
		s->restore_mask = false;
		s->mask = s->saved_mask;
	}
	if (unlikely(v->traced.again))
		traced_end_call(v, NULL);
	host_mask_update(v);
}

static void note_trap(struct vcpu *v, int trapno, u64 err, u64 addr)
{
	if (trapno < 0) /* the kernel's own, which is no trap */
		return;
	v->sig->trapno = (u64)trapno;
	v->sig->trap_err = err;
	if (trapno == 14)
		v->sig->cr2 = addr;
}

/* The tracer sees it first, and decides what it goes on with */
static void traced_force(struct vcpu *v, int signo, const u8 info[128], int trapno, u64 err)
{
	struct sigacts *a = v->sig->acts;
	u8 copy[128];

	if (v->sig->mask & BIT(signo) || a->a[signo].handler == 1) {
		rt_lock(&a->lock);
		a->a[signo].handler = 0; /* as the kernel, before anybody sees the signal */
		rt_unlock(&a->lock);
		v->sig->mask &= ~BIT(signo);
	}
	note_trap(v, trapno, err, *(const u64 *)(info + 16));
	memcpy(copy, info, sizeof(copy));
	signo = traced_signal(v, signo, copy);
	if (signo) {
		act_upon(v, signo, copy);
		host_mask_update(v);
	}
}

/* a signal that cannot be put off: trapno -1 is no trap */
static void force(struct vcpu *v, int signo, const u8 info[128], int trapno, u64 err)
{
	u64 addr = *(const u64 *)(info + 16);
	s32 code = *(const s32 *)(info + 8);
	struct ksigaction act;

	sig_finish_window(v);
	if (unlikely(v->traced.on)) {
		traced_force(v, signo, info, trapno, err);
		return;
	}
	if (v->sig->mask & BIT(signo) || !action_of(v, signo, &act)) {
		if (eng.set.flags & GN_OPT_STATS) {
			cpu_describe(v);
			rt_log("guest dies of signal %d: rip %lx, address %lx, code %d", signo, v->rip, addr, code);
		}
		action_die(v, signo, info);
	}
	note_trap(v, trapno, err, addr);
	run_handler(v, signo, &act, info);
	host_mask_update(v);
}

void sig_fault(struct vcpu *v, int signo, int code, u64 addr, int trapno, u64 err)
{
	u8 info[128] = { 0 };

	if (signo == SIGSEGV && code == 2 && err & 2 && cpu_up.write_fault && cpu_up.write_fault(v, addr)) {
		v->store_at = PAGE_DOWN(addr) == PAGE_DOWN(v->rip) ? v->rip : 0;
		return;
	}
	*(s32 *)info = signo;
	*(s32 *)(info + 8) = code;
	*(u64 *)(info + 16) = addr;
	if (signo == SIGSEGV && code == SEGV_PKUERR_CODE)
		*(u32 *)(info + INFO_PKEY) = v->fault.pkey;
	force(v, signo, info, trapno, err);
}

void sig_sys(struct vcpu *v, int reason, int nr)
{
	u8 info[128] = { 0 };

	*(s32 *)info = SIGSYS;
	*(s32 *)(info + 4) = reason;
	*(s32 *)(info + 8) = 1; /* SYS_SECCOMP */
	*(u64 *)(info + 16) = v->rip;
	*(s32 *)(info + 24) = nr;
	*(u32 *)(info + 28) = 0xc000003e; /* AUDIT_ARCH_X86_64 */
	force(v, SIGSYS, info, -1, 0);
}

void sig_die(struct vcpu *v, int signo)
{
	action_die(v, signo, NULL);
}
