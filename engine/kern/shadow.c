/* SPDX-License-Identifier: MIT */
/*
 * Making and ending shadow stacks in the guest's memory, and map_shadow_stack(2). See shadow.h.
 */
#include <linux/resource.h>
#include "cpu/cpu.h"
#include "cpu/threads.h"
#include "cpu/window.h"
#include "kern/kern.h"
#include "kern/shadow.h"

#define SET_TOKEN 1u
#define ABOVE (4ul << 30)
#define TASK_TOP 0x7ffffffff000ul
#define SIZE_CAP (4ul << 30)

bool shadow_any;

static bool area_at(gaddr_t at, struct vma *a)
{
	return vma_find_locked(at, a) && a->start <= at && a->flags & VMA_SHSTK;
}

/* the next of them in [at, end), cut to it */
static bool next_area(gaddr_t at, gaddr_t end, struct vma *a)
{
	for (; at < end && vma_find_locked(at, a) && a->start < end; at = a->end)
		if (a->flags & VMA_SHSTK) {
			a->start = max(a->start, at);
			a->end = min(a->end, end);
			return true;
		}
	return false;
}

bool shadow_touches(gaddr_t start, gaddr_t end)
{
	struct vma a;
	bool any;

	if (likely(!shadow_any))
		return false;
	vma_lock();
	any = next_area(start, end, &a);
	vma_unlock();
	return any;
}

/* ---- gaps ---- */

static bool is_mapped(gaddr_t page)
{
	struct vma a;

	return vma_find_locked(page, &a) && a.start <= page;
}

bool shadow_gap_in_locked(gaddr_t start, gaddr_t end, gaddr_t *gap)
{
	bool found = false;
	struct vma a;

	for (gaddr_t at = start; !found && vma_find_locked(at, &a) && a.start - PAGE_SIZE < end; at = a.end) {
		*gap = a.start - PAGE_SIZE;
		found = a.flags & VMA_GAP && *gap >= start && !is_mapped(*gap);
	}
	return found;
}

bool shadow_gap_in(gaddr_t start, gaddr_t end, gaddr_t *gap)
{
	bool found;

	if (likely(!shadow_any))
		return false;
	vma_lock();
	found = shadow_gap_in_locked(start, end, gap);
	vma_unlock();
	return found;
}

static void yield(const struct vma *a)
{
	gaddr_t gap = a->start - PAGE_SIZE;

	if (!is_mapped(gap) && !rt_owns(gap, a->start))
		sys2(__NR_munmap, gap, PAGE_SIZE);
	vma_unflag_locked(a->start, a->end, VMA_GAP);
}

void shadow_yield_locked(gaddr_t start, gaddr_t end)
{
	struct vma a;

	if (likely(!shadow_any))
		return;
	for (gaddr_t at = start; vma_find_locked(at, &a) && a.start <= end; at = a.end)
		if (a.flags & VMA_GAP && a.start > start)
			yield(&a);
}

static u32 keep_gap(gaddr_t lo)
{
	long p = sys_6(__NR_mmap, lo - PAGE_SIZE, PAGE_SIZE, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	return sys_failed(p) ? 0 : VMA_GAP;
}

/* ---- the engine's view ---- */

/*
 * Pages that have been written stay writable for the CPU where mprotect takes the right to write away, a quirk of the
 * kernel's: they look to the CPU like any page of a shadow stack. Those that have not fault.
 */
static void sync_readonly(const struct vma *a)
{
	u8 there[1024];

	if (a->flags & VMA_CLEAN) {
		win_protect(a->start, a->end, PROT_NONE);
		return;
	}
	for (gaddr_t at = a->start; at < a->end; at += sizeof(there) * PAGE_SIZE) {
		gaddr_t end = min(a->end, at + sizeof(there) * PAGE_SIZE), from = at;

		if (sys3(__NR_mincore, at, end - at, there))
			memset(there, 0, sizeof(there));
		for (gaddr_t p = at; p <= end; p += PAGE_SIZE) {
			if (p < end && !(there[(p - at) / PAGE_SIZE] & 1))
				continue;
			if (p > from)
				win_protect(from, p, PROT_NONE);
			from = p + PAGE_SIZE;
		}
	}
}

long shadow_sync_locked(gaddr_t start, gaddr_t end)
{
	struct vma a;
	long r;

	for (gaddr_t at = start; next_area(at, end, &a); at = a.end) {
		r = win_attach(a.start, a.end);
		if (r)
			return r;
		if (!a.prot)
			win_protect(a.start, a.end, PROT_NONE);
		else if (!(a.prot & PROT_WRITE))
			sync_readonly(&a);
	}
	return 0;
}

void shadow_gone_locked(gaddr_t start, gaddr_t end)
{
	struct vma a;

	if (likely(!shadow_any) || start >= end)
		return;
	for (gaddr_t at = start; next_area(at, end, &a); at = a.end) {
		if (a.flags & VMA_GAP && a.start == start && !is_mapped(start - PAGE_SIZE))
			yield(&a);
		win_zero(a.start, a.end); /* a piece of what a fork copied is freed with the rest of it, else */
		win_detach(a.start, a.end);
		if (cpu_thread_count() <= 1)
			win_forget(a.start, a.end);
	}
	for (gaddr_t at = start; vma_find_locked(at, &a) && a.start <= end; at = a.end) /* gaps went with the range */
		if (a.flags & VMA_GAP && a.start > start)
			vma_unflag_locked(a.start, a.end, VMA_GAP);
}

/* [holds: vma_lock] a window for the block of `at`; what is there of shadow stacks is seen in it */
static bool view(gaddr_t at, struct shstk *ret)
{
	if (win_view(at, ret))
		return true;
	return !win_make(at) && win_view(at, ret) && !shadow_sync_locked(ret->lo, ret->hi);
}

bool shadow_at(gaddr_t at, struct shstk *ret)
{
	struct vma a, next;
	gaddr_t lo, hi;
	bool found;

	if (!shadow_any)
		return false;
	vma_lock();
	found = area_at(at, &a) && view(at, ret);
	if (found) { /* areas that mprotect cut from each other are one stack still */
		lo = max(a.start, ret->lo);
		hi = min(a.end, ret->hi);
		while (lo > ret->lo && area_at(lo - 1, &next))
			lo = max(next.start, ret->lo);
		while (hi < ret->hi && area_at(hi, &next))
			hi = min(next.end, ret->hi);
		ret->alias += lo - ret->lo;
		ret->twin += lo - ret->lo;
		ret->lo = lo;
		ret->hi = hi;
	}
	vma_unlock();
	return found;
}

long shadow_poke(gaddr_t at, const void *from, size_t n)
{
	const u8 *p = from;
	struct shstk s;

	while (n) {
		size_t some;

		if (!shadow_at(at, &s))
			return -EFAULT;
		some = min(n, s.hi - at);
		vma_lock();
		win_protect(PAGE_DOWN(at), PAGE_UP(at + some), PROT_READ | PROT_WRITE);
		if (rt_copy_to_guest(s.alias + (at - s.lo), p, some))
			some = 0;
		for (gaddr_t w = at & ~7ul; w < at + some; w += 8)
			*(u64 *)(s.twin + (w - s.lo)) = 0;
		(void)!shadow_sync_locked(PAGE_DOWN(at), PAGE_UP(at + n));
		vma_unlock();
		if (!some)
			return -EFAULT;
		at += some;
		p += some;
		n -= some;
	}
	return 0;
}

/* ---- making and ending them ---- */

long shadow_host_map(gaddr_t at, u64 size, int how)
{
	return sys_6(__NR_mmap, at, size, PROT_READ, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE | how, -1, 0);
}

long shadow_place(u64 size, int where)
{
	u64 want = size + PAGE_SIZE;
	long p;

	if (want < size)
		return -ENOMEM;
	p = sys_6(__NR_mmap, 0, want, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | where, -1, 0);
	return sys_failed(p) ? p : p + (long)PAGE_SIZE;
}

/* [holds: vma_lock] */
static long map_locked(gaddr_t addr, u64 size, int where)
{
	u32 gap = VMA_GAP;
	long p = addr ? (long)addr : shadow_place(size, where), r;

	if (sys_failed(p))
		return p;
	if (addr)
		shadow_yield_locked(addr, addr + size);
	r = shadow_host_map((gaddr_t)p, size, addr ? MAP_FIXED_NOREPLACE : MAP_FIXED);
	if (sys_failed(r)) {
		if (!addr)
			sys2(__NR_munmap, p - (long)PAGE_SIZE, size + PAGE_SIZE);
		return r;
	}
	if (addr)
		gap = keep_gap(addr);
	shadow_any = true;
	vma_set_locked((gaddr_t)p, (gaddr_t)p + size, PROT_READ | PROT_WRITE, VMA_SHSTK | gap);
	win_forget((gaddr_t)p, (gaddr_t)p + size);
	r = shadow_sync_locked((gaddr_t)p, (gaddr_t)p + size);
	return r ? r : p;
}

static long map(struct vcpu *v, gaddr_t addr, u64 size, int where)
{
	struct mm_change c;
	long p;

	if (!mm_begin(v, &c, 0, 0))
		return -ENOMEM;
	p = map_locked(addr, size, where);
	mm_end(&c);
	return p;
}

long shadow_map(struct vcpu *v, gaddr_t addr, u64 size)
{
	return map(v, addr, size, 0);
}

void shadow_unmap(struct vcpu *v, gaddr_t addr, u64 size)
{
	const u64 a[6] = { addr, size };

	(void)!sys_munmap(v, a);
}

void shadow_end(struct vcpu *v)
{
	vma_lock(); /* first: once it is unmapped, another thread may have it */
	win_forget(v->own_lo, v->own_lo + v->own_size);
	vma_unlock();
	shadow_unmap(vcpu_self(), v->own_lo, v->own_size);
}

/* what the kernel gives a thread: clone3's size, else the limit of the ordinary stack */
static u64 thread_size(u64 size)
{
	u64 lim[2] = { SIZE_CAP, SIZE_CAP };

	if (size)
		return PAGE_UP(size);
	sys4(__NR_prlimit64, 0, RLIMIT_STACK, NULL, lim);
	return PAGE_UP(min(lim[0], SIZE_CAP));
}

long shadow_new(struct vcpu *v, u64 size)
{
	long p;

	size = thread_size(size);
	p = size ? shadow_map(v, 0, size) : -EINVAL;
	if (sys_failed(p))
		return p;
	shstk_adopt(v, (gaddr_t)p, size);
	return 0;
}

static long put_token(struct vcpu *v, gaddr_t lo, u64 size)
{
	gaddr_t end = lo + size;
	u64 token = end | 1;

	if (!(end & 7) && !shadow_poke(end - 8, &token, 8))
		return (long)lo;
	shadow_unmap(v, lo, PAGE_UP(size));
	return -EINVAL;
}

static long create(struct vcpu *v, gaddr_t addr, u64 size, u32 flags, int where)
{
	u64 len = PAGE_UP(size);
	long p;

	if (flags & ~SET_TOKEN)
		return -EINVAL;
	if (flags & SET_TOKEN && size < 8)
		return -ENOSPC;
	if (addr && addr < ABOVE)
		return -ERANGE;
	if (len < size)
		return -EOVERFLOW;
	if (!size || addr & ~PAGE_MASK)
		return -EINVAL;
	if (len > TASK_TOP || addr > TASK_TOP - len)
		return -ENOMEM;
	if (addr && rt_owns(addr, addr + len)) {
		rt_log_once("map_shadow_stack at %lx refused: the engine's own memory is there", addr);
		return -ENOMEM;
	}
	p = map(v, addr, len, where);
	return sys_failed(p) || !(flags & SET_TOKEN) ? p : put_token(v, (gaddr_t)p, size);
}

long shadow_create32(struct vcpu *v, gaddr_t addr, u64 size, u32 flags)
{
	return create(v, addr, size, flags, MAP_32BIT);
}

SYSCALL(map_shadow_stack)
{
	return create(v, a[0], a[1], (u32)a[2], 0);
}
