/* SPDX-License-Identifier: MIT */
/*
 * Shadow stacks in the guest's memory are shared memory for the host, which fork does not copy. The parent copies those
 * pages that are there into one new mapping; the child moves its pieces to where the originals are. [holds: vma_lock]
 */
#include "cpu/window.h"
#include "kern/kern.h"
#include "kern/shadow.h"

#define COPIED(a) ((a)->flags & VMA_SHSTK)
#define CHUNK 1024u /* pages */

static u64 copy __forked, copy_size __forked; /* of the fork under way */

static u64 total(void)
{
	struct vma a;
	u64 n = 0;

	for (gaddr_t at = 0; vma_find_locked(at, &a); at = a.end)
		if (COPIED(&a))
			n += a.end - a.start;
	return n;
}

/* the pages of [from, from+size) that are there; a range that may be read */
static void copy_pages(u64 to, u64 from, u64 size)
{
	u8 there[CHUNK];

	for (u64 at = 0; at < size; at += CHUNK * PAGE_SIZE) {
		u64 n = min(size - at, CHUNK * PAGE_SIZE);

		if (sys3(__NR_mincore, from + at, n, there))
			memset(there, 1, sizeof(there));
		for (u64 p = 0; p < n; p += PAGE_SIZE)
			if (there[p / PAGE_SIZE] & 1 && rt_copy_from_guest((void *)(to + at + p), from + at + p, PAGE_SIZE))
				return; /* a page that the guest guarded: not to be read there either */
	}
}

static long copy_area(u64 to, const struct vma *a)
{
	u64 size = a->end - a->start;
	long view;

	if (a->flags & (VMA_WIPE | VMA_DONTFORK))
		return 0;
	if (a->prot) {
		copy_pages(to, a->start, size);
		return 0;
	}
	view = sys5(__NR_mremap, a->start, 0, size, MREMAP_MAYMOVE, 0);
	if (sys_failed(view))
		return view;
	sys3(__NR_mprotect, view, size, PROT_READ);
	copy_pages(to, (u64)view, size);
	sys2(__NR_munmap, view, size);
	return 0;
}

static void mark_clean(void)
{
	struct vma a;

	for (gaddr_t at = 0; vma_find_locked(at, &a); at = a.end)
		if (COPIED(&a) && a.prot && !(a.prot & PROT_WRITE)) {
			vma_flag_locked(a.start, a.end, VMA_CLEAN);
			win_protect(a.start, a.end, PROT_NONE);
		}
}

long shadow_fork_prepare_locked(void)
{
	struct vma a;
	u64 used = 0;
	long p, r = 0;

	copy_size = shadow_any ? total() : 0;
	if (!copy_size)
		return 0;
	p = sys_6(__NR_mmap, 0, copy_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (sys_failed(p)) {
		copy_size = 0;
		return p;
	}
	copy = (u64)p;
	mark_clean();
	for (gaddr_t at = 0; !r && vma_find_locked(at, &a); at = a.end)
		if (COPIED(&a)) {
			r = copy_area(copy + used, &a);
			used += a.end - a.start;
		}
	if (r)
		shadow_fork_parent_locked();
	return r;
}

void shadow_fork_parent_locked(void)
{
	if (copy_size)
		sys2(__NR_munmap, copy, copy_size);
	copy_size = 0;
}

void shadow_fork_child_locked(void)
{
	const int fixed = MREMAP_MAYMOVE | MREMAP_FIXED;
	struct vma a;
	u64 used = 0;

	if (!copy_size)
		return;
	for (gaddr_t at = 0; vma_find_locked(at, &a); at = a.end) {
		u64 size = a.end - a.start;

		if (!COPIED(&a))
			continue;
		win_detach(a.start, a.end);
		if (a.flags & VMA_DONTFORK) {
			sys2(__NR_munmap, copy + used, size);
			sys2(__NR_munmap, a.start, size);
			vma_clear_locked(a.start, a.end);
		} else {
			sys5(__NR_mremap, copy + used, size, size, fixed, a.start);
			sys3(__NR_mprotect, a.start, size, a.prot ? PROT_READ : PROT_NONE);
		}
		used += size;
	}
	copy_size = 0;
	BUG_ON(shadow_sync_locked(0, ~0ul));
}
