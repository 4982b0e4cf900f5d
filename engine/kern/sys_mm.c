/* SPDX-License-Identifier: MIT */
/*
 * Memory of the guest. The host does the work, but it never gets PROT_EXEC (guest code is read, not run), never
 * touches the engine's ranges, and every change is entered into kern/vma.
 *
 * The order of a change, mm_begin() to mm_end(): code of the range is severed; under vma_lock its guards are
 * dropped, the host's call made and the tree updated; and if other threads run, code that they translated in
 * between, from old bytes or with old rights, is severed as well. So whoever runs there after the call has
 * returned runs what is there then, and nothing stale survives.
 */
#include <linux/personality.h>
#include <linux/resource.h>
#include "cpu/threads.h"
#include "kern/kern.h"
#include "kern/marks.h"
#include "kern/mm.h"
#include "kern/report.h"
#include "kern/robust.h"
#include "kern/shadow.h"

#define NR_MSEAL 462 /* newer than the headers of Debian 12 */
#define TASK_TOP 0x7ffffffff000ul
#define ST_NOEXEC 8
#define NO_PKEY 16 /* no CPU has it */
#define GUARD_GAP PAGE_SIZE /* what brk keeps free above itself */

bool mm_read_implies_exec;
static gaddr_t cur_brk; /* under vma_lock */

bool mm_range_ok(gaddr_t start, u64 len)
{
	return !(start & ~PAGE_MASK) && len && len <= TASK_TOP && start <= TASK_TOP - len;
}

bool mm_begin(struct vcpu *v, struct mm_change *c, gaddr_t start, gaddr_t end)
{
	*c = (struct mm_change){ v, start, end, false };
	vma_lock();
	if (alias_any_locked(start, end) && cpu_thread_count() > 1) {
		vma_unlock();
		alias_invalidate(v, start, end);
		vma_lock();
	}
	if (vma_any_exec_locked(start, end)) {
		vma_unlock();
		cpu_invalidate(v, start, end);
		report_forget(start, end);
		vma_lock();
		c->exec = vma_any_exec_locked(start, end);
	}
	guard_drop_locked(start, end, true);
	if (vma_room_locked(4))
		return true;
	vma_unlock();
	return false;
}

void mm_end(struct mm_change *c)
{
	bool aliased = alias_any_locked(c->start, c->end);

	vma_unlock();
	if (aliased)
		alias_invalidate(c->v, c->start, c->end);
	if (c->exec && cpu_thread_count() > 1) {
		cpu_invalidate(c->v, c->start, c->end);
		report_forget(c->start, c->end);
	}
}

bool mm_hole_in_locked(gaddr_t start, gaddr_t end, struct rt_range *hole)
{
	bool own = rt_range_after(start, hole) && hole->start < end;
	gaddr_t gap;

	if (unlikely(shadow_any) && shadow_gap_in_locked(start, own ? max(hole->start, start) : end, &gap)) {
		hole->start = gap;
		hole->end = gap + PAGE_SIZE;
		return true;
	}
	return own;
}

bool mm_hole_in(gaddr_t start, gaddr_t end, struct rt_range *hole)
{
	bool r;

	if (likely(!shadow_any))
		return mm_hole_in_locked(start, end, hole);
	vma_lock();
	r = mm_hole_in_locked(start, end, hole);
	vma_unlock();
	return r;
}

static int guest_prot(u64 prot)
{
	if ((prot & PROT_READ) && mm_read_implies_exec)
		prot |= PROT_EXEC;
	return (int)prot & (PROT_READ | PROT_WRITE | PROT_EXEC);
}

/* bits that are none of ours go to the host, which knows what to say */
static u64 host_prot(u64 prot)
{
	return (prot & ~7ul) | (u64)vma_host_prot((int)prot & 7);
}

long mm_taken(const char *what, gaddr_t start, gaddr_t end)
{
	rt_log_once("%s at %lx-%lx refused: the engine's own memory is there", what, start, end);
	return -ENOMEM;
}

/* PROT_EXEC on a file of a noexec mount: the host does not see that we want it */
static bool noexec_file(int fd)
{
	u64 st[15];

	return sys2(__NR_fstatfs, fd, st) == 0 && (st[10] & ST_NOEXEC);
}

/* what the kernel makes of a length */
static u64 map_len(u64 len, u64 flags)
{
	u64 huge = 1ull << (flags >> MAP_HUGE_SHIFT & MAP_HUGE_MASK);

	if (!(flags & MAP_HUGETLB))
		return PAGE_UP(len);
	if (huge == 1)
		huge = 2ul << 20;
	return (len + huge - 1) & -huge;
}

/* what memory a new mapping shows. A private one is of interest if it is code, which a shared one may write to */
static u32 object_of(const u64 a[6], int prot)
{
	bool shared = (a[3] & MAP_TYPE) != MAP_PRIVATE;

	if (a[3] & MAP_ANONYMOUS)
		return shared ? alias_of_nobody() : 0;
	return shared || (prot & PROT_EXEC) ? alias_of_file((int)a[4]) : 0;
}

SYSCALL(mmap)
{
	gaddr_t start = a[0], end = 0; /* what MAP_FIXED replaces */
	u64 flags = a[3], len = map_len(a[1], a[3]);
	int prot = guest_prot(a[2]);
	struct mm_change c;
	struct vma area;
	u32 vflags = 0;
	long r;

	if (!(flags & MAP_ANONYMOUS)) {
		if (eng_owns_fd((int)a[4]))
			return -EBADF;
		if ((a[2] & PROT_EXEC) && noexec_file((int)a[4]))
			return -EPERM;
		if (unlikely(marks_matter) && (a[2] & PROT_EXEC)) {
			r = marks_on_map(v, (int)a[4]);
			if (r)
				return r;
		}
	}
	if (unlikely(eng.set.flags & GN_OPT_IBT) && prot & PROT_EXEC && !(flags & MAP_ANONYMOUS))
		vflags |= marks_ibt((int)a[4]) ? VMA_IBT : 0;
	if ((flags & MAP_TYPE) != MAP_PRIVATE)
		vflags |= VMA_SHARED;
	if (flags & MAP_GROWSDOWN)
		vflags |= VMA_GROWSDOWN;
	if ((flags & MAP_FIXED) && !(flags & MAP_FIXED_NOREPLACE) && mm_range_ok(start, len))
		end = start + len;
	if (end && rt_owns(start, end))
		return mm_taken("mmap(MAP_FIXED)", start, end);
	if (end)
		robust_scan(&(struct robust_range){ start, end, robust_goes_fixed, flags & MAP_ANONYMOUS ? -1 : (int)a[4],
						    (flags & MAP_TYPE) != MAP_PRIVATE, a[5] });
	if (!mm_begin(v, &c, end ? start : 0, end))
		return -ENOMEM;
	if ((flags & MAP_FIXED_NOREPLACE) && mm_range_ok(start, len))
		shadow_yield_locked(start, start + len);
	r = sys_6(__NR_mmap, a[0], a[1], host_prot(a[2]), a[3], a[4], a[5]);
	if (!sys_failed(r)) {
		shadow_gone_locked(start, end);
		area = (struct vma){ (gaddr_t)r, (gaddr_t)r + len, (u8)prot, (u16)vflags, object_of(a, prot),
				     (gaddr_t)r - (flags & MAP_ANONYMOUS ? 0 : a[5]) };
		vma_set_area_locked(&area);
		c.start = area.start;
		c.end = area.end;
	}
	mm_end(&c);
	return r;
}

SYSCALL(munmap)
{
	gaddr_t start = a[0], end = a[0] + PAGE_UP(a[1]);
	struct rt_range own;
	struct mm_change c;
	long r = 0;

	if (!mm_range_ok(start, PAGE_UP(a[1])))
		return sys2(__NR_munmap, a[0], a[1]);
	robust_scan_range(start, end);
	if (!mm_begin(v, &c, start, end))
		return -ENOMEM;
	while (start < end && r == 0) {
		gaddr_t stop = end, next = end;

		if (rt_range_after(start, &own) && own.start < end) {
			stop = max(own.start, start);
			next = min(own.end, end);
		}
		if (stop > start) {
			r = sys2(__NR_munmap, start, stop - start);
			if (r == 0) {
				shadow_gone_locked(start, stop);
				vma_clear_locked(start, stop);
			}
		}
		start = next;
	}
	mm_end(&c);
	return r;
}

/*
 * [holds: vma_lock] The tree behind an mprotect that the host answered with r. It goes area by area and stops at a
 * hole with ENOMEM; what lies before the hole is changed.
 */
static void protected(gaddr_t start, gaddr_t end, u64 raw, long r)
{
	struct vma a;

	if (r == -ENOMEM) {
		gaddr_t at = start;

		while (at < end && vma_find_locked(at, &a) && a.start <= at)
			at = a.end;
		end = at < end ? at : start;
	} else if (r) {
		return;
	}
	if ((raw & PROT_GROWSDOWN) && vma_find_locked(start, &a) && a.start < start)
		start = a.start;
	vma_protect_locked(start, end, guest_prot(raw));
}

static long do_mprotect(struct vcpu *v, long nr, const u64 a[6])
{
	gaddr_t start = a[0], end = a[0] + PAGE_UP(a[1]);
	struct mm_change c;
	struct rt_range own;
	bool cut = false;
	long r = 0;

	if (!mm_range_ok(start, PAGE_UP(a[1])))
		return sys4(nr, a[0], a[1], host_prot(a[2]), a[3]);
	if (shadow_touches(start, end))
		return shadow_mprotect(v, nr, a);
	if (mm_hole_in(start, end, &own)) {
		cut = true; /* natively a hole, see above */
		end = max(own.start, start);
	}
	if (!mm_begin(v, &c, start, end))
		return -ENOMEM;
	if (end > start) {
		r = sys4(nr, start, end - start, host_prot(a[2]), a[3]);
		protected(start, end, a[2], r);
	}
	mm_end(&c);
	return r == 0 && cut ? -ENOMEM : r;
}

SYSCALL(mprotect)
{
	return do_mprotect(v, __NR_mprotect, a);
}

/* the engine's key is one that nobody allocated */
static u64 key_of(u64 arg)
{
	return unlikely(rt_pkey.kept && (int)arg == rt_pkey.key) ? NO_PKEY : arg;
}

SYSCALL(pkey_mprotect)
{
	u64 b[6] = { a[0], a[1], a[2], key_of(a[3]) };

	return do_mprotect(v, __NR_pkey_mprotect, b);
}

SYSCALL(pkey_free)
{
	(void)v;
	return sys1(__NR_pkey_free, key_of(a[0]));
}

SYSCALL(mseal)
{
	struct mm_change c;
	u64 len = PAGE_UP(a[1]);
	long r;

	if (!mm_range_ok(a[0], len))
		return sys3(NR_MSEAL, a[0], a[1], a[2]);
	if (rt_owns(a[0], a[0] + len))
		return -ENOMEM; /* natively a hole */
	if (!mm_begin(v, &c, a[0], a[0] + len))
		return -ENOMEM;
	r = sys3(NR_MSEAL, a[0], a[1], a[2]);
	if (r == 0)
		vma_flag_locked(a[0], a[0] + len, VMA_SEALED);
	mm_end(&c);
	return r;
}

SYSCALL(personality)
{
	u32 want = (u32)a[0];
	bool was = mm_read_implies_exec;
	long r;

	(void)v;
	if (want == 0xffffffff) {
		r = sys1(__NR_personality, want);
	} else {
		/* on the host it would make every readable page executable */
		r = sys1(__NR_personality, want & ~(u32)READ_IMPLIES_EXEC);
		if (!sys_failed(r))
			mm_read_implies_exec = want & READ_IMPLIES_EXEC;
	}
	return sys_failed(r) || !was ? r : r | READ_IMPLIES_EXEC;
}

/* ---- the program break ---- */

gaddr_t mm_brk(void)
{
	return eng.brk_emulated ? cur_brk : 0;
}

/* [holds: vma_lock] grows or shrinks the emulated one: true if the host agreed */
static bool move_brk(gaddr_t from, gaddr_t to)
{
	u64 lim[2] = { ~0ull, ~0ull };

	if (to < from)
		return sys2(__NR_munmap, to, from - to) == 0;
	sys4(__NR_prlimit64, 0, RLIMIT_DATA, NULL, lim);
	if (to - eng.brk_start + (eng.end_data - eng.start_data) > lim[0] || to > TASK_TOP - GUARD_GAP ||
	    rt_owns(from, to + GUARD_GAP))
		return false;
	return sys_6(__NR_mmap, from, to - from, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == (long)from;
}

SYSCALL(brk)
{
	gaddr_t want = a[0], old, new, cut;
	struct mm_change c;

	vma_lock();
	if (!cur_brk)
		cur_brk = eng.brk_emulated ? eng.brk_start : (gaddr_t)sys1(__NR_brk, 0);
	old = cur_brk;
	vma_unlock();
	/* shrinking frees memory that may hold code */
	cut = want >= eng.brk_start && want < old ? PAGE_UP(want) : PAGE_UP(old);
	robust_scan_range(cut, PAGE_UP(old));
	if (!mm_begin(v, &c, cut, PAGE_UP(old)))
		return (long)old;
	new = old = cur_brk;
	if (!eng.brk_emulated)
		new = (gaddr_t)sys1(__NR_brk, want);
	else if (want >= eng.brk_start && want < TASK_TOP &&
		 (PAGE_UP(want) == PAGE_UP(old) || move_brk(PAGE_UP(old), PAGE_UP(want))))
		new = want;
	vma_set_locked(PAGE_UP(old), PAGE_UP(new), guest_prot(PROT_READ | PROT_WRITE), 0);
	vma_clear_locked(PAGE_UP(new), PAGE_UP(old));
	cur_brk = new;
	mm_end(&c);
	return (long)new;
}
