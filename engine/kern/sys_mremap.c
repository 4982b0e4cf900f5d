/* SPDX-License-Identifier: MIT */
/*
 * Mappings that move, grow and shrink, or show other pages: mremap and remap_file_pages. In the order of sys_mm.c.
 */
#include <linux/mman.h>
#include "cpu/threads.h"
#include "kern/kern.h"
#include "kern/mm.h"
#include "kern/robust.h"
#include "kern/shadow.h"

/* [holds: vma_lock] The tree behind a successful mremap. Linux 6.17 moves several areas at once, holes included */
static void moved(gaddr_t old, u64 old_len, gaddr_t to, u64 new_len, bool keep_old)
{
	gaddr_t end = old + min(old_len, new_len);
	struct vma a, first;

	if (!vma_find_locked(old, &first))
		return;
	if (new_len > old_len) {
		a = first;
		a.start = to + old_len;
		a.end = to + new_len;
		a.base += to - old;
		vma_set_area_locked(&a);
	}
	if (to == old) {
		vma_clear_locked(old + new_len, old + old_len);
		return;
	}
	for (gaddr_t at = old; at < end && vma_find_locked(at, &a) && a.start < end; at = a.end) {
		struct vma b = a;

		a.end = min(a.end, end);
		b.start = to + (max(a.start, at) - old);
		b.end = to + (a.end - old);
		b.base += to - old;
		vma_set_area_locked(&b);
	}
	if (!keep_old)
		vma_clear_locked(old, old + old_len);
}

/* the windows of its robust unlock go with the vDSO, which can only be moved whole */
static void vdso_moved(u64 by)
{
	eng.vdso_lo += by;
	eng.vdso_hi += by;
	eng.unlock_lo += by;
	eng.unlock_hi += by;
	for (size_t i = 0; i < ARRAY_SIZE(eng.unlock); i++) {
		eng.unlock[i].start += by;
		eng.unlock[i].end += by;
	}
}

/* The kernel changes the size of one area only; two that differ in PROT_EXEC alone may be one for the host. What it
 * refuses before it looks at areas is left to it. */
static bool resizes_many(gaddr_t old, u64 old_len, gaddr_t to, u64 new_len, u64 flags)
{
	struct vma a;

	if (!old_len || old_len == new_len || !new_len || (flags & ~(u64)(MREMAP_MAYMOVE | MREMAP_FIXED)))
		return false;
	if (!(flags & MREMAP_FIXED) ? new_len < old_len :
				      !(flags & MREMAP_MAYMOVE) || (old < to + new_len && to < old + old_len))
		return false;
	return vma_find_locked(old, &a) && a.start <= old && a.end < old + min(old_len, new_len);
}

/*
 * Before mremap ends mappings: what a fixed target replaces, what moves away, what shrinking cuts off. Whether one that
 * grows will move is not known: where that matters (true) it is asked to grow in place first.
 */
static bool before_mremap(const u64 a[6], gaddr_t old, u64 old_len, u64 new_len)
{
	struct robust_range all = { .start = old, .end = old + old_len };
	u64 flags = a[3];

	if (flags & MREMAP_FIXED)
		robust_scan_range(a[4], a[4] + new_len);
	if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP))
		robust_scan_range(old, old + old_len);
	else if (new_len < old_len)
		robust_scan_range(old + new_len, old + old_len);
	else
		return old_len && flags & MREMAP_MAYMOVE && robust_touches(&all);
	return false;
}

static long do_mremap(struct vcpu *v, const u64 a[6], bool in_place)
{
	gaddr_t old = a[0], to = a[4];
	u64 old_len = PAGE_UP(a[1]), new_len = PAGE_UP(a[2]), flags = a[3];
	struct mm_change src, dst = { v, 0, 0, false };
	struct rt_range hole;
	long r;

	if (shadow_touches(old, old + max(old_len, PAGE_SIZE)))
		return shadow_mremap(v, a);
	if ((old & ~PAGE_MASK) || !mm_range_ok(old, old_len ? old_len : PAGE_SIZE))
		return sys5(__NR_mremap, a[0], a[1], a[2], a[3], a[4]);
	if (mm_hole_in(old, old + max(old_len, PAGE_SIZE), &hole))
		return -EFAULT; /* natively nothing is mapped there */
	if ((flags & MREMAP_FIXED) && mm_range_ok(to, new_len)) {
		if (rt_owns(to, to + new_len))
			return mm_taken("mremap(MREMAP_FIXED)", to, to + new_len);
		/* severed apart from the source: the lock can be taken for one of them only */
		if (!mm_begin(v, &dst, to, to + new_len))
			return -ENOMEM;
		vma_unlock();
	}
	if (!mm_begin(v, &src, old, old + max(old_len, PAGE_SIZE)))
		return -ENOMEM;
	guard_drop_locked(dst.start, dst.end, true);
	if (!vma_room_locked(32)) {
		mm_end(&src);
		return -ENOMEM;
	}
	if (resizes_many(old, old_len, to, new_len, flags))
		r = -EFAULT;
	else
		r = sys5(__NR_mremap, a[0], a[1], a[2], in_place ? flags & ~(u64)MREMAP_MAYMOVE : flags, a[4]);
	if (!sys_failed(r))
		shadow_gone_locked(dst.start, dst.end);
	if (!sys_failed(r))
		moved(old, old_len, (gaddr_t)r, new_len, flags & MREMAP_DONTUNMAP);
	if (!sys_failed(r) && old == eng.vdso_lo)
		vdso_moved((gaddr_t)r - old);
	mm_end(&src);
	if (dst.exec && cpu_thread_count() > 1)
		cpu_invalidate(v, dst.start, dst.end);
	if (!sys_failed(r))
		alias_invalidate(v, (gaddr_t)r, (gaddr_t)r + new_len);
	return r;
}

SYSCALL(mremap)
{
	gaddr_t old = a[0];
	u64 old_len = PAGE_UP(a[1]), new_len = PAGE_UP(a[2]);
	bool stay = mm_range_ok(old, old_len) && before_mremap(a, old, old_len, new_len);
	long r = do_mremap(v, a, stay);

	if (!stay || r != -ENOMEM)
		return r;
	robust_scan_range(old, old + old_len);
	return do_mremap(v, a, false);
}

SYSCALL(remap_file_pages)
{
	struct mm_change c;
	gaddr_t start = PAGE_DOWN(a[0]);
	u64 len = PAGE_DOWN(a[1]);
	long r;

	if (!mm_range_ok(start, len))
		return sys5(__NR_remap_file_pages, a[0], a[1], a[2], a[3], a[4]);
	if (shadow_touches(start, start + len))
		return -EINVAL; /* private memory */
	if (rt_owns(start, start + len))
		return -EINVAL; /* no area there */
	robust_scan(&(struct robust_range){ .start = start, .end = start + len, .goes = robust_goes_pages,
					    .offset = a[3] * PAGE_SIZE });
	if (!mm_begin(v, &c, start, start + len))
		return -ENOMEM;
	r = sys5(__NR_remap_file_pages, a[0], a[1], a[2], a[3], a[4]);
	mm_end(&c);
	return r;
}
