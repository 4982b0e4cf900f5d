/* SPDX-License-Identifier: MIT */
/*
 * Memory operands that cannot stay as they are: those of gs:, whose base is the engine's while the thread runs, and
 * RIP-relative ones out of reach of the copy. The instruction is copied with another base register S:
 *
 *	mov gs:[SLOT_SPILL], S          not if S is a borrowed r10
 *	S := guest's GS base + base + index * scale     or the whole address
 *	op [S + displacement]
 *	mov S, gs:[SLOT_SPILL]          not if S is a borrowed r10
 *
 * Sealed code borrows no register, and has its own two slots.
 * S is a register the instruction does not name. Without flags nothing can be added to it but another register, so
 * addresses that lea cannot build on top of the GS base take a second one, S2, which is back before the instruction.
 * Recovery reads from this code which register is in which slot (recipe.c). Called by template.c and block.c.
 */
#include "xlate/template.h"

enum { G_RAX, G_RCX, G_RDX, G_RBX, G_RSP, G_RBP, G_RSI, G_RDI, G_R8, G_R9, G_R10, G_R14 = 14, G_R15, G_NONE };

#define SEG_GS 0x65
#define SEG_FS 0x64
#define ADDRSIZE 0x67

/* what the rewritten operand keeps of the old one */
struct operand {
	int s;          /* the new base */
	bool disp;      /* the displacement stays in the instruction */
	bool index;     /* so does the index, which is no part of one address */
};

/* what faults whatever its operand is said to use all registers */
static bool is_free(const struct insn *in, int reg)
{
	u16 used = in->class == INSN_PRIV || in->class == INSN_UD ? 0 : in->gpr_read | in->gpr_write;

	return !(used >> reg & 1) && !in->gpr_where[reg];
}

/* One that may be a base without SIB, and without a displacement. cmpxchg16b names six */
static int free_reg(const struct insn *in, int besides)
{
	static const u8 order[] = { G_RAX, G_RCX, G_RDX, G_RBX, G_RSI, G_RDI, G_R8, G_R9, G_R14, G_R15 };

	for (u32 i = 0; i < ARRAY_SIZE(order); i++)
		if (order[i] != besides && is_free(in, order[i]))
			return order[i];
	BUG();
}

/* r10 needs the bit that VEX2 does not have, or a REX, which would turn ah ch dh bh into spl bpl sil dil */
static bool takes_r10(const struct insn *in)
{
	if (!is_free(in, G_R10) || in->enc == 1 || xlate_opts.sealed)
		return false;
	return in->enc || in->rex || (in->modrm >> 3 & 7) < 4;
}

/* gathers and scatters have a vector there, tiles their stride */
static bool keeps_index(const struct insn *in)
{
	u8 op = in->opcode;

	if (in->map != 2 || (in->enc != 2 && in->enc != 3) || (in->modrm & 7) != 4)
		return false;
	return (op >= 0x90 && op <= 0x93) || (op >= 0xa0 && op <= 0xa3) || op == 0xc6 || op == 0xc7 ||
	       (in->enc == 2 && (op == 0x4a || op == 0x4b));
}

static s32 displacement(const struct xl *x, const struct insn *in)
{
	s32 disp;

	if (in->disp_size == 1)
		return (s8)x->code[in->disp_off];
	if (in->disp_size != 4)
		return 0;
	__builtin_memcpy(&disp, x->code + in->disp_off, 4);
	return disp;
}

/* lea dst, [base + index << scale]; dst may be one of them */
static void lea_sum(struct emit *e, int dst, int base, int index, u32 scale)
{
	emit8(e, (u8)(0x48 | dst >> 3 << 2 | index >> 3 << 1 | base >> 3));
	emit8(e, 0x8d);
	emit8(e, (u8)(0x44 | (dst & 7) << 3)); /* with disp8: rbp and r13 need one as base */
	emit8(e, (u8)(scale << 6 | (index & 7) << 3 | (base & 7)));
	emit8(e, 0);
}

static void lea_add(struct emit *e, int dst, int reg, u32 scale)
{
	if (reg == G_RSP) /* is no index */
		lea_sum(e, dst, reg, dst, 0);
	else
		lea_sum(e, dst, dst, reg, scale);
}

static int base_of(const struct insn *in)
{
	u8 low = (in->modrm & 7) == 4 ? in->sib & 7 : in->modrm & 7;

	return low == 5 && !(in->modrm >> 6) ? G_NONE : low | (in->rex & 1) << 3;
}

static int index_of(const struct insn *in)
{
	int index = (in->sib >> 3 & 7) | (in->rex & 2) << 2;

	return (in->modrm & 7) != 4 || index == 4 ? G_NONE : index;
}

/* s := guest's GS base + base + index * scale; the displacement stays with the instruction */
static void linear_base(struct xl *x, const struct insn *in, const struct operand *o)
{
	struct emit *e = &x->e;
	int base = base_of(in), index = o->index ? G_NONE : index_of(in);

	mov_r_slot(e, o->s, SLOT_GUEST_GS);
	if (base != G_NONE)
		lea_add(e, o->s, base, 0);
	if (index != G_NONE)
		lea_add(e, o->s, index, in->sib >> 6);
	if (in->map == 0 && in->opcode == 0x8f && base == G_RSP) { /* pop: its rsp is the one behind */
		emit8(e, (u8)(0x48 | o->s >> 3 << 2 | o->s >> 3)); /* lea s, [s + 8] */
		emit8(e, 0x8d);
		emit8(e, (u8)(0x40 | (o->s & 7) << 3 | (o->s & 7)));
		emit8(e, in->opsize ? 2 : 8);
	}
}

/* lea s, of the operand as it is, cut to 32 bits; `disp`: without its displacement */
static void lea_addr32(struct xl *x, const struct insn *in, const struct operand *o)
{
	struct emit *e = &x->e;
	bool sib = (in->modrm & 7) == 4;
	u8 mod = o->disp ? 1 : in->modrm >> 6;

	emit8(e, ADDRSIZE);
	emit8(e, (u8)(0x48 | o->s >> 3 << 2 | (in->rex & 3)));
	emit8(e, 0x8d);
	emit8(e, (u8)(mod << 6 | (o->s & 7) << 3 | (in->modrm & 7)));
	if (sib)
		emit8(e, in->sib);
	if (o->disp)
		emit8(e, 0);
	else
		emit_bytes(e, x->code + in->disp_off, in->disp_size);
}

/* s := the address but for the GS base, then the base on top with the help of s2 */
static void linear_sum(struct xl *x, const struct insn *in, const struct operand *o, int s2)
{
	gaddr_t ea = x->pc + in->len + (s64)displacement(x, in);

	mov_slot_r(&x->e, xl_slot_tmp(), s2);
	if (in->riprel)
		lea_const(&x->e, o->s, in->addrsize ? (u32)ea : ea);
	else
		lea_addr32(x, in, o);
	mov_r_slot(&x->e, s2, SLOT_GUEST_GS);
	lea_add(&x->e, o->s, s2, 0);
	mov_r_slot(&x->e, s2, xl_slot_tmp());
}

/* prefixes up to ModRM, with s in the place of the base */
static void emit_opcode(struct xl *x, const struct insn *in, const struct operand *o)
{
	const u8 *c = x->code;
	u8 high = (u8)(o->s >> 3), *at;
	u32 from = in->pfx_off;

	for (u32 i = 0; i < in->pfx_off; i++)
		if (c[i] != SEG_GS && c[i] != SEG_FS && c[i] != ADDRSIZE)
			emit8(&x->e, c[i]);
	if (in->enc == 0) {
		if (in->rex || high)
			emit8(&x->e, (u8)(0x40 | (in->rex & 0xc) | high));
		from += in->rex ? 1 : 0;
	}
	at = x->e.p;
	emit_bytes(&x->e, c + from, in->modrm_off - from);
	if (in->enc < 2) /* VEX2 has low registers only */
		return;
	at[1] |= o->index ? 0x20 : 0x60; /* VEX3, EVEX, XOP: B and X inverted */
	at[1] &= (u8)~(high << 5);
}

static void emit_operand(struct xl *x, const struct insn *in, const struct operand *o)
{
	const u8 *c = x->code;
	bool sib = (in->modrm & 7) == 4;
	u32 tail = in->disp_off ? in->disp_off + in->disp_size : in->modrm_off + 1u + sib;
	u8 mod = o->disp ? in->modrm >> 6 : 0;

	if (o->disp && !mod && in->disp_size) /* disp32 without a base: has one now */
		mod = 2;
	emit8(&x->e, (u8)(mod << 6 | (in->modrm & 0x38) | (o->index ? 4 : o->s & 7)));
	if (o->index)
		emit8(&x->e, (u8)((in->sib & 0xf8) | (o->s & 7)));
	if (o->disp)
		emit_bytes(&x->e, c + in->disp_off, in->disp_size);
	emit_bytes(&x->e, c + tail, in->len - tail);
}

/* the new base, spilled unless it is the borrowed r10 */
static int take_base(struct xl *x, const struct insn *in)
{
	int s = takes_r10(in) ? G_R10 : free_reg(in, G_NONE);

	if (s == G_R10)
		xl_away(x, RES_R10_HOME);
	else
		mov_slot_r(&x->e, xl_slot_spill(), s);
	return s;
}

static void give_back(struct xl *x, const struct insn *in, int s, bool s2)
{
	xl_record(x, s == G_R10 && !s2 ? RK_PLAIN : RK_MEM, in->len);
	if (s == G_R10)
		return;
	mov_r_slot(&x->e, s, xl_slot_spill());
	xl_record(x, RK_MEM_END, 0);
}

/* the decoder's short cut leaves out what is needed here */
static void decode_whole(const struct xl *x, const struct insn *in, struct insn *whole)
{
	BUG_ON(insn_decode(whole, x->code, in->len, x->pc) || whole->len != in->len);
}

void xl_far_operand(struct xl *x, const struct insn *brief)
{
	struct operand o = { 0 };
	struct insn in;

	decode_whole(x, brief, &in);
	o.s = take_base(x, &in);
	lea_const(&x->e, o.s, x->pc + in.len + (s64)displacement(x, &in));
	if (in.seg == SEG_FS)
		emit8(&x->e, SEG_FS);
	emit_opcode(x, &in, &o);
	emit_operand(x, &in, &o);
	give_back(x, &in, o.s, false);
}

static void gs_operand(struct xl *x, const struct insn *in)
{
	bool sum = in->addrsize || in->riprel;
	/* disp8 of EVEX counts in units that only the CPU knows; it is left out of the cut to 32 bits */
	struct operand o = { .disp = !sum || (in->enc == 3 && in->disp_size == 1), .index = keeps_index(in) };

	o.s = take_base(x, in);
	if (sum)
		linear_sum(x, in, &o, free_reg(in, o.s));
	else
		linear_base(x, in, &o);
	emit_opcode(x, in, &o);
	emit_operand(x, in, &o);
	give_back(x, in, o.s, sum);
}

/* an operand in a register that the encoding does not mention: it holds the linear address for as long */
static void gs_implicit(struct xl *x, const struct insn *in, int reg)
{
	int s2 = xlate_opts.sealed ? free_reg(in, reg) : G_R10;

	if (s2 == G_R10)
		xl_away(x, RES_R10_HOME);
	else
		mov_slot_r(&x->e, xl_slot_tmp(), s2);
	mov_slot_r(&x->e, xl_slot_spill(), reg);
	if (in->addrsize) { /* mov r32, r32 */
		emit8(&x->e, 0x89);
		emit8(&x->e, (u8)(0xc0 | reg << 3 | reg));
	}
	mov_r_slot(&x->e, s2, SLOT_GUEST_GS);
	lea_add(&x->e, reg, s2, 0);
	if (s2 != G_R10)
		mov_r_slot(&x->e, s2, xl_slot_tmp());
	for (u32 i = 0; i < in->pfx_off; i++)
		if (x->code[i] != SEG_GS && x->code[i] != SEG_FS && x->code[i] != ADDRSIZE)
			emit8(&x->e, x->code[i]);
	emit_bytes(&x->e, x->code + in->pfx_off, in->len - in->pfx_off);
	give_back(x, in, reg, false);
}

/* register whose address the instruction uses without naming it as an operand; G_NONE: there is none */
static int implicit_address(const struct insn *in)
{
	if (in->map != 1)
		return G_NONE;
	if (in->opcode == 0xf7 && in->enc <= 2) /* maskmovq, maskmovdqu */
		return G_RDI;
	if (in->opcode == 0x01 && (in->modrm == 0xfa || in->modrm == 0xfc)) /* monitorx, clzero */
		return G_RAX;
	return G_NONE;
}

/* moves, compares and loads of strings, xlat, moves with an absolute address: the engine executes them */
static bool is_memory_by_opcode(const struct insn *in)
{
	return in->map == 0 && in->enc == 0 &&
	       ((in->opcode >= 0xa0 && in->opcode <= 0xa7) || in->opcode == 0xac || in->opcode == 0xad || in->opcode == 0xd7);
}

/* no template: the address size says more than how to build the address */
static bool is_beyond(const struct insn *in)
{
	return in->addrsize && (keeps_index(in) || (in->map == 2 && in->opcode == 0xf8) /* movdir64b, enqcmd */);
}

enum gs_use xl_gs_use(const struct insn *in)
{
	bool lea = in->map == 0 && in->enc == 0 && in->opcode == 0x8d;

	if (in->seg != SEG_GS || lea)
		return GS_UNUSED;
	if (in->mem)
		return is_beyond(in) ? GS_ENGINE : GS_OPERAND;
	if (is_memory_by_opcode(in))
		return GS_ENGINE;
	return implicit_address(in) == G_NONE ? GS_UNUSED : GS_OPERAND;
}

void xl_gs_operand(struct xl *x, const struct insn *in)
{
	if (in->mem)
		gs_operand(x, in);
	else
		gs_implicit(x, in, implicit_address(in));
}
