/* SPDX-License-Identifier: MIT */
/*
 * Edges: an exit's rel32 points at its stub or at another block; changing it is one aligned store, old and
 * new target both valid. Called with cache_lock held; other threads may be running the code.
 */
#include "cache/cache.h"

static u32 *site_of(struct arena *a, u32 site)
{
	return (u32 *)(a->base + site);
}

/* a jump to a target out of rel32 reach: in the source's arena, ending in an absolute address */
static u8 *far_jump(struct arena *a, const u8 *to)
{
	u8 *p = cache_cold_alloc(a, 16);
	struct emit e = { p, p + 16 };

	if (!p)
		return NULL;
	EMIT(&e, 0xff, 0x25, 0, 0, 0, 0);
	emit64(&e, (u64)to);
	return p;
}

bool cache_point(struct arena *a, u32 site, const u8 *to)
{
	u8 *from = a->base + site + 4;

	if (!fits_s32(to - from)) {
		to = far_jump(a, to);
		if (!to)
			return false;
	}
	__atomic_store_n(site_of(a, site), (u32)(to - from), __ATOMIC_RELEASE);
	return true;
}

void cache_link(struct exit *x, struct block *b, u8 *entry)
{
	struct arena *a = &cache_arenas[cache_block(x->block)->arena];

	if (!cache_point(a, x->site, entry))
		return;
	x->to = block_id(b);
	x->next_in = b->in_edges;
	b->in_edges = exit_id(x);
	if (x->stub && x->kind == EXIT_JMP) {
		cache_stub_free(a, a->base + x->stub);
		x->stub = 0;
	}
}

static u8 *make_stub(struct arena *a, struct exit *x)
{
	u8 *p = cache_stub_alloc(a);
	struct emit e = { p, p + STUB_SIZE - 4 };
	int t;

	if (!p)
		return NULL;
	switch (x->kind) {
	case EXIT_JMP: t = THUNK_EXIT + x->res; break;
	case EXIT_CALL: t = THUNK_CALL_EXIT; break;
	case EXIT_ICALL: t = THUNK_CMISS; break;
	default: t = THUNK_JMISS; break;
	}
	mov_slot_imm(&e, SLOT_EXIT, exit_id(x));
	jmp_rel32(&e, arena_thunk(a, t));
	x->stub = (u32)(p - a->base);
	return p;
}

bool cache_unlink(struct exit *x)
{
	struct block *b = cache_block(x->to);
	struct arena *a = &cache_arenas[cache_block(x->block)->arena];
	u8 *stub = x->stub ? a->base + x->stub : make_stub(a, x);
	u32 *link;

	if (!stub || !cache_point(a, x->site, stub))
		return false;
	if (!x->to)
		return true;
	for (link = &b->in_edges; *link != exit_id(x); link = &cache_exit(*link)->next_in)
		BUG_ON(!*link);
	*link = x->next_in;
	x->to = 0;
	return true;
}
