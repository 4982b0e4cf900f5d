/* SPDX-License-Identifier: MIT */
/*
 * Arenas: reservations of executable memory within rel32 reach of the guest code they serve. Blocks grow
 * up from the thunks, stubs and other cold code grow down from the end; both commit in chunks. Called by
 * xlate/ and cache/ with cache_lock held, on an engine stack.
 */
#include <linux/mman.h>
#include "cache/cache.h"

#define ARENA_SIZE (96ul << 20)
#define ARENA_TINY (192ul << 10)
#define REACH (0x7fff0000ul - ARENA_SIZE)
#define CHUNK (64ul << 10)
#define BLOCK_ROOM 16384ul /* worst case of one block and its stubs */

struct arena cache_arenas[ARENAS];
u32 cache_narenas;
u64 cache_thunk_target[THUNK_COUNT];
static u64 arena_size = ARENA_SIZE;

void arena_set_tiny(void);
void arena_set_tiny(void)
{
	arena_size = ARENA_TINY;
}

static bool in_reach(u64 base, gaddr_t pc)
{
	u64 lo = min(base, pc), hi = max(base + arena_size, pc);

	return hi - lo < REACH;
}

static bool commit_to(u8 **mark, u8 *want, int dir)
{
	u8 *from, *to;
	long ret;

	if (dir > 0) {
		if (want <= *mark)
			return true;
		from = *mark;
		to = (u8 *)(((u64)want + CHUNK - 1) & ~(CHUNK - 1));
	} else {
		if (want >= *mark)
			return true;
		from = (u8 *)((u64)want & ~(CHUNK - 1));
		to = *mark;
	}
	ret = sys3(__NR_mprotect, from, to - from, PROT_READ | PROT_WRITE | PROT_EXEC);
	if (ret)
		return false;
	*mark = dir > 0 ? to : from;
	return true;
}

bool cache_commit(struct arena *a, size_t bytes)
{
	u8 *want = a->next + bytes;

	if (want + CHUNK > a->stub_commit)
		return false;
	return commit_to(&a->commit, want, 1);
}

static void write_thunks(struct arena *a)
{
	for (int t = 0; t < THUNK_COUNT; t++) {
		struct emit e = { arena_thunk(a, t), arena_thunk(a, t + 1) };

		EMIT(&e, 0xff, 0x25, 0, 0, 0, 0); /* jmp [rip+0] */
		emit64(&e, cache_thunk_target[t]);
	}
}

/* a reservation in reach of pc: first what the host offers near a few hints, nearest first */
static u8 *reserve_near(gaddr_t pc)
{
	static const u64 step[] = { 64ul << 20, 256ul << 20, 512ul << 20, 1024ul << 20, 1536ul << 20 };
	const unsigned n = ARRAY_SIZE(step);

	/* Below first, then far above: behind a program, up to 1 GiB away (arch_randomize_brk), lies its heap, which
	 * must be free to grow. */
	for (unsigned i = 0; i < 2 * n; i++) {
		u64 d = (i < n ? step[i] : step[2 * n - 1 - i]) + arena_size;
		u64 hint = PAGE_DOWN(i < n ? pc - d : pc + d);
		long p;

		if (i < n ? hint > pc || hint < 0x10000 : hint < pc)
			continue;
		hint &= ~(CHUNK - 1);
		p = sys_6(__NR_mmap, hint, arena_size + CHUNK, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (sys_failed(p))
			return NULL;
		if (in_reach((u64)p, pc)) {
			rt_own_range((void *)p, arena_size + CHUNK);
			return (u8 *)(((u64)p + CHUNK - 1) & ~(CHUNK - 1));
		}
		sys2(__NR_munmap, p, arena_size + CHUNK);
	}
	return NULL;
}

static void arena_reset(struct arena *a)
{
	a->next = a->base + PAGE_UP(THUNK_COUNT * THUNK_SIZE);
	a->stub = a->end;
	a->free_stub = 0;
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
	a->commit = base;
	a->stub_commit = a->end;
	arena_reset(a);
	a->order_cap = (u32)(arena_size / 32);
	a->order = rt_map(a->order_cap * sizeof(u32));
	if (!a->order || !commit_to(&a->commit, a->next, 1))
		return NULL;
	write_thunks(a);
	__atomic_store_n(&cache_narenas, cache_narenas + 1, __ATOMIC_RELEASE);
	return a;
}

struct arena *cache_arena_for(gaddr_t pc)
{
	for (u32 i = cache_narenas; i-- > 0;) {
		struct arena *a = &cache_arenas[i];

		if (in_reach((u64)a->base, pc) && cache_commit(a, BLOCK_ROOM))
			return a;
	}
	return arena_new(pc);
}

u8 *cache_cold_alloc(struct arena *a, size_t bytes)
{
	u8 *p = a->stub - ((bytes + 15) & ~15ul);

	if (p < a->commit + CHUNK || !commit_to(&a->stub_commit, p, -1))
		return NULL;
	a->stub = p;
	return p;
}

u8 *cache_stub_alloc(struct arena *a)
{
	u8 *p;

	if (!a->free_stub)
		return cache_cold_alloc(a, STUB_SIZE);
	p = a->base + a->free_stub;
	__builtin_memcpy(&a->free_stub, p + STUB_SIZE - 4, 4);
	return p;
}

/*
 * The bytes of a freed stub stay as they are but for its last four, which no instruction of a stub uses: a
 * thread that was on its way through it still leaves with the right exit id.
 */
void cache_stub_free(struct arena *a, u8 *stub)
{
	__builtin_memcpy(stub + STUB_SIZE - 4, &a->free_stub, 4);
	a->free_stub = (u32)(stub - a->base);
}

struct arena *cache_arena_of(u64 p)
{
	u32 n = __atomic_load_n(&cache_narenas, __ATOMIC_ACQUIRE);

	for (u32 i = 0; i < n; i++)
		if (p >= (u64)cache_arenas[i].base && p < (u64)cache_arenas[i].end)
			return &cache_arenas[i];
	return NULL;
}

u64 cache_resolve_low(u32 low)
{
	for (u32 i = 0; i < cache_narenas; i++) {
		u64 base = (u64)cache_arenas[i].base;
		u64 p = (base & ~0xfffffffful) | low;

		if (p < base)
			p += 1ul << 32;
		if (cache_arena_of(p) && cache_find_host(p))
			return p;
	}
	return 0;
}

void arena_reset_all(void);
void arena_reset_all(void)
{
	for (u32 i = 0; i < cache_narenas; i++)
		arena_reset(&cache_arenas[i]);
}
