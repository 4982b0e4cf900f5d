/* SPDX-License-Identifier: MIT */
/*
 * Calls that meet a shadow stack of the guest's where natively it is private memory of its own kind: writes through
 * /proc/self/mem, which the kernel forces, and calls that would write and are refused. The host's answer comes first
 * where that costs nothing.
 */
#include "kern/kern.h"
#include "kern/proc.h"
#include "kern/shadow.h"
#include "kern/tracee.h"

#define UFFDIO_REGISTER_ 0xc020aa00u

/* whose /proc/PID/mem it is; 0: it is no such file */
static int whose_mem(int fd)
{
	char link[32], path[64];
	const char *end;
	u64 pid;
	long n;

	rt_snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = sys3(__NR_readlink, link, path, sizeof(path) - 1);
	if (n <= 0)
		return 0;
	path[n] = 0;
	if (strncmp(path, "/proc/", 6))
		return 0;
	pid = rt_strtou(path + 6, 10, &end);
	if (!strncmp(end, "/task/", 6))
		rt_strtou(end + 6, 10, &end);
	return strcmp(end, "/mem") ? 0 : (int)pid;
}

/* n bytes to the memory of a program that this one traces, perhaps */
static void __attribute__((noinline)) wrote(int fd, gaddr_t at, long n)
{
	int pid = n > 0 ? whose_mem(fd) : 0;

	if (pid)
		tracee_written(pid, at, (u64)n);
}

/* what the host refused, because its shadow stacks are shared memory */
static long write_mem(struct vcpu *v, int fd, gaddr_t from, u64 n, gaddr_t to)
{
	u64 done = 0;
	u8 buf[512];

	if (!shadow_touches(to, to + 1) || whose_mem(fd) != v->pid)
		return -EIO;
	while (done < n) {
		u64 page = PAGE_SIZE - (to + done) % PAGE_SIZE; /* the next one may be gone */
		u64 some = min(min(n - done, page), (u64)sizeof(buf));

		if (rt_copy_from_guest(buf, from + done, some) || shadow_poke(to + done, buf, some))
			break;
		done += some;
	}
	return done ? (long)done : -EIO;
}

SYSCALL(write)
{
	long r = kern_host(v, __NR_write, a), at;

	if (unlikely(tracee_any) && r > 0)
		wrote((int)a[0], (gaddr_t)(sys3(__NR_lseek, (int)a[0], 0, 1) - r), r);
	if (likely(r != -EIO) || !shadow_any)
		return r;
	at = sys3(__NR_lseek, (int)a[0], 0, 1 /* SEEK_CUR */);
	if (at < 0)
		return r;
	r = write_mem(v, (int)a[0], a[1], a[2], (gaddr_t)at);
	if (r > 0)
		sys3(__NR_lseek, (int)a[0], r, 1);
	return r;
}

SYSCALL(pwrite64)
{
	long r = kern_host(v, __NR_pwrite64, a);

	if (unlikely(tracee_any))
		wrote((int)a[0], a[3], r);
	return likely(r != -EIO) || !shadow_any ? r : write_mem(v, (int)a[0], a[1], a[2], a[3]);
}

/*
 * The kernel writes to /proc/PID/mem one piece after the other. The host has done so up to `done` bytes, or not begun; goes on
 * until one is not written whole.
 */
static long write_pieces(struct vcpu *v, const u64 a[6], u64 done, gaddr_t to)
{
	u64 passed = 0, iov[2];

	for (u64 i = 0; i < a[2]; i++, passed += iov[1]) {
		long r;

		if (rt_copy_from_guest(iov, a[1] + 16 * i, sizeof(iov)))
			break;
		if (passed + iov[1] <= done)
			continue;
		r = sys4(__NR_pwrite64, a[0], iov[0] + (done - passed), passed + iov[1] - done, to + done);
		if (r == -EIO)
			r = write_mem(v, (int)a[0], iov[0] + (done - passed), passed + iov[1] - done, to + done);
		if (r > 0)
			done += (u64)r;
		if (done != passed + iov[1])
			break;
	}
	return done ? (long)done : -EIO;
}

static u64 total(const u64 a[6])
{
	u64 n = 0, iov[2];

	for (u64 i = 0; i < a[2] && !rt_copy_from_guest(iov, a[1] + 16 * i, sizeof(iov)); i++)
		n += iov[1];
	return n;
}

/* did the host stop where a shadow stack begins? */
static bool falls_short(struct vcpu *v, const u64 a[6], long r)
{
	return unlikely(shadow_any) && (r == -EIO || (r > 0 && (u64)r < total(a))) &&
	       whose_mem((int)a[0]) == v->pid;
}

/* at the descriptor's own position */
static long writev_here(struct vcpu *v, long nr, const u64 a[6])
{
	long r = kern_host(v, nr, a), more, at;

	if (unlikely(tracee_any) && r > 0)
		wrote((int)a[0], (gaddr_t)(sys3(__NR_lseek, (int)a[0], 0, 1) - r), r);
	if (!falls_short(v, a, r))
		return r;
	at = sys3(__NR_lseek, (int)a[0], 0, 1 /* SEEK_CUR */);
	if (at < 0)
		return r;
	more = write_pieces(v, a, (u64)max(r, 0l), (gaddr_t)(at - max(r, 0l)));
	if (more > max(r, 0l))
		sys3(__NR_lseek, (int)a[0], more - max(r, 0l), 1);
	return more;
}

SYSCALL(writev)
{
	return writev_here(v, __NR_writev, a);
}

static long writev_there(struct vcpu *v, long nr, const u64 a[6])
{
	long r = kern_host(v, nr, a);

	if (unlikely(tracee_any))
		wrote((int)a[0], a[3], r);
	return falls_short(v, a, r) ? write_pieces(v, a, (u64)max(r, 0l), a[3]) : r;
}

SYSCALL(pwritev)
{
	return writev_there(v, __NR_pwritev, a);
}

SYSCALL(pwritev2)
{
	return a[3] == ~0ul ? writev_here(v, __NR_pwritev2, a) : writev_there(v, __NR_pwritev2, a);
}

/* ---- the page kept free below a shadow stack is a mapping for the host ---- */

static long but_gaps(const u64 a[6], long r)
{
	gaddr_t start = PAGE_DOWN(a[0]), gap;

	return !r && unlikely(shadow_any) && shadow_gap_in(start, PAGE_UP(a[0] + a[1]), &gap) ? -ENOMEM : r;
}

SYSCALL(munlock)
{
	return but_gaps(a, sys2(__NR_munlock, a[0], a[1]));
}

SYSCALL(msync)
{
	return but_gaps(a, sys3(__NR_msync, a[0], a[1], a[2]));
}

SYSCALL(mincore)
{
	return but_gaps(a, kern_host(v, __NR_mincore, a));
}

SYSCALL(ioctl)
{
	u64 range[2];

	if (unlikely(shadow_any) && (u32)a[1] == UFFDIO_REGISTER_ && !rt_copy_from_guest(range, a[2], sizeof(range)) &&
	    shadow_touches(range[0], range[0] + range[1]))
		return -EINVAL;
	return kern_host(v, __NR_ioctl, a);
}

/* the pages are brought in as for a write where there is the right to */
SYSCALL(mlock)
{
	long r = sys2(__NR_mlock, a[0], a[1]);
	gaddr_t end = PAGE_UP(a[0] + a[1]);
	struct vma area;

	if (likely(!shadow_any) || r)
		return r;
	for (gaddr_t at = PAGE_DOWN(a[0]); at < end && vma_find(at, &area) && area.start < end; at = area.end)
		if (area.flags & VMA_SHSTK && area.prot & PROT_WRITE)
			return -ENOMEM;
	return but_gaps(a, 0);
}
