/* SPDX-License-Identifier: MIT */
/*
 * ptrace(2) of a tracer: each request onto a tracee that runs under this engine, or to the host as it is where the tracee
 * runs natively. What is asked of one in a stop is in ptrace_view.c. docs/ptrace.md has the whole.
 */
#include <linux/ptrace.h>
#include "kern/traced.h"
#include "kern/tracee.h"

#define REQUEST(name) static long do_##name(struct vcpu *v, struct tracee *t, u64 addr, u64 data)

/* ---- going on ---- */

static long resume(struct vcpu *v, struct tracee *t, u32 request, u64 signo)
{
	return signo > GSIG_MAX ? -EIO : tracee_resume(v, t, request, (int)signo);
}

#define RESUME(name, request) \
	REQUEST(name) \
	{ \
		(void)addr; \
		return resume(v, t, request, data); \
	}
RESUME(cont, PTRACE_CONT)
RESUME(syscall, PTRACE_SYSCALL)
RESUME(step, PTRACE_SINGLESTEP)
RESUME(emu, PTRACE_SYSEMU)
RESUME(emu_step, PTRACE_SYSEMU_SINGLESTEP)

REQUEST(detach)
{
	(void)addr;
	return data > GSIG_MAX ? -EIO : tracee_detach(v, t, (int)data);
}

REQUEST(listen)
{
	(void)addr, (void)data;
	if (!t->engine)
		return host_ptrace(PTRACE_LISTEN, t->tid, 0, 0);
	return t->status >> 16 == 128 ? tracee_resume(v, t, PTRACE_LISTEN, 0) : -EIO;
}

REQUEST(refuse)
{
	(void)v, (void)t, (void)addr, (void)data;
	return -EIO;
}

static const struct request {
	u32 request;
	ptrace_fn *fn;
} requests[] = {
	{ PTRACE_CONT, do_cont }, { PTRACE_SYSCALL, do_syscall }, { PTRACE_SINGLESTEP, do_step },
	{ PTRACE_SYSEMU, do_emu }, { PTRACE_SYSEMU_SINGLESTEP, do_emu_step },
	{ PTRACE_DETACH, do_detach }, { PTRACE_LISTEN, do_listen },
	{ PTRACE_SINGLEBLOCK, do_refuse },
};

/* ---- without a stop ---- */

/* a stop of the whole process is in force */
static bool is_stopped(int tid)
{
	char path[32], buf[512], *at;
	long fd, n;

	rt_snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	fd = sys3(__NR_open, path, 0, 0);
	n = fd < 0 ? 0 : sys3(__NR_read, fd, buf, sizeof(buf) - 1);
	sys1(__NR_close, fd);
	buf[n > 0 ? n : 0] = 0;
	at = strrchr(buf, ')');
	return at && at[1] == ' ' && at[2] == 'T';
}

/* The host's stop for an attachment is not for the guest: its engine is told there (tracee.c) */
static long attach(struct vcpu *v, int tid, bool seize, u64 addr, u64 options)
{
	struct tracee t;
	bool stopped, ours = tracee_get(tid, &t);
	long r;

	if (seize && (addr || options & ~PTRACE_OPTIONS))
		return -EIO;
	stopped = is_stopped(tid);
	if (!ours && (!tracee_room() || !tracee_find(tid, &t)))
		return -ENOMEM;
	r = host_ptrace(seize ? PTRACE_SEIZE : PTRACE_ATTACH, tid, 0,
			!seize ? 0 : t.engine ? tracee_host_options((u32)options) : options);
	if (r) {
		if (!ours)
			tracee_drop(tid);
		return r;
	}
	t.joining = t.engine;
	t.seize = seize;
	t.interrupt = stopped; /* else none is reported for a mere seizure */
	t.options = (u32)options;
	tracee_put(&t);
	if (seize && t.engine && !stopped && !host_ptrace(PTRACE_INTERRUPT, tid, 0, 0))
		tracee_join(v, tid);
	return 0;
}

static long interrupt(struct tracee *t)
{
	if (t->engine && !t->seize)
		return -EIO;
	t->interrupt = true;
	tracee_put(t);
	return host_ptrace(PTRACE_INTERRUPT, t->tid, 0, 0);
}

/* a task that the host says is ours, though we have not seen it stop yet */
static long find(int tid, struct tracee *t)
{
	u64 word;
	long r;

	if (tracee_get(tid, t))
		return 0;
	r = host_ptrace(PTRACE_PEEKUSR, tid, 0, (u64)&word);
	return r ? r : tracee_find(tid, t) ? 0 : -ENOMEM;
}

static long request(struct vcpu *v, u32 what, int tid, u64 addr, u64 data)
{
	ptrace_fn *fn = ptrace_view(what);
	struct tracee t;
	long r = find(tid, &t);

	if (r)
		return r;
	if (what == PTRACE_INTERRUPT)
		return interrupt(&t);
	if (what == PTRACE_KILL)
		return host_ptrace(PTRACE_KILL, tid, 0, 0);
	if (!tracee_look(&t))
		return -ESRCH;
	for (size_t i = 0; i < ARRAY_SIZE(requests) && !fn; i++)
		if (requests[i].request == what)
			fn = requests[i].fn;
	/* what is not known here is the host's: floating point, TLS, seccomp */
	return fn ? fn(v, &t, addr, data) : host_ptrace(what, tid, addr, data);
}

SYSCALL(ptrace)
{
	u32 what = (u32)a[0];
	int tid = (int)a[1];

	switch (what) {
	case PTRACE_TRACEME:
		return traced_me(v);
	case PTRACE_ATTACH:
	case PTRACE_SEIZE:
		return attach(v, tid, what == PTRACE_SEIZE, a[2], a[3]);
	}
	return request(v, what, tid, a[2], a[3]);
}
