/* SPDX-License-Identifier: MIT */
/*
 * Tables of blocks and exits, and the three ways to find a block: by guest address and residency (hash), by
 * guest page (list and bitmap of instruction boundaries), by host address (order of emission). Writers hold
 * cache_lock. Readers by host address may be signal handlers: entries become visible by one release store.
 */
#include "cache/cache.h"
#include "xlate/recipe.h"

#define MAX_BLOCKS (4u << 20)
#define MAX_EXITS (16u << 20)
#define SIDE_BYTES (256ul << 20)
#define HASH_BITS 18
#define PAGE_HASH_BITS 14
#define MAX_PAGES (256u << 10)

struct code_page {
	gaddr_t page;
	u32 head;       /* blocks: next by page_next, or page_next2 for a straddler's second page */
	u32 hash_next;
	u64 starts[PAGE_SIZE / 64]; /* instruction boundaries of live residency-0 blocks */
};

struct block *cache_blocks;
struct exit *cache_exits;
u32 cache_nblocks, cache_nexits;
u64 cache_epoch;

static u8 *side;
static u32 side_used;
static u32 *hash, *page_hash;
static struct code_page *pages;
static u32 npages;
static struct rt_lock lock;

void arena_set_tiny(void);
void arena_reset_all(void);

void cache_lock(void)
{
	rt_lock(&lock);
}

void cache_unlock(void)
{
	rt_unlock(&lock);
}

void cache_after_fork(void)
{
	rt_lock_after_fork(&lock);
}

long cache_init(bool tiny)
{
	if (tiny)
		arena_set_tiny();
	cache_blocks = rt_map(MAX_BLOCKS * sizeof(struct block));
	cache_exits = rt_map(MAX_EXITS * sizeof(struct exit));
	side = rt_map(SIDE_BYTES);
	hash = rt_map(sizeof(u32) << HASH_BITS);
	page_hash = rt_map(sizeof(u32) << PAGE_HASH_BITS);
	pages = rt_map(MAX_PAGES * sizeof(struct code_page));
	if (!cache_blocks || !cache_exits || !side || !hash || !page_hash || !pages)
		return -ENOMEM;
	cache_nblocks = cache_nexits = 1;
	side_used = 1;
	npages = 1;
	return 0;
}

struct block *cache_block_new(struct arena *a)
{
	struct block *b;

	if (cache_nblocks == MAX_BLOCKS || a->norder == a->order_cap)
		return NULL;
	b = &cache_blocks[cache_nblocks++];
	memset(b, 0, sizeof(*b));
	b->arena = (u8)(a - cache_arenas);
	return b;
}

struct exit *cache_exit_new(void)
{
	struct exit *x;

	if (cache_nexits == MAX_EXITS)
		return NULL;
	x = &cache_exits[cache_nexits++];
	memset(x, 0, sizeof(*x));
	return x;
}

u32 cache_side_append(const u8 *bytes, u32 n)
{
	u32 at = side_used;

	if (side_used + n > SIDE_BYTES)
		return 0;
	memcpy(side + at, bytes, n);
	side_used += n;
	return at;
}

const u8 *cache_side(u32 off)
{
	return side + off;
}

static u32 hash_of(gaddr_t pc, u8 res)
{
	return (u32)(((pc * 4 + res) * 0x9e3779b97f4a7c15ull) >> (64 - HASH_BITS));
}

static u32 *page_bucket(gaddr_t page)
{
	return &page_hash[(page / PAGE_SIZE * 0x9e3779b97f4a7c15ull) >> (64 - PAGE_HASH_BITS)];
}

static struct code_page *page_find(gaddr_t page)
{
	u32 i = *page_bucket(page);

	while (i && pages[i].page != page)
		i = pages[i].hash_next;
	return i ? &pages[i] : NULL;
}

static struct code_page *page_get(gaddr_t page)
{
	struct code_page *cp = page_find(page);
	u32 *bucket = page_bucket(page);

	if (cp)
		return cp;
	if (npages == MAX_PAGES)
		return NULL;
	cp = &pages[npages++];
	memset(cp, 0, sizeof(*cp));
	cp->page = page;
	cp->hash_next = *bucket;
	*bucket = (u32)(cp - pages);
	return cp;
}

struct block *cache_find(gaddr_t pc, u8 res)
{
	u32 i = hash[hash_of(pc, res)];

	while (i && (cache_blocks[i].pc != pc || cache_blocks[i].res != res))
		i = cache_blocks[i].hash_next;
	return i ? &cache_blocks[i] : NULL;
}

u8 *cache_find_inside(gaddr_t pc, struct block **owner)
{
	struct code_page *cp = page_find(PAGE_DOWN(pc));
	unsigned bit = pc % PAGE_SIZE;

	if (!cp || !(cp->starts[bit / 64] >> (bit % 64) & 1))
		return NULL;
	for (u32 i = cp->head; i;) {
		struct block *b = &cache_blocks[i];
		u32 off;

		if (pc > b->pc && pc < b->pc + b->glen && recipe_boundary(b, pc, 0, &off)) {
			*owner = b;
			return block_host(b) + off;
		}
		i = PAGE_DOWN(b->pc) == cp->page ? b->page_next : b->page_next2;
	}
	return NULL;
}

bool cache_page_has_code(gaddr_t page)
{
	struct code_page *cp = page_find(page);

	return cp && cp->head;
}

struct block *cache_find_host(u64 p)
{
	struct arena *a = cache_arena_of(p);
	u32 lo = 0, hi, off;

	if (!a)
		return NULL;
	off = (u32)(p - (u64)a->base);
	hi = __atomic_load_n(&a->norder, __ATOMIC_ACQUIRE);
	while (lo < hi) {
		u32 mid = (lo + hi) / 2;
		struct block *b = &cache_blocks[a->order[mid]];

		if (off < b->host - RECIPE_ENTRY_LEN)
			hi = mid;
		else if (off >= b->host + b->host_len)
			lo = mid + 1;
		else
			return b;
	}
	return NULL;
}

static void mark_starts(struct block *b, bool set)
{
	struct code_page *cp = page_find(PAGE_DOWN(b->pc));
	struct recipe_walk w;

	if (b->flags & BLOCK_STRADDLE || !cp)
		return;
	recipe_walk_init(&w, b);
	while (recipe_walk_next(&w)) {
		unsigned bit = (b->pc + w.goff) % PAGE_SIZE;

		if (!w.glen || w.res || !w.goff)
			continue;
		if (set)
			cp->starts[bit / 64] |= 1ul << (bit % 64);
		else
			cp->starts[bit / 64] &= ~(1ul << (bit % 64));
	}
}

bool cache_block_publish(struct block *b)
{
	struct arena *a = &cache_arenas[b->arena];
	u32 h = hash_of(b->pc, b->res), id = block_id(b);
	struct code_page *cp = page_get(PAGE_DOWN(b->pc));

	if (!cp)
		return false;
	b->page_next = cp->head;
	cp->head = id;
	if (b->flags & BLOCK_STRADDLE) {
		cp = page_get(PAGE_DOWN(b->pc) + PAGE_SIZE);
		if (!cp)
			return false;
		b->page_next2 = cp->head;
		cp->head = id;
	}
	b->hash_next = hash[h];
	hash[h] = id;
	mark_starts(b, true);
	a->order[a->norder] = id;
	__atomic_store_n(&a->norder, a->norder + 1, __ATOMIC_RELEASE);
	return true;
}

static void list_remove(u32 *link, u32 id, size_t next_off)
{
	while (*link && *link != id)
		link = (u32 *)((u8 *)&cache_blocks[*link] + next_off);
	if (*link)
		*link = *(u32 *)((u8 *)&cache_blocks[id] + next_off);
}

/* page lists mix page_next and page_next2, depending on which page the block starts in */
static void page_remove(gaddr_t page, u32 id)
{
	struct code_page *cp = page_find(page);
	u32 *link = &cp->head;

	while (*link && *link != id) {
		struct block *b = &cache_blocks[*link];

		link = PAGE_DOWN(b->pc) == page ? &b->page_next : &b->page_next2;
	}
	if (*link) {
		struct block *b = &cache_blocks[id];

		*link = PAGE_DOWN(b->pc) == page ? b->page_next : b->page_next2;
	}
}

static void edge_remove(struct exit *x)
{
	u32 *link = &cache_blocks[x->to].in_edges;

	while (*link && *link != exit_id(x))
		link = &cache_exits[*link].next_in;
	if (*link)
		*link = x->next_in;
	x->to = 0;
}

void cache_sever(struct block *b)
{
	u32 id = block_id(b);

	if (b->flags & BLOCK_DEAD)
		return;
	while (b->in_edges)
		BUG_ON(!cache_unlink(&cache_exits[b->in_edges]));
	for (u32 i = 0; i < b->nexits; i++)
		if (cache_exits[b->exit0 + i].to)
			edge_remove(&cache_exits[b->exit0 + i]);
	list_remove(&hash[hash_of(b->pc, b->res)], id, offsetof(struct block, hash_next));
	page_remove(PAGE_DOWN(b->pc), id);
	if (b->flags & BLOCK_STRADDLE)
		page_remove(PAGE_DOWN(b->pc) + PAGE_SIZE, id);
	b->flags |= BLOCK_DEAD;
	cache_epoch++;
}

static u32 sever_page(struct code_page *cp, gaddr_t start, gaddr_t end, void (*dead)(struct block *b))
{
	u32 n = 0;

	for (u32 i = cp->head, next; i; i = next) {
		struct block *b = &cache_blocks[i];

		next = PAGE_DOWN(b->pc) == cp->page ? b->page_next : b->page_next2;
		if (b->pc >= end || b->pc + b->glen <= start)
			continue;
		dead(b);
		cache_sever(b);
		n++;
	}
	if (n && !cp->head)
		memset(cp->starts, 0, sizeof(cp->starts));
	else if (n)
		for (u32 i = cp->head; i;) {
			struct block *b = &cache_blocks[i];

			mark_starts(b, true);
			i = PAGE_DOWN(b->pc) == cp->page ? b->page_next : b->page_next2;
		}
	return n;
}

u32 cache_sever_range(gaddr_t start, gaddr_t end, void (*dead)(struct block *b))
{
	u32 n = 0;

	if ((end - start) / PAGE_SIZE < npages) {
		for (gaddr_t p = PAGE_DOWN(start); p < end; p += PAGE_SIZE) {
			struct code_page *cp = page_find(p);

			if (cp && cp->head)
				n += sever_page(cp, start, end, dead);
		}
		return n;
	}
	for (u32 i = 1; i < npages; i++)
		if (pages[i].head && pages[i].page + PAGE_SIZE > start && pages[i].page < end)
			n += sever_page(&pages[i], start, end, dead);
	return n;
}

void cache_flush_all(void)
{
	for (u32 i = 1; i < cache_nblocks; i++)
		cache_blocks[i].flags |= BLOCK_DEAD;
	memset(hash, 0, sizeof(u32) << HASH_BITS);
	memset(page_hash, 0, sizeof(u32) << PAGE_HASH_BITS);
	cache_nblocks = cache_nexits = 1;
	side_used = 1;
	npages = 1;
	arena_reset_all();
	cache_epoch++;
}
