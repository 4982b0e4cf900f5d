/* SPDX-License-Identifier: MIT */
/*
 * execve and execveat of the guest. Called by the dispatcher on the guest's thread, guest state exact in v;
 * needs about 32 KiB of engine stack. Everything that can be refused is refused while the old image still
 * stands (load/plan.c, load/replace.c); the other threads are ended by the kernel's own exec.
 */
#include <linux/fcntl.h>
#include "cpu/threads.h"
#include "kern/kern.h"
#include "kern/report.h"
#include "kern/traced.h"
#include "load/load.h"
#include "rt/engine.h"

#ifndef AT_EXECVE_CHECK
#define AT_EXECVE_CHECK 0x10000 /* Linux 6.14 */
#endif

/* /proc/self/exe and its other names: the engine's own file for the kernel, the guest's for us */
static bool is_own_exe(const char *path)
{
	char own[48];
	static const char *const fixed[] = { "/proc/self/exe", "/proc/thread-self/exe" };

	if (strncmp(path, "/proc/", 6))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		if (!strcmp(path, fixed[i]))
			return true;
	rt_snprintf(own, sizeof(own), "/proc/%d/exe", (int)sys0(__NR_getpid));
	return !strcmp(path, own);
}

static long make_plan(struct plan *p, int dirfd, const char *path, int flags)
{
	long r;

	if (!is_own_exe(path) || (flags & AT_SYMLINK_NOFOLLOW))
		return plan_exec(p, dirfd, path, flags);
	r = plan_exec(p, eng.fd_base + GN_FD_PROG, "", AT_EMPTY_PATH);
	if (!r) {
		rt_strlcpy(p->rec.execfn, path, sizeof(p->rec.execfn));
		rt_strlcpy(p->rec.comm, "exe", sizeof(p->rec.comm));
	}
	return r;
}

static long exec_host(struct vcpu *v, const struct plan *p, int dirfd, const char *path, int flags,
		      char *const *argv, char *const *envp)
{
	if (eng.set.flags & GN_OPT_STRICT) {
		report_note("%s: %s: refused (--strict)", p->rec.execfn, p->why);
		return -EACCES;
	}
	report_native(p->rec.execfn, p->why);
	report_exit(0);
	return replace_host(v, dirfd, path, flags, argv, envp);
}

/* --no-follow: children run as if gnomon were not there */
static long leave(struct vcpu *v, int dirfd, const char *path, int flags, char *const *argv, char *const *envp)
{
	if (is_own_exe(path))
		return replace_host(v, eng.fd_base + GN_FD_PROG, "", AT_EMPTY_PATH, argv, envp);
	return replace_host(v, dirfd, path, flags, argv, envp);
}

static long do_exec(struct vcpu *v, int dirfd, gaddr_t gpath, char *const *argv, char *const *envp, int flags)
{
	char path[GN_PATH_MAX];
	struct plan p;
	long r;

	r = rt_str_from_guest(path, gpath, sizeof(path));
	if (r < 0)
		return r;
	if (dirfd != AT_FDCWD && *path != '/' && eng_owns_fd(dirfd))
		return -EBADF;
	if (flags & AT_EXECVE_CHECK)
		return sys5(__NR_execveat, dirfd, path, argv, envp, flags);
	if (eng.set.flags & GN_OPT_NO_FOLLOW)
		return leave(v, dirfd, path, flags, argv, envp);
	r = make_plan(&p, dirfd, path, flags);
	if (r)
		return r;
	if (p.kind == PLAN_HOST) {
		r = exec_host(v, &p, dirfd, path, flags, argv, envp);
	} else {
		cpu_stats(v);
		report_exit(0);
		traced_leave_image(v, &p.rec);
		r = replace_engine(v, &p, argv, envp);
	}
	plan_close(&p);
	return r;
}

SYSCALL(exec)
{
	return do_exec(v, AT_FDCWD, a[0], (char *const *)a[1], (char *const *)a[2], 0);
}

SYSCALL(execat)
{
	return do_exec(v, (int)a[0], a[1], (char *const *)a[2], (char *const *)a[3], (int)a[4]);
}
