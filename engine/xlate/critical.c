/* SPDX-License-Identifier: MIT */
/*
 * The block of a critical section: docs/rseq.md draws it. All of it has both borrowed registers at home and two others, s1 and
 * s2, in SLOT_SPILL and SLOT_TMP, wherever the host takes the thread to the abort handler. Called by block.c, with
 * cache_lock held; recipe.c knows the two sequences by the constants of template.h.
 */
#include "xlate/critical.h"
#include "xlate/template.h"

enum { G_RAX, G_RCX, G_RDX, G_RBX, G_RSP, G_RBP, G_RSI, G_RDI, G_R8, G_R9, G_R10, G_R11, G_R14 = 14, G_R15 };

struct section {
	struct critical *c;
	u32 glen, n;    /* guest bytes and instructions that are protected */
	u16 named;      /* registers */
	int s1, s2;
	u8 *abort_ref;  /* the rel32 in front of the section that leads to the abort handler */
	struct {
		gaddr_t target;
		u8 *site;
	} branches[XLATE_MAX_INSNS];
	u32 nbranches;
	u16 host_of[XLATE_MAX_GLEN]; /* offset of an instruction's copy + 1 */
};
static struct section section; /* under cache_lock, too big for an engine stack */

/* may it stand between the bounds that the host knows? */
static bool is_plain(const struct xl *x, const struct insn *in, gaddr_t pc)
{
	s64 moved;
	s32 disp;

	if (in->class == INSN_JCC || in->class == INSN_JMP)
		return true;
	if ((in->class != INSN_PLAIN && in->class != INSN_ENDBR) || in->seg == 0x65 || insn_loads_rsp(in) ||
	    insn_slices_stack(in))
		return false;
	if (!in->riprel)
		return true;
	__builtin_memcpy(&disp, (const u8 *)pc + in->disp_off, 4);
	moved = (s64)(pc + (u64)(s64)disp - (u64)x->e.p);
	return fits_s32(moved + XLATE_ROOM) && fits_s32(moved - XLATE_ROOM) && !xlate_opts.all_far;
}

static u16 registers_of(const struct insn *in)
{
	u16 named = in->gpr_read | in->gpr_write;

	for (u32 i = 0; i < 16; i++)
		if (in->gpr_where[i])
			named |= (u16)(1u << i);
	return named;
}

/* how far the section can be protected, and which registers it names */
static void measure(struct xl *x, struct section *s, u32 avail)
{
	u32 size = (u32)min(s->c->end - s->c->start, (u64)avail);
	struct insn in;

	s->glen = s->n = s->named = 0;
	while (s->glen < size && s->n < XLATE_MAX_INSNS) {
		gaddr_t pc = s->c->start + s->glen;

		if (insn_decode(&in, (const u8 *)pc, min(size - s->glen, 15u), pc) || !is_plain(x, &in, pc))
			break;
		s->named |= registers_of(&in);
		s->glen += in.len;
		s->n++;
	}
}

/* two that it does not name, and that are a base without SIB or displacement */
static bool choose_registers(struct section *s)
{
	static const u8 order[] = { G_R9, G_R8, G_R10, G_R11, G_RDI, G_RSI, G_RDX, G_RAX, G_RBX, G_R14, G_R15 };

	s->s1 = s->s2 = 0;
	for (u32 i = 0, found = 0; i < ARRAY_SIZE(order); i++) {
		if (s->named >> order[i] & 1)
			continue;
		if (found++) {
			s->s2 = order[i];
			return true;
		}
		s->s1 = order[i];
	}
	return false;
}

/* op r/m64 as reg, rm: 3 bytes; mod 0 is memory at rm, 3 the register */
static void op_rm(struct emit *e, u8 opcode, u8 mod, int reg, int rm)
{
	emit8(e, 0x48 | reg >> 3 << 2 | rm >> 3);
	emit8(e, opcode);
	emit8(e, mod << 6 | (reg & 7) << 3 | (rm & 7));
}

static void mov_imm64(struct emit *e, int reg, u64 value)
{
	emit8(e, 0x48 | reg >> 3);
	emit8(e, 0xb8 | (reg & 7));
	emit64(e, value);
}

static u8 *short_jump(struct emit *e, u8 opcode)
{
	emit8(e, opcode);
	emit8(e, 0);
	return e->p;
}

static void lands_here(struct emit *e, u8 *jump)
{
	jump[-1] = (u8)(e->p - jump);
}

/* which field: the guest's own if it holds the descriptor. rcx is in s2 meanwhile; the flags stay as they are */
static void choose_field(struct xl *x, struct section *s)
{
	struct emit *e = &x->e;
	u8 *match, *zero, *go;

	op_rm(e, 0x89, 3, G_RCX, s->s2);            /* mov s2, rcx */
	mov_imm64(e, G_RCX, -s->c->desc);
	mov_r_slot(e, s->s1, SLOT_RSEQ);
	op_rm(e, 0x8b, 0, s->s1, s->s1);            /* mov s1, [s1] */
	emit8(e, 0x48 | s->s1 >> 3 << 1);           /* lea rcx, [rcx + s1] */
	EMIT(e, 0x8d, 0x0c);
	emit8(e, (s->s1 & 7) << 3 | G_RCX);
	match = short_jump(e, 0xe3);                /* jrcxz */
	op_rm(e, 0x89, 3, s->s1, G_RCX);            /* mov rcx, s1 */
	zero = short_jump(e, 0xe3);
	mov_r_slot(e, s->s1, SLOT_SELF);
	op_rm(e, 0x8d, 2, s->s1, s->s1);            /* lea s1, [s1 + ...] */
	emit32(e, SLOT_RSEQ_NONE);
	go = short_jump(e, 0xeb);
	lands_here(e, zero);
	op_rm(e, 0x89, 3, s->s2, G_RCX);            /* mov rcx, s2 */
	emit8(e, 0xe9);
	s->abort_ref = e->p;
	emit32(e, 0);
	lands_here(e, match);
	mov_r_slot(e, s->s1, SLOT_RSEQ);
	lands_here(e, go);
	mov_slot_r(e, SLOT_RSEQ_USED, s->s1);
	op_rm(e, 0x89, 3, s->s2, G_RCX);            /* mov rcx, s2 */
}

/* between the two stores to slots (CS_SAVED, recipe.c) and the one that tells the host: nothing the guest could see */
static void go_in(struct xl *x, struct section *s, struct rseq_cs *host)
{
	mov_slot_r(&x->e, SLOT_SPILL, s->s1);
	mov_slot_r(&x->e, SLOT_TMP, s->s2);
	choose_field(x, s);
	mov_imm64(&x->e, s->s2, (u64)host);
	op_rm(&x->e, 0x89, 0, s->s2, s->s1);        /* mov [s1], s2: CS_LAST bytes */
	xl_record(x, RK_CS_IN, 0);
}

static void branch(struct xl *x, struct section *s, const struct insn *in)
{
	if (in->class == INSN_JCC) {
		emit8(&x->e, 0x0f);
		emit8(&x->e, 0x80 | in->cc);
	} else {
		emit8(&x->e, 0xe9);
	}
	s->branches[s->nbranches].target = in->target;
	s->branches[s->nbranches++].site = x->e.p;
	emit32(&x->e, 0);
	xl_record(x, RK_PLAIN, in->len);
}

static void copy_section(struct xl *x, struct section *s)
{
	struct insn in;

	while (x->pc < s->c->start + s->glen) {
		BUG_ON(insn_decode(&in, x->code, 15, x->pc));
		s->host_of[x->pc - s->c->start] = (u16)(x->e.p - x->start + 1);
		if (in.class == INSN_JCC || in.class == INSN_JMP)
			branch(x, s, &in);
		else
			xl_copy(x, &in, RK_PLAIN);
		x->code += in.len;
		x->pc += in.len;
	}
}

static void point_at(u8 *site, const u8 *to)
{
	__builtin_memcpy(site, &(s32){ (s32)(to - site - 4) }, 4);
}

static void way_out(struct xl *x, struct section *s, gaddr_t target, bool aborted)
{
	struct emit *e = &x->e;

	if (!aborted) { /* the kernel has cleared it */
		mov_r_slot(e, s->s1, SLOT_RSEQ_USED);
		mov_imm64(e, s->s2, s->c->desc);
		op_rm(e, 0x89, 0, s->s2, s->s1);
	}
	mov_r_slot(e, s->s2, SLOT_TMP);
	mov_r_slot(e, s->s1, SLOT_SPILL);
	emit_align_rel32(e, 1);
	emit8(e, 0xe9);
	xl_exit_site(x, EXIT_JMP, target);
	emit32(e, 0);
	xl_record(x, RK_CS_OUT, 0);
}

static void ways_out(struct xl *x, struct section *s, struct rseq_cs *host)
{
	way_out(x, s, s->c->start + s->glen, false);
	for (u32 i = 0; i < s->nbranches; i++) {
		u64 off = s->branches[i].target - s->c->start;

		if (off < s->glen && s->host_of[off]) {
			point_at(s->branches[i].site, x->start + s->host_of[off] - 1);
		} else {
			point_at(s->branches[i].site, x->e.p);
			way_out(x, s, s->branches[i].target, false);
		}
	}
	emit32(&x->e, s->c->sig);
	host->abort = (u64)x->e.p;
	point_at(s->abort_ref, x->e.p);
	way_out(x, s, s->c->abort, true);
}

u32 xl_critical(struct xl *x, struct critical *c, u8 res)
{
	struct section *s = &section;
	struct rseq_cs *host = &c->host[res];

	memset(s, 0, sizeof(*s));
	s->c = c;
	measure(x, s, x->src->avail + x->src->beyond);
	if (s->glen < c->end - c->start)
		rt_log_once("the critical section (rseq) at %lx is protected for %u of its %lu bytes", c->start, s->glen,
			    c->end - c->start);
	if (!s->n || !choose_registers(s))
		return 0;
	xl_home(x, (RES_R10_HOME | RES_R11_HOME) & ~res & 3);
	go_in(x, s, host);
	host->start = (u64)x->e.p;
	copy_section(x, s);
	host->len = (u64)x->e.p - host->start;
	ways_out(x, s, host);
	return s->glen;
}
