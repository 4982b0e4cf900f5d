/* SPDX-License-Identifier: MIT */
/*
 * Opening a file the way exec does: the checks of do_open_execat() in their order, then a descriptor that can
 * be read. Called by plan.c and interp.c, at start and from guest exec on any thread; keeps no state.
 */
#include <linux/fcntl.h>
#include <linux/stat.h>
#include "load/load.h"

#define ST_NOSUID_ 2
#define ST_NOEXEC_ 8
#ifndef X_OK
#define X_OK 1
#endif

/* the kernel's struct statfs of x86-64 */
struct kstatfs {
	long type, bsize, blocks, bfree, bavail, files, ffree;
	int fsid[2];
	long namelen, frsize, flags, spare[4];
};

void fd_close(int *fd)
{
	if (*fd >= 0)
		sys1(__NR_close, *fd);
	*fd = -1;
}

long fd_path(int fd, char *buf, size_t size)
{
	char link[40];
	long n;

	rt_snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = sys3(__NR_readlink, link, buf, size - 1);
	if (n < 0)
		return n;
	buf[n] = 0;
	return n;
}

/* faccessat2(2) is of Linux 5.8; before it only the real ids can be asked, which differ from the effective
 * ones only in set-uid programs, and those run natively */
static long may_execute(int dirfd, const char *path, int fd)
{
	long r = sys4(__NR_faccessat2, fd, "", X_OK, AT_EMPTY_PATH | AT_EACCESS);

	if (r == -ENOSYS) {
		char link[40];

		rt_snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		r = sys3(__NR_faccessat, *path ? dirfd : AT_FDCWD, *path ? path : link, X_OK);
	}
	return r;
}

/* fd is O_PATH: a second descriptor of the same file that can be read. By the path first, so that a
 * missing /proc matters to fexecve only. -EACCES where the file may be executed but not read */
static long reopen(int dirfd, const char *path, int fd, const struct statx *st)
{
	struct statx now;
	char link[40];
	long r;

	if (*path) {
		r = sys4(__NR_openat, dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
		if (r >= 0) {
			int got = (int)r;

			if (!sys5(__NR_statx, got, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &now) &&
			    now.stx_ino == st->stx_ino && now.stx_dev_minor == st->stx_dev_minor &&
			    now.stx_dev_major == st->stx_dev_major)
				return got;
			fd_close(&got); /* renamed over in between */
		} else if (r == -EACCES) {
			return r;
		}
	}
	rt_snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return sys4(__NR_openat, AT_FDCWD, link, O_RDONLY | O_CLOEXEC, 0);
}

static long check(int dirfd, const char *path, int fd, const struct statx *st, struct exec_file *f)
{
	struct kstatfs fs;
	long r;

	if ((st->stx_mode & S_IFMT) == S_IFLNK)
		return -ELOOP;
	if ((st->stx_mode & S_IFMT) != S_IFREG)
		return -EACCES;
	r = sys2(__NR_fstatfs, fd, &fs);
	f->mnt_flags = r ? 0 : (u64)fs.flags;
	if (f->mnt_flags & ST_NOEXEC_)
		return -EACCES;
	return may_execute(dirfd, path, fd);
}

static long try_open(int dirfd, const char *path, int flags, struct exec_file *f)
{
	struct statx st;
	long r;
	int fd;

	if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
		return -EINVAL;
	if (!*path && !(flags & AT_EMPTY_PATH))
		return -ENOENT;
	if (!*path && dirfd != AT_FDCWD)
		r = sys3(__NR_fcntl, dirfd, F_DUPFD_CLOEXEC, 3);
	else /* "" with AT_FDCWD means the directory: EACCES below */
		r = sys4(__NR_openat, dirfd, *path ? path : ".",
			 O_PATH | O_CLOEXEC | (flags & AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0), 0);
	if (r < 0)
		return r;
	fd = (int)r;
	r = sys5(__NR_statx, fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &st);
	if (!r)
		r = check(dirfd, path, fd, &st, f);
	if (r) {
		fd_close(&fd);
		return r;
	}
	f->mode = st.stx_mode;
	f->uid = st.stx_uid;
	f->gid = st.stx_gid;
	f->size = st.stx_size;
	r = reopen(dirfd, path, fd, &st);
	f->readable = r >= 0;
	if (r >= 0) {
		fd_close(&fd);
		fd = (int)r;
	} else if (r != -EACCES) {
		fd_close(&fd);
		return r;
	}
	f->fd = fd;
	return 0;
}

long exec_open(int dirfd, const char *path, int flags, struct exec_file *f)
{
	long r = try_open(dirfd, path, flags, f);
	struct fd_room room;

	if (r != -EMFILE)
		return r;
	exec_enter();
	fd_room_begin(&room, 0);
	if (fd_room_more(&room))
		r = try_open(dirfd, path, flags, f);
	fd_room_end(&room);
	exec_leave();
	return r;
}

long exec_open_interp(const char *path, struct exec_file *f)
{
	/* an empty path is the current folder for the kernel's own opens */
	return *path ? exec_open(AT_FDCWD, path, 0, f) : -EACCES;
}
