/* SPDX-License-Identifier: MIT */
/*
 * Stubs: where the exits of a block lead that are not linked. Each says which exit it is and goes on in a tail that
 * names the block:
 *
 * tail:	mov gs:[SLOT_EXIT_NO], r10b (not where the number is there already)
 *	mov dword gs:[SLOT_EXIT], BLOCK
 *	jmp thunk
 *	...
 *	mov r10b, NUMBER            (a call: r11b; r10 at home: mov byte gs:[SLOT_EXIT_NO], NUMBER)
 *	jmp tail
 *
 * They live as long as the block, so that a thread on its way through one never finds it changed. Called with
 * cache_lock held. A thread interrupted in a stub is stepped on to the engine: nothing here changes guest state.
 */
#include "cache/cache.h"

#define STUB_SIZE 8
#define STUB_HOME_SIZE 14
#define TAIL_SIZE 26
#define TAIL_HOME_SIZE 17
#define R10 10
#define R11 11

/* exits that can share a tail */
enum stub_class { STUB_RES0, STUB_RES3 = STUB_RES0 + 3, STUB_CALL, STUB_IJMP, STUB_CLASSES, STUB_NONE };

static enum stub_class class_of(const struct exit *x)
{
	switch (x->kind) {
	case EXIT_JMP: return STUB_RES0 + x->res;
	case EXIT_CALL: return STUB_CALL;
	case EXIT_IJMP: return STUB_IJMP;
	}
	return STUB_NONE; /* calls say by their return address who they are, the others are no exits of this kind */
}

static bool by_memory(enum stub_class c)
{
	return c < STUB_CALL && (c - STUB_RES0) & RES_R10_HOME;
}

static u8 *emit_tail(struct emit *e, struct arena *a, const struct block *b, enum stub_class c)
{
	static const u8 thunk[STUB_CLASSES] = {
		THUNK_EXIT, THUNK_EXIT + 1, THUNK_EXIT + 2, THUNK_EXIT + 3, THUNK_CALL_EXIT, THUNK_JMISS,
	};
	u8 *tail = e->p;

	if (!by_memory(c))
		mov8_slot_r(e, SLOT_EXIT_NO, c == STUB_CALL ? R11 : R10);
	mov_slot_imm(e, SLOT_EXIT, block_id(b));
	jmp_rel32(e, arena_thunk(a, thunk[c]));
	return tail;
}

static void emit_stub(struct emit *e, enum stub_class c, u8 number, const u8 *tail)
{
	if (by_memory(c)) {
		EMIT(e, 0x65, 0xc6, 0x04, 0x25); /* mov byte gs:[SLOT_EXIT_NO], number */
		emit32(e, SLOT_EXIT_NO);
		emit8(e, number);
	} else {
		emit8(e, 0x41);                  /* mov r10b, number */
		emit8(e, c == STUB_CALL ? 0xb3 : 0xb2);
		emit8(e, number);
	}
	jmp_rel32(e, tail);
}

/* bytes the stubs of b take */
static size_t stubs_size(const struct block *b)
{
	bool seen[STUB_CLASSES] = { false };
	size_t bytes = 0;

	for (u32 i = 0; i < b->nexits; i++) {
		enum stub_class c = class_of(&block_exits(b)[i]);

		if (c == STUB_NONE)
			continue;
		bytes += by_memory(c) ? STUB_HOME_SIZE : STUB_SIZE;
		if (!seen[c])
			bytes += by_memory(c) ? TAIL_HOME_SIZE : TAIL_SIZE;
		seen[c] = true;
	}
	return bytes;
}

bool cache_stubs_make(struct block *b)
{
	struct arena *a = &cache_arenas[b->arena];
	size_t bytes = stubs_size(b);
	u8 *tail[STUB_CLASSES] = { NULL };
	struct emit e;

	e.p = bytes ? cache_cold_alloc(a, bytes) : NULL;
	e.limit = e.p + bytes;
	if (bytes && !e.p)
		return false;
	for (u32 i = 0; i < b->nexits; i++) {
		struct exit *x = &block_exits(b)[i];
		enum stub_class c = class_of(x);

		if (x->kind == EXIT_ICALL) {
			x->stub = THUNK_CMISS * THUNK_SIZE;
			cache_point_near(a, x->site, a->base + x->stub);
		}
		if (c == STUB_NONE)
			continue;
		if (!tail[c])
			tail[c] = emit_tail(&e, a, b, c);
		x->stub = (u32)(e.p - a->base);
		emit_stub(&e, c, (u8)i, tail[c]);
		cache_point_near(a, x->site, a->base + x->stub);
	}
	BUG_ON(e.p != e.limit);
	return true;
}
