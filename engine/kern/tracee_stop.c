/* SPDX-License-Identifier: MIT */
/*
 * What the host's stops of tracees mean. A tracee under this engine stops for the guest by a SIGTRAP of its engine's own
 * (sig/traced.c); every other signal that the host reports is its engine's to receive, and is passed on. What the guest
 * sees of it comes later, as such a stop.
 */
#include <linux/ptrace.h>
#include <linux/signal.h>
#include "kern/tracee.h"

#define USER_GS_BASE (22 * 8)
#define STOPPED(sig) ((sig) << 8 | 0x7f)
#define EVENT_STOP 128
#define HOST_OPTIONS (PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEVFORKDONE | \
		      PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL)

/* where its vcpu is; 0: its engine has not come so far yet */
static gaddr_t find_vcpu(const struct tracee *t)
{
	u64 at = 0, self = 0;

	if (host_ptrace(PTRACE_PEEKUSR, t->tid, USER_GS_BASE, (u64)&at) || !at)
		return 0;
	return tracee_read(t, at, &self, 8) || self != at ? 0 : at;
}

/* TRACED_WORD_*, in place of the SIGSTOP that it has stopped for */
static bool say(const struct tracee *t, u32 what)
{
	u8 info[128] = { 0 };
	s32 head[3] = { TRACED_BELL, 0, TRACED_CODE }, code;
	u64 value;

	host_ptrace(PTRACE_GETSIGINFO, t->tid, 0, (u64)info);
	memcpy(&code, info + 8, 4);
	value = (u64)TRACED_MAGIC << 32 | what | (u16)code;
	memcpy(info, head, sizeof(head));
	memcpy(info + 24, &value, 8);
	host_ptrace(PTRACE_SETSIGINFO, t->tid, 0, (u64)info);
	host_ptrace(PTRACE_CONT, t->tid, 0, TRACED_BELL);
	return false;
}

static bool pass_on(struct tracee *t, int signo)
{
	t->stop = TRACEE_RUNS;
	tracee_put(t);
	host_ptrace(PTRACE_CONT, t->tid, 0, (u64)signo);
	return false;
}

/* What the host reports for its SIGTRAP: the stop its engine made, if it did */
static bool is_own_stop(const struct tracee *t, struct traced *td)
{
	return td->where != TRACED_RUNS && td->tid == t->tid;
}

static bool show(struct tracee *t, u32 stop, int *status)
{
	t->stop = stop;
	t->status = *status;
	tracee_put(t);
	return true;
}

/* A program of the engine's is executed: it stops by itself. Another one is the host's alone from now on, as if its
 * options had always been the guest's */
static bool exec_stop(struct tracee *t, int *status)
{
	t->engine = tracee_is_engine(t->tid);
	t->vcpu = 0;
	if (t->engine)
		return pass_on(t, 0);
	host_ptrace(PTRACE_SETOPTIONS, t->tid, 0, t->options);
	if (!(t->options & PTRACE_O_TRACEEXEC))
		*status = STOPPED(SIGTRAP);
	return show(t, TRACEE_HOST, status);
}

/* its engine has not taken over yet: a signal that it has no handler for ends it, others are not for anybody */
static bool early_stop(struct tracee *t, int sig, int event)
{
	return pass_on(t, event || sig == SIGTRAP || sig == SIGSTOP ? 0 : sig);
}

static bool stop_signal(struct tracee *t, const struct traced *td)
{
	if (t->joining) {
		t->joining = false;
		t->stop = TRACEE_RUNS;
		tracee_options(t, t->options);
		return say(t, TRACED_WORD_ATTACH);
	}
	if (td->tid != t->tid) /* born traced: the host's stop is before its engine's, which will come */
		return pass_on(t, 0);
	t->stop = TRACEE_RUNS;
	tracee_put(t);
	return say(t, TRACED_WORD_STOP);
}

/*
 * A stop of the host's for somebody it has seized: at its birth, which its engine reports; because we asked for it, to be
 * able to leave word for its engine; or with its whole process.
 */
static bool trapped(struct tracee *t, const struct traced *td, int sig)
{
	u64 info[16] = { 0, (u32)TRACED_CODE, 0, (u64)TRACED_MAGIC << 32 };
	u32 said = td->said;

	if (t->joining)
		said |= TRACED_SAID_SEIZE;
	else if (!t->interrupt && td->tid != t->tid)
		return pass_on(t, 0);
	if (sig != SIGTRAP)
		said |= TRACED_SAID_GROUP;
	else if (t->interrupt)
		said |= TRACED_SAID_INTERRUPT;
	t->joining = t->interrupt = false;
	if (said != td->said && !TRACEE_WRITE(t, traced.group, &sig) && !TRACEE_WRITE(t, traced.said, &said)) {
		tracee_options(t, t->options);
		sys4(__NR_rt_tgsigqueueinfo, t->tgid, t->tid, TRACED_BELL, info);
	}
	return pass_on(t, 0);
}

static bool engine_stopped(struct tracee *t, int *status)
{
	int sig = *status >> 8 & 0xff, event = *status >> 16;
	struct traced td;

	if (event == PTRACE_EVENT_EXEC)
		return exec_stop(t, status);
	t->vcpu = find_vcpu(t);
	if (!t->vcpu || TRACEE_READ(t, traced, &td))
		return early_stop(t, sig, event);
	if (event == EVENT_STOP)
		return trapped(t, &td, sig);
	if (event) /* memory is copied: the engine reports it when it holds no locks */
		return (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE) &&
		       td.fork_event ? pass_on(t, 0) : show(t, TRACEE_HOST, status);
	if (sig == SIGTRAP && is_own_stop(t, &td)) {
		*status = STOPPED(td.status);
		return show(t, TRACEE_OWN, status);
	}
	return sig == SIGSTOP ? stop_signal(t, &td) : pass_on(t, sig);
}

/* one that has made itself a tracee, or was born as one: the host has not got its options, or its engine has inherited them */
static void adopt(struct tracee *t)
{
	u32 options = 0;
	bool seized = false;

	t->vcpu = find_vcpu(t);
	if (t->vcpu && (TRACEE_READ(t, traced.options, &options) || TRACEE_READ(t, traced.seized, &seized)))
		return;
	t->seize = seized;
	host_ptrace(PTRACE_SETOPTIONS, t->tid, 0, tracee_host_options(options));
	t->options = options;
	tracee_put(t);
}

/* It asked to be traced, and there is no memory to note it: none of its stops could be told from another's */
static bool lose(int tid)
{
	rt_log_once("no memory for one more tracee: it is killed (ulimit -v too small?)");
	host_ptrace(PTRACE_KILL, tid, 0, 0);
	return false;
}

bool tracee_stopped(struct vcpu *v, int tid, int *status)
{
	struct tracee t;
	bool known = tracee_get(tid, &t);
	u64 word;

	(void)v;
	if (!known && host_ptrace(PTRACE_PEEKUSR, tid, USER_GS_BASE, (u64)&word))
		return true; /* an ordinary child, stopped by job control */
	if (!known && !tracee_find(tid, &t))
		return lose(tid);
	if (!t.engine)
		return show(&t, TRACEE_HOST, status);
	if (!known)
		adopt(&t);
	return engine_stopped(&t, status);
}

bool tracee_look(struct tracee *t)
{
	s32 info[32] = { 0 };
	int status;

	while (t->stop == TRACEE_RUNS) {
		info[0] = 0;
		if (sys5(__NR_waitid, 1 /* P_PID */, t->tid, info, 2 | 1 | 0x01000000 | WALL /* STOPPED NOHANG NOWAIT */, 0) ||
		    !info[0])
			return false;
		status = STOPPED(info[6]);
		tracee_stopped(NULL, t->tid, &status);
		if (!tracee_get(t->tid, t))
			return false;
	}
	return true;
}

u32 tracee_host_options(u32 options)
{
	return (options & HOST_OPTIONS) | PTRACE_O_TRACEEXEC;
}

long tracee_options(struct tracee *t, u32 options)
{
	long r = host_ptrace(PTRACE_SETOPTIONS, t->tid, 0, t->engine ? tracee_host_options(options) : options);

	if (r)
		return r;
	t->options = options;
	tracee_put(t);
	return t->engine && t->vcpu ? TRACEE_WRITE(t, traced.options, &options) : 0;
}
