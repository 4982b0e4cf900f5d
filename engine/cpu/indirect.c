/* SPDX-License-Identifier: MIT */
/*
 * Indirect branches that found no way: unpredicted sites, and tables without the target. Called from enter.S on the
 * thread's engine stack.
 *
 * Calls go through the thread's table. Every SAMPLE_EVERYth comes here, whatever it finds there, and its site is
 * predicted from then on; where that fails, the table is asked again, and a site of many targets that comes up in
 * enough samples is given up for the table. Jumps that have one target as a rule (PLT slots) are predicted when they
 * saw it twice running: the first run of a slot goes to the resolver, all others elsewhere.
 */
#include <linux/signal.h>
#include "cpu/cpu.h"

#define SAMPLE_EVERY 64
#define SITE_MISSES 4

static struct block *target_block(struct vcpu *v, u8 res, enum block_entry entry)
{
	struct block *b = cache_find(v->rip, res);

	return b ? b : cpu_build(v, v->rip, res, entry);
}

/* RES_NOTRACK if SLOT_TARGET says so, which is the target alone afterwards */
static u8 take_notrack(struct vcpu *v)
{
	if (likely(!xlate_opts.ibt) || v->target >> NOTRACK_SHIFT != NOTRACK_TAG)
		return 0;
	v->target &= (1ul << NOTRACK_SHIFT) - 1;
	return RES_NOTRACK;
}

/*
 * --ibt: what a branch without NOTRACK may go to. Here and nowhere else: what is let through enters tables and links, what is
 * there has been let through. The fault is the target's, as on a CPU.
 */
static bool stopped(struct vcpu *v, u8 res, gaddr_t from)
{
	static const u8 endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	u8 code[4];

	if (likely(!xlate_opts.ibt) || res || !cpu_up.wants_endbr(v->rip))
		return false;
	if (rt_copy_from_guest(code, v->rip, 4) || !memcmp(code, endbr64, 4))
		return false; /* what cannot be read says so when it runs */
	if (violation_endbr(v, from))
		return false;
	cpu_up.fault(v, SIGSEGV, 10 /* SEGV_CPERR */, 0, 21, 3);
	cpu_prepare(v);
	return true;
}

/* worth predicting: the same target as last time */
static bool seen_twice(struct exit *x, gaddr_t target)
{
	bool same = x->delta == (s32)target;

	x->delta = (s32)target;
	return same && !xlate_opts.one_insn;
}

static void link_to(struct exit *x, struct block *b, enum block_entry kind)
{
	u8 *entry = xlate_entry(b, kind);

	if (entry)
		cache_link(x, b, entry);
}

void cpu_on_jmiss(struct vcpu *v);
void cpu_on_jmiss(struct vcpu *v)
{
	struct exit *x = v->exit_id ? cache_exit(v->exit_id) : NULL;
	u64 generation = cache_generation;
	u8 *entry, res = take_notrack(v);
	struct block *b;
	gaddr_t from = 0;

	v->exit_id = 0;
	if (unlikely(xlate_opts.ibt) && x)
		from = emul_branch_of(exit_block(x));
	if (unlikely(!cpu_is_canonical(v->target))) {
		emul_wild_jump(v, x ? exit_block(x) : NULL);
		cpu_prepare(v);
		return;
	}
	v->rip = v->target;
	cpu_go_outside(v);
	if (unlikely(stopped(v, res, from)))
		return;
	cpu_lock_cache(v);
	b = target_block(v, res, ENTRY_JUMP);
	entry = b ? xlate_entry(b, ENTRY_JUMP) : NULL;
	if (entry) {
		cpu_jump_enter(v, v->rip, entry);
		if (x && generation == cache_generation && !(exit_block(x)->flags & BLOCK_DEAD) && !x->to &&
		    seen_twice(x, v->rip))
			link_to(x, b, ENTRY_JUMP_PREDICTED);
	}
	cache_unlock();
	v->stat_jmiss++;
	cpu_prepare(v);
}

/* [holds: cache_lock] the site whose host return address stands on the twin stack */
static struct exit *icall_site(struct vcpu *v)
{
	u64 h = *(u64 *)v->twin_sp;
	struct block *b = v->pending & PEND_FLUSH ? NULL : cache_find_host(h); /* stale from end to end */

	for (u32 i = 0; b && i < b->nexits; i++) {
		struct exit *x = &block_exits(b)[i];

		if (x->kind == EXIT_ICALL && (u64)exit_site(b, x) + 4 == h)
			return b->flags & BLOCK_DEAD ? NULL : x;
	}
	return NULL;
}

static void give_up(struct exit *x)
{
	u8 *table = xlate_lookup(&cache_arenas[exit_block(x)->arena], LOOKUP_CALL);

	if (!table)
		return;
	if (x->to)
		cache_unlink(x);
	x->via_table = cache_point(x, table);
}

static void learn(struct exit *x, struct block *b)
{
	if (x->via_table || xlate_opts.one_insn)
		return;
	if (!x->to)
		link_to(x, b, ENTRY_CALL_PREDICTED);
	else if (x->misses == SITE_MISSES - 1)
		give_up(x);
	else
		x->misses++;
}

void cpu_on_cmiss(struct vcpu *v);
void cpu_on_cmiss(struct vcpu *v)
{
	bool sampled = !v->sample;
	u8 *entry, res = take_notrack(v);
	struct exit *x;
	struct block *b;

	v->exit_id = 0;
	if (sampled)
		v->sample = SAMPLE_EVERY;
	if (unlikely(!cpu_is_canonical(v->target))) {
		emul_wild_call(v);
		cpu_prepare(v);
		return;
	}
	v->rip = v->target;
	cpu_go_outside(v);
	if (unlikely(stopped(v, res, 0)))
		return;
	cpu_lock_cache(v);
	b = target_block(v, res, ENTRY_CALL);
	entry = b ? xlate_entry(b, ENTRY_CALL) : NULL;
	if (entry) {
		cpu_call_enter(v, v->rip, entry);
		x = sampled ? icall_site(v) : NULL;
		if (x)
			learn(x, b);
	}
	cache_unlock();
	v->stat_cmiss++;
	cpu_prepare(v);
}
