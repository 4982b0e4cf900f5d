/* SPDX-License-Identifier: MIT */
/*
 * Which tracees there are, and their memory.
 */
#include <asm/stat.h>
#include "kern/tracee.h"

bool tracee_any;

#define FIRST 16

static struct rt_lock lock;
static struct tracee first[FIRST], *table = first;
static u32 size = FIRST;

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
	u32 more = max(size * 2, (u32)(PAGE_SIZE / sizeof(*table)));
	struct tracee *t = rt_map(more * sizeof(*t));

	if (!t)
		return false;
	memcpy(t, table, size * sizeof(*t));
	if (table != first)
		rt_unmap(table, size * sizeof(*t));
	table = t;
	size = more;
	return true;
}

bool tracee_room(void)
{
	u32 used = 0;
	bool room;

	rt_lock(&lock);
	for (u32 i = 0; i < size; i++)
		used += table[i].tid != 0;
	room = 2 * (used + 1) <= size || grow();
	rt_unlock(&lock);
	return room;
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
	e = entry(t->tid);
	if (e)
		*e = *t;
	rt_unlock(&lock);
}

static bool add(const struct tracee *t)
{
	struct tracee *e;

	rt_lock(&lock);
	tracee_any = true;
	e = entry(0);
	if (!e && grow())
		e = entry(0);
	if (e)
		*e = *t;
	rt_unlock(&lock);
	return e;
}

void tracee_reported(int tid)
{
	struct tracee *e;

	rt_lock(&lock);
	e = tid ? entry(tid) : NULL;
	if (e)
		e->reported = true;
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

bool tracee_nth(u32 i, struct tracee *t)
{
	rt_lock(&lock);
	*t = i < size ? table[i] : (struct tracee){ 0 };
	rt_unlock(&lock);
	return i < size;
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

bool tracee_find(int tid, struct tracee *t)
{
	if (tracee_get(tid, t))
		return true;
	*t = (struct tracee){ .tid = tid, .tgid = tgid_of(tid), .engine = tracee_is_engine(tid), .owner = vcpu_self()->tid };
	if (!add(t))
		return false;
	if (t->engine)
		sig_watch_children(vcpu_self(), tracee_news);
	return true;
}

void tracee_after_fork(void)
{
	rt_lock_after_fork(&lock);
	for (u32 i = 0; i < size; i++)
		table[i].tid = 0;
	tracee_clean_after_fork();
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
