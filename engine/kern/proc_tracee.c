/* SPDX-License-Identifier: MIT */
/*
 * /proc entries of a tracee that runs under this engine, as its debugger must see them: in a stop of its own its engine
 * makes the text, in a descriptor of its own, which is opened here by way of /proc. While it runs they are the host's.
 */
#include <linux/fcntl.h>
#include "kern/proc.h"
#include "kern/tracee.h"

static const char *entry_name(enum proc_file what)
{
	switch (what) {
	case PROC_MAPS: return "maps";
	case PROC_SMAPS: return "smaps";
	case PROC_AUXV: return "auxv";
	case PROC_STATUS: return "status";
	default: return "stat";
	}
}

/* the tracee's half */
long proc_open_own(struct vcpu *v, enum proc_file what, long tid)
{
	char path[PROC_PATH_MAX];

	rt_snprintf(path, sizeof(path), "/proc/self/task/%ld/%s", tid, entry_name(what));
	return proc_open_text(v, what, path, O_CLOEXEC);
}

static bool stopped_tracee(long pid, struct tracee *t)
{
	for (u32 i = 0; tracee_nth(i, t); i++)
		if (t->tid && (t->tid == pid || t->tgid == pid) && t->engine && t->owner == vcpu_self()->tid &&
		    tracee_look(t) && t->stop == TRACEE_OWN)
			return true;
	return false;
}

/* "/proc/PID/NAME" or "/proc/PID/task/TID/NAME" of a tracee that stands still */
static enum proc_file whose(const char *path, struct tracee *t, long *tid)
{
	enum proc_file what;
	const char *s;
	u64 pid;

	if (!tracee_any || strncmp(path, "/proc/", 6))
		return PROC_NOT_OURS;
	*tid = (long)(pid = rt_strtou(path + 6, 10, &s));
	if (s == path + 6 || *s++ != '/')
		return PROC_NOT_OURS;
	if (!strncmp(s, "task/", 5)) {
		*tid = (long)rt_strtou(s + 5, 10, &s);
		if (*s++ != '/')
			return PROC_NOT_OURS;
	}
	what = proc_by_name(s);
	if (what == PROC_FD_DIR || what == PROC_HIDDEN || what == PROC_NOT_OURS)
		return PROC_NOT_OURS;
	return stopped_tracee((long)pid, t) ? what : PROC_NOT_OURS;
}

bool proc_tracee_exe(struct vcpu *v, char path[PROC_PATH_MAX])
{
	struct tracee t;
	long tid, fd;

	if (whose(path, &t, &tid) != PROC_EXE)
		return false;
	fd = tracee_ask(v, &t, TRACED_PROGRAM, 0, 0);
	if (fd >= 0)
		rt_snprintf(path, PROC_PATH_MAX, "/proc/%d/fd/%ld", t.tid, fd);
	return fd >= 0;
}

bool proc_tracee_open(struct vcpu *v, const char *name, u64 flags, long *r)
{
	char path[PROC_PATH_MAX];
	enum proc_file what;
	struct tracee t;
	long tid, fd;

	what = whose(name, &t, &tid);
	if (what == PROC_NOT_OURS || what == PROC_EXE || (flags & O_ACCMODE) != O_RDONLY)
		return false;
	fd = tracee_ask(v, &t, TRACED_OPEN, what, (u64)tid);
	if (fd < 0)
		return false;
	rt_snprintf(path, sizeof(path), "/proc/%d/fd/%ld", t.tid, fd);
	*r = sys3(__NR_open, path, O_RDONLY | (flags & O_CLOEXEC), 0);
	tracee_ask(v, &t, TRACED_CLOSE, (u64)fd, 0);
	return true;
}
