/* SPDX-License-Identifier: MIT */
/*
 * What would this execve run? Follows #! lines to an ELF file and decides whether the engine can run it, with
 * the kernel's errors in the kernel's order and before anything is given up. Called by start/ for the program
 * the user typed and by kern/sys_exec.c for the guest's execs, on any thread; all state is in *p.
 */
#include <linux/fcntl.h>
#include <linux/prctl.h>
#include <linux/stat.h>
#include "load/load.h"
#include "rt/engine.h"

#define ST_NOSUID_ 2

/* HEAD_SIZE bytes and a NUL behind them */
static long read_head(int fd, u8 head[HEAD_SIZE + 1])
{
	long r;

	memset(head, 0, HEAD_SIZE + 1);
	do
		r = sys4(__NR_pread64, fd, head, HEAD_SIZE, 0);
	while (r == -EINTR);
	return r < 0 ? r : 0;
}

static bool is_binary(const u8 *head, u64 size)
{
	return strlen((const char *)head) < min(size, (u64)HEAD_SIZE);
}

/* ids that a set-id bit or file capabilities would change can only be given by the kernel */
static bool gains_privilege(const struct exec_file *f)
{
	u32 r, e, s;

	if (f->mnt_flags & ST_NOSUID_)
		return false;
	if (sys5(__NR_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return false;
	if (f->mode & S_ISUID) {
		sys3(__NR_getresuid, &r, &e, &s);
		if (r != f->uid || e != f->uid || s != f->uid)
			return true;
	}
	if ((f->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP)) {
		sys3(__NR_getresgid, &r, &e, &s);
		if (r != f->gid || e != f->gid || s != f->gid)
			return true;
	}
	/* root has them all anyway */
	return sys0(__NR_geteuid) != 0 && sys4(__NR_fgetxattr, f->fd, "security.capability", NULL, 0) > 0;
}

/* somebody registered interpreters with binfmt_misc: what we cannot run, the kernel perhaps can */
static bool kernel_knows_more(void)
{
	char buf[512];
	long fd = sys3(__NR_open, "/proc/sys/fs/binfmt_misc", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0), n;
	u32 entries = 0;

	if (fd < 0)
		return false;
	while ((n = sys3(__NR_getdents64, fd, buf, sizeof(buf))) > 0)
		for (long at = 0; at < n; at += *(u16 *)(buf + at + 16))
			entries++;
	sys1(__NR_close, fd);
	return entries > 4; /* . .. register status */
}

/* the comm of an exec: the last part of the path, or for a descriptor the file's own name */
static void set_comm(struct plan *p, const char *path)
{
	char buf[GN_PATH_MAX];
	const char *base = path;

	if (!*path) {
		long n = fd_path(p->fd, buf, sizeof(buf));

		if (n < 0)
			return;
		if (n > 10 && !strcmp(buf + n - 10, " (deleted)"))
			buf[n - 10] = 0;
		base = buf;
	}
	if (strrchr(base, '/'))
		base = strrchr(base, '/') + 1;
	rt_strlcpy(p->rec.comm, base, sizeof(p->rec.comm));
}

/* AT_EXECFN: the path, or what the kernel makes of a descriptor */
static long set_execfn(struct plan *p, int dirfd, const char *path)
{
	int n;

	if (dirfd == AT_FDCWD || *path == '/')
		n = (int)rt_strlcpy(p->rec.execfn, path, GN_PATH_MAX);
	else
		n = rt_snprintf(p->rec.execfn, GN_PATH_MAX, *path ? "/dev/fd/%d/%s" : "/dev/fd/%d", dirfd, path);
	return n >= GN_PATH_MAX - 1 ? -ENAMETOOLONG : 0;
}

static long host_only(struct plan *p, const char *why)
{
	p->kind = PLAN_HOST;
	p->why = why;
	return 0;
}

/* the file at the end of the #! lines is an ELF file for us */
static long plan_elf(struct plan *p, const struct exec_file *file, const char *path)
{
	struct elf_file f, interp;
	long r = elf_open(&f, file->fd, file->size);
	bool engine;

	if (r) {
		p->why = r == -ENOEXEC ? "truncated or damaged ELF headers" : "its ELF headers";
		return r;
	}
	r = elf_interp(&f, p->interp);
	engine = r == 0 && elf_is_engine(&f);
	elf_close(&f);
	if (r < 0) {
		p->why = "damaged PT_INTERP header";
		return r;
	}
	if (r > 0) {
		r = interp_open(p->interp, &interp);
		if (r) {
			p->culprit = p->interp;
			p->why = r == -ELIBBAD ? "its interpreter is not an x86-64 ELF file" : "its interpreter";
			return r;
		}
		elf_close(&interp);
		fd_close(&interp.fd);
	}
	if (engine) { /* translated, all that it does would count as the program's doing */
		if (fd_path(file->fd, p->rec.file, GN_PATH_MAX) > 0) /* it is started by a descriptor */
			rt_strlcpy(p->rec.execfn, p->rec.file, GN_PATH_MAX);
		return host_only(p, "gnomon inside gnomon, which runs its program by itself");
	}
	if (gains_privilege(file))
		return host_only(p, "set-user-ID, set-group-ID or file capabilities");
	p->kind = PLAN_ENGINE;
	if (fd_path(file->fd, p->rec.file, GN_PATH_MAX) < 0)
		rt_strlcpy(p->rec.file, p->culprit ? p->culprit : p->rec.execfn, GN_PATH_MAX);
	p->culprit = NULL;
	set_comm(p, path);
	return 0;
}

static long plan_other(struct plan *p, enum elf_kind kind, const u8 *head, u64 size)
{
	if (kind == ELF_COMPAT)
		return host_only(p, "a 32-bit program");
	if (is_binary(head, size) && kernel_knows_more())
		return host_only(p, "not an x86-64 program; left to binfmt_misc");
	p->why = kind == ELF_FOREIGN ? "an ELF file for another machine or not a program" : "not an ELF file";
	return -ENOEXEC;
}

/* one more #! line: puts the interpreter in front of the arguments and *file becomes it */
static long follow_script(struct plan *p, struct exec_file *file)
{
	struct script *s = &p->scripts[p->rec.depth];
	u32 n = 1 + (s->arg != NULL);
	long r;

	memmove(&p->front[n], &p->front[0], p->nfront * sizeof(p->front[0]));
	p->front[0] = s->interp;
	if (s->arg)
		p->front[1] = s->arg;
	p->nfront += n;
	p->culprit = s->interp;
	fd_close(&p->fd);
	r = exec_open_interp(s->interp, file);
	if (r) {
		p->why = "its #! interpreter";
		return r;
	}
	p->fd = file->fd;
	p->rec.depth++;
	return 0;
}

/* the kernel tells scripts given as a close-on-exec descriptor that nobody could open them */
static bool inaccessible(int dirfd, const char *path)
{
	return dirfd != AT_FDCWD && *path != '/' && (sys3(__NR_fcntl, dirfd, F_GETFD, 0) & FD_CLOEXEC);
}

/* 1: a script, its line is in p->scripts; 0: the plan is complete */
static long look(struct plan *p, const struct exec_file *file, int dirfd, const char *path)
{
	struct script too_deep;
	u8 head[HEAD_SIZE + 1];
	enum elf_kind kind;
	long r;

	if (!file->readable)
		return host_only(p, "may be executed but not read");
	r = read_head(file->fd, head);
	if (r)
		return r;
	if (script_parse(head, p->rec.depth < PLAN_LEVELS ? &p->scripts[p->rec.depth] : &too_deep)) {
		kind = elf_classify(head);
		return kind == ELF_NATIVE ? plan_elf(p, file, path) : plan_other(p, kind, head, file->size);
	}
	if (p->rec.depth >= PLAN_LEVELS)
		return -ELOOP;
	if (p->rec.depth == 0) {
		p->front[p->nfront++] = p->rec.execfn;
		if (inaccessible(dirfd, path))
			return -ENOENT;
	}
	return 1;
}

long plan_exec(struct plan *p, int dirfd, const char *path, int flags)
{
	struct exec_file file;
	long r;

	p->fd = -1;
	p->why = "";
	p->culprit = NULL;
	p->nfront = 0;
	p->rec.magic = GN_BOARD_MAGIC;
	p->rec.flags = p->rec.depth = p->rec.traced = 0;
	p->rec.file[0] = p->rec.comm[0] = 0;
	r = exec_open(dirfd, path, flags, &file);
	if (r)
		return r;
	p->fd = file.fd;
	r = set_execfn(p, dirfd, path);
	while (!r && (r = look(p, &file, dirfd, path)) > 0)
		r = follow_script(p, &file);
	if (r)
		plan_close(p);
	return r;
}

void plan_close(struct plan *p)
{
	fd_close(&p->fd);
}

bool plan_is_text(int dirfd, const char *path)
{
	struct exec_file file;
	u8 head[HEAD_SIZE + 1];
	long r;

	if (exec_open(dirfd, path, 0, &file))
		return false;
	r = file.readable ? read_head(file.fd, head) : -EACCES;
	fd_close(&file.fd);
	if (r || elf_classify(head) != ELF_NONE)
		return false;
	return !is_binary(head, file.size);
}
