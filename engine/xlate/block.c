/* SPDX-License-Identifier: MIT */
/*
 * One block: decode a run of guest instructions, choose a template for each, emit, publish. Called by the
 * dispatcher with cache_lock held, on an engine stack.
 */
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
	x->res = recipe_res_after(kind, x->res);
}

void xl_exit_site(struct xl *x, u8 kind, gaddr_t target)
{
	BUG_ON(x->nexits == XLATE_MAX_EXITS);
	x->exits[x->nexits++] = (struct pending_exit){
		.target = target, .site = x->e.p, .kind = kind, .res = x->res,
	};
}

static bool ends_block(const struct insn *in)
{
	switch (in->class) {
	case INSN_JMP:
	case INSN_JMP_IND:
	case INSN_RET:
	case INSN_JMP_FAR:
	case INSN_CALL_FAR:
	case INSN_RET_FAR:
	case INSN_IRET:
	case INSN_UD:
	case INSN_INVALID:
		return true;
	case INSN_INT:
		return in->imm != 3;
	}
	return false;
}

static bool flags_dead_after(struct xl *x, const struct insn *in)
{
	const struct xlate_source *s = x->src;
	gaddr_t next = x->pc + in->len;

	if (!xlate_opts.fast_flags || next >= s->pc + s->avail)
		return false;
	return !liveness_flags(next, s->code + (next - s->pc), (u32)(s->pc + s->avail - next));
}

/* r10/r11 that the instruction names must be at home */
static void bring_home(struct xl *x, const struct insn *in)
{
	u16 named = (in->gpr_where[10] ? 1u << 10 : 0) | (in->gpr_where[11] ? 1u << 11 : 0);

	named |= (in->gpr_read | in->gpr_write) & (1u << 10 | 1u << 11);
	if (named & 1u << 10 && !(x->res & RES_R10_HOME))
		xl_home(x, RES_R10_HOME);
	if (named & 1u << 11 && !(x->res & RES_R11_HOME))
		xl_home(x, RES_R11_HOME);
}

static void translate_one(struct xl *x, const struct insn *in)
{
	switch (in->class) {
	case INSN_JCC:
		xl_jcc(x, in);
		return;
	case INSN_LOOP:
		xl_loop(x, in);
		return;
	case INSN_JMP:
		xl_jmp(x, in->target, in->len);
		return;
	case INSN_CALL:
		if (in->target == x->pc + in->len)
			xl_engine(x, in, EXIT_EMUL); /* call $+5: pushes, but not on the shadow stack */
		else
			xl_call(x, in, flags_dead_after(x, in));
		return;
	case INSN_CALL_IND:
		if (in->seg == 0x65 || in->opsize || in->addrsize)
			xl_engine(x, in, EXIT_EMUL);
		else
			xl_call_ind(x, in, flags_dead_after(x, in));
		return;
	case INSN_JMP_IND:
		if (in->seg == 0x65 || in->opsize || in->addrsize)
			xl_engine(x, in, EXIT_EMUL);
		else
			xl_jmp_ind(x, in);
		return;
	case INSN_RET:
		if (in->imm || in->opsize)
			xl_engine(x, in, EXIT_EMUL);
		else
			xl_ret(x, in);
		return;
	case INSN_SYSCALL:
		xl_engine(x, in, EXIT_SYSCALL);
		return;
	case INSN_PLAIN:
	case INSN_FSBASE:
	case INSN_ENDBR:
	case INSN_XGETBV:
	case INSN_PKRU:
	case INSN_XRSTOR:
	case INSN_XABORT:
	case INSN_PRIV:
	case INSN_UD:
		if (in->seg != 0x65 || !in->mem) {
			bring_home(x, in);
			xl_copy(x, in);
			return;
		}
		/* fallthrough */
	default:
		xl_engine(x, in, EXIT_EMUL);
	}
}

static void record_exit(struct xl *x, struct block *b, struct exit *ex, const struct pending_exit *p)
{
	ex->block = block_id(b);
	ex->target = p->target;
	ex->site = (u32)(p->site - x->a->base);
	ex->kind = p->kind;
	ex->res = p->res;
	if (ex->kind >= EXIT_SYSCALL) /* the id goes into the code; it goes on behind */
		__builtin_memcpy(p->site - 9, &(u32){ exit_id(ex) }, 4);
}

static struct block *publish(struct xl *x, u32 glen, u8 flags, u8 res)
{
	struct block *b = cache_block_new(x->a, x->nexits, x->nside);

	if (!b)
		return NULL;
	b->pc = x->src->pc;
	b->res = res;
	b->glen = (u16)glen;
	b->flags = flags;
	b->host = (u32)(x->start - x->a->base);
	b->host_len = (u32)(x->e.p - x->start);
	memcpy(block_side(b), x->side, x->nside);
	for (u32 i = 0; i < x->nexits; i++)
		record_exit(x, b, &block_exits(b)[i], &x->exits[i]);
	x->a->next = (u8 *)(((u64)x->e.p + 15) & ~15ul);
	return cache_block_publish(b) ? b : NULL;
}

static u8 *entry_for(struct exit *ex, struct block **to)
{
	u8 *inside;

	*to = cache_find(ex->target, ex->res);
	if (*to)
		return block_host(*to) - (ex->kind == EXIT_CALL ? RECIPE_ENTRY_LEN : 0);
	if (ex->res || ex->kind != EXIT_JMP || xlate_opts.one_insn)
		return NULL;
	inside = cache_find_inside(ex->target, to);
	return inside;
}

/* links what can be linked now, points the rest at their stubs */
static bool settle_exits(struct block *b)
{
	if (!cache_stubs_make(b))
		return false;
	for (u32 i = 0; i < b->nexits; i++) {
		struct exit *ex = &block_exits(b)[i];
		struct block *to;
		u8 *entry = NULL;

		if (ex->kind >= EXIT_SYSCALL)
			continue;
		if (ex->kind <= EXIT_CALL && !xlate_opts.one_insn)
			entry = entry_for(ex, &to);
		if (entry)
			cache_link(ex, to, entry);
		if (!ex->to)
			cache_unlink(ex);
	}
	return true;
}

/* is there translated code for pc? Then go on there */
static bool is_known(const u64 *known, gaddr_t pc)
{
	return known && known[pc % PAGE_SIZE / 64] >> (pc % 64) & 1;
}

/* how it goes on behind the last instruction */
static void finish_run(struct xl *x, bool ended, const u64 *known)
{
	if (x->res && is_known(known, x->pc)) /* rather with registers borrowed than once more */
		xl_away(x, x->res);
	/* what the engine executes comes back behind itself where it did not branch */
	if (!ended || (x->nexits && x->exits[x->nexits - 1].site == x->e.p))
		xl_jmp(x, x->pc, 0);
}

/* Instructions from x->pc on, as many as make a block. Returns their bytes; 0 where the first is cut off */
static u32 translate_run(struct xl *x)
{
	const struct xlate_source *s = x->src;
	const u64 *known = cache_known_in(PAGE_DOWN(s->pc));
	u32 off = 0, n = 0, limit = xlate_opts.one_insn ? 1 : XLATE_MAX_INSNS;
	struct insn in;
	bool ended = false;

	do {
		if (insn_decode_brief(&in, s->code + off, s->avail - off, x->pc))
			break;
		translate_one(x, &in);
		ended = ends_block(&in);
		off += in.len;
		x->pc += in.len;
		x->code += in.len;
	} while (!ended && ++n < limit && off < s->avail && !is_known(known, x->pc));
	if (off)
		finish_run(x, ended, known);
	return off;
}

/* the first instruction crosses the page, or is cut off by one that may not be executed: alone */
static u32 translate_straddler(struct xl *x, u8 *flags)
{
	struct xlate_source alone = *x->src;
	const struct xlate_source *s = x->src;
	struct insn in;

	if (s->straddle) {
		alone.code = x->code = s->straddle;
		alone.avail = s->straddle_len;
		x->src = &alone;
	}
	insn_decode(&in, x->code, x->src->avail, s->pc);
	if (s->straddle && in.len > s->avail)
		*flags = BLOCK_STRADDLE;
	translate_one(x, &in);
	x->pc += in.len;
	finish_run(x, ends_block(&in), NULL);
	x->src = s;
	return in.len;
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
	x->res = res;
	x->nside = x->nexits = 0;
	/* call entry, 6 bytes: recover_entry() knows it */
	EMIT(&x->e, 0x49, 0x89, 0xe3); /* mov r11, rsp */
	EMIT(&x->e, 0x4c, 0x89, 0xd4); /* mov rsp, r10 */
	x->start = x->rec_start = x->e.p;
	glen = translate_run(x);
	if (!glen)
		glen = translate_straddler(x, &flags);
	b = publish(x, glen, flags, res);
	return b && settle_exits(b) ? b : NULL;
}
