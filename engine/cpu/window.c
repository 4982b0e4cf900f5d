/* SPDX-License-Identifier: MIT */
/*
 * Windows: see window.h. The table is sorted by address, under a lock of its own, which comes last of all.
 */
#include <linux/mman.h>
#include "cpu/cpu.h"
#include "cpu/window.h"

#define FIRST_CAP 256u
#define NOWHERE_PAGES 4
#define ONLY_MAP (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED)

struct window {
	gaddr_t base;
	u64 alias;
};

static struct window *table;
static u32 used, cap;
static struct rt_lock lock __forked;
static struct shstk nowhere; /* lo, hi: 0 and its size */

void win_after_fork(void)
{
	rt_lock_after_fork(&lock);
}

/* index of the first window at or behind base, or `used` */
static u32 find(gaddr_t base)
{
	u32 lo = 0, hi = used;

	while (lo < hi) {
		u32 mid = (lo + hi) / 2;

		if (table[mid].base >= base)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

bool win_view(gaddr_t at, struct shstk *ret)
{
	gaddr_t base = at & -WIN_BLOCK;
	u32 i;

	rt_lock(&lock);
	i = find(base);
	if (i < used && table[i].base == base)
		*ret = (struct shstk){ base, base + WIN_BLOCK, table[i].alias, table[i].alias + SHSTK_TWIN_DELTA };
	else
		i = used;
	rt_unlock(&lock);
	return i < used;
}

/* [holds: lock] */
static bool make_room(void)
{
	u32 want = cap ? 2 * cap : FIRST_CAP;
	struct window *bigger;

	if (used < cap)
		return true;
	bigger = rt_map(want * sizeof(*table));
	if (!bigger)
		return false;
	if (cap) {
		memcpy(bigger, table, used * sizeof(*table));
		rt_unmap(table, cap * sizeof(*table));
	}
	table = bigger;
	cap = want;
	return true;
}

static long make_nowhere(void)
{
	struct shstk s = { .hi = NOWHERE_PAGES * PAGE_SIZE };
	long r = nowhere.hi ? 0 : shstk_areas(&s, PROT_NONE);

	if (!r && !nowhere.hi)
		nowhere = s;
	return r;
}

long win_make(gaddr_t at)
{
	gaddr_t base = at & -WIN_BLOCK;
	struct shstk s = { .lo = base, .hi = base + WIN_BLOCK };
	long r;
	u32 i;

	rt_lock(&lock);
	r = make_room() ? make_nowhere() : -ENOMEM;
	if (!r)
		r = shstk_areas(&s, PROT_NONE);
	if (!r) {
		i = find(base);
		memmove(&table[i + 1], &table[i], (used - i) * sizeof(*table));
		table[i] = (struct window){ base, s.alias };
		used++;
	}
	rt_unlock(&lock);
	return r;
}

/* a piece of [*lo, hi) that lies in one block with a window; *lo becomes its end. Alias of its start, 0: no more */
static u64 next_piece(gaddr_t *lo, gaddr_t hi, gaddr_t *start)
{
	struct window w;
	bool found;
	u32 i;

	rt_lock(&lock);
	i = find(*lo & -WIN_BLOCK);
	found = i < used && table[i].base < hi;
	if (found)
		w = table[i];
	rt_unlock(&lock);
	if (!found || *lo >= hi)
		return 0;
	*start = max(*lo, w.base);
	*lo = min(hi, w.base + WIN_BLOCK);
	return w.alias + (*start - w.base);
}

long win_attach(gaddr_t lo, gaddr_t hi)
{
	gaddr_t at = lo, start;
	u64 alias;

	while ((alias = next_piece(&at, hi, &start))) {
		long p = sys5(__NR_mremap, start, 0, at - start, MREMAP_MAYMOVE | MREMAP_FIXED, alias);

		if (!sys_failed(p))
			p = sys3(__NR_mprotect, alias, at - start, PROT_READ | PROT_WRITE);
		if (sys_failed(p))
			return p;
	}
	return 0;
}

void win_protect(gaddr_t lo, gaddr_t hi, int prot)
{
	gaddr_t start;
	u64 alias;

	while ((alias = next_piece(&lo, hi, &start)))
		sys3(__NR_mprotect, alias, lo - start, prot);
}

/* twins and records of a piece: the pages that hold nothing else go back, the rest is cleared */
static void forget_words(u64 at, u64 size)
{
	u64 lo = PAGE_UP(at), hi = PAGE_DOWN(at + size);

	if (lo >= hi) {
		memset((void *)at, 0, size);
		return;
	}
	memset((void *)at, 0, lo - at);
	sys3(__NR_madvise, lo, hi - lo, MADV_DONTNEED);
	memset((void *)hi, 0, at + size - hi);
}

void win_forget(gaddr_t lo, gaddr_t hi)
{
	gaddr_t start;
	u64 alias;

	while ((alias = next_piece(&lo, hi, &start))) {
		forget_words(alias + SHSTK_TWIN_DELTA, lo - start);
		forget_words(alias + SHSTK_TWIN_DELTA + SHSTK_REC_DELTA, lo - start);
	}
}

void win_zero(gaddr_t lo, gaddr_t hi)
{
	gaddr_t start;
	u64 alias;

	while ((alias = next_piece(&lo, hi, &start)))
		sys3(__NR_madvise, alias, lo - start, MADV_REMOVE);
}

void win_detach(gaddr_t lo, gaddr_t hi)
{
	gaddr_t start;
	u64 alias;

	while ((alias = next_piece(&lo, hi, &start)))
		sys_6(__NR_mmap, alias, lo - start, PROT_NONE, ONLY_MAP, -1, 0);
}

void win_nowhere(gaddr_t ssp, struct shstk *ret)
{
	gaddr_t lo = PAGE_DOWN(ssp) - PAGE_SIZE;

	*ret = (struct shstk){ lo, lo + nowhere.hi, nowhere.alias, nowhere.twin };
}

void win_forget_all(void)
{
	rt_lock(&lock);
	for (u32 i = 0; i < used; i++)
		forget_words(table[i].alias + SHSTK_TWIN_DELTA, WIN_BLOCK);
	rt_unlock(&lock);
}
