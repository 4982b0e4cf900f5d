/* SPDX-License-Identifier: MIT */
/*
 * Stops of a traced thread. The host's ptrace carries them: the thread sends itself a SIGTRAP, whose delivery the host
 * reports, and the tracer's engine, which finds TRACED_* in the vcpu, shows its guest what stands there instead. Every
 * signal of the host's own the tracer passes on unseen; what comes of it here, at a guest boundary, is what
 * its guest sees. Runs on engine stacks, guest state exact, outside the cache and with no lock held.
 */
#include <linux/ptrace.h>
#include <linux/signal.h>
#include "sig/ctx.h"
#include "sig/freeze.h"
#include "sig/traced.h"

void (*traced_serve)(struct vcpu *v);
void (*traced_wire)(void);

/* a signal of the protocol's, to a thread of this process */
static void ring(struct vcpu *v, int signo)
{
	u64 value = (u64)TRACED_MAGIC << 32;
	s32 code = TRACED_CODE;
	u8 info[128] = { 0 };

	memcpy(info + 8, &code, 4);
	memcpy(info + 24, &value, 8);
	sys4(__NR_rt_tgsigqueueinfo, v->pid, v->tid, signo, info);
}

/* until the tracer lets it go; what it is asked to do in between is done here */
static void stand(struct vcpu *v, enum traced_where where)
{
	struct traced *t = &v->traced;

	t->barren = false;
	do {
		t->request = TRACED_NOTHING;
		__atomic_store_n(&t->where, where, __ATOMIC_RELEASE);
		ring(v, SIGTRAP); /* never blocked: it stops on the way out */
		if (t->request)
			traced_serve(v);
	} while (t->request);
	__atomic_store_n(&t->where, TRACED_RUNS, __ATOMIC_RELEASE);
}

/* Inside the kernel an interrupted call has not been wound back yet, and that is what a tracer sees. True: it looks so now */
static bool show_interrupted(struct vcpu *v)
{
	static const s64 code[] = { [RESTART_SYS] = -512, [RESTART_ALWAYS] = -513, [RESTART_NOHAND] = -514,
				    [RESTART_BLOCK] = -516 };
	struct traced *t = &v->traced;

	if (!t->again || t->again != v->rip)
		return false;
	t->orig_rax = v->gregs[RAX];
	t->shown = (u64)code[t->again_class];
	v->gregs[RAX] = t->shown;
	v->rip += 2;
	return true;
}

void traced_show_interrupted(struct vcpu *v)
{
	v->traced.frozen_call = show_interrupted(v);
}

/* back again, unless the tracer has sent it elsewhere */
static void wind_back(struct vcpu *v)
{
	struct traced *t = &v->traced;

	if (v->rip == t->again + 2 && v->gregs[RAX] == t->shown && (s64)t->orig_rax >= 0) {
		v->rip = t->again;
		v->gregs[RAX] = t->orig_rax;
	} else {
		t->again = 0;
	}
}

void traced_stop(struct vcpu *v, enum traced_where where, int status, const u8 *info)
{
	struct traced *t = &v->traced;
	bool interrupted = where != TRACED_ENTRY && where != TRACED_EXIT && show_interrupted(v);
	s32 own[6] = { SIGTRAP, 0, status, 0, v->pid };

	t->status = status;
	t->signo = where == TRACED_SIGNAL ? status : 0;
	memset(t->info, 0, sizeof(t->info));
	if (info)
		memcpy(t->info, info, sizeof(t->info));
	else
		memcpy(t->info, own, sizeof(own));
	stand(v, where);
	if (interrupted)
		wind_back(v);
	t->step = t->on && (t->mode == PTRACE_SINGLESTEP || t->mode == PTRACE_SYSEMU_SINGLESTEP);
	step_arm(v);
}

void traced_called(struct vcpu *v, u64 orig_rax)
{
	v->traced.orig_rax = orig_rax;
	v->traced.called = v->rip;
}

/* another signal than the one it stopped for: as if the tracer had sent it */
static void from_tracer(struct vcpu *v, int signo, u8 info[128])
{
	s32 head[6] = { signo, 0, SI_USER, 0, v->traced.tracer };

	memset(info, 0, 128);
	memcpy(info, head, sizeof(head));
}

int traced_signal(struct vcpu *v, int signo, u8 info[128])
{
	struct traced *t = &v->traced;
	s32 said;

	if (t->called != v->rip)
		t->orig_rax = ~0ul;
	traced_stop(v, TRACED_SIGNAL, signo, info);
	signo = t->signo;
	if (!signo)
		return 0;
	memcpy(&said, t->info, 4);
	if (said == signo)
		memcpy(info, t->info, 128);
	else
		from_tracer(v, signo, info);
	if (!(v->sig->mask & BIT(signo)))
		return signo;
	sys4(__NR_rt_tgsigqueueinfo, v->pid, v->tid, signo, info); /* for when it is not blocked any more */
	return 0;
}

void traced_freeze(struct vcpu *t)
{
	__atomic_or_fetch(&t->traced.said, TRACED_SAID_FREEZE, __ATOMIC_SEQ_CST);
	ring(t, TRACED_BELL);
}

static void tell_the_others(struct vcpu *v, int signo)
{
	cpu_threads_lock();
	for (struct vcpu *t = cpu_threads; t; t = t->next) {
		if (t == v || t->pid != v->pid || !t->traced.on)
			continue;
		t->traced.group = signo;
		__atomic_or_fetch(&t->traced.said, TRACED_SAID_GROUP, __ATOMIC_SEQ_CST);
		ring(t, TRACED_BELL);
	}
	cpu_threads_unlock();
}

static bool take(struct vcpu *v, u32 what)
{
	return __atomic_fetch_and(&v->traced.said, ~what, __ATOMIC_SEQ_CST) & what;
}

/* PTRACE_LISTEN: stopped, but not for its tracer, until SIGCONT (true) or PTRACE_INTERRUPT */
static bool listen(struct vcpu *v)
{
	const u64 none[6] = { 0 };
	struct sigctx *s = v->sig;
	u64 mask = ~(SYNC_SIGNALS | BIT(SIGCONT));
	bool began;

	for (;;) {
		sys4(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, &mask, NULL, 8);
		__atomic_and_fetch(&v->pending, ~(u32)PEND_SIGNAL, __ATOMIC_SEQ_CST);
		if (s->queued & BIT(SIGCONT))
			break;
		if (take(v, TRACED_SAID_INTERRUPT) || !v->traced.on)
			return false;
		sig_syscall_raw(__NR_ppoll, none, &v->pending, &began, false);
	}
	if (s->mask & BIT(SIGCONT)) { /* it is for later */
		__atomic_and_fetch(&s->queued, ~BIT(SIGCONT), __ATOMIC_SEQ_CST);
		mask = ~SYNC_SIGNALS;
		sys4(__NR_rt_sigprocmask, 2, &mask, NULL, 8);
		sys4(__NR_rt_tgsigqueueinfo, v->pid, v->tid, SIGCONT, s->info[SIGCONT]);
	}
	return true;
}

static void group_stop(struct vcpu *v, int signo)
{
	struct traced *t = &v->traced;
	bool continued;

	do {
		traced_stop(v, TRACED_GROUP, t->seized ? signo | EVENT_STOP << 8 : signo, NULL);
		if (t->mode != PTRACE_LISTEN)
			return;
		continued = listen(v);
	} while (t->on && !continued);
	if (t->on)
		traced_stop(v, TRACED_EVENT, SIGTRAP | EVENT_STOP << 8, NULL);
}

void traced_group_stop(struct vcpu *v, int signo)
{
	tell_the_others(v, signo);
	group_stop(v, signo);
}

void traced_end_call(struct vcpu *v, const struct ksigaction *act)
{
	struct traced *t = &v->traced;
	bool ends = act && t->again_class != RESTART_ALWAYS && (t->again_class != RESTART_SYS || !(act->flags & SA_RESTART_));

	if (t->again != v->rip)
		ends = false;
	else if (!act && t->again_class == RESTART_BLOCK)
		t->resumed = v->rip;
	t->again = 0;
	if (!ends)
		return;
	v->rip += 2;
	v->gregs[RAX] = (u64)-EINTR;
}

void traced_handler(struct vcpu *v)
{
	if (v->traced.on && v->traced.step)
		traced_stop(v, TRACED_EVENT, SIGTRAP, NULL);
}

void traced_begin(struct vcpu *v, bool seized)
{
	v->traced.on = true;
	v->traced.seized = seized;
	v->traced.tid = v->tid;
	v->traced.orig_rax = ~0ul;
	sig_watch_all(v);
	traced_wire();
}

void traced_attend(struct vcpu *v)
{
	struct traced *t = &v->traced;

	if (take(v, TRACED_SAID_FREEZE))
		freeze_self(v);
	if (t->attached) {
		t->attached = false;
		traced_begin(v, false);
	}
	if (take(v, TRACED_SAID_SEIZE))
		traced_begin(v, true);
	if (take(v, TRACED_SAID_GROUP) && t->on) {
		take(v, TRACED_SAID_INTERRUPT);
		group_stop(v, t->group);
	}
	if (take(v, TRACED_SAID_INTERRUPT) && t->on)
		traced_stop(v, TRACED_EVENT, SIGTRAP | EVENT_STOP << 8, NULL);
}

/* the SIGSTOP that the host had for us; what came with it but its code is still there */
static int stop_signal(const u8 *info, u32 code, u8 real[128])
{
	s32 head[3] = { SIGSTOP, 0, (s16)code };
	u64 none = 0;

	memcpy(real, info, 128);
	memcpy(real, head, sizeof(head));
	memcpy(real + 24, &none, 8);
	return SIGSTOP;
}

/* a SIGTRAP of stand() that nobody took: there is no tracer any more */
static bool is_unheard(struct vcpu *v, int signo)
{
	if (signo != SIGTRAP || v->traced.where == TRACED_RUNS)
		return false;
	v->traced.on = v->traced.step = false;
	v->traced.request = TRACED_NOTHING;
	return true;
}

bool traced_is_word(struct vcpu *v, int signo, const u8 *info, u8 real[128], int *queue)
{
	u64 value;
	s32 code;

	*queue = 0;
	if (is_unheard(v, signo))
		return true;
	memcpy(&code, info + 8, 4);
	memcpy(&value, info + 24, 8);
	if ((signo != TRACED_BELL && signo != SIGTRAP) || code != TRACED_CODE || value >> 32 != TRACED_MAGIC)
		return false;
	if (v->traced.said & TRACED_SAID_SEIZE)
		v->traced.on = true;
	if (value & TRACED_WORD_ATTACH)
		v->traced.attached = v->traced.on = true;
	if (value & (TRACED_WORD_ATTACH | TRACED_WORD_STOP))
		*queue = stop_signal(info, (u32)value, real);
	__atomic_or_fetch(&v->pending, PEND_SIGNAL, __ATOMIC_SEQ_CST);
	return true;
}
