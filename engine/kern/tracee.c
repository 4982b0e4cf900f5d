/* SPDX-License-Identifier: MIT */
/*
 * Tracees: which there are, what the host's stops mean, resuming. A tracee under this engine stops for the guest by a
 * SIGTRAP of its engine's own (sig/traced.c); every other signal that the host reports is its engine's to receive,
 * and is passed on. What the guest sees of it comes later, as such a stop.
 */
#include <linux/ptrace.h>
#include <linux/signal.h>
#include <linux/stat.h>
#include <asm/stat.h>
#include "kern/tracee.h"

#define WALL 0x40000000
#define USER_GS_BASE (22 * 8)
#define STOPPED(sig) ((sig) << 8 | 0x7f)
#define EVENT_STOP 128
#define CLD_TRAPPED_ 4
#define HOST_OPTIONS (PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEVFORKDONE | \
		      PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL)

bool tracee_any;

static struct rt_lock lock;
static struct tracee *table;
static u32 size;

/* code of a process that was written to, until one of its threads has been told */
static struct dirt {
	int tgid;
	u32 n;
	gaddr_t range[TRACED_RANGES][2];
} *dirt;

/* ---- the table ---- */

static struct tracee *entry(int tid)
{
	for (u32 i = 0; i < size; i++)
		if (table[i].tid == tid)
			return &table[i];
	return NULL;
}

static bool grow(void)
{
	u32 more = size ? size * 2 : (u32)(PAGE_SIZE / sizeof(*table));
	struct tracee *t = rt_map(more * sizeof(*t));

	if (!t)
		return false;
	if (size) {
		memcpy(t, table, size * sizeof(*t));
		rt_unmap(table, size * sizeof(*t));
	}
	table = t;
	size = more;
	return true;
}

bool tracee_get(int tid, struct tracee *t)
{
	struct tracee *e;

	rt_lock(&lock);
	e = tid ? entry(tid) : NULL;
	if (e)
		*t = *e;
	rt_unlock(&lock);
	return e;
}

void tracee_put(const struct tracee *t)
{
	struct tracee *e;

	rt_lock(&lock);
	tracee_any = true;
	e = entry(t->tid);
	if (!e)
		e = entry(0);
	if (!e && grow())
		e = entry(0);
	if (e)
		*e = *t;
	rt_unlock(&lock);
}

void tracee_drop(int tid)
{
	struct tracee *e;

	rt_lock(&lock);
	e = tid ? entry(tid) : NULL;
	if (e)
		e->tid = 0;
	rt_unlock(&lock);
}

static bool nth(u32 i, struct tracee *t)
{
	rt_lock(&lock);
	*t = i < size ? table[i] : (struct tracee){ 0 };
	rt_unlock(&lock);
	return t->tid;
}

/* does it execute the same file as we do? */
bool tracee_is_engine(int tid)
{
	struct stat own, its;
	char path[32];

	rt_snprintf(path, sizeof(path), "/proc/%d/exe", tid);
	return !sys2(__NR_stat, path, &its) && !sys2(__NR_fstat, eng.fd_base + GN_FD_ENGINE, &own) &&
	       its.st_ino == own.st_ino && its.st_dev == own.st_dev;
}

static int tgid_of(int tid)
{
	char path[32], buf[256], *at;
	long fd, n;

	rt_snprintf(path, sizeof(path), "/proc/%d/status", tid);
	fd = sys3(__NR_open, path, 0, 0);
	if (fd < 0)
		return tid;
	n = sys3(__NR_read, fd, buf, sizeof(buf) - 1);
	sys1(__NR_close, fd);
	buf[n > 0 ? n : 0] = 0;
	for (at = buf; at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
		if (!strncmp(at, "Tgid:\t", 6))
			return (int)rt_strtou(at + 6, 10, &(const char *){ 0 });
	return tid;
}

/* a SIGCHLD for this one: is there a stop that the guest may see, and has not been told of? */
static bool news_of(struct tracee *t)
{
	if (!tracee_look(t) || t->told)
		return false;
	t->told = true;
	tracee_put(t);
	return true;
}

/* Is there an end to be waited for, of one task or of any? A stop, which the host tells of unasked, may hide others' */
static bool has_ended(int tid)
{
	s32 info[32] = { 0 };

	return !sys5(__NR_waitid, tid ? 1 /* P_PID */ : 0 /* P_ALL */, tid, info, 4 | 1 | 0x01000000 | WALL
		     /* EXITED NOHANG NOWAIT */, 0) && info[0] && info[2] < CLD_TRAPPED_;
}

/* a child or tracee has ended, and its SIGCHLD may be this one */
static bool anybody_ended(void)
{
	bool ended = has_ended(0);
	struct tracee t;

	for (u32 i = 0; !ended && i < __atomic_load_n(&size, __ATOMIC_ACQUIRE); i++)
		ended = nth(i, &t) && has_ended(t.tid);
	return ended;
}

/*
 * SIGCHLD: a tracee of ours may have stopped for nobody but its engine, while its tracer waits for something else. It is
 * passed on; and the signal is none of the guest's business. Several of them are one signal.
 */
static bool look_at_child(struct vcpu *v, const u8 info[128])
{
	bool wanted = false;
	struct tracee t;
	s32 code, tid;

	memcpy(&code, info + 8, 4);
	memcpy(&tid, info + 16, 4);
	if (code != CLD_TRAPPED_ || !tracee_get(tid, &t) || !t.engine || t.owner != v->tid)
		wanted = true;
	else if (news_of(&t))
		wanted = true;
	for (u32 i = 0; i < __atomic_load_n(&size, __ATOMIC_ACQUIRE); i++)
		if (nth(i, &t) && t.engine && t.owner == v->tid && t.stop == TRACEE_RUNS)
			wanted |= news_of(&t);
	return wanted || anybody_ended();
}

void tracee_find(int tid, struct tracee *t)
{
	if (tracee_get(tid, t))
		return;
	*t = (struct tracee){ .tid = tid, .tgid = tgid_of(tid), .engine = tracee_is_engine(tid), .owner = vcpu_self()->tid };
	tracee_put(t);
	if (t->engine)
		sig_watch_children(vcpu_self(), look_at_child);
}

void tracee_after_fork(void)
{
	rt_lock_after_fork(&lock);
	for (u32 i = 0; i < size; i++)
		table[i].tid = 0;
	tracee_any = false;
}

/* ---- its memory ---- */

long tracee_read(const struct tracee *t, gaddr_t from, void *to, size_t n)
{
	u64 here[2] = { (u64)to, n }, there[2] = { from, n };

	return sys_6(__NR_process_vm_readv, t->tid, here, 1, there, 1, 0) == (long)n ? 0 : -EIO;
}

long tracee_write(const struct tracee *t, gaddr_t to, const void *from, size_t n)
{
	u64 here[2] = { (u64)from, n }, there[2] = { to, n };

	return sys_6(__NR_process_vm_writev, t->tid, here, 1, there, 1, 0) == (long)n ? 0 : -EIO;
}

/* where its vcpu is; 0: its engine has not come so far yet */
static gaddr_t find_vcpu(const struct tracee *t)
{
	u64 at = 0, self = 0;

	if (host_ptrace(PTRACE_PEEKUSR, t->tid, USER_GS_BASE, (u64)&at) || !at)
		return 0;
	return tracee_read(t, at, &self, 8) || self != at ? 0 : at;
}

/* ---- what the host's stops mean ---- */

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

bool tracee_stopped(struct vcpu *v, int tid, int *status)
{
	struct tracee t;
	bool known = tracee_get(tid, &t);
	u64 word;

	(void)v;
	if (!known && host_ptrace(PTRACE_PEEKUSR, tid, USER_GS_BASE, (u64)&word))
		return true; /* an ordinary child, stopped by job control */
	if (!known)
		tracee_find(tid, &t);
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

/* ---- asking and resuming ---- */

/* Its next stop, which is on its way: what the host reports, dealt with. 0: it has ended, which is for the guest to see */
static int next_stop(struct vcpu *v, int tid, bool *visible)
{
	s32 info[32] = { 0 };
	int host, status;

	if (sys5(__NR_waitid, 1, tid, info, 2 | 4 | 0x01000000 | WALL /* STOPPED EXITED NOWAIT */, 0) || info[2] != 4)
		return 0;
	if (sys4(__NR_wait4, tid, &host, 2 | WALL, 0) != tid)
		return 0;
	status = host;
	*visible = tracee_stopped(v, tid, &status);
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

#define DIRTS (PAGE_SIZE / sizeof(struct dirt))

/* a process' entry, or a free one */
static struct dirt *dirt_of(int tgid)
{
	struct dirt *free = NULL;

	if (!dirt)
		dirt = rt_map(PAGE_SIZE);
	for (struct dirt *d = dirt; d && d < dirt + DIRTS; d++) {
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
	struct tracee t = { 0 };

	rt_lock(&lock);
	for (u32 i = 0; i < size && !t.tid; i++)
		if (table[i].tid && (table[i].tgid == pid || table[i].tid == pid))
			t = table[i];
	rt_unlock(&lock);
	if (t.tid)
		tracee_dirty(&t, at, at + n);
}

/* before any thread of the process goes on: no translation of what was there is left */
static void clean(struct vcpu *v, struct tracee *t)
{
	struct dirt copy = { 0 }, *d;

	rt_lock(&lock);
	d = dirt ? dirt_of(t->tgid) : NULL;
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

	if (t->stop == TRACEE_OWN)
		clean(v, t);
	return TRACEE_WRITE(t, traced.mode, &request) || TRACEE_WRITE(t, traced.signo, &signo) ||
	       TRACEE_WRITE(t, traced.tracer, &tracer) ? -ESRCH : 0;
}

static long go(struct tracee *t, u32 request, int signo)
{
	u32 before = t->stop;
	long r;

	t->stop = TRACEE_RUNS;
	t->told = false;
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
