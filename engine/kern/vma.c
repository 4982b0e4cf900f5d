/* SPDX-License-Identifier: MIT */
/*
 * The table of the guest's memory areas: a sorted array of disjoint areas, equal neighbours merged. The kernel's own
 * limit (vm.max_map_count) keeps it small; merging, which ignores files, keeps it smaller. Locking: vma.h.
 */
#include "kern/vma.h"

#define FIRST_CAP 1024u
#define TOP (-PAGE_SIZE)
#define STACK_REACH (8ul << 30) /* how far below its area a stack may have grown unseen */

static struct vma *areas;
static u32 used, cap;
static struct rt_lock lock __forked;

void vma_lock(void)
{
	rt_lock(&lock);
}

void vma_unlock(void)
{
	rt_unlock(&lock);
}

void vma_lock_after_fork(void)
{
	rt_lock_after_fork(&lock);
}

long vma_init(void)
{
	if (areas)
		return 0;
	areas = rt_map(FIRST_CAP * sizeof(*areas));
	if (!areas)
		return -ENOMEM;
	cap = FIRST_CAP;
	return 0;
}

bool vma_room_locked(u32 n)
{
	struct vma *bigger;
	u32 want = cap;

	while (used + n > want)
		want *= 2;
	if (want == cap)
		return true;
	bigger = rt_map(want * sizeof(*areas));
	if (!bigger)
		return false;
	memcpy(bigger, areas, used * sizeof(*areas));
	rt_unmap(areas, cap * sizeof(*areas));
	areas = bigger;
	cap = want;
	return true;
}

/* index of the first area that ends behind addr, or `used` */
static u32 find(gaddr_t addr)
{
	u32 lo = 0, hi = used;

	while (lo < hi) {
		u32 mid = (lo + hi) / 2;

		if (areas[mid].end > addr)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

static void insert_at(u32 i, struct vma a)
{
	/* callers of the host made room before; at start-up there is plenty */
	BUG_ON(used == cap && !vma_room_locked(1));
	memmove(&areas[i + 1], &areas[i], (used - i) * sizeof(*areas));
	areas[i] = a;
	used++;
}

static void remove_at(u32 i, u32 n)
{
	memmove(&areas[i], &areas[i + n], (used - i - n) * sizeof(*areas));
	used -= n;
}

void vma_clear_locked(gaddr_t start, gaddr_t end)
{
	u32 i, n = 0;

	start = PAGE_DOWN(start);
	end = PAGE_UP(end);
	if (start >= end)
		return;
	i = find(start);
	if (i < used && areas[i].start < start) {
		struct vma tail = areas[i];

		areas[i].end = start;
		i++;
		if (tail.end > end) {
			tail.start = end;
			insert_at(i, tail);
			return;
		}
	}
	while (i + n < used && areas[i + n].end <= end)
		n++;
	if (n)
		remove_at(i, n);
	if (i < used && areas[i].start < end)
		areas[i].start = end;
}

static bool mergeable(const struct vma *a, const struct vma *b)
{
	return a->end == b->start && a->prot == b->prot && a->flags == b->flags && !(a->flags & (VMA_SHM | VMA_SHSTK)) &&
	       a->object == b->object && a->base == b->base;
}

void vma_set_area_locked(const struct vma *area)
{
	struct vma a = *area;
	u32 i;

	a.start = PAGE_DOWN(a.start);
	a.end = PAGE_UP(a.end);
	a.prot &= PROT_READ | PROT_WRITE | PROT_EXEC;
	if (a.start >= a.end)
		return;
	if (a.object)
		alias_note_locked(&a);
	else
		a.base = 0;
	vma_clear_locked(a.start, a.end);
	i = find(a.start);
	if (i < used && mergeable(&a, &areas[i])) {
		a.end = areas[i].end;
		if (i > 0 && mergeable(&areas[i - 1], &a)) {
			areas[i - 1].end = a.end;
			remove_at(i, 1);
		} else {
			areas[i].start = a.start;
		}
	} else if (i > 0 && mergeable(&areas[i - 1], &a)) {
		areas[i - 1].end = a.end;
	} else {
		insert_at(i, a);
	}
}

void vma_set_locked(gaddr_t start, gaddr_t end, int prot, u32 flags)
{
	vma_set_area_locked(&(struct vma){ .start = start, .end = end, .prot = (u8)prot, .flags = (u16)flags });
}

bool vma_find_locked(gaddr_t addr, struct vma *ret)
{
	u32 i = find(addr);

	if (i == used)
		return false;
	*ret = areas[i];
	return true;
}

/* calls set(area) for each mapped piece of the range */
static void change_locked(gaddr_t start, gaddr_t end, int prot, u32 flags, u32 not)
{
	struct vma a;

	for (gaddr_t at = start; at < end && vma_find_locked(at, &a) && a.start < end; at = a.end) {
		a.start = max(a.start, start);
		a.end = min(a.end, end);
		if (prot >= 0)
			a.prot = (u8)prot;
		a.flags = (u16)((a.flags & ~not) | flags);
		vma_set_area_locked(&a);
	}
}

void vma_protect_locked(gaddr_t start, gaddr_t end, int prot)
{
	change_locked(PAGE_DOWN(start), PAGE_UP(end), prot, 0, 0);
}

void vma_flag_locked(gaddr_t start, gaddr_t end, u32 set)
{
	change_locked(PAGE_DOWN(start), PAGE_UP(end), -1, set, 0);
}

void vma_unflag_locked(gaddr_t start, gaddr_t end, u32 clear)
{
	change_locked(PAGE_DOWN(start), PAGE_UP(end), -1, 0, clear);
}

bool vma_any_exec_locked(gaddr_t start, gaddr_t end)
{
	for (u32 i = find(start); i < used && areas[i].start < end; i++)
		if (areas[i].prot & PROT_EXEC)
			return true;
	return false;
}

void vma_set_flags(gaddr_t start, gaddr_t end, int prot, u32 flags)
{
	vma_lock();
	vma_set_locked(start, end, prot, flags);
	vma_unlock();
}

void vma_set(gaddr_t start, gaddr_t end, int prot)
{
	vma_set_flags(start, end, prot, 0);
}

void vma_clear(gaddr_t start, gaddr_t end)
{
	vma_lock();
	vma_clear_locked(start, end);
	vma_unlock();
}

bool vma_find(gaddr_t addr, struct vma *ret)
{
	bool found;

	vma_lock();
	found = vma_find_locked(addr, ret);
	vma_unlock();
	return found;
}

/* the kernel lets a stack grow without telling: area i is above addr; does it reach down to it by now? */
static bool grown_to(u32 i, gaddr_t addr)
{
	gaddr_t page = PAGE_DOWN(addr);
	u8 resident;

	if (!(areas[i].flags & VMA_GROWSDOWN) || areas[i].start - page > STACK_REACH ||
	    (i > 0 && areas[i - 1].end > page) || rt_owns(page, areas[i].start) ||
	    sys3(__NR_mincore, page, PAGE_SIZE, &resident))
		return false;
	areas[i].start = page;
	return true;
}

int vma_prot(gaddr_t addr, gaddr_t *end)
{
	gaddr_t stop = TOP;
	int prot = -1;
	u32 i;

	vma_lock();
	i = find(addr);
	if (i < used) {
		stop = areas[i].start;
		if (stop <= addr || grown_to(i, addr)) {
			stop = areas[i].end;
			prot = areas[i].prot;
		}
	}
	vma_unlock();
	if (end)
		*end = stop;
	return prot;
}
