/* SPDX-License-Identifier: MIT */
/*
 * Tables of blocks and exits, and the three ways to find a block: by guest address and residency (hash), by
 * guest page (list and bitmap of instruction boundaries), by host address (order of emission). Writers hold
 * cache_lock. Readers by host address may be signal handlers: entries become visible by one release store.
 */
#include <linux/mman.h>
#include "cache/cache.h"
#include "xlate/recipe.h"

#define META_SIZE (1ul << 30)
#define META_ALIGN (2ul << 20)
#define HASH_BITS 14 /* at first; grows when half full */
#define PAGE_HASH_BITS 12

struct code_page {
	gaddr_t page;
	u32 head;       /* blocks: next by page_next, or page_next2 for a straddler's second page */
	u32 hash_next;
	u32 latest[PAGE_SIZE / 64]; /* for each 64 bytes the last block made of some of them */
	u64 starts[PAGE_SIZE / 64]; /* instruction boundaries of residency-0 blocks; those of dead ones may linger */
};

u8 *cache_meta;
u32 cache_nblocks, cache_nexits;
u64 cache_epoch, cache_generation;

/*
 * Open addressing with linear probing. A slot is a block's id with a few bits of its hash above, so that most lookups,
 * which find nothing, learn so from one cache line. Where a block dies those behind it move up: code that is written
 * again and again would leave nothing but marks of dead blocks in the way to its own place.
 */
#define ID_BITS 27 /* META_SIZE / 8 */
#define ID_MASK ((1u << ID_BITS) - 1)

static u64 meta_used, meta_size;
static u32 *hash, *page_hash;
static u32 hash_bits, hash_used, npages;
static struct code_page *last_page; /* page_find()'s last answer */
static struct rt_lock lock __forked;
static bool orphaned; /* some holder was killed, and nothing was flushed since */

void arena_set_tiny(void);
void arena_reset_all(void);

bool cache_lock(void)
{
	if (unlikely(rt_lock(&lock)))
		orphaned = true;
	return orphaned;
}

void cache_unlock(void)
{
	rt_unlock(&lock);
}

void cache_after_fork(void)
{
	rt_lock_after_fork(&lock);
}

/* Records of all kinds: as much address space as can be had, in huge pages where there are any. */
static bool meta_init(void)
{
	for (meta_size = META_SIZE; meta_size >= META_SIZE / 64; meta_size /= 4) {
		cache_meta = rt_map(meta_size + META_ALIGN);
		if (cache_meta)
			break;
	}
	if (!cache_meta)
		return false;
	cache_meta = (u8 *)(((u64)cache_meta + META_ALIGN - 1) & ~(META_ALIGN - 1));
	sys3(__NR_madvise, cache_meta, meta_size, MADV_HUGEPAGE);
	return true;
}

/* zeroed */
static void *meta_alloc(size_t size)
{
	u8 *p = cache_meta + meta_used;

	size = (size + 7) & ~7ul;
	if (meta_used + size > meta_size)
		return NULL;
	meta_used += size;
	memset(p, 0, size);
	return p;
}

/* no records but the tables */
static bool meta_reset(void)
{
	meta_used = 8; /* id 0 is nobody's */
	hash_bits = HASH_BITS;
	hash = meta_alloc(sizeof(*hash) << hash_bits);
	page_hash = meta_alloc(sizeof(*page_hash) << PAGE_HASH_BITS);
	last_page = NULL;
	cache_nblocks = cache_nexits = npages = hash_used = 0;
	return hash && page_hash;
}

long cache_init(bool tiny)
{
	if (tiny)
		arena_set_tiny();
	return meta_init() && meta_reset() ? 0 : -ENOMEM;
}

struct block *cache_block_new(struct arena *a, u32 nexits, u32 side_len)
{
	struct block *b;

	if (a->norder == a->order_cap)
		return NULL;
	b = meta_alloc(sizeof(*b) + nexits * sizeof(struct exit) + side_len);
	if (!b)
		return NULL;
	cache_nblocks++;
	cache_nexits += nexits;
	b->arena = (u16)(a - cache_arenas);
	b->nexits = (u16)nexits;
	b->side_len = (u16)side_len;
	return b;
}

static u64 hash_of(gaddr_t pc, u8 res)
{
	return (pc * 4 + res) * 0x9e3779b97f4a7c15ull;
}

static u32 hash_home(u64 h)
{
	return (u32)(h >> (64 - hash_bits));
}

static u32 hash_tag(u64 h)
{
	return (u32)h & ~ID_MASK;
}

/* the slot that names this block, or the one that ends its chain */
static u32 *hash_slot(gaddr_t pc, u8 res)
{
	u64 h = hash_of(pc, res);
	u32 i = hash_home(h), tag = hash_tag(h);

	for (;; i = (i + 1) & ((1u << hash_bits) - 1)) {
		u32 slot = hash[i];
		struct block *b = cache_block(slot & ID_MASK);

		if (!slot || ((slot & ~ID_MASK) == tag && b->pc == pc && b->res == res))
			return &hash[i];
	}
}

static void hash_enter(struct block *b)
{
	u32 *slot = hash_slot(b->pc, b->res);

	hash_used += !*slot;
	*slot = hash_tag(hash_of(b->pc, b->res)) | block_id(b);
}

/* A slot becomes empty. What a search from its own home would not find behind it any more takes its place. */
static void hash_leave(u32 *slot)
{
	u32 mask = (1u << hash_bits) - 1, hole = (u32)(slot - hash);

	for (u32 i = (hole + 1) & mask; hash[i]; i = (i + 1) & mask) {
		const struct block *b = cache_block(hash[i] & ID_MASK);

		if (((i - hash_home(hash_of(b->pc, b->res))) & mask) < ((i - hole) & mask))
			continue;
		hash[hole] = hash[i];
		hole = i;
	}
	hash[hole] = 0;
	hash_used--;
}

static u32 *page_bucket(gaddr_t page)
{
	return &page_hash[(page / PAGE_SIZE * 0x9e3779b97f4a7c15ull) >> (64 - PAGE_HASH_BITS)];
}

static struct code_page *page_of(u32 id)
{
	return (struct code_page *)(cache_meta + 8ul * id);
}

static struct code_page *page_find(gaddr_t page)
{
	u32 i;

	if (likely(last_page && last_page->page == page))
		return last_page;
	i = *page_bucket(page);
	while (i && page_of(i)->page != page)
		i = page_of(i)->hash_next;
	if (i)
		last_page = page_of(i);
	return i ? last_page : NULL;
}

static struct code_page *page_get(gaddr_t page)
{
	struct code_page *cp = page_find(page);
	u32 *bucket = page_bucket(page);

	if (cp)
		return cp;
	cp = meta_alloc(sizeof(*cp));
	if (!cp)
		return NULL;
	npages++;
	cp->page = page;
	cp->hash_next = *bucket;
	*bucket = (u32)(((u64)cp - (u64)cache_meta) / 8);
	return cp;
}

static bool starts_at(const struct code_page *cp, gaddr_t pc)
{
	unsigned bit = pc % PAGE_SIZE;

	return cp && cp->starts[bit / 64] >> (bit % 64) & 1;
}

struct block *cache_find(gaddr_t pc, u8 res)
{
	u32 slot = *hash_slot(pc, res);

	return slot ? cache_block(slot & ID_MASK) : NULL;
}

const u64 *cache_known_in(gaddr_t page)
{
	struct code_page *cp = page_find(page);

	return cp ? cp->starts : NULL;
}

/* *owner = b only where that is so: callers take it for an answer */
static u8 *entry_inside(struct block *b, gaddr_t pc, struct block **owner)
{
	u32 off;

	if (b->flags & BLOCK_DEAD || pc <= b->pc || pc >= b->pc + b->glen || !recipe_boundary(b, pc, 0, &off))
		return NULL;
	*owner = b;
	return block_host(b) + off;
}

u8 *cache_find_inside(gaddr_t pc, struct block **owner)
{
	struct code_page *cp = page_find(PAGE_DOWN(pc));
	u32 guess;
	u8 *p;

	if (!starts_at(cp, pc))
		return NULL;
	guess = cp->latest[pc % PAGE_SIZE / 64];
	p = guess ? entry_inside(cache_block(guess), pc, owner) : NULL;
	for (u32 i = cp->head; i && !p;) {
		struct block *b = cache_block(i);

		p = entry_inside(b, pc, owner);
		i = PAGE_DOWN(b->pc) == cp->page ? b->page_next : b->page_next2;
	}
	return p;
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
		struct block *b = cache_block(a->order[mid]);

		if (off < b->host - RECIPE_ENTRY_LEN)
			hi = mid;
		else if (off >= b->host + b->host_len)
			lo = mid + 1;
		else
			return b;
	}
	return NULL;
}

/* anew from the side table */
static void mark_starts(struct block *b)
{
	struct code_page *cp = page_find(PAGE_DOWN(b->pc));
	struct recipe_walk w;

	recipe_walk_init(&w, b);
	while (recipe_walk_next(&w)) {
		unsigned bit = (b->pc + w.goff) % PAGE_SIZE;

		if (w.glen && !w.res)
			cp->starts[bit / 64] |= 1ul << (bit % 64);
		if (b->flags & BLOCK_STRADDLE)
			break;
	}
}

static void page_enter(struct code_page *cp, const struct block *b, const u64 *starts)
{
	u32 first = b->pc % PAGE_SIZE / 64, last = (u32)((b->pc % PAGE_SIZE + b->glen - 1) / 64);

	for (u32 i = first; i <= last && i < PAGE_SIZE / 64; i++) {
		cp->starts[i] |= starts[i];
		cp->latest[i] = block_id(b);
	}
}

/* at twice the size; false when memory is out */
static bool grow_hash(void)
{
	u32 *bigger = meta_alloc(sizeof(*hash) << (hash_bits + 1)), *old = hash;

	if (!bigger)
		return false;
	hash = bigger;
	hash_bits++;
	hash_used = 0;
	for (u32 i = 0; i < 1u << (hash_bits - 1); i++)
		if (old[i])
			hash_enter(cache_block(old[i] & ID_MASK));
	return true;
}

bool cache_block_publish(struct block *b, const u64 *starts)
{
	struct arena *a = &cache_arenas[b->arena];
	u32 id = block_id(b);
	struct code_page *cp = page_get(PAGE_DOWN(b->pc));

	if (!cp || (hash_used >= 1u << (hash_bits - 1) && !grow_hash()))
		return false;
	b->page_next = cp->head;
	cp->head = id;
	if (starts)
		page_enter(cp, b, starts);
	if (b->flags & BLOCK_STRADDLE) {
		cp = page_get(PAGE_DOWN(b->pc) + PAGE_SIZE);
		if (!cp)
			return false;
		b->page_next2 = cp->head;
		cp->head = id;
	}
	hash_enter(b);
	a->order[a->norder] = id;
	__atomic_store_n(&a->norder, a->norder + 1, __ATOMIC_RELEASE);
	return true;
}

/* page lists mix page_next and page_next2, depending on which page the block starts in */
static void page_remove(gaddr_t page, u32 id)
{
	struct code_page *cp = page_find(page);
	u32 *link = &cp->head;

	while (*link && *link != id) {
		struct block *b = cache_block(*link);

		link = PAGE_DOWN(b->pc) == page ? &b->page_next : &b->page_next2;
	}
	if (*link) {
		struct block *b = cache_block(id);

		*link = PAGE_DOWN(b->pc) == page ? b->page_next : b->page_next2;
	}
}

static void edge_remove(struct exit *x)
{
	u32 *link = &cache_block(x->to)->in_edges;

	while (*link && *link != exit_id(x))
		link = &cache_exit(*link)->next_in;
	if (*link)
		*link = x->next_in;
	x->to = 0;
}

void cache_sever(struct block *b)
{
	u32 id = block_id(b);
	u32 *slot;

	if (b->flags & BLOCK_DEAD)
		return;
	while (b->in_edges)
		cache_unlink(cache_exit(b->in_edges));
	for (u32 i = 0; i < b->nexits; i++)
		if (block_exits(b)[i].to)
			edge_remove(&block_exits(b)[i]);
	slot = hash_slot(b->pc, b->res);
	if ((*slot & ID_MASK) == id)
		hash_leave(slot);
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
		struct block *b = cache_block(i);

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
			struct block *b = cache_block(i);

			mark_starts(b);
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
	for (u32 h = 0; h < 1u << PAGE_HASH_BITS; h++)
		for (u32 i = page_hash[h]; i; i = page_of(i)->hash_next)
			if (page_of(i)->head && page_of(i)->page + PAGE_SIZE > start && page_of(i)->page < end)
				n += sever_page(page_of(i), start, end, dead);
	return n;
}

void cache_flush_all(void)
{
	BUG_ON(!meta_reset());
	arena_reset_all();
	orphaned = false;
	cache_epoch++;
	cache_generation++;
}
