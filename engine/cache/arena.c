/* SPDX-License-Identifier: MIT */
/*
 * Arenas: reservations of executable memory within rel32 reach of the guest code they serve, used a segment at a time
 * so that one huge page can hold it; but for the first segment, of which a small program needs little and which becomes
 * memory in smaller steps. Called by xlate/ and cache/ with cache_lock held, on an engine stack.
 */
#include <linux/mman.h>
#include "cache/cache.h"

#define ARENA_SIZE (96ul << 20)
#define ARENA_TINY (192ul << 10)
#define SEGMENT (4ul << 20)
#define SEGMENT_TINY (64ul << 10)
#define STEP (32ul << 10) /* how much of a first segment becomes memory at a time */
#define REACH (0x7fff0000ul - ARENA_SIZE)
#define ADDRESS_END (1ul << 47)
#define GAP_STEP (16ul << 20)
#define BLOCK_ROOM 16384ul /* what block and cold code keep between them: the worst case of one block */

struct arena cache_arenas[ARENAS];
u32 cache_narenas;
u64 cache_thunk_target[THUNK_COUNT];
u64 cache_seg_size = SEGMENT;
static u64 arena_size = ARENA_SIZE;

void arena_set_tiny(void);
void arena_set_tiny(void)
{
	arena_size = ARENA_TINY;
	cache_seg_size = SEGMENT_TINY;
}

static bool in_reach(u64 base, gaddr_t pc)
{
	u64 lo = min(base, pc), hi = max(base + arena_size, pc);

	return hi - lo < REACH;
}

static u8 *seg_start(const struct arena *a, u32 seg)
{
	return a->base + seg * cache_seg_size;
}

/* makes segment `seg` memory; false where the arena or the memory ends */
static bool commit(struct arena *a, u32 seg)
{
	u8 *p = seg_start(a, seg);

	if (p == a->end)
		return false;
	if (seg < a->committed)
		return true;
	if (rt_fail_now() || sys3(__NR_mprotect, p, cache_seg_size, PROT_READ | PROT_WRITE | PROT_EXEC))
		return false;
	a->committed = seg + 1;
	return true;
}

/* The first segment's memory before it is written, rather than a page fault for each page of it. */
static void ready_up(struct arena *a, u8 *until)
{
	size_t size = min(max(STEP, (size_t)(until - a->ready)), (size_t)(a->cold_ready - a->ready));

	rt_populate(a->ready, size);
	a->ready += size;
}

static void ready_down(struct arena *a, u8 *until)
{
	size_t size = min(max(STEP, PAGE_UP(a->cold_ready - until)), (size_t)(a->cold_ready - a->ready));

	a->cold_ready -= size;
	rt_populate(a->cold_ready, size);
}

static u8 *code_limit(const struct arena *a)
{
	return a->seg == a->cold_seg ? a->cold : a->limit;
}

/* room for one more block, in the next segment if need be */
static bool make_room(struct arena *a)
{
	u32 next = a->seg + 1;

	if (a->next + BLOCK_ROOM <= code_limit(a)) {
		if (!a->seg && a->next + BLOCK_ROOM > a->ready)
			ready_up(a, a->next + BLOCK_ROOM);
		return true;
	}
	if (a->cold_seg == a->seg) {
		if (!commit(a, next))
			return false;
		a->cold_seg = next;
		a->cold = seg_start(a, next + 1);
	}
	a->seg = a->cold_seg;
	a->next = seg_start(a, a->seg);
	return a->next + BLOCK_ROOM <= a->cold;
}

static void write_thunks(struct arena *a)
{
	for (int t = 0; t < THUNK_COUNT; t++) {
		struct emit e = { arena_thunk(a, t), arena_thunk(a, t + 1) };

		EMIT(&e, 0xff, 0x25, 2, 0, 0, 0, 0, 0); /* jmp [rip+2]: aligned, the guest may have AC set */
		emit64(&e, cache_thunk_target[t]);
	}
}

/* a reservation at or near `hint`, NULL where it would be out of reach; *full: there is no address space at all */
static u8 *reserve_at(gaddr_t pc, u64 hint, int flags, bool *full)
{
	u64 size = arena_size + cache_seg_size;
	long p = sys_6(__NR_mmap, hint & ~(cache_seg_size - 1), size, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);

	if (sys_failed(p)) {
		*full = p == -ENOMEM;
		return NULL;
	}
	if (!in_reach((u64)p, pc)) {
		sys2(__NR_munmap, p, size);
		return NULL;
	}
	rt_own_range((void *)p, size);
	rt_pkey_tag((void *)p, size, PROT_NONE); /* stays with what becomes memory of it */
	return (u8 *)(((u64)p + cache_seg_size - 1) & ~(cache_seg_size - 1));
}

/*
 * A reservation in reach of pc. First below, nearest first, then far above: behind a program, up to 1 GiB away
 * (arch_randomize_brk), lies its heap, which must be free to grow. A few hints do as a rule; where the guest has
 * something in the way of each, all of the reach is searched for a gap.
 */
static u8 *reserve_near(gaddr_t pc)
{
	static const u64 step[] = { 64ul << 20, 256ul << 20, 512ul << 20, 1024ul << 20, 1536ul << 20 };
	const unsigned n = ARRAY_SIZE(step);
	bool full = false;
	u8 *p = NULL;

	for (unsigned i = 0; i < 2 * n && !p && !full; i++) {
		u64 d = (i < n ? step[i] : step[2 * n - 1 - i]) + arena_size;
		u64 hint = PAGE_DOWN(i < n ? pc - d : pc + d);

		if (i < n ? hint < pc && hint >= 0x10000 : hint >= pc)
			p = reserve_at(pc, hint, 0, &full);
	}
	for (u64 d = arena_size; d < REACH && !p && !full; d += GAP_STEP)
		if (d < pc && pc - d >= 0x10000)
			p = reserve_at(pc, pc - d, MAP_FIXED_NOREPLACE, &full);
	for (u64 d = REACH - arena_size; d < REACH && !p && !full; d -= GAP_STEP)
		if (pc + d + arena_size + cache_seg_size < ADDRESS_END)
			p = reserve_at(pc, pc + d, MAP_FIXED_NOREPLACE, &full);
	return p;
}

static void arena_reset(struct arena *a)
{
	a->next = a->base + PAGE_UP(THUNK_COUNT * THUNK_SIZE);
	a->seg = a->cold_seg = 0;
	a->cold = seg_start(a, 1);
	memset(a->lookup, 0, sizeof(a->lookup));
	a->norder = 0;
}

static struct arena *arena_new(gaddr_t pc)
{
	struct arena *a = &cache_arenas[cache_narenas];
	u8 *base;

	if (cache_narenas == ARENAS)
		return NULL;
	base = reserve_near(pc);
	if (!base)
		return NULL;
	a->base = base;
	a->end = base + arena_size;
	a->committed = 0;
	a->ready = base;
	a->cold_ready = seg_start(a, 1);
	arena_reset(a);
	a->order_cap = (u32)(arena_size / 32);
	a->order = rt_map(a->order_cap * sizeof(u32));
	if (!a->order || !commit(a, 0))
		return NULL;
	sys3(__NR_madvise, seg_start(a, 1), arena_size - cache_seg_size, MADV_HUGEPAGE);
	ready_up(a, base);
	write_thunks(a);
	__atomic_store_n(&cache_narenas, cache_narenas + 1, __ATOMIC_RELEASE);
	return a;
}

struct arena *cache_arena_for(gaddr_t pc)
{
	for (u32 i = cache_narenas; i-- > 0;) {
		struct arena *a = &cache_arenas[i];

		if (in_reach((u64)a->base, pc) && make_room(a))
			return a;
	}
	return arena_new(pc);
}

u8 *cache_cold_alloc(struct arena *a, size_t bytes)
{
	u8 *floor = a->seg == a->cold_seg ? a->next + BLOCK_ROOM : seg_start(a, a->cold_seg);

	bytes = (bytes + 15) & ~15ul;
	if (a->cold - bytes < floor) {
		if (!commit(a, a->cold_seg + 1))
			return NULL;
		if (a->seg == a->cold_seg)
			a->limit = a->cold;
		a->cold_seg++;
		a->cold = seg_start(a, a->cold_seg + 1);
	}
	a->cold -= bytes;
	if (!a->cold_seg && a->cold < a->cold_ready)
		ready_down(a, a->cold);
	return a->cold;
}

struct arena *cache_arena_of(u64 p)
{
	u32 n = __atomic_load_n(&cache_narenas, __ATOMIC_ACQUIRE);

	for (u32 i = 0; i < n; i++)
		if (p >= (u64)cache_arenas[i].base && p < (u64)cache_arenas[i].end)
			return &cache_arenas[i];
	return NULL;
}

void arena_reset_all(void);
void arena_reset_all(void)
{
	for (u32 i = 0; i < cache_narenas; i++)
		arena_reset(&cache_arenas[i]);
}
