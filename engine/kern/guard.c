/* SPDX-License-Identifier: MIT */
/*
 * Guarded pages: pages the guest may write, made read-only for the host because code was translated from them, or from
 * another mapping of the same memory. A hash table by page, under vma_lock; entries without a guard are dropped when it fills up.
 *
 * Lifting needs cpu_invalidate() between two looks at the table, with the lock released: the entry is LEAVING for
 * as long, and the page stays read-only. If code was translated from the page meanwhile (guard_code gave the entry
 * a new generation), it all starts again. Two threads may lift the same page: whoever comes second finds it done.
 */
#include "cpu/threads.h"
#include "kern/kern.h"
#include "kern/vma.h"

#define FIRST_CAP 256u
#define MAX_SPURIOUS 64
#define MAX_ROUNDS 8

enum { GUARD_NONE, GUARD_ON, GUARD_LEAVING };

struct guard {
	gaddr_t page; /* 0: free entry */
	u32 gen;
	u8 state;
	u64 seen;     /* vma_shared_changes when its aliases were guarded */
};

static struct guard first_table[FIRST_CAP];
static struct guard *table = first_table;
static u32 cap = FIRST_CAP, used;
static u32 last_gen;
u32 vma_nguarded;
u64 vma_shared_changes = 1;

static u32 slot_of(const struct guard *t, u32 n, gaddr_t page)
{
	u32 i = (u32)((page >> 12) * 0x9e3779b97f4a7c15ull >> 40) & (n - 1);

	while (t[i].page && t[i].page != page)
		i = (i + 1) & (n - 1);
	return i;
}

static struct guard *lookup(gaddr_t page)
{
	struct guard *g = &table[slot_of(table, cap, page)];

	return g->page ? g : NULL;
}

/* drops what says nothing any more; doubles if that is not enough */
static bool rehash(void)
{
	struct guard *old = table, *bigger;
	u32 old_cap = cap, live = 0, want = cap;

	for (u32 i = 0; i < cap; i++)
		live += table[i].page && table[i].state;
	if (live * 4 > cap)
		want *= 2;
	bigger = rt_map(want * sizeof(*table));
	if (!bigger)
		return false;
	used = 0;
	for (u32 i = 0; i < old_cap; i++) {
		if (!old[i].page || !old[i].state)
			continue;
		bigger[slot_of(bigger, want, old[i].page)] = old[i];
		used++;
	}
	table = bigger;
	cap = want;
	if (old != first_table)
		rt_unmap(old, old_cap * sizeof(*old));
	return true;
}

static struct guard *lookup_or_add(gaddr_t page)
{
	struct guard *g = lookup(page);

	if (g)
		return g;
	if (used * 2 >= cap && !rehash() && used + 1 >= cap)
		return NULL;
	g = &table[slot_of(table, cap, page)];
	*g = (struct guard){ .page = page };
	used++;
	return g;
}

static bool area_of(gaddr_t page, struct vma *a)
{
	return vma_find_locked(page, a) && a->start <= page;
}

/* [holds: lock] one page of area a */
static int guard_page(gaddr_t page, const struct vma *a)
{
	struct guard *g = a->flags & VMA_SEALED || rseq_in_page(page) ? NULL : lookup_or_add(page);

	if (!g)
		return 1;
	/* LEAVING: still read-only, and the new generation tells the leaver to start again */
	if (g->state == GUARD_NONE) {
		if (sys3(__NR_mprotect, page, PAGE_SIZE, vma_host_prot(a->prot) & ~PROT_WRITE))
			return 1;
		vma_nguarded++;
	}
	g->state = GUARD_ON;
	g->gen = ++last_gen;
	return 0;
}

/* [holds: lock] wherever else the memory of this page can be written to */
static int guard_aliases(gaddr_t page, const struct vma *a)
{
	struct guard *g = lookup_or_add(page);
	struct vma piece = *a, other;
	int ret = 0;

	if (g && g->seen == vma_shared_changes)
		return 0;
	piece.start = page;
	piece.end = page + PAGE_SIZE;
	for (gaddr_t at = 0; alias_next_locked(&piece, at, &other); at = other.end)
		if (other.start != page && (other.prot & PROT_WRITE) && (other.flags & VMA_SHARED))
			ret |= guard_page(other.start, &other);
	g = lookup(page);
	if (g)
		g->seen = vma_shared_changes;
	return ret;
}

int vma_guard_code(gaddr_t page)
{
	struct vma a;
	int ret = 0;

	page = PAGE_DOWN(page);
	vma_lock();
	if (area_of(page, &a) && !(a.flags & VMA_SHSTK)) {
		if (a.prot & PROT_WRITE)
			ret = guard_page(page, &a);
		if (a.object && alias_possible_locked(&a))
			ret |= guard_aliases(page, &a);
	}
	vma_unlock();
	return ret;
}

/* [holds: lock] the page as the guest wants it */
static bool open_page(gaddr_t page)
{
	struct vma a;

	return !area_of(page, &a) || sys3(__NR_mprotect, page, PAGE_SIZE, vma_host_prot(a.prot)) == 0;
}

/* [holds: lock] */
static bool guard_off(struct guard *g)
{
	if (!open_page(g->page)) {
		/* its neighbours would become areas of their own, and there are too many */
		rt_log_once("too many mappings: a page of translated code cannot be made writable again");
		g->state = GUARD_ON;
		return false;
	}
	g->state = GUARD_NONE;
	vma_nguarded--;
	vma_shared_changes++;
	return true;
}

static void invalidate_page(struct vcpu *v, gaddr_t page)
{
	vma_unlock();
	cpu_invalidate(v, page, page + PAGE_SIZE);
	alias_invalidate(v, page, page + PAGE_SIZE);
	vma_lock();
}

/*
 * [holds: lock, released and taken again] False if the host refuses. A thread that runs code of this page without
 * pause translates it anew each time it is severed; after some rounds the page is opened first and severed then,
 * which leaves a moment where a third thread could write there and run old code, but comes to an end.
 */
static bool lift(struct vcpu *v, gaddr_t page)
{
	struct guard *g = lookup(page);

	for (int round = 0; g && g->state != GUARD_NONE; round++) {
		u32 gen = g->gen;

		if (round == MAX_ROUNDS) {
			if (!guard_off(g))
				return false;
			invalidate_page(v, page);
			return true;
		}
		g->state = GUARD_LEAVING;
		invalidate_page(v, page);
		g = lookup(page);
		if (g && g->state == GUARD_LEAVING && g->gen == gen)
			return guard_off(g);
	}
	return true;
}

/* [holds: lock] no guard, and yet the host refused a store the guest may do. The guard was lifted a moment ago
 * by another thread; or the host's protection is not what it ought to be */
static bool unexplained(struct vcpu *v, gaddr_t page)
{
	struct kthread *k = v ? kthread_get(v) : NULL;

	if (k) {
		if (k->fault_page != page)
			k->spurious = 0;
		k->fault_page = page;
		if (++k->spurious > MAX_SPURIOUS)
			return false;
	}
	return open_page(page);
}

bool vma_write_fault(struct vcpu *v, gaddr_t addr)
{
	gaddr_t page = PAGE_DOWN(addr);
	struct guard *g;
	struct vma a;
	bool ret = false;

	vma_lock();
	if (area_of(page, &a) && (a.prot & PROT_WRITE) && !(a.flags & VMA_SHSTK)) {
		g = lookup(page);
		if (g && g->state != GUARD_NONE) {
			ret = lift(v, page);
			if (v && v->k)
				v->k->spurious = 0;
		} else {
			ret = unexplained(v, page);
		}
	}
	vma_unlock();
	return ret;
}

/* [holds: lock] the lowest guarded page of [start, end), or 0 */
static gaddr_t next_guarded(gaddr_t start, gaddr_t end)
{
	gaddr_t best = 0;

	if (!vma_nguarded)
		return 0;
	if ((end - start) / PAGE_SIZE <= cap) {
		for (gaddr_t p = start; p < end; p += PAGE_SIZE) {
			struct guard *g = lookup(p);

			if (g && g->state != GUARD_NONE)
				return p;
		}
		return 0;
	}
	for (u32 i = 0; i < cap; i++) {
		struct guard *g = &table[i];

		if (g->page >= start && g->page < end && g->state != GUARD_NONE && (!best || g->page < best))
			best = g->page;
	}
	return best;
}

bool vma_unguard(struct vcpu *v, gaddr_t start, gaddr_t end)
{
	gaddr_t p;
	bool any = false;

	if (likely(!__atomic_load_n(&vma_nguarded, __ATOMIC_RELAXED)) || end <= start)
		return false;
	start = PAGE_DOWN(start);
	end = end > -PAGE_SIZE ? -PAGE_SIZE : PAGE_UP(end);
	vma_lock();
	while (start < end && (p = next_guarded(start, end))) {
		any |= lift(v, p);
		start = p + PAGE_SIZE;
	}
	vma_unlock();
	return any;
}

static void drop(struct guard *g, bool host_prot)
{
	if (g->state == GUARD_NONE)
		return;
	if (host_prot && !open_page(g->page))
		rt_log_once("too many mappings: a page of translated code cannot be made writable again");
	g->state = GUARD_NONE;
	vma_nguarded--;
	vma_shared_changes++;
}

void guard_drop_locked(gaddr_t start, gaddr_t end, bool host_prot)
{
	if (!used)
		return;
	if ((end - start) / PAGE_SIZE <= cap) {
		for (; start < end; start += PAGE_SIZE) {
			struct guard *g = lookup(start);

			if (g)
				drop(g, host_prot);
		}
		return;
	}
	for (u32 i = 0; i < cap; i++)
		if (table[i].page >= start && table[i].page < end)
			drop(&table[i], host_prot);
}
