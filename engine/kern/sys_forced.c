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

/* the memory of a program that this one traces, perhaps */
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
		u64 some = min(n - done, (u64)sizeof(buf));

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
	return 0;
}
