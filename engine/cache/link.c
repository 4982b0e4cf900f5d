/* SPDX-License-Identifier: MIT */
/*
 * Edges: an exit's rel32 points at its stub or at another block; changing it is one aligned store, old and
 * new target both valid. Called with cache_lock held; other threads may be running the code.
 */
#include "cache/cache.h"

/* a jump to a target out of rel32 reach: in the source's arena, ending in an absolute address */
static u8 *far_jump(struct arena *a, const u8 *to)
{
	u8 *p = cache_cold_alloc(a, 16);
	struct emit e;

	if (!p)
		return NULL;
	e = (struct emit){ p, p + 16 };
	EMIT(&e, 0xff, 0x25, 2, 0, 0, 0, 0, 0); /* jmp [rip+2]: aligned, the guest may have AC set */
	emit64(&e, (u64)to);
	return p;
}

bool cache_point(struct exit *x, const u8 *to)
{
	struct block *b = exit_block(x);
	u8 *site = exit_site(b, x);

	if (!fits_s32(to - (site + 4))) {
		to = far_jump(&cache_arenas[b->arena], to);
		if (!to)
			return false;
	}
	__atomic_store_n((u32 *)site, (u32)(to - (site + 4)), __ATOMIC_RELEASE);
	return true;
}

void cache_link(struct exit *x, struct block *b, u8 *entry)
{
	if (!cache_point(x, entry))
		return;
	x->to = block_id(b);
	x->next_in = b->in_edges;
	b->in_edges = exit_id(x);
}

void cache_unlink(struct exit *x)
{
	struct block *b = cache_block(x->to);
	u32 *link;

	BUG_ON(!cache_point(x, cache_stub_of(x)));
	if (!x->to)
		return;
	for (link = &b->in_edges; *link != exit_id(x); link = &cache_exit(*link)->next_in)
		BUG_ON(!*link);
	*link = x->next_in;
	x->to = 0;
}
