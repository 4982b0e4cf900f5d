/* SPDX-License-Identifier: MIT */
/*
 * Leaving a program image: into a new engine, or out of the engine. Called by kern/sys_exec.c on the guest's
 * thread (guest state exact in v) and by start/ before any thread exists. Everything is undone when the kernel
 * refuses, so the caller can return the errno to the guest.
 *
 * A vforked child runs this in its parent's memory, but with descriptors of its own: nothing here writes
 * to memory that outlives the call, `eng` least of all, and nothing it maps can be given back by the parent;
 * hence the arrays on the stack.
 */
#include <linux/fcntl.h>
#include <linux/memfd.h>
#include <linux/resource.h>
#include "kern/seccomp.h"
#include "load/load.h"
#include "rt/engine.h"
#include "sig/sig.h"

#define ARGV_ON_STACK 256

struct handover {
	int base;      /* where the new engine finds its descriptors */
	int old_prog;  /* what stood at GN_FD_PROG */
	bool moved;    /* all of them are copies at another place */
};

void engine_fds_cloexec(bool on)
{
	for (int i = 0; i < GN_FD_COUNT; i++)
		sys3(__NR_fcntl, eng.fd_base + i, F_SETFD, on ? FD_CLOEXEC : 0);
}

void engine_fd_idle(int fd)
{
	if (sys3(__NR_dup3, eng.fd_base + GN_FD_ENGINE, fd, 0) < 0) /* a limit below it: nobody can have it */
		fd_close(&fd);
}

static long write_all(int fd, const void *buf, size_t n)
{
	const u8 *p = buf;

	while (n) {
		long r = sys3(__NR_write, fd, p, n);

		if (r == -EINTR)
			continue;
		if (r <= 0)
			return r == -EAGAIN || !r ? -ENOMEM : r;
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

/* A readable descriptor with the record in it. A memfd counts against RLIMIT_FSIZE and may be forbidden; then a
 * pipe serves, which has room for a record. */
static long put(void *fd, const void *from, size_t n)
{
	return write_all(*(int *)fd, from, n);
}

static long make_record(const struct vcpu *v, const struct gn_exec *rec)
{
	struct rlimit64 { u64 cur, max; } lim = { 0, 0 };
	int fds[2] = { -1, -1 };
	long r = -EFBIG;

	sys4(__NR_prlimit64, 0, RLIMIT_FSIZE, NULL, &lim);
	if (lim.cur >= sizeof(*rec))
		r = sys2(__NR_memfd_create, "gnomon-exec", MFD_CLOEXEC);
	if (r >= 0) {
		fds[0] = (int)r;
		r = write_all(fds[0], rec, sizeof(*rec));
		if (!r)
			r = seccomp_save(v, put, &fds[0]);
	} else {
		r = sys2(__NR_pipe2, fds, O_CLOEXEC | O_NONBLOCK);
		if (r < 0)
			return r;
		r = write_all(fds[1], rec, sizeof(*rec));
		if (!r)
			r = seccomp_save(v, put, &fds[1]);
		fd_close(&fds[1]);
	}
	if (r)
		fd_close(&fds[0]);
	return r ? r : fds[0];
}

/* lowers the block of descriptors under a limit that leaves no room where it is */
static long move_block(struct handover *h, u64 limit)
{
	long base = (long)limit - GN_FD_COUNT;
	int i;

	for (; base >= 3; base--) {
		for (i = 0; i < GN_FD_COUNT; i++)
			if (sys2(__NR_fcntl, base + i, F_GETFD) != -EBADF)
				break;
		if (i == GN_FD_COUNT)
			break;
	}
	if (base < 3)
		return -EMFILE;
	h->base = (int)base;
	h->moved = true;
	for (i = 0; i < GN_FD_COUNT; i++) /* EXEC and PROG are filled in by the caller */
		if (i != GN_FD_EXEC && i != GN_FD_PROG)
			sys3(__NR_dup3, eng.fd_base + i, base + i, 0);
	engine_fds_cloexec(true); /* the old ones end here */
	return 0;
}

static void take_back(struct handover *h)
{
	int fd;

	if (h->moved) {
		engine_fds_cloexec(false);
		for (int i = 0; i < GN_FD_COUNT; i++) {
			fd = h->base + i;
			fd_close(&fd);
		}
	} else {
		engine_fd_idle(h->base + GN_FD_EXEC);
	}
	if (h->old_prog >= 0)
		sys3(__NR_dup3, h->old_prog, eng.fd_base + GN_FD_PROG, 0);
	else if (!h->moved) {
		fd = eng.fd_base + GN_FD_PROG;
		fd_close(&fd);
	}
	fd_close(&h->old_prog);
}

/* puts record and program where the new engine looks for them, with numbers up to `limit` */
static long hand_over(struct handover *h, int record, int prog, u64 limit)
{
	long r = 0;

	*h = (struct handover){ .base = eng.fd_base, .old_prog = -1 };
	if (limit < (u64)eng.fd_base + GN_FD_COUNT)
		r = move_block(h, limit);
	else
		h->old_prog = (int)sys3(__NR_fcntl, h->base + GN_FD_PROG, F_DUPFD_CLOEXEC, 3); /* or -EBADF */
	if (h->old_prog == -EMFILE)
		return -EMFILE;
	if (!r) {
		r = sys3(__NR_dup3, record, h->base + GN_FD_EXEC, 0);
		if (r >= 0)
			r = sys3(__NR_dup3, prog, h->base + GN_FD_PROG, 0);
		if (r < 0)
			take_back(h);
	}
	return r < 0 ? r : 0;
}

/* strings of a guest's argument array, -EFAULT */
static long count_args(char *const *argv)
{
	char *s;
	long n = 0;

	if (!argv)
		return 0;
	for (;; n++) {
		if (rt_copy_from_guest(&s, (gaddr_t)(argv + n), sizeof(s)))
			return -EFAULT;
		if (!s)
			return n;
	}
}

static long exec_engine(struct vcpu *v, const struct handover *h, char *const *argv, char *const *envp)
{
	return sig_exec(v, h->base + GN_FD_ENGINE, "", argv, envp, AT_EMPTY_PATH);
}

/* argv of a script: the interpreters and their arguments in the place of argv[0] */
static long with_front(struct vcpu *v, const struct handover *h, const struct plan *p, char *const *argv,
		       char *const *envp)
{
	const char *small[ARGV_ON_STACK], **list = small;
	long n = count_args(argv), r;
	size_t rest, bytes;

	if (n < 0)
		return n;
	rest = n > 0 ? (size_t)n - 1 : 0;
	bytes = (p->nfront + rest + 1) * sizeof(*list);
	if (bytes > sizeof(small)) {
		list = rt_map(bytes);
		if (!list)
			return -ENOMEM;
	}
	memcpy(list, p->front, p->nfront * sizeof(*list));
	r = rest ? rt_copy_from_guest(&list[p->nfront], (gaddr_t)(argv + 1), rest * sizeof(*list)) : 0;
	list[p->nfront + rest] = NULL;
	if (!r)
		r = exec_engine(v, h, (char *const *)list, envp);
	if (list != small)
		rt_unmap(list, bytes);
	return r;
}

/* [holds: exec_enter()] everything is where the new engine looks for it, or nothing has changed */
static long prepare(struct vcpu *v, const struct plan *p, struct handover *h)
{
	struct fd_room room;
	int record;
	long r;

	fd_room_begin(&room, (u64)eng.fd_base + GN_FD_COUNT);
	r = make_record(v, &p->rec);
	if (r == -EMFILE && fd_room_more(&room))
		r = make_record(v, &p->rec);
	record = (int)r;
	if (r >= 0) {
		r = hand_over(h, record, p->fd, room.cur);
		if (r == -EMFILE && fd_room_more(&room))
			r = hand_over(h, record, p->fd, room.cur);
		fd_close(&record);
	}
	fd_room_end(&room);
	return r;
}

long replace_engine(struct vcpu *v, const struct plan *p, char *const *argv, char *const *envp)
{
	struct fd_room room;
	struct handover h;
	long r;

	exec_enter();
	r = prepare(v, p, &h);
	if (!r) {
		r = p->nfront ? with_front(v, &h, p, argv, envp) : exec_engine(v, &h, argv, envp);
		fd_room_begin(&room, (u64)eng.fd_base + GN_FD_COUNT);
		take_back(&h);
		fd_room_end(&room);
	}
	exec_leave();
	return r;
}

long replace_host(struct vcpu *v, int dirfd, const char *path, int flags, char *const *argv, char *const *envp)
{
	long r;

	exec_enter();
	engine_fds_cloexec(true);
	r = sig_exec(v, dirfd, path, argv, envp, flags);
	engine_fds_cloexec(false);
	exec_leave();
	return r;
}
