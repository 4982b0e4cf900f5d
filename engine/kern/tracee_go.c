/* SPDX-License-Identifier: MIT */
/*
 * Letting tracees go on: with word for their engine, which may be asked to do something first; where their code was written
 * to, it drops the translations before any thread of theirs runs again.
 */
#include <linux/ptrace.h>
#include "kern/tracee.h"

static struct rt_lock lock;

/* code of a process that was written to, until one of its threads has been told */
static struct dirt {
	int tgid;
	u32 n;
	gaddr_t range[TRACED_RANGES][2];
} dirt[15];

void tracee_clean_after_fork(void)
{
	rt_lock_after_fork(&lock);
	if (tracee_any) /* else it would be a page more for each child of fork */
		memset(dirt, 0, sizeof(dirt));
}

/*
 * Its next stop, which is on its way: what the host reports, dealt with. A stop that the guest sees is there to be waited for,
 * unless it is the one that has been before; on its way out the task may make another. 0: it has ended, which is for the guest
 * to see
 */
static int next_stop(struct vcpu *v, int tid, bool *visible)
{
	s32 info[32] = { 0 };
	int host, status;
	struct tracee t;

	if (sys5(__NR_waitid, 1, tid, info, 2 | 4 | 0x01000000 | WALL /* STOPPED EXITED NOWAIT */, 0) ||
	    info[2] != CLD_TRAPPED_)
		return 0;
	host = status = info[6] << 8 | 0x7f;
	*visible = tracee_stopped(v, tid, &status);
	if (!*visible || !tracee_get(tid, &t))
		return host;
	if (t.stop != TRACEE_OWN) {
		t.told = t.reported = false;
		tracee_put(&t);
	} else if (t.reported) {
		sys4(__NR_wait4, tid, NULL, 2 | WALL, 0);
	}
	return host;
}

void tracee_join(struct vcpu *v, int tid)
{
	bool visible = false;
	int status;

	do /* the host's stop where word is left for the engine, and the bell */
		status = next_stop(v, tid, &visible);
	while (status && !visible && status >> 8 != TRACED_BELL);
}

/* it is on its way to its next stop, which must be one of its own; signals that come first are its engine's */
static bool wait_for(struct vcpu *v, struct tracee *t)
{
	bool visible = false;

	while (!visible)
		if (!next_stop(v, t->tid, &visible))
			return false;
	return tracee_get(t->tid, t) && t->stop == TRACEE_OWN;
}

long tracee_ask(struct vcpu *v, struct tracee *t, u32 request, u64 a, u64 b)
{
	u64 value[2] = { a, b };
	s64 result;

	if (t->stop != TRACEE_OWN || TRACEE_WRITE(t, traced.value, &value) || TRACEE_WRITE(t, traced.request, &request))
		return -EIO;
	t->stop = TRACEE_RUNS;
	tracee_put(t);
	if (host_ptrace(PTRACE_CONT, t->tid, 0, 0) || !wait_for(v, t) || TRACEE_READ(t, traced.result, &result))
		return -ESRCH;
	return result;
}

/* a process' entry, or a free one */
static struct dirt *dirt_of(int tgid)
{
	struct dirt *free = NULL;

	for (struct dirt *d = dirt; d < dirt + ARRAY_SIZE(dirt); d++) {
		if (d->n && d->tgid == tgid)
			return d;
		if (!d->n)
			free = d;
	}
	return free;
}

static void add_range(struct dirt *d, gaddr_t start, gaddr_t end)
{
	gaddr_t (*last)[2] = &d->range[d->n ? d->n - 1 : 0];

	for (u32 i = 0; i < d->n; i++)
		if (start >= d->range[i][0] && end <= d->range[i][1])
			return;
	if (d->n < TRACED_RANGES) {
		d->range[d->n][0] = start;
		d->range[d->n++][1] = end;
		return;
	}
	(*last)[0] = min((*last)[0], start);
	(*last)[1] = max((*last)[1], end);
}

void tracee_dirty(const struct tracee *t, gaddr_t start, gaddr_t end)
{
	struct dirt *d;

	if (!t->engine)
		return;
	rt_lock(&lock);
	d = dirt_of(t->tgid);
	if (d) {
		d->tgid = t->tgid;
		add_range(d, start, end);
	}
	rt_unlock(&lock);
}

void tracee_written(int pid, gaddr_t at, u64 n)
{
	struct tracee t;

	for (u32 i = 0; tracee_nth(i, &t); i++)
		if (t.tid && (t.tgid == pid || t.tid == pid)) {
			tracee_dirty(&t, at, at + n);
			return;
		}
}

/* before any thread of the process goes on: no translation of what was there is left */
static void clean(struct vcpu *v, struct tracee *t)
{
	struct dirt copy = { 0 }, *d;

	rt_lock(&lock);
	d = dirt_of(t->tgid);
	if (d) {
		copy = *d;
		d->n = 0;
	}
	rt_unlock(&lock);
	if (copy.n && !TRACEE_WRITE(t, traced.ranges, &copy.range) && !TRACEE_WRITE(t, traced.nranges, &copy.n))
		tracee_ask(v, t, TRACED_FORGET, 0, 0);
}

/* what it finds when it goes on */
static long leave_word(struct vcpu *v, struct tracee *t, u32 request, int signo)
{
	int tracer = v->pid;
	bool barren = true;

	if (t->stop == TRACEE_OWN)
		clean(v, t);
	if (!tracee_room() && TRACEE_WRITE(t, traced.barren, &barren))
		return -ESRCH;
	return TRACEE_WRITE(t, traced.mode, &request) || TRACEE_WRITE(t, traced.signo, &signo) ||
	       TRACEE_WRITE(t, traced.tracer, &tracer) ? -ESRCH : 0;
}

static long go(struct tracee *t, u32 request, int signo)
{
	u32 before = t->stop;
	long r;

	t->stop = TRACEE_RUNS;
	t->told = t->reported = false;
	tracee_put(t);
	r = host_ptrace(request, t->tid, 0, (u64)signo);
	if (r) {
		t->stop = before;
		tracee_put(t);
	}
	return r;
}

long tracee_resume(struct vcpu *v, struct tracee *t, u32 request, int signo)
{
	long r;

	if (!t->engine)
		return go(t, request, signo);
	r = leave_word(v, t, request, signo);
	return r ? r : go(t, PTRACE_CONT, 0);
}

long tracee_detach(struct vcpu *v, struct tracee *t, int signo)
{
	bool off = false;
	long r = 0;

	if (t->engine) {
		r = leave_word(v, t, PTRACE_CONT, signo);
		if (!r)
			r = TRACEE_WRITE(t, traced.on, &off);
	}
	if (!r)
		r = go(t, PTRACE_DETACH, t->engine ? 0 : signo);
	if (!r)
		tracee_drop(t->tid);
	return r;
}
