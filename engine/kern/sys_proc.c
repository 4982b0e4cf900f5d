/* SPDX-License-Identifier: MIT */
/*
 * Calls that take a path, as far as the path may name one of this process' own /proc files (proc.h). Every other path
 * costs a look at its first bytes. Paths relative to a directory descriptor inside /proc, or that reach it by
 * symbolic links, are the host's; so is writing to /proc/self/mem, which the engine does not see.
 */
#include <linux/fcntl.h>
#include <linux/openat2.h>
#include "kern/proc.h"
#include "kern/tracee.h"

struct scratch {
	struct proc_lines in;
	struct proc_text out;
};

/* a decimal number and what follows it; -1 if there is none */
static long number(const char **s)
{
	const char *end;
	u64 n = rt_strtou(*s, 10, &end);

	if (end == *s || n > 0x7fffffff)
		return -1;
	*s = end;
	return (long)n;
}

static bool skip(const char **s, const char *what)
{
	size_t n = strlen(what);

	if (strncmp(*s, what, n))
		return false;
	*s += n;
	return true;
}

enum proc_file proc_by_name(const char *name)
{
	if (!strcmp(name, "exe"))
		return PROC_EXE;
	if (!strcmp(name, "maps"))
		return PROC_MAPS;
	if (!strcmp(name, "smaps"))
		return PROC_SMAPS;
	if (!strcmp(name, "auxv"))
		return eng.mm_told ? PROC_NOT_OURS : PROC_AUXV;
	if (!strcmp(name, "fd") || !strcmp(name, "fd/"))
		return PROC_FD_DIR;
	if ((skip(&name, "fd/") || skip(&name, "fdinfo/")) && proc_engine_number(name))
		return PROC_HIDDEN;
	if (!strcmp(name, "status"))
		return PROC_STATUS;
	if (!strcmp(name, "stat"))
		return PROC_STAT;
	return PROC_NOT_OURS;
}

/* s: behind "/proc/". *task: whose entry it is */
static enum proc_file classify(struct vcpu *v, const char *s, long *task)
{
	long tid = v->pid;

	if (!strcmp(s, "cpuinfo"))
		return eng.set.mode == GN_MODE_RUN ? PROC_CPUINFO : PROC_NOT_OURS;
	if (skip(&s, "thread-self/")) {
		tid = v->tid;
	} else {
		if (!skip(&s, "self/")) {
			tid = number(&s);
			if (!proc_own_task(v, tid) || *s++ != '/')
				return PROC_NOT_OURS;
		}
		if (skip(&s, "task/")) {
			tid = number(&s);
			if (tid < 0 || *s++ != '/')
				return PROC_NOT_OURS;
		}
	}
	*task = tid;
	return proc_by_name(s);
}

/*
 * Does the path begin like one that matters? Apart, so that the callers that go straight on to the host can do so by a
 * jump: behind a system call every return is mispredicted.
 */
static bool __attribute__((noinline)) needs_look(gaddr_t gpath)
{
	u32 word, rest = 0;

	if (rt_copy_from_guest(&word, gpath, 4))
		return false;
	if ((u32)(u8)word - (u32)'0' <= 9) /* in a directory that may be /proc/self/fd */
		return true;
	if (word == 0x6f72702f /* "/pro" */)
		return rt_copy_from_guest(&rest, gpath + 4, 2) == 0 && rest == 0x2f63; /* "c/" */
	if (word == 0x7665642f /* "/dev" */)
		return rt_copy_from_guest(&rest, gpath + 4, 4) == 0 && rest == 0x2f64662f; /* "/fd/" */
	return false;
}

/* a path that needs_look() */
static enum proc_file __attribute__((noinline)) proc_path(struct vcpu *v, int dirfd, gaddr_t gpath,
							  char path[PROC_PATH_MAX])
{
	if (rt_str_from_guest(path, gpath, PROC_PATH_MAX) < 0) {
		*path = 0;
		return PROC_NOT_OURS;
	}
	if (!strncmp(path, "/proc/", 6))
		return classify(v, path + 6, &(long){ 0 });
	if (*path == '/')
		return proc_engine_number(path + 8) ? PROC_HIDDEN : PROC_NOT_OURS;
	return proc_engine_number(path) && proc_is_fd_dir(v, dirfd) ? PROC_HIDDEN : PROC_NOT_OURS;
}

/* what the kernel may open, stat or execute in place of /proc/self/exe */
static void proc_exe(char path[PROC_PATH_MAX])
{
	rt_snprintf(path, PROC_PATH_MAX, "/proc/self/fd/%d", eng.fd_base + GN_FD_PROG);
}

/* ---- calls that follow the path ---- */

/* st_size of /proc/self/fd counts descriptors (Linux 6.2) */
static void hide_from_size(u64 nr, const u64 a[6])
{
	gaddr_t at = nr == __NR_statx ? a[4] + 40 : nr == __NR_newfstatat ? a[2] + 48 : a[1] + 48;
	u64 size, ours = proc_engine_fds();

	if (nr != __NR_statx && nr != __NR_newfstatat && nr != __NR_stat && nr != __NR_lstat)
		return;
	if (rt_copy_from_guest(&size, at, 8) || size < ours)
		return;
	size -= ours;
	if (rt_copy_to_guest(at, &size, 8))
		return; /* unmapped since the kernel wrote there */
}

/* path number `arg`, relative to descriptor `dirfd`, as the guest must see it */
static long __attribute__((noinline)) with_look(struct vcpu *v, const u64 a[6], int arg, int dirfd, bool follow)
{
	u64 nr = (u32)v->gregs[RAX], b[6];
	char path[PROC_PATH_MAX];
	long r;

	memcpy(b, a, sizeof(b));
	switch (proc_path(v, dirfd, a[arg], path)) {
	case PROC_HIDDEN:
		return -ENOENT;
	case PROC_EXE:
		if (!follow)
			break;
		proc_exe(path);
		b[arg] = (u64)path;
		break;
	case PROC_FD_DIR:
		r = kern_host(v, (long)nr, a);
		if (r == 0)
			hide_from_size(nr, a);
		return r;
	default:
		if (unlikely(tracee_any) && follow && *path == '/' && proc_tracee_exe(v, path))
			b[arg] = (u64)path;
		break;
	}
	return kern_host(v, (long)nr, b);
}

static long with_path(struct vcpu *v, const u64 a[6], int arg, int dirfd, bool follow)
{
	return unlikely(needs_look(a[arg])) ? with_look(v, a, arg, dirfd, follow) : kern_host(v, (u32)v->gregs[RAX], a);
}

SYSCALL(path0)
{
	return with_path(v, a, 0, AT_FDCWD, true);
}

SYSCALL(lpath0)
{
	return with_path(v, a, 0, AT_FDCWD, false);
}

SYSCALL(path1)
{
	return with_path(v, a, 1, (int)a[0], true);
}

/* AT_* flags in the third, fourth argument */
SYSCALL(path1_at2)
{
	return with_path(v, a, 1, (int)a[0], !(a[2] & AT_SYMLINK_NOFOLLOW));
}

SYSCALL(path1_at3)
{
	return with_path(v, a, 1, (int)a[0], !(a[3] & AT_SYMLINK_NOFOLLOW));
}

/* ---- readlink ---- */

static long readlink_exe(const u64 a[6], int buf, int size)
{
	char path[PROC_PATH_MAX], target[GN_PATH_MAX];
	long n;

	if ((int)a[size] <= 0)
		return -EINVAL;
	proc_exe(path); /* the descriptor follows renames and knows " (deleted)" */
	n = sys3(__NR_readlink, path, target, sizeof(target));
	if (n < 0) {
		n = (long)strlen(eng.exe);
		memcpy(target, eng.exe, (size_t)n);
	}
	n = min(n, (long)(int)a[size]);
	return rt_copy_to_guest(a[buf], target, (size_t)n) ? -EFAULT : n;
}

static long __attribute__((noinline)) readlink_look(struct vcpu *v, const u64 a[6], int arg, int dirfd)
{
	char path[PROC_PATH_MAX];
	u64 b[6];

	switch (proc_path(v, dirfd, a[arg], path)) {
	case PROC_EXE:
		return readlink_exe(a, arg + 1, arg + 2);
	case PROC_HIDDEN:
		return -ENOENT;
	default:
		break;
	}
	if (likely(!tracee_any) || *path != '/' || !proc_tracee_exe(v, path))
		return kern_host(v, (u32)v->gregs[RAX], a);
	memcpy(b, a, sizeof(b));
	b[arg] = (u64)path;
	return kern_host(v, (u32)v->gregs[RAX], b);
}

SYSCALL(readlink)
{
	return unlikely(needs_look(a[0])) ? readlink_look(v, a, 0, AT_FDCWD) : rt_syscall_for_guest(__NR_readlink, a);
}

SYSCALL(readlinkat)
{
	return unlikely(needs_look(a[1])) ? readlink_look(v, a, 1, (int)a[0]) :
					    rt_syscall_for_guest(__NR_readlinkat, a);
}

/* ---- open ---- */

static void make_text(struct vcpu *v, enum proc_file what, const char *path, struct scratch *s)
{
	long task = 0;
	bool own = classify(v, path + 6, &task) == what && task == v->tid; /* another thread's mask is not ours to read */

	switch (what) {
	case PROC_AUXV:
		proc_write(&s->out, (const char *)eng.auxv, eng.auxv_size);
		break;
	case PROC_STATUS:
		proc_status(v, &s->in, &s->out, task);
		break;
	case PROC_CPUINFO:
		proc_cpuinfo(&s->in, &s->out);
		break;
	case PROC_STAT:
		proc_stat(v, &s->in, &s->out, own);
		break;
	default:
		proc_maps(&s->in, &s->out, what == PROC_SMAPS);
	}
	proc_flush(&s->out);
}

/* makes the memfd read-only and rewinds it: opens it again under the same number */
static long seal_text(int fd, int cloexec)
{
	char self[32];
	long again, r;

	rt_snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	again = sys3(__NR_open, self, O_RDONLY | O_CLOEXEC, 0);
	if (again < 0)
		return again;
	r = sys3(__NR_dup3, again, fd, cloexec);
	sys1(__NR_close, again);
	return r;
}

/* a snapshot of the file at the time of the open. The memfd comes first: it gets the number the guest expects */
long proc_open_text(struct vcpu *v, enum proc_file what, const char *path, int flags)
{
	struct scratch *s;
	long fd, r;

	fd = sys2(__NR_memfd_create, path + 6, 1 /* MFD_CLOEXEC */);
	if (fd < 0)
		return fd;
	s = rt_map(sizeof(*s));
	r = s ? sys3(__NR_open, path, O_RDONLY | O_CLOEXEC, 0) : -ENOMEM;
	if (r >= 0) {
		s->in.fd = (int)r;
		s->out.fd = (int)fd;
		make_text(v, what, path, s);
		sys1(__NR_close, s->in.fd);
		r = s->out.err;
	}
	if (s)
		rt_unmap(s, sizeof(*s));
	if (r == 0)
		r = seal_text((int)fd, flags & O_CLOEXEC);
	if (r < 0)
		sys1(__NR_close, fd);
	return r;
}

/* a path that needs_look() */
static long __attribute__((noinline)) open_proc(struct vcpu *v, const u64 a[6], int arg, u64 flags)
{
	char path[PROC_PATH_MAX];
	enum proc_file what = proc_path(v, arg ? (int)a[0] : AT_FDCWD, a[arg], path);
	long r;
	bool writes = (flags & O_ACCMODE) != O_RDONLY;

	if (what == PROC_HIDDEN)
		return -ENOENT;
	if (unlikely(tracee_any) && what == PROC_NOT_OURS && *path == '/') {
		if (proc_tracee_open(v, path, flags, &r))
			return r;
		if (proc_tracee_exe(v, path))
			return with_look(v, a, arg, AT_FDCWD, true);
	}
	if (what == PROC_NOT_OURS || what == PROC_FD_DIR || (flags & (O_DIRECTORY | O_CREAT)))
		return sig_safe_syscall(v, (u32)v->gregs[RAX], a);
	if (what == PROC_EXE) {
		if (writes && !(flags & (O_PATH | O_NOFOLLOW)))
			return -ETXTBSY; /* natively it is the program that runs */
		return flags & O_NOFOLLOW ? sig_safe_syscall(v, (u32)v->gregs[RAX], a) : with_look(v, a, arg, AT_FDCWD, true);
	}
	if (writes || (flags & O_PATH))
		return sig_safe_syscall(v, (u32)v->gregs[RAX], a);
	return proc_open_text(v, what, path, (int)flags);
}

/* the open family: `flags` is the call's, path its argument number `arg` */
static long do_open(struct vcpu *v, const u64 a[6], int arg, u64 flags)
{
	if (unlikely(needs_look(a[arg])))
		return open_proc(v, a, arg, flags);
	return sig_safe_syscall(v, (u32)v->gregs[RAX], a);
}

SYSCALL(open)
{
	return do_open(v, a, 0, a[1]);
}

SYSCALL(openat)
{
	return do_open(v, a, 1, a[2]);
}

SYSCALL(openat2)
{
	struct open_how how;

	/* what the host would refuse, and RESOLVE_* games, are the host's */
	if (a[3] < sizeof(how) || rt_copy_from_guest(&how, a[2], sizeof(how)) || how.resolve)
		return sig_safe_syscall(v, __NR_openat2, a);
	return do_open(v, a, 1, how.flags);
}
