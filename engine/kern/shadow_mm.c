/* SPDX-License-Identifier: MIT */
/*
 * What mprotect, madvise and mremap do to shadow stacks in the guest's memory. Each is for a range that touches one;
 * what of it does not goes the usual way. Runs on the engine stack, no lock held.
 */
#include "cpu/window.h"
#include "cpu/threads.h"
#include "kern/kern.h"
#include "kern/shadow.h"

#define MREMAP_DONTUNMAP_ 4
#define TASK_TOP 0x7ffffffff000ul
#define MADV_GUARD_INSTALL_ 102 /* Linux 6.13 */
#define MADV_GUARD_REMOVE_ 103

/* ---- mprotect ---- */

static long protect_piece(struct vcpu *v, long nr, const struct vma *a, u64 prot, u64 pkey)
{
	struct mm_change c;
	long r;

	if (prot & ~7ul)
		return -EINVAL;
	if (!mm_begin(v, &c, a->start, a->end))
		return -ENOMEM;
	r = sys4(nr, a->start, a->end - a->start, prot ? PROT_READ : PROT_NONE, pkey);
	if (!r) {
		vma_protect_locked(a->start, a->end, (int)prot);
		if (prot & PROT_WRITE)
			vma_unflag_locked(a->start, a->end, VMA_CLEAN);
		r = shadow_sync_locked(a->start, a->end);
	}
	mm_end(&c);
	return r;
}

long shadow_mprotect(struct vcpu *v, long nr, const u64 a[6])
{
	gaddr_t at = a[0], end = a[0] + PAGE_UP(a[1]);
	struct vma area;
	long r;

	for (; at < end; at = area.end) {
		u64 b[6] = { at, 0, a[2], a[3] };

		if (!vma_find(at, &area) || area.start > at)
			return -ENOMEM;
		area.start = at;
		area.end = min(area.end, end);
		b[1] = area.end - at;
		if (area.flags & VMA_SHSTK)
			r = protect_piece(v, nr, &area, a[2], a[3]);
		else
			r = nr == __NR_mprotect ? sys_mprotect(v, b) : sys_pkey_mprotect(v, b);
		if (r)
			return r;
	}
	return 0;
}

/* ---- madvise ---- */

static long drop_pages(const struct vma *a)
{
	struct shstk s;

	for (gaddr_t at = a->start; at < a->end; at = s.hi) /* seen through windows, or not to be dropped */
		if (!shadow_at(at, &s))
			return -ENOMEM;
	vma_lock();
	win_protect(a->start, a->end, PROT_READ | PROT_WRITE);
	win_zero(a->start, a->end);
	if (cpu_thread_count() <= 1)
		win_forget(a->start, a->end);
	(void)!shadow_sync_locked(a->start, a->end);
	vma_unlock();
	return 0;
}

static long set_flag(const struct vma *a, u32 flag, bool on)
{
	vma_lock();
	if (on)
		vma_flag_locked(a->start, a->end, flag);
	else
		vma_unflag_locked(a->start, a->end, flag);
	vma_unlock();
	return 0;
}

static long install_guard(const struct vma *a)
{
	long r = drop_pages(a);

	if (!r)
		r = sys3(__NR_madvise, a->start, a->end - a->start, MADV_GUARD_INSTALL_);
	if (!r) {
		vma_lock();
		win_protect(a->start, a->end, PROT_NONE);
		vma_unlock();
	}
	return r;
}

static long advise_piece(const struct vma *a, int advice)
{
	long r;

	switch (advice) {
	case MADV_DONTNEED:
	case MADV_DONTNEED_LOCKED:
		return drop_pages(a);
	case MADV_FREE: /* some time later, or never */
	case MADV_COLD:
	case MADV_PAGEOUT:
	case MADV_MERGEABLE:
	case MADV_UNMERGEABLE:
	case MADV_HUGEPAGE:
	case MADV_NOHUGEPAGE:
		return 0;
	case MADV_REMOVE: /* no file */
	case MADV_POPULATE_WRITE:
	case MADV_COLLAPSE:
		return -EINVAL;
	case MADV_DONTFORK:
	case MADV_DOFORK:
		return set_flag(a, VMA_DONTFORK, advice == MADV_DONTFORK);
	case MADV_WIPEONFORK:
	case MADV_KEEPONFORK:
		return set_flag(a, VMA_WIPE, advice == MADV_WIPEONFORK);
	case MADV_GUARD_INSTALL_:
		return install_guard(a);
	}
	r = sys3(__NR_madvise, a->start, a->end - a->start, advice);
	if (!r && advice == MADV_GUARD_REMOVE_) {
		vma_lock();
		r = shadow_sync_locked(a->start, a->end);
		vma_unlock();
	}
	return r;
}

long shadow_madvise(struct vcpu *v, gaddr_t start, gaddr_t end, int advice)
{
	bool hole = false;
	struct vma a;
	long r = 0;

	for (gaddr_t at = start; at < end && !r; at = a.end) {
		if (!vma_find(at, &a) || a.start >= end) {
			hole = true;
			break;
		}
		hole |= a.start > at;
		a.start = max(a.start, at);
		a.end = min(a.end, end);
		if (a.flags & VMA_SHSTK) {
			r = advise_piece(&a, advice);
		} else {
			const u64 b[6] = { a.start, a.end - a.start, (u64)advice };

			r = sys_madvise(v, b);
		}
	}
	return !r && hole ? -ENOMEM : r;
}

/* ---- mremap ---- */

struct move {
	gaddr_t old, to;
	u64 old_len, new_len, flags;
	struct vma area; /* what is one area for the guest: protection and flags as its first piece has them */
};

/* does all of it lie in one area? Pieces that were mapped or cut apart are one for the kernel where they are alike */
static bool in_one_area(struct move *m)
{
	struct vma a;

	if (!vma_find(m->old, &m->area) || m->area.start > m->old || !(m->area.flags & VMA_SHSTK))
		return false;
	while (m->area.end < m->old + m->old_len) {
		if (!vma_find(m->area.end, &a) || a.start != m->area.end || a.prot != m->area.prot ||
		    (a.flags ^ m->area.flags) & ~VMA_GAP)
			return false;
		m->area.end = a.end;
	}
	return true;
}

static long check_move(const struct move *m)
{
	u64 f = m->flags;

	if (f & ~(u64)(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP_) || m->old & ~PAGE_MASK || !m->new_len)
		return -EINVAL;
	if (f & (MREMAP_FIXED | MREMAP_DONTUNMAP_) && !(f & MREMAP_MAYMOVE))
		return -EINVAL;
	if (f & MREMAP_DONTUNMAP_ && m->old_len != m->new_len)
		return -EINVAL;
	if (m->new_len > TASK_TOP)
		return f & MREMAP_FIXED ? -EINVAL : -ENOMEM;
	if (f & MREMAP_FIXED && (m->to & ~PAGE_MASK || m->to > TASK_TOP - m->new_len ||
				 (m->to < m->old + m->old_len && m->old < m->to + m->new_len)))
		return -EINVAL;
	if (!m->old_len) /* only shared memory can be mapped twice */
		return -EINVAL;
	return 0;
}

/* [holds: vma_lock] */
static long grow_in_place(const struct move *m)
{
	gaddr_t end = m->old + m->old_len;
	u64 more = m->new_len - m->old_len;
	long r;

	if (m->area.end != end || rt_owns(end, end + more))
		return -ENOMEM;
	shadow_yield_locked(end, end + more);
	r = shadow_host_map(end, more, MAP_FIXED_NOREPLACE);
	if (sys_failed(r))
		return -ENOMEM;
	vma_set_locked(end, end + more, m->area.prot, m->area.flags & ~(u32)VMA_GAP);
	win_forget(end, end + more);
	r = shadow_sync_locked(end, end + more);
	return r ? r : (long)m->old;
}

/* [holds: vma_lock] [old, old+size) to its new place. The host moves one of its areas at a time */
static long move_pieces(const struct move *m, u64 size, gaddr_t to, u32 gap)
{
	gaddr_t end = m->old + size;
	struct vma a;
	long r = 0;

	for (gaddr_t at = m->old; at < end && !sys_failed(r) && vma_find_locked(at, &a); at = a.end) {
		gaddr_t dst = to + (at - m->old);

		a.end = min(a.end, end);
		r = sys5(__NR_mremap, at, a.end - at, a.end - at, MREMAP_MAYMOVE | MREMAP_FIXED, dst);
		if (!sys_failed(r))
			vma_set_locked(dst, dst + (a.end - at), a.prot, (a.flags & ~(u32)VMA_GAP) | gap);
		gap = 0;
	}
	return sys_failed(r) ? r : 0;
}

/* [holds: vma_lock] pages of the old place to the new one; what is longer there is new, what is left here fresh or gone */
static long move_pages(const struct move *m, gaddr_t to)
{
	u64 both = min(m->old_len, m->new_len);
	bool stays = m->flags & MREMAP_DONTUNMAP_;
	u32 flags = m->area.flags & ~(u32)VMA_GAP;
	long r;

	if (m->new_len < m->old_len) {
		sys2(__NR_munmap, m->old + both, m->old_len - both);
		shadow_gone_locked(m->old + both, m->old + m->old_len);
		vma_clear_locked(m->old + both, m->old + m->old_len);
	}
	win_detach(m->old, m->old + both);
	r = move_pieces(m, both, to, m->flags & MREMAP_FIXED ? 0 : VMA_GAP);
	if (!r && m->new_len > both)
		r = shadow_host_map(to + both, m->new_len - both, MAP_FIXED);
	if (!sys_failed(r) && m->new_len > both)
		vma_set_locked(to + both, to + m->new_len, m->area.prot, flags);
	if (!sys_failed(r) && stays)
		r = shadow_host_map(m->old, both, MAP_FIXED);
	if (sys_failed(r))
		return r;
	if (stays) {
		vma_set_locked(m->old, m->old + both, m->area.prot, flags);
	} else {
		shadow_yield_locked(m->old - PAGE_SIZE, m->old + both);
		vma_clear_locked(m->old, m->old + both);
	}
	win_forget(to, to + m->new_len);
	r = shadow_sync_locked(to, to + m->new_len);
	if (!r && stays)
		r = shadow_sync_locked(m->old, m->old + both);
	return r ? r : (long)to;
}

static long move(struct vcpu *v, const struct move *m)
{
	struct mm_change c;
	gaddr_t to = m->to;
	long r;

	if (m->flags & MREMAP_FIXED) { /* whatever is there goes */
		const u64 gone[6] = { to, m->new_len };

		r = rt_owns(to, to + m->new_len) ? -ENOMEM : sys_munmap(v, gone);
		if (r)
			return r;
	}
	if (!mm_begin(v, &c, 0, 0))
		return -ENOMEM;
	r = m->flags & MREMAP_FIXED ? (long)to : shadow_place(m->new_len, 0);
	if (!sys_failed(r))
		r = move_pages(m, (gaddr_t)r);
	mm_end(&c);
	return r;
}

/* To a fixed place without a change of length Linux 6.17 moves all areas there are, one by one; holes stay where they are */
static long move_many(struct vcpu *v, const struct move *all)
{
	gaddr_t end = all->old + all->old_len;
	struct move m = *all;
	long r = 0;

	if (!vma_find(all->old, &m.area) || m.area.start > all->old)
		return -EFAULT;
	for (gaddr_t at = all->old; at < end && !sys_failed(r) && vma_find(at, &m.area) && m.area.start < end; at = m.area.end) {
		m.old = max(m.area.start, at);
		m.area.end = min(m.area.end, end);
		m.old_len = m.new_len = m.area.end - m.old;
		m.to = all->to + (m.old - all->old);
		if (m.area.flags & VMA_SHSTK) {
			r = m.area.flags & VMA_SEALED ? -EPERM : move(v, &m);
		} else {
			const u64 b[6] = { m.old, m.old_len, m.new_len, m.flags, m.to };

			r = sys_mremap(v, b);
		}
	}
	return sys_failed(r) ? r : (long)all->to;
}

long shadow_mremap(struct vcpu *v, const u64 a[6])
{
	struct move m = { .old = a[0], .old_len = PAGE_UP(a[1]), .new_len = PAGE_UP(a[2]), .flags = a[3], .to = a[4] };
	long r = check_move(&m);

	if (r)
		return r;
	if (m.old_len == m.new_len && m.flags == (MREMAP_MAYMOVE | MREMAP_FIXED))
		return move_many(v, &m);
	if (!in_one_area(&m))
		return -EFAULT;
	if (m.area.flags & VMA_SEALED)
		return -EPERM;
	if (!(m.flags & (MREMAP_FIXED | MREMAP_DONTUNMAP_)) && m.new_len <= m.old_len) {
		if (m.new_len < m.old_len)
			shadow_unmap(v, m.old + m.new_len, m.old_len - m.new_len);
		return (long)m.old;
	}
	if (!(m.flags & (MREMAP_FIXED | MREMAP_DONTUNMAP_))) {
		vma_lock();
		r = vma_room_locked(4) ? grow_in_place(&m) : -ENOMEM;
		vma_unlock();
		if (r != -ENOMEM || !(m.flags & MREMAP_MAYMOVE))
			return r;
	}
	return move(v, &m);
}
