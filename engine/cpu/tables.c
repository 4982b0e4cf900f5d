/* SPDX-License-Identifier: MIT */
/*
 * Each thread's tables of indirect entries: where jumps and calls go that nobody predicts. An entry is the host
 * address of a way into a block, which verifies the target itself; so a wrong entry costs a miss, no more.
 *
 * The index is what PEXT takes out of the target by a mask in the vcpu, so that a table begins small and grows with
 * the targets that clash in it. Without a fast PEXT it is the low 16 bits, and tables have their full size.
 * Called by the dispatcher and with cache_lock held, or before the thread runs.
 */
#include "cpu/cpu.h"
#include "gnomon/board.h"
#include "rt/engine.h"

#define MIN_BITS 10   /* where the tables of a new thread begin, */
#define FIRST_BITS 12 /* and those of the first one */
#define LAST_BITS 16
#define CLASHES 256 /* entries overwritten by another until a table grows */

/* functions begin at multiples of 16, the targets of jumps anywhere */
static const u64 jump_masks[] = { 0x3ff, 0x7ff, 0xfff, 0x1fff, 0x3fff, 0x7fff, 0xffff };
static const u64 call_masks[] = { 0x3ff0, 0x7ff0, 0xfff0, 0x1fff0, 0x1fff8, 0x3fff8, 0x3fffc };

static bool has_pext(void)
{
	return eng.set.flags & GN_OPT_PEXT;
}

static u64 pext(u64 v, u64 mask)
{
	u64 r;

	__asm__("pext %2, %1, %0" : "=r"(r) : "r"(v), "r"(mask));
	return r;
}

static u64 pdep(u64 v, u64 mask)
{
	u64 r;

	__asm__("pdep %2, %1, %0" : "=r"(r) : "r"(v), "r"(mask));
	return r;
}

static u64 *slot_of(const struct itable *t, gaddr_t target)
{
	return &t->at[has_pext() ? pext(target, t->mask) : target % (1u << LAST_BITS)];
}

static void fill(struct itable *t)
{
	for (u32 i = 0; i < 1u << t->bits; i++)
		t->at[i] = t->miss;
}

static void table_init(struct itable *t, u64 *at, const u64 *masks, void (*miss)(void))
{
	t->at = at;
	t->miss = (u64)miss;
	t->bits = !has_pext() ? LAST_BITS : cpu_threads ? MIN_BITS : FIRST_BITS;
	t->mask = masks[t->bits - MIN_BITS];
	rt_populate(at, sizeof(u64) << t->bits);
	fill(t);
}

void cpu_tables_init(struct vcpu *v)
{
	v->sample = 1; /* counted down in front of the test */
	table_init(&v->jumps, (u64 *)((u8 *)v + SLOT_JTABLE), jump_masks, cpu_exit_jmiss);
	table_init(&v->calls, (u64 *)((u8 *)v + SLOT_CTABLE), call_masks, cpu_exit_cmiss);
}

/*
 * To twice the size. What stood in an entry stands in both that it becomes: behind the wrong one it is a miss. An
 * entry never moves down, so the last goes first.
 */
static void grow(struct itable *t, u64 mask)
{
	u64 old = t->mask;

	t->bits++;
	rt_populate(t->at, sizeof(u64) << t->bits);
	for (u32 i = 1u << t->bits; i-- > 0;)
		t->at[i] = t->at[pext(pdep(i, mask), old)];
	t->mask = mask;
}

static void enter(struct itable *t, const u64 *masks, gaddr_t target, const u8 *entry)
{
	u64 *slot = slot_of(t, target);

	if (*slot != t->miss && ++t->clashes % CLASHES == 0 && t->bits < LAST_BITS) {
		grow(t, masks[t->bits + 1 - MIN_BITS]);
		slot = slot_of(t, target);
	}
	*slot = (u64)entry;
}

void cpu_jump_enter(struct vcpu *v, gaddr_t target, const u8 *entry)
{
	enter(&v->jumps, jump_masks, target, entry);
}

void cpu_call_enter(struct vcpu *v, gaddr_t target, const u8 *entry)
{
	enter(&v->calls, call_masks, target, entry);
}

static void forget(struct itable *t, const struct block *b, enum block_entry kind)
{
	u64 *slot = slot_of(t, b->pc);

	if (b->entry[kind] && *slot == (u64)cache_arenas[b->arena].base + b->entry[kind])
		*slot = t->miss;
}

void cpu_tables_forget(struct block *b)
{
	for (struct vcpu *v = cpu_threads; v; v = v->next) {
		forget(&v->jumps, b, ENTRY_JUMP);
		forget(&v->calls, b, ENTRY_CALL);
	}
}

void cpu_tables_reset(struct vcpu *v)
{
	fill(&v->jumps);
	fill(&v->calls);
}
