/* SPDX-License-Identifier: MIT */
/*
 * One block: a run of guest instructions (xlate/run.c), then its record, its exits, its place in the tables. Called by
 * the dispatcher with cache_lock held, on an engine stack.
 */
#include "xlate/critical.h"
#include "xlate/template.h"

struct xlate_opts xlate_opts;
static struct xl xl; /* under cache_lock: one translation at a time; too big for an engine stack */

void xl_record(struct xl *x, enum rkind kind, u32 glen)
{
	u32 hlen = (u32)(x->e.p - x->rec_start);

	BUG_ON(hlen > 255 || x->nside + 2 > sizeof(x->side));
	x->side[x->nside++] = (u8)hlen;
	x->side[x->nside++] = (u8)(glen | kind << 4);
	x->rec_start = x->e.p;
	x->res = recipe_res_after((u8)kind, x->res);
}

void xl_exit_site(struct xl *x, u8 kind, gaddr_t target)
{
	BUG_ON(x->nexits == XLATE_MAX_EXITS);
	x->exits[x->nexits++] = (struct pending_exit){
		.target = target, .site = x->e.p, .kind = kind, .res = x->res,
	};
}

static void record_exit(struct xl *x, struct block *b, struct exit *ex, const struct pending_exit *p)
{
	s64 delta = (s64)(p->target - b->pc);

	BUG_ON(delta != (s32)delta && delta - (1l << 32) != (s32)delta && delta + (1l << 32) != (s32)delta &&
	       p->kind != EXIT_ICALL && p->kind != EXIT_IJMP);
	ex->delta = (s32)delta;
	ex->wraps = delta != (s32)delta;
	ex->index = (u16)(ex - block_exits(b)) & 127u;
	ex->site = (u16)(p->site - x->start);
	ex->kind = p->kind & 7u;
	ex->res = p->res & 3u;
	if (ex->kind >= EXIT_SYSCALL && !xlate_opts.sealed) /* the id goes into the code; it goes on behind */
		__builtin_memcpy(p->site - 9, &(u32){ exit_id(ex) }, 4);
}

/* Jumps forward inside the block are no exits: what they jump to lives and dies with them. */
static void resolve_inside(struct xl *x, u32 glen)
{
	u32 kept = 0;

	for (u32 i = 0; i < x->nexits; i++) {
		const struct pending_exit *p = &x->exits[i];
		u32 off = (u32)(p->target - x->src->pc);
		u8 *to;

		if (p->kind == EXIT_JMP && p->target - x->src->pc < glen && xl_is_bound(x, p->target)) {
			to = x->start + x->bound_at[off] / 4;
			if (x->bound_at[off] % 4 == p->res && to > p->site) {
				__builtin_memcpy(p->site, &(s32){ (s32)(to - p->site - 4) }, 4);
				continue;
			}
		}
		x->exits[kept++] = *p;
	}
	x->nexits = kept;
}

static struct block *publish(struct xl *x, u32 glen, u8 flags, u8 res)
{
	struct block *b;

	resolve_inside(x, glen);
	b = cache_block_new(x->a, x->nexits, x->nside);
	if (!b)
		return NULL;
	b->pc = x->src->pc;
	b->res = res;
	b->glen = (u16)glen;
	b->flags = flags;
	b->host = (u32)(x->start - x->a->base);
	b->host_len = (u32)(x->e.p - x->start);
	if (x->front)
		b->entry[x->src->front] = (u32)(x->front - x->a->base);
	memcpy(block_side(b), x->side, x->nside);
	for (u32 i = 0; i < x->nexits; i++)
		record_exit(x, b, &block_exits(b)[i], &x->exits[i]);
	if (x->ret_id)
		__builtin_memcpy(x->ret_id, &(u32){ block_id(b) }, 4);
	x->a->next = (u8 *)(((u64)x->e.p + 15) & ~15ul);
	return cache_block_publish(b, res & RES_STEP || flags & BLOCK_CRITICAL ? NULL : x->starts) ? b : NULL;
}

static u8 *entry_for(struct exit *ex, struct block **to)
{
	gaddr_t target = exit_target(ex);
	u8 *inside;

	*to = cache_find(target, ex->res);
	if (*to)
		return block_host(*to) - (ex->kind == EXIT_CALL ? RECIPE_ENTRY_LEN : 0);
	if (ex->res || ex->kind != EXIT_JMP)
		return NULL;
	inside = cache_find_inside(target, to);
	return inside;
}

void xlate_link(struct exit *ex)
{
	struct block *to;
	u8 *entry;

	if (ex->to || ex->kind > EXIT_CALL || xlate_opts.one_insn)
		return;
	entry = entry_for(ex, &to);
	if (entry)
		cache_link(ex, to, entry);
}

/* stubs for all exits; then links what can be linked now */
static bool settle_exits(struct block *b)
{
	if (!cache_stubs_make(b))
		return false;
	for (u32 i = 0; i < b->nexits; i++)
		xlate_link(&block_exits(b)[i]);
	return true;
}

/* the critical section that begins here, if it has a block of its own */
static u32 critical_run(struct xl *x, u8 res, u8 *flags)
{
	struct critical *c = res & RES_STEP || xlate_opts.sealed ? NULL : critical_at(x->pc);
	u32 glen;

	if (likely(!c) || !critical_confirm(c))
		return 0;
	glen = xl_critical(x, c, res);
	if (glen)
		*flags = BLOCK_CRITICAL | (glen > x->src->avail ? BLOCK_STRADDLE : 0);
	return glen;
}

struct block *xlate_block(const struct xlate_source *src, u8 res)
{
	struct xl *x = &xl;
	struct block *b;
	u32 glen;
	u8 flags = 0;

	x->src = src;
	x->a = cache_arena_for(src->pc);
	if (!x->a)
		return NULL;
	x->e = (struct emit){ x->a->next, x->a->next + XLATE_ROOM };
	x->pc = src->pc;
	x->code = src->code;
	x->res = res & (u8)~RES_KEYS;
	x->nside = x->nexits = 0;
	x->ret_id = NULL;
	x->slow = NULL;
	x->front = NULL;
	if (src->front != ENTRY_NONE)
		xl_front_entry(x, res);
	/* call entry, 6 bytes: recover_entry() knows it */
	EMIT(&x->e, 0x49, 0x89, 0xe3); /* mov r11, rsp */
	EMIT(&x->e, 0x4c, 0x89, 0xd4); /* mov rsp, r10 */
	x->start = x->rec_start = x->e.p;
	glen = critical_run(x, res, &flags);
	if (!glen)
		glen = xl_run(x);
	if (!glen)
		glen = xl_straddler(x, &flags);
	b = publish(x, glen, flags, res);
	xl_forget_bounds(x, glen);
	return b && settle_exits(b) ? b : NULL;
}
