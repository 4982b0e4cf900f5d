/* SPDX-License-Identifier: MIT */
/*
 * Stubs: where the exits of a block lead that are not linked. Each names its exit and goes to the engine:
 *
 *	mov r10d, EXIT    (a call: r11d; where r10 is taken: mov dword gs:[SLOT_EXIT], EXIT)
 *	jmp thunk
 *
 * In sealed code (docs/architecture.md) every exit has one, which saves rax first: mov gs:[SLOT_OPEN_RAX], rax; mov eax, EXIT.
 *
 * A block's stubs stand in one piece, in the order of its exits, and live as long as it does, so that a thread on its
 * way through one never finds it changed. Called with cache_lock held. A thread interrupted in a stub is stepped on
 * to the engine: nothing here changes guest state.
 */
#include "cache/cache.h"
#include "xlate/xlate.h"

#define BY_REGISTER 11
#define BY_MEMORY 17
#define SEALED 19

/* 0: none. An indirect call goes through the thread's table, the others are not linked. */
static u32 stub_size(const struct exit *x)
{
	if (unlikely(xlate_opts.sealed))
		return SEALED;
	switch (x->kind) {
	case EXIT_JMP: return x->res & RES_R10_HOME ? BY_MEMORY : BY_REGISTER;
	case EXIT_CALL: return BY_REGISTER;
	case EXIT_IJMP: return BY_MEMORY;
	}
	return 0;
}

static void emit_sealed(struct emit *e, struct arena *a, const struct exit *x)
{
	mov_slot_r(e, SLOT_OPEN_RAX, 0);
	emit8(e, 0xb8); /* mov eax, EXIT */
	emit32(e, exit_id(x));
	jmp_rel32(e, arena_thunk(a, THUNK_SEALED));
}

static void emit_stub(struct emit *e, struct arena *a, const struct exit *x)
{
	enum thunk thunk = x->kind == EXIT_JMP ? THUNK_EXIT + x->res : x->kind == EXIT_CALL ? THUNK_CALL_EXIT : THUNK_JMISS;

	if (stub_size(x) == SEALED) {
		emit_sealed(e, a, x);
		return;
	}
	if (stub_size(x) == BY_MEMORY) {
		mov_slot_imm(e, SLOT_EXIT, exit_id(x));
	} else {
		emit8(e, 0x41);
		emit8(e, x->kind == EXIT_CALL ? 0xbb : 0xba);
		emit32(e, exit_id(x));
	}
	jmp_rel32(e, arena_thunk(a, thunk));
}

bool cache_stubs_make(struct block *b)
{
	struct arena *a = &cache_arenas[b->arena];
	struct exit *x = block_exits(b), *end = x + b->nexits;
	u32 bytes = 0;
	struct emit e;

	for (; x < end; x++)
		bytes += stub_size(x);
	e.p = bytes ? cache_cold_alloc(a, bytes) : a->base;
	if (!e.p || !xlate_lookup(a, LOOKUP_CALL_SAMPLED))
		return false;
	e.limit = e.p + bytes;
	b->stubs = (u32)(e.p - a->base);
	for (x = block_exits(b); x < end; x++) {
		if (x->kind == EXIT_ICALL)
			cache_point_near(b, x, xlate_lookup(a, LOOKUP_CALL_SAMPLED));
		if (!stub_size(x))
			continue;
		cache_point_near(b, x, e.p);
		emit_stub(&e, a, x);
	}
	BUG_ON(e.p != e.limit);
	return true;
}

u8 *cache_stub_of(const struct exit *x)
{
	const struct block *b = exit_block(x);
	struct arena *a = &cache_arenas[b->arena];
	u8 *p = a->base + b->stubs;

	if (x->kind == EXIT_ICALL)
		return xlate_lookup(a, LOOKUP_CALL_SAMPLED); /* made with the block */
	for (const struct exit *y = block_exits(b); y < x; y++)
		p += stub_size(y);
	return p;
}
