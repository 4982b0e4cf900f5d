/* SPDX-License-Identifier: MIT */
/*
 * Ways into blocks for indirect branches: entries that verify SLOT_TARGET, in front of the block that one is translated for
 * and otherwise in the arena's cold memory, and there the lookups in the thread's tables. Called by the dispatcher and while
 * a block is translated, with cache_lock held. A thread interrupted in here is stepped on to the next block: none of this
 * changes guest state.
 */
#include "xlate/template.h"

enum { G_RCX = 1, G_R10 = 10, G_R11 = 11 };

static u8 *open_entry(struct arena *a, struct emit *e, size_t bytes)
{
	u8 *p = cache_cold_alloc(a, bytes);

	*e = (struct emit){ p, p + bytes };
	return p;
}

static gaddr_t tag_of(gaddr_t pc, u8 res)
{
	return pc | (res & RES_NOTRACK ? NOTRACK_TAG << NOTRACK_SHIFT : 0);
}

/* rcx: 0, or 1 for LOOP, where SLOT_TARGET == pc. Spilled, and nothing but rcx and r10 or r11 is changed. */
static void compare(struct emit *e, bool call, gaddr_t pc)
{
	int scratch = call ? G_R11 : G_R10;

	mov_slot_r(e, SLOT_SPILL, G_RCX);
	mov_r_slot(e, G_RCX, SLOT_TARGET);
	emit8(e, 0x49);                               /* mov scratch, imm64 */
	emit8(e, 0xb8 | (scratch & 7));
	emit64(e, xlate_opts.loop - pc);
	EMIT(e, 0x4a);                                /* lea rcx, [rcx + scratch] */
	EMIT(e, 0x8d, 0x0c);
	emit8(e, (u8)((scratch & 7) << 3 | G_RCX));
}

#define LEAVE_LEN 14

static void leave_entry(struct emit *e, const u8 *to)
{
	mov_r_slot(e, G_RCX, SLOT_SPILL);
	jmp_rel32(e, to);
}

/*
 * To `block` where SLOT_TARGET == pc, else to `miss`. Without flags, whatever this block does with them: on a miss another
 * block runs, which may read them. rcx is spilled, and back before both jumps. Where LOOP is quick the way to the block has
 * no branch that is taken but its last one (template.c: landing).
 */
static void verify(struct emit *e, bool call, gaddr_t pc, const u8 *block, const u8 *miss)
{
	bool loop = xlate_opts.loop;

	compare(e, call, pc);
	emit8(e, loop ? 0xe2 : 0xe3);                 /* loop: if it was not 1; jrcxz: if it is 0 */
	emit8(e, LEAVE_LEN);
	leave_entry(e, loop ? block : miss);
	leave_entry(e, loop ? miss : block);
}

static void lookup(struct emit *e, int scratch, u32 mask, u32 table)
{
	if (xlate_opts.pext) {
		mov_r_slot(e, scratch, SLOT_TARGET);
		pext_r_slot(e, scratch, mask);
	} else {
		EMIT(e, 0x65, 0x44, 0x0f, 0xb7);         /* movzx scratch, word gs:[SLOT_TARGET] */
		emit8(e, (u8)((scratch & 7) << 3 | 4));
		emit8(e, 0x25);
		emit32(e, SLOT_TARGET);
	}
	EMIT(e, 0x65, 0x42, 0xff, 0x24);                 /* jmp gs:[scratch*8 + table] */
	emit8(e, (u8)(0xc5 | (scratch & 7) << 3));
	emit32(e, table);
}

/*
 * Every so often a wrong prediction goes to the engine, which finds the call sites that have many targets that way.
 * Without flags; rcx is home in front of it and behind.
 */
static void sample(struct arena *a, struct emit *e)
{
	mov_slot_r(e, SLOT_SPILL, G_RCX);
	mov_r_slot(e, G_RCX, SLOT_SAMPLE);
	EMIT(e, 0x48, 0x8d, 0x49, 0xff);                 /* lea rcx, [rcx-1] */
	mov_slot_r(e, SLOT_SAMPLE, G_RCX);
	EMIT(e, 0xe3, 2, 0xeb, 14);                      /* jrcxz: over the jmp */
	mov_r_slot(e, G_RCX, SLOT_SPILL);
	jmp_rel32(e, arena_thunk(a, THUNK_CMISS));
	mov_r_slot(e, G_RCX, SLOT_SPILL);
}

u8 *xlate_lookup(struct arena *a, enum arena_lookup kind)
{
	struct emit e;
	u8 *p;

	if (a->lookup[kind])
		return a->base + a->lookup[kind];
	p = open_entry(a, &e, 96);
	if (!p)
		return NULL;
	if (kind == LOOKUP_CALL_SAMPLED)
		sample(a, &e);
	if (kind == LOOKUP_JUMP)
		lookup(&e, G_R10, SLOT_JMASK, SLOT_JTABLE);
	else
		lookup(&e, G_R11, SLOT_CMASK, SLOT_CTABLE);
	a->lookup[kind] = (u32)(p - a->base);
	return p;
}


static u8 *miss_of(struct arena *a, enum block_entry kind)
{
	switch (kind) {
	case ENTRY_JUMP: return arena_thunk(a, THUNK_JMISS);
	case ENTRY_CALL: return arena_thunk(a, THUNK_CMISS);
	case ENTRY_JUMP_PREDICTED: return xlate_lookup(a, LOOKUP_JUMP);
	default: return xlate_lookup(a, LOOKUP_CALL_SAMPLED);
	}
}

u8 *xlate_entry(struct block *b, enum block_entry kind)
{
	bool call = kind == ENTRY_CALL || kind == ENTRY_CALL_PREDICTED;
	struct arena *a = &cache_arenas[b->arena];
	u8 *miss = miss_of(a, kind), *p;
	struct emit e;

	if (b->entry[kind])
		return a->base + b->entry[kind];
	p = miss ? open_entry(a, &e, 80) : NULL;
	if (!p)
		return NULL;
	verify(&e, call, tag_of(b->pc, b->res),
	       block_host(b) - (call ? RECIPE_ENTRY_LEN : 0), miss);
	b->entry[kind] = (u32)(p - a->base);
	return p;
}

/*
 * What a block is made for stands in front of it, with no branch on the way that is taken: interpreters and switches jump
 * all the time. A call goes on through the call entry. A jump must not: for it that is in the operand of a mov to r10, which is
 * scratch.
 */
void xl_front_entry(struct xl *x, u8 res)
{
	bool call = x->src->front == ENTRY_CALL;
	const u8 *miss = miss_of(x->a, x->src->front);
	struct emit *e = &x->e;
	u8 *back = e->p;

	if (xlate_opts.loop)
		leave_entry(e, miss);
	x->front = e->p;
	compare(e, call, tag_of(x->src->pc, res));
	if (xlate_opts.loop) {
		emit8(e, 0xe2);                              /* loop back: if it was not 1 */
		emit8(e, (u8)(back - (e->p + 1)));
	} else {
		emit8(e, 0xe3);                              /* jrcxz: over the way to miss */
		emit8(e, LEAVE_LEN);
		leave_entry(e, miss);
	}
	mov_r_slot(e, G_RCX, SLOT_SPILL);
	if (!call)
		EMIT(e, 0x49, 0xba, 0, 0);                   /* mov r10, imm64: two bytes and the call entry */
}
