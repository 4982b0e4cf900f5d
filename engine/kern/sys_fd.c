/* SPDX-License-Identifier: MIT */
/*
 * Descriptors. The engine's own (rt/engine.h: a block of GN_FD_COUNT numbers) do not exist for the guest: using one
 * as first argument is EBADF by the table, closing ranges goes around them, and a guest that dup2()s onto one
 * of them gets the number: the block moves.
 */
#include <linux/fcntl.h>
#include <linux/resource.h>
#include "kern/kern.h"

static struct rt_lock lock __forked; /* eng.fd_base */

void fd_lock(void)
{
	rt_lock(&lock);
}

void fd_unlock(void)
{
	rt_unlock(&lock);
}

void fd_lock_after_fork(void)
{
	rt_lock_after_fork(&lock);
}

static bool block_is_free(int base)
{
	for (int i = 0; i < GN_FD_COUNT; i++)
		if (sys2(__NR_fcntl, base + i, F_GETFD) != -EBADF)
			return false;
	return true;
}

/* a new place for the block that does not contain `wanted`: as high as the limit allows, or -1 */
static int find_block(int wanted)
{
	u64 lim[2] = { 1024, 1024 };
	int top;

	sys4(__NR_prlimit64, 0, RLIMIT_NOFILE, NULL, lim);
	top = (int)min(lim[0], 65536ul) - GN_FD_COUNT;
	for (int base = top; base > 2; base--)
		if ((wanted < base || wanted >= base + GN_FD_COUNT) && block_is_free(base))
			return base;
	return -1;
}

/* [holds: lock] */
static long move_block(int wanted)
{
	int old = eng.fd_base, base = find_block(wanted);

	if (base < 0)
		return -EMFILE;
	for (int i = 0; i < GN_FD_COUNT; i++) {
		long flags = sys2(__NR_fcntl, old + i, F_GETFD), r;

		if (flags < 0) /* not every number of the block is in use */
			continue;
		r = sys3(__NR_dup3, old + i, base + i, flags & FD_CLOEXEC ? O_CLOEXEC : 0);
		if (r < 0) {
			while (i-- > 0)
				sys1(__NR_close, base + i);
			return r;
		}
	}
	if (rt_log_fd >= old && rt_log_fd < old + GN_FD_COUNT)
		rt_log_fd += base - old;
	__atomic_store_n(&eng.fd_base, base, __ATOMIC_RELEASE);
	for (int i = 0; i < GN_FD_COUNT; i++)
		sys1(__NR_close, old + i);
	return 0;
}

/* the guest wants number fd for itself */
static long make_way(struct vcpu *v, int fd)
{
	long r = 0;

	if (likely(!eng_owns_fd(fd)))
		return 0;
	/* a vfork child has its own descriptors but our memory, where the parent's numbers stand */
	if (v->pid != kern_pid) {
		rt_log_once("a vfork child may not use descriptor %d: the engine's own is there", fd);
		return -EBUSY;
	}
	rt_lock(&lock);
	if (eng_owns_fd(fd))
		r = move_block(fd);
	rt_unlock(&lock);
	return r;
}

SYSCALL(close)
{
	if (unlikely(eng_owns_fd((int)a[0])))
		return -EBADF;
	return sig_safe_syscall(v, __NR_close, a);
}

SYSCALL(dup2)
{
	long r = make_way(v, (int)a[1]);

	return r ? r : sys2(__NR_dup2, a[0], a[1]);
}

SYSCALL(dup3)
{
	long r = make_way(v, (int)a[1]);

	return r ? r : sys3(__NR_dup3, a[0], a[1], a[2]);
}

SYSCALL(fcntl)
{
	int cmd = (int)a[1];
	long r = 0;

	if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC) /* the lowest free number from there on */
		r = make_way(v, (int)a[2]);
	if (r)
		return r;
	/* everything but waiting for locks returns at once */
	if (cmd == F_SETLKW || cmd == F_OFD_SETLKW)
		return sig_safe_syscall(v, __NR_fcntl, a);
	return rt_syscall_for_guest(__NR_fcntl, a);
}

SYSCALL(close_range)
{
	u32 first = (u32)a[0], last = (u32)a[1], base, end;
	long r;

	(void)v;
	fd_lock();
	base = (u32)eng.fd_base;
	end = base + GN_FD_COUNT;
	if (first > last || last < base || first >= end) {
		r = sys3(__NR_close_range, first, last, a[2]);
	} else {
		/* below the block (or nothing, to have the flags checked), then above it */
		r = first < base ? sys3(__NR_close_range, first, base - 1, a[2]) :
				   sys3(__NR_close_range, ~0u, ~0u, a[2]);
		if (r == 0 && last >= end)
			r = sys3(__NR_close_range, end, last, a[2]);
	}
	fd_unlock();
	return r;
}
