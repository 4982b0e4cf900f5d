/* SPDX-License-Identifier: MIT */
/*
 * Changes of contents that are no change of the map: advice that drops pages, and writes into this process by
 * process_vm_writev.
 */
#include "cpu/threads.h"
#include "kern/kern.h"
#include "kern/mm.h"
#include "kern/shadow.h"
#include "kern/tracee.h"

#define MADV_GUARD_INSTALL_ 102 /* Linux 6.13 */
#define IOV_MAX 1024

static bool drops_contents(int advice)
{
	switch (advice) {
	case MADV_DONTNEED:
	case MADV_FREE:
	case MADV_REMOVE:
	case MADV_DONTNEED_LOCKED:
	case MADV_GUARD_INSTALL_:
		return true;
	}
	return false;
}

SYSCALL(madvise)
{
	gaddr_t start = a[0], end = a[0] + PAGE_UP(a[1]);
	struct mm_change c;
	struct rt_range own;
	bool hole = false;
	long r = 0;

	if (mm_range_ok(start, PAGE_UP(a[1])) && shadow_touches(start, end))
		return shadow_madvise(v, start, end, (int)a[2]);
	if (!mm_range_ok(start, PAGE_UP(a[1])) || (!drops_contents((int)a[2]) && likely(!shadow_any)))
		return sys3(__NR_madvise, a[0], a[1], a[2]);
	if (!mm_begin(v, &c, start, end))
		return -ENOMEM;
	/* the rest is done, then ENOMEM */
	while (start < end && (r == 0 || r == -ENOMEM)) {
		gaddr_t stop = end, next = end;

		if (mm_hole_in_locked(start, end, &own)) {
			stop = max(own.start, start);
			next = min(own.end, end);
			hole = true;
		}
		if (stop > start) {
			r = sys3(__NR_madvise, start, stop - start, a[2]);
			hole |= r == -ENOMEM;
		}
		start = next;
	}
	mm_end(&c);
	return (r == 0 || r == -ENOMEM) && hole ? -ENOMEM : r;
}

/* To ourselves: the kernel would find guarded pages read-only. Another process' guards are out of reach; opening our
 * pages of the same addresses for nothing does no harm. */
SYSCALL(process_vm_writev)
{
	gaddr_t at = a[3];
	u64 iov[2];
	long r;

	if (__atomic_load_n(&vma_nguarded, __ATOMIC_RELAXED) && a[4] <= IOV_MAX) {
		for (u64 i = 0; i < a[4]; i++, at += 16) {
			if (rt_copy_from_guest(iov, at, sizeof(iov)))
				break;
			vma_unguard(v, iov[0], iov[0] + iov[1] < iov[0] ? ~0ull : iov[0] + iov[1]);
		}
	}
	r = sys_6(__NR_process_vm_writev, a[0], a[1], a[2], a[3], a[4], a[5]);
	at = a[3];
	for (u64 i = 0; unlikely(tracee_any) && r > 0 && i < a[4] && !rt_copy_from_guest(iov, at, sizeof(iov)); i++, at += 16)
		tracee_written((int)a[0], iov[0], iov[1]);
	return r;
}
