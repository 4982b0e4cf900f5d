/* SPDX-License-Identifier: MIT */
/*
 * Which parts of the address space are the engine's. A sorted table of disjoint, merged ranges, written under
 * a lock and read without one (sequence count). The handlers of asynchronous signals do not come here; those of
 * faults may, as nothing faults that is done with the lock held. [no-fp]
 */
#include <linux/mman.h>
#include "rt/rt.h"

struct rt_range rt_ranges[RT_RANGES];
u32 rt_fault_nth;

static u32 used;            /* entries in the table; the rest have end == 0 */
static u32 seq __forked;             /* odd while a writer is at work; pairs with read_begin()/read_retry() */
static struct rt_lock lock __forked;

static void write_begin(void)
{
	if (rt_lock(&lock)) /* killed while it wrote */
		seq &= ~1u;
	__atomic_store_n(&seq, seq + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void write_end(void)
{
	__atomic_store_n(&seq, seq + 1, __ATOMIC_RELEASE);
	rt_unlock(&lock);
}

static u32 read_begin(void)
{
	u32 s;

	while ((s = __atomic_load_n(&seq, __ATOMIC_ACQUIRE)) & 1)
		__builtin_ia32_pause();
	return s;
}

static bool read_retry(u32 s)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&seq, __ATOMIC_RELAXED) != s;
}

/* index of the first range that ends behind addr, or `used` */
static u32 find(u64 addr)
{
	u32 lo = 0, hi = min(used, (u32)RT_RANGES);

	while (lo < hi) {
		u32 mid = (lo + hi) / 2;

		if (rt_ranges[mid].end > addr)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

static void remove_at(u32 i, u32 n)
{
	memmove(&rt_ranges[i], &rt_ranges[i + n], (used - i - n) * sizeof(rt_ranges[0]));
	used -= n;
	memset(&rt_ranges[used], 0, n * sizeof(rt_ranges[0]));
}

static bool insert_at(u32 i, u64 start, u64 end)
{
	if (used == RT_RANGES)
		return false;
	memmove(&rt_ranges[i + 1], &rt_ranges[i], (used - i) * sizeof(rt_ranges[0]));
	rt_ranges[i] = (struct rt_range){ start, end };
	used++;
	return true;
}

/* [holds: lock] */
static bool add(u64 start, u64 end)
{
	u32 i = find(start ? start - 1 : 0), n = 0;

	/* swallow what overlaps or touches */
	while (i + n < used && rt_ranges[i + n].start <= end) {
		start = min(start, rt_ranges[i + n].start);
		end = max(end, rt_ranges[i + n].end);
		n++;
	}
	if (!n)
		return insert_at(i, start, end);
	rt_ranges[i] = (struct rt_range){ start, end };
	if (n > 1)
		remove_at(i + 1, n - 1);
	return true;
}

/* [holds: lock] */
static bool sub(u64 start, u64 end)
{
	for (u32 i = find(start); i < used && rt_ranges[i].start < end;) {
		struct rt_range *r = &rt_ranges[i];

		if (r->start < start && r->end > end) {
			u64 tail = r->end;

			if (!insert_at(i + 1, end, tail))
				return false;
			r->end = start;
			return true;
		}
		if (r->start < start) {
			r->end = start;
			i++;
		} else if (r->end > end) {
			r->start = end;
			return true;
		} else {
			remove_at(i, 1);
		}
	}
	return true;
}

static bool change(const void *p, size_t size, bool (*op)(u64, u64))
{
	u64 start = PAGE_DOWN((u64)p), end = PAGE_UP((u64)p + size);
	bool ok;

	if (start >= end)
		return true;
	write_begin();
	ok = op(start, end);
	write_end();
	return ok;
}

void rt_own_range(const void *p, size_t size)
{
	/* not recorded = the guest could map over it: more than RT_RANGES pieces is a bug, not a load */
	BUG_ON(!change(p, size, add));
}

void rt_disown_range(const void *p, size_t size)
{
	BUG_ON(!change(p, size, sub));
}

bool rt_owns(u64 start, u64 end)
{
	u32 s, i;
	bool hit;

	do {
		s = read_begin();
		i = find(start);
		hit = i < RT_RANGES && rt_ranges[i].end && rt_ranges[i].start < end;
	} while (read_retry(s));
	return hit;
}

bool rt_range_after(u64 addr, struct rt_range *ret)
{
	u32 s, i;

	do {
		s = read_begin();
		i = find(addr);
		*ret = i < RT_RANGES ? rt_ranges[i] : (struct rt_range){ 0, 0 };
	} while (read_retry(s));
	return ret->end != 0;
}

bool rt_fail_now(void)
{
	static u32 count;

	if (likely(!rt_fault_nth))
		return false;
	return __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED) % rt_fault_nth == 0;
}

void *rt_map_shared(size_t size)
{
	long p;

	size = PAGE_UP(size);
	if (!size || rt_fail_now())
		return NULL;
	p = sys_6(__NR_mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (sys_failed(p))
		return NULL;
	if (!change((void *)p, size, add)) {
		sys2(__NR_munmap, p, size);
		return NULL;
	}
	return (void *)p;
}

void *rt_map(size_t size)
{
	void *p = rt_map_shared(size);

	if (p)
		rt_pkey_tag(p, PAGE_UP(size), PROT_READ | PROT_WRITE);
	return p;
}

void rt_unmap(void *p, size_t size)
{
	bool ok = true;

	size = PAGE_UP(size);
	if (!p || !size)
		return;
	/* one step for everybody else: whoever is given these addresses next enters them after we struck
	 * them out. A failed munmap (no more mappings to split) leaves the range ours, which is true */
	write_begin();
	if (sys2(__NR_munmap, p, size) == 0)
		ok = sub((u64)p, (u64)p + size);
	write_end();
	BUG_ON(!ok);
}

void rt_populate(const void *p, size_t size)
{
	sys3(__NR_madvise, p, size, MADV_POPULATE_WRITE);
}

void rt_ranges_fork_begin(void)
{
	rt_lock(&lock);
}

void rt_ranges_fork_end(void)
{
	rt_unlock(&lock);
}
