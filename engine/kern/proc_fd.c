/* SPDX-License-Identifier: MIT */
/*
 * The engine's descriptors do not appear in this process' /proc/PID/fd and fdinfo. A directory is looked at more
 * closely only when an entry has the name of one of them.
 */
#include <linux/fcntl.h>
#include <linux/magic.h>
#include "cpu/threads.h"
#include "kern/proc.h"

#define NAME_MAX_LEN 255
#define DIRENT_MAX 288 /* header, name, NUL, d_type, rounded up */
#define DIRENT_RECLEN 16
#define DIRENT_NAME 18   /* struct linux_dirent */
#define DIRENT64_NAME 19 /* struct linux_dirent64 */

bool proc_own_task(struct vcpu *v, long id)
{
	bool found = id == v->pid || id == v->tid;

	if (found || id <= 0)
		return found;
	cpu_threads_lock();
	for (struct vcpu *t = cpu_threads; t && !found; t = t->next)
		found = t->tid == id;
	cpu_threads_unlock();
	return found;
}

bool proc_engine_number(const char *s)
{
	const char *end;
	u64 n = rt_strtou(s, 10, &end);

	return end != s && (!*end || *end == '/') && n <= 0x7fffffff && eng_owns_fd((int)n);
}

/* takes the last component off a path and gives it */
static const char *last(char *path)
{
	char *slash = strrchr(path, '/');

	if (!slash)
		return "";
	*slash = 0;
	return slash + 1;
}

static long as_number(const char *s)
{
	const char *end;
	u64 n = rt_strtou(s, 10, &end);

	return end == s || *end || n > 0x7fffffff ? -1 : (long)n;
}

bool proc_is_fd_dir(struct vcpu *v, int dirfd)
{
	char link[40], path[128], st[256];
	const char *name;
	long n, id;

	if (dirfd == AT_FDCWD)
		rt_strlcpy(link, "/proc/self/cwd", sizeof(link));
	else
		rt_snprintf(link, sizeof(link), "/proc/self/fd/%d", dirfd);
	n = sys3(__NR_readlink, link, path, sizeof(path) - 1);
	if (n <= 0 || n == sizeof(path) - 1)
		return false;
	path[n] = 0;
	name = last(path);
	if (strcmp(name, "fd") && strcmp(name, "fdinfo"))
		return false;
	id = as_number(last(path)); /* /proc/PID/fd or /proc/PID/task/TID/fd */
	if (!proc_own_task(v, id))
		return false;
	if (dirfd == AT_FDCWD)
		return sys2(__NR_statfs, link, st) == 0 && *(u64 *)st == PROC_SUPER_MAGIC;
	return sys2(__NR_fstatfs, dirfd, st) == 0 && *(u64 *)st == PROC_SUPER_MAGIC;
}

u32 proc_engine_fds(void)
{
	u32 n = 0;

	for (int i = 0; i < GN_FD_COUNT; i++)
		n += sys2(__NR_fcntl, eng.fd_base + i, F_GETFD) >= 0;
	return n;
}

/* ---- getdents ---- */

struct entry {
	u16 len;
	bool engines; /* by its name */
	bool other;   /* has a name that does not occur among descriptors */
};

static bool read_entry(gaddr_t at, u32 name, struct entry *e)
{
	char head[DIRENT64_NAME + 12];
	u32 n;

	if (rt_copy_from_guest(&e->len, at + DIRENT_RECLEN, 2) || e->len <= name)
		return false;
	n = min((u32)e->len, (u32)sizeof(head) - 1);
	if (rt_copy_from_guest(head, at, n))
		return false;
	head[n] = 0;
	e->engines = proc_engine_number(head + name);
	e->other = head[name] != '.' && (head[name] < '0' || head[name] > '9');
	return true;
}

static bool copy_entry(gaddr_t to, gaddr_t from, u32 len)
{
	u8 buf[DIRENT_MAX];

	return len <= sizeof(buf) && !rt_copy_from_guest(buf, from, len) && !rt_copy_to_guest(to, buf, len);
}

/* Any of them in there? A folder is no list of descriptors from its first other name on, which is where most end */
static bool seems_ours(gaddr_t at, long n, u32 name)
{
	struct entry e;

	for (long o = 0; o < n; o += e.len) {
		if (!read_entry(at + (u64)o, name, &e) || e.other)
			return false;
		if (e.engines)
			return true;
	}
	return false;
}

/* bytes that are left; where the guest changes the buffer meanwhile, whatever comes out is its own doing */
static long take_out(gaddr_t at, long n, u32 name)
{
	long to = 0;
	struct entry e;

	for (long o = 0; o < n; o += e.len) {
		if (!read_entry(at + (u64)o, name, &e))
			return to;
		if (e.engines)
			continue;
		if (to != o && !copy_entry(at + (u64)to, at + (u64)o, e.len))
			return to;
		to += e.len;
	}
	return to;
}

static long filtered(struct vcpu *v, const u64 a[6], u32 name)
{
	long nr = (u32)v->gregs[RAX], n;

	do {
		n = rt_syscall_for_guest(nr, a);
		if (n <= 0 || likely(!seems_ours(a[1], n, name)) || !proc_is_fd_dir(v, (int)a[0]))
			return n;
		n = take_out(a[1], n, name);
	} while (!n); /* an empty buffer would be the end */
	return n;
}

SYSCALL(getdents)
{
	return filtered(v, a, DIRENT_NAME);
}

SYSCALL(getdents64)
{
	return filtered(v, a, DIRENT64_NAME);
}
