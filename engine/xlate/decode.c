/* SPDX-License-Identifier: MIT */
/*
 * The decoder: prefixes, table entry, ModRM, displacement, immediate, then what it does to registers and flags. The
 * tables are in decode_tables.c (legacy) and decode_vec.c (VEX, EVEX, XOP). [as-safe]
 */
#include <linux/errno.h>

#include "xlate/decode_tables.h"

#define REX_B 1
#define REX_X 2
#define REX_R 4
#define REX_W 8

#define INSN_MAX 15

/* with so many prefixes, SIB (4 EVEX bytes, opcode, ModRM, SIB at most) is still among the first INSN_MAX bytes; an
 * immediate is only read if it is */
#define FAST_PREFIXES 8

/* what changes all the time, in registers while everything below is inlined */
struct decoding {
	const u8 *p;
	u32 at;               /* offset of the byte to look at next */
	bool op16;            /* 66 and no REX.W */
	u32 read, write, kill; /* general registers */
};

static inline u64 load64(const u8 *p)
{
	u64 x;

	__builtin_memcpy(&x, p, 8);
	return x;
}

/* one explicit general register operand; desc as E(). Tables instead of branches: nothing here is predictable */
static inline void operand(struct insn *in, struct decoding *d, u32 reg, u32 desc, u8 where)
{
	/* by role and size, then again with 16-bit operands: 1 read, 2 written, 4 killed */
#define OPERAND_ROW(v) 0, 1, 3, 3, 0, 1, v, 3, 0, 1, 6, 3, 0, 1, 3, 3
	static const u8 acts[32] = { OPERAND_ROW(6), OPERAND_ROW(3) };
	u32 act = acts[(desc & 15) | (u32)d->op16 << 4], bit;

	if ((desc & (3 << 2)) == SB << 2 && !in->rex && (reg & 12) == 4)
		reg -= 4; /* ah ch dh bh */
	bit = 1u << reg;
	in->gpr_where[reg] |= (u8)(where & -(act & 3 ? 1 : 0));
	d->read |= bit & -(act & 1);
	d->write |= bit & -(act >> 1 & 1);
	d->kill |= bit & -(act >> 2 & 1);
}

static inline void address_reg(struct insn *in, struct decoding *d, u32 reg, u8 where)
{
	in->gpr_where[reg] |= where;
	d->read |= 1u << reg;
}

/* SIB and displacement of a memory operand */
static inline void memory(struct insn *in, struct decoding *d, bool vsib)
{
	static const u8 disp_sizes[4] = { 0, 1, 4, 0 };
	u32 mod = in->modrm >> 6, rm = in->modrm & 7, base = rm, size = disp_sizes[mod];

	in->mem = true;
	if (rm == 4) {
		u32 index;

		in->sib = d->p[d->at++];
		base = in->sib & 7;
		index = (in->sib >> 3 & 7) | (in->rex & REX_X) << 2;
		if (index != 4 && !vsib)
			address_reg(in, d, index, INSN_REG_INDEX);
	}
	if (mod == 0 && base == 5) {
		in->riprel = rm == 5;
		size = 4;
	} else {
		address_reg(in, d, base | (in->rex & REX_B) << 3, INSN_REG_BASE);
	}
	in->disp_size = (u8)size;
	in->disp_off = (u8)(size ? d->at : 0);
	d->at += size;
}

static inline void immediate(struct insn *in, struct decoding *d, u8 kind)
{
	static const u8 sizes[3][16] = {
		{ [I_B] = 1, [I_W] = 2, [I_Z] = 4, [I_D] = 4, [I_V] = 4, [I_WB] = 3, [I_BB] = 2, [I_MOFFS] = 8 },
		{ [I_B] = 1, [I_W] = 2, [I_Z] = 2, [I_D] = 4, [I_V] = 2, [I_WB] = 3, [I_BB] = 2, [I_MOFFS] = 8 },
		{ [I_B] = 1, [I_W] = 2, [I_Z] = 4, [I_D] = 4, [I_V] = 8, [I_WB] = 3, [I_BB] = 2, [I_MOFFS] = 8 },
	};
	u32 size = sizes[in->rex & REX_W ? 2 : d->op16][kind];
	u64 x = 0;

	if (!size)
		return;
	if (unlikely(kind == I_MOFFS)) {
		in->disp_off = (u8)d->at;
		in->disp_size = in->addrsize ? 4 : 8;
		d->at += in->disp_size;
		return;
	}
	in->imm_off = (u8)d->at;
	in->imm_size = (u8)size;
	if (likely(d->at + 8 <= INSN_MAX))
		x = load64(d->p + d->at);
	else if (d->at + size <= INSN_MAX) /* else too long: invalid */
		for (u32 i = 0; i < size; i++)
			x |= (u64)d->p[d->at + i] << 8 * i;
	d->at += size;
	if (unlikely(kind == I_WB)) /* enter: frame size, nesting */
		x &= 0xffff, size = 8;
	else if (unlikely(kind == I_BB)) /* extrq: length, index */
		size = 1;
	in->imm = (u64)((s64)(x << (64 - 8 * size)) >> (64 - 8 * size));
}

/* what an x87 escape is: row of the group, by the two bytes; 4 = none */
static u32 x87_row(const struct insn *in)
{
	/* register forms that exist, a bit per ModRM & 63; those with memory, a bit per ModRM.reg */
	static const u64 reg_forms[8] = {
		~0UL,               0xFFFF7F33FF01FFFFUL, 0x00000200FFFFFFFFUL, 0x00FFFF1FFFFFFFFFUL,
		~0UL,               0x0000FFFFFFFFFFFFUL, 0xFFFFFFFF02FFFFFFUL, 0x00FFFF01FFFFFFFFUL,
	};
	static const u8 mem_forms[8] = { 0xff, 0xfd, 0xff, 0xaf, 0xff, 0xdf, 0xff, 0xff };
	u32 esc = in->opcode & 7, reg = in->modrm >> 3 & 7;

	if (in->modrm >> 6 != 3)
		return mem_forms[esc] >> reg & 1 ? 0 : 4;
	if (!(reg_forms[esc] >> (in->modrm & 63) & 1))
		return 4;
	if (in->modrm == 0xe0 && esc == 7)
		return 1; /* fnstsw %ax */
	if ((esc == 3 || esc == 7) && (reg == 5 || reg == 6))
		return 2; /* fcomi and relatives */
	if ((esc == 2 || esc == 3) && reg < 4)
		return 3; /* fcmov */
	return 0;
}

/* follows an entry to the row that ModRM and prefixes choose */
static inline const struct decode_op *resolve(struct insn *in, const struct decode_op *op, u8 *imm, u8 *implicit)
{
	while (unlikely(op->attr & A_BY)) {
		u32 n = op->next;

		switch (op->attr & A_BY) {
		case A_BYREG: n += in->modrm >> 3 & 7; break;
		case A_BYPP: n += in->pp; break;
		case A_BYMOD: n += in->modrm >> 6 == 3; break;
		case A_BYRM: n += in->modrm & 7; break;
		case A_NOP90: n += in->rex & REX_B; break;
		case A_X87: n += x87_row(in); break;
		}
		op = &decode_sub[n];
		if (op->imm)
			*imm = op->imm;
		if (op->implicit)
			*implicit = op->implicit;
	}
	return op;
}

static u16 condition_reads(u8 cc)
{
	static const u16 reads[8] = {
		FLAG_OF, FLAG_CF, FLAG_ZF, FLAG_CF | FLAG_ZF, FLAG_SF, FLAG_PF, FLAG_SF | FLAG_OF, FLAG_ZF | FLAG_SF | FLAG_OF,
	};

	return reads[cc >> 1 & 7];
}

/* shifts: a masked count of 0 leaves the flags alone, a count in cl may be 0 */
static void flags_special(struct insn *in, u8 kind)
{
	bool by_one = in->map == 0 && (in->opcode & 0xfe) == 0xd0;
	bool by_cl = in->map == 0 ? (in->opcode & 0xfe) == 0xd2 : in->opcode & 1;
	u32 count = by_one ? 1 : by_cl ? 0 : (u32)in->imm & (in->rex & REX_W ? 63 : 31);

	in->flags_read = 0;
	switch (kind) {
	case FL_CC:
		in->flags_read = condition_reads(in->opcode & 15);
		return;
	case FL_SHIFT:
	case FL_SHXD:
		if (by_cl)
			in->flags_read = FLAGS_ARITH;
		if (count)
			in->flags_kill = FLAGS_ARITH;
		return;
	case FL_ROT:
		if (by_cl)
			in->flags_read = FLAG_CF | FLAG_OF;
		if (count)
			in->flags_kill = FLAG_CF | FLAG_OF;
		return;
	}
}

static inline void effects(struct insn *in, struct decoding *d, u8 flags, u8 implicit)
{
	const struct decode_im_row *im = &decode_im[implicit];
	u32 partial = d->op16 ? im->sized : 0;

	in->flags_read = decode_fl[flags].read;
	in->flags_kill = decode_fl[flags].kill;
	if (flags >= FL_CC)
		flags_special(in, flags);
	d->read |= im->read | partial;
	d->write |= im->write;
	d->kill |= im->kill; /* what is also read is taken out at the end */
}

/* what the class adds: condition, target, unsigned immediates */
static void finish_class(struct insn *in, gaddr_t pc)
{
	switch (in->class) {
	case INSN_JCC:
		in->cc = in->opcode & 15;
		break;
	case INSN_LOOP:
		in->cc = in->opcode & 3;
		break;
	case INSN_JMP:
	case INSN_CALL:
	case INSN_XBEGIN:
		break;
	case INSN_RET:
	case INSN_RET_FAR:
		in->imm &= 0xffff;
		return;
	case INSN_INT:
		in->imm = in->opcode == 0xcc ? 3 : in->opcode == 0xf1 ? 1 : in->imm & 0xff;
		return;
	default:
		return;
	}
	in->target = pc + in->len + in->imm;
}

static void invalid(struct insn *in, u32 looked_at)
{
	insn_clear(in);
	in->len = (u8)(looked_at > INSN_MAX ? INSN_MAX : looked_at ? looked_at : 1);
	in->class = INSN_INVALID;
	in->flags_read = FLAGS_ARITH | FLAG_DF;
	in->gpr_read = in->gpr_write = 0xffff;
}

static void string_count(struct insn *in, struct decoding *d)
{
	/* with rep rcx may be 0: nothing is certain to be overwritten */
	d->read |= 1u << 1 | d->kill;
	d->write |= 1u << 1;
	if (in->flags_kill)
		in->flags_read |= FLAG_ZF;
	in->flags_kill = 0;
}

/* explicit operands, flags and implicit registers of a legacy instruction */
static inline void legacy_effects(struct insn *in, struct decoding *d, const struct decode_op *op, u8 implicit, bool modrm)
{
	u32 reg = (in->modrm >> 3 & 7) | (in->rex & REX_R) << 1, rm = (in->modrm & 7) | (in->rex & REX_B) << 3;

	if (modrm) {
		if (!in->mem)
			operand(in, d, rm, op->regs, INSN_REG_RM);
		operand(in, d, reg, op->regs >> 4, INSN_REG_REG);
		if ((op->attr & A_ZERO) && reg == rm && !in->mem && !d->op16)
			d->read = 0;
	} else if (op->regs) {
		operand(in, d, (in->opcode & 7) | (in->rex & REX_B) << 3, op->regs >> 4, INSN_REG_OPC);
	}
	effects(in, d, op->flags, implicit);
}

/* d->at is at the last opcode byte */
static inline bool decode_legacy(struct insn *in, struct decoding *d, const struct decode_op *op)
{
	u32 attr = op->attr;
	u8 imm = op->imm, implicit = op->implicit;
	bool reg_form = true;

	in->opcode = d->p[d->at];
	in->opc_off = (u8)d->at++;
	d->op16 = in->opsize && !(in->rex & REX_W);
	in->pp = in->rep ? in->rep == 0xf3 ? 2 : 3 : in->opsize;
	if (attr & A_MODRM) {
		in->modrm_off = (u8)d->at;
		in->modrm = d->p[d->at++];
		reg_form = in->modrm >> 6 == 3 || (attr & A_NOMOD);
		if (!reg_form)
			memory(in, d, false);
	}
	op = resolve(in, op, &imm, &implicit);
	if (unlikely(!(op->forms >> (in->pp + (reg_form ? 4 : 0)) & 1)))
		return false;
	if (unlikely(in->lock) && !(in->mem && (op->attr & A_LOCK)))
		return false;
	immediate(in, d, imm);
	in->class = op->class;
	legacy_effects(in, d, op, implicit, attr & A_MODRM);
	in->no_fault = op->attr & (in->mem ? A_NFM : !in->pp && (op->attr & A_NFX) ? 0 : A_NF);
	if (unlikely(op->attr & A_STRING) && in->rep)
		string_count(in, d);
	return true;
}

/* C4, C5, 62, 8F at d->at: leaves d->at at the opcode */
static bool vector_prefix(struct insn *in, struct decoding *d, u8 kind)
{
	const u8 *p = d->p + d->at;

	if (in->rex || in->opsize || in->rep || in->lock) {
		d->at += kind == C_XOP; /* 8F alone may be a pop */
		return false;
	}
	in->pp = (kind == C_VEX2 ? p[1] : p[2]) & 3;
	in->vvvv = ~(kind == C_VEX2 ? p[1] : p[2]) >> 3 & 15;
	in->rex = (u8)(0x40 | (~p[1] >> 5 & (kind == C_VEX2 ? REX_R : 7)) | (kind == C_VEX2 ? 0 : p[2] >> 4 & REX_W));
	switch (kind) {
	case C_VEX2:
		in->enc = 1;
		in->map = 1;
		d->at += 2;
		break;
	case C_VEX3:
	case C_XOP:
		in->enc = kind == C_VEX3 ? 2 : 4;
		in->map = p[1] & 31;
		d->at += 3;
		break;
	case C_EVEX:
		/* fixed bits; with APX they extend registers and choose map 4 */
		if ((p[1] & 8) || !(p[2] & 4)) {
			d->at += 2;
			return false;
		}
		in->enc = 3;
		in->map = p[1] & 7;
		d->at += 4;
		break;
	}
	return in->map < DECODE_VEC_MAPS && (kind == C_XOP) == (in->map >= 8);
}

static u8 vector_imm(const struct insn *in)
{
	u8 op = in->opcode;

	if (in->map == 3 || in->map == 8)
		return I_B;
	if (in->map == 7 || in->map == 10)
		return I_D;
	if (in->map == 1)
		return (op & 0xfc) == 0x70 || op == 0xc2 || (op >= 0xc4 && op <= 0xc6) ? I_B : I_NONE;
	return I_NONE;
}

static bool decode_vector(struct insn *in, struct decoding *d, u8 kind)
{
	const struct decode_vec_row *row;
	u32 entry, roles = 0;

	if (!vector_prefix(in, d, kind)) {
		d->at++;
		return false;
	}
	in->opcode = d->p[d->at];
	in->opc_off = (u8)d->at++;
	entry = decode_vec[in->map][in->opcode];
	if (!(entry >> (in->pp + (kind == C_EVEX ? 4 : 0)) & 1))
		return false;
	row = &decode_vec_rows[entry >> 8];
	while (!(row->pps >> in->pp & 1) && !(row->pps & V_LAST))
		row++;
	if (!(row->pps >> in->pp & 1))
		row = &decode_vec_rows[0];
	roles = row->roles;
	if (in->map != 1 || in->opcode != 0x77) { /* vzeroupper */
		in->modrm_off = (u8)d->at;
		in->modrm = d->p[d->at++];
		if (in->modrm >> 6 != 3)
			memory(in, d, roles & V_VSIB);
	}
	immediate(in, d, vector_imm(in));
	if (roles) {
		if (!in->mem)
			operand(in, d, (in->modrm & 7) | (in->rex & REX_B) << 3, (roles & 3) | SY << 2, INSN_REG_RM);
		operand(in, d, (in->modrm >> 3 & 7) | (in->rex & REX_R) << 1, (roles >> 2 & 3) | SY << 2, INSN_REG_REG);
		operand(in, d, in->vvvv, (roles >> 4 & 3) | SY << 2, INSN_REG_VVVV);
	}
	effects(in, d, row->flags, row->implicit);
	if (roles & V_PRIV)
		in->class = INSN_PRIV;
	return true;
}

/* Eats prefixes. Returns the entry of the byte that is none; NULL if there are more than max_prefixes. */
static inline const struct decode_op *prefixes(struct insn *in, struct decoding *d, u32 max_prefixes)
{
	for (;;) {
		u8 b = d->p[d->at];
		const struct decode_op *op = &decode_map[0][b];

		if (op->class == C_REX) { /* counts only right in front of the opcode */
			in->rex = b;
			in->pfx_off = (u8)d->at++;
			b = d->p[d->at];
			op = &decode_map[0][b];
			if (likely(op->class < C_66 || op->class >= C_0F))
				return op;
			in->rex = 0;
		} else if (likely(op->class < C_66 || op->class >= C_0F)) {
			in->pfx_off = (u8)d->at;
			return op;
		}
		switch (op->class) {
		case C_66: in->opsize = true; break;
		case C_67: in->addrsize = true; break;
		case C_LOCK: in->lock = true; break;
		case C_REP: in->rep = b; break;
		case C_SEG: in->seg = b; break;
		case C_REX: d->at--; break; /* the later of two counts */
		}
		if (++d->at > max_prefixes)
			return NULL;
	}
}

/* false: more than max_prefixes */
static bool decode_at(struct insn *in, const u8 *p, gaddr_t pc, u32 max_prefixes)
{
	struct decoding d = { .p = p };
	const struct decode_op *op;
	bool ok;

	insn_clear(in);
	op = prefixes(in, &d, max_prefixes);
	if (!op)
		return false;
	if (op->class == C_0F) {
		u8 b = p[++d.at];

		in->map = 1;
		if ((b & 0xfd) == 0x38) {
			in->map = b == 0x38 ? 2 : 3;
			b = p[++d.at];
		}
		op = &decode_map[in->map][b];
	}
	if (unlikely(op->class >= C_VEX2 || (p[d.at] == 0x8f && in->map == 0 && (p[d.at + 1] & 31) >= 8)))
		ok = decode_vector(in, &d, op->class >= C_VEX2 ? op->class : C_XOP);
	else
		ok = decode_legacy(in, &d, op);
	if (unlikely(!ok || d.at > INSN_MAX)) {
		invalid(in, d.at);
		return true;
	}
	in->len = (u8)d.at;
	in->gpr_read = (u16)d.read;
	in->gpr_write = (u16)d.write;
	in->gpr_kill = (u16)(d.kill & ~d.read);
	if (unlikely(in->class != INSN_PLAIN))
		finish_class(in, pc);
	return true;
}

/* few bytes or many prefixes: from a copy with zeros behind it */
static long decode_slow(struct insn *in, const u8 *code, size_t avail, gaddr_t pc)
{
	u8 buf[32];

	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = i < avail && i < INSN_MAX ? code[i] : 0;
	if (!decode_at(in, buf, pc, INSN_MAX - 1))
		invalid(in, INSN_MAX);
	return in->len > avail ? -EAGAIN : 0;
}

long insn_decode(struct insn *in, const u8 *code, size_t avail, gaddr_t pc)
{
	if (likely(avail >= INSN_MAX) && likely(decode_at(in, code, pc, FAST_PREFIXES)))
		return 0;
	return decode_slow(in, code, avail, pc);
}

bool insn_loads_rsp(const struct insn *in)
{
	enum { RSP = 4, RBP = 5, R10 = 10, R13 = 13 };
	int reg = (in->modrm >> 3 & 7) | (in->rex & 4) << 1, rm = (in->modrm & 7) | (in->rex & 1) << 3;

	if (in->class != INSN_PLAIN || in->map || in->enc)
		return false;
	switch (in->opcode) {
	case 0x8b: return reg == RSP && (in->mem || rm != RBP);
	case 0x89: return !in->mem && rm == RSP && reg != RBP;
	case 0x87: return reg == RSP || (!in->mem && rm == RSP);
	case 0x5c: return !(in->rex & 1);
	case 0x8d: return reg == RSP && (rm & 7) != RSP && rm != RBP && rm != R10 && rm != R13;
	}
	return false;
}

bool insn_slices_stack(const struct insn *in)
{
	return in->class == INSN_PLAIN && !in->map && !in->enc && in->opcode == 0x01 && !in->mem && (in->modrm & 7) == 4 &&
	       !(in->rex & 1);
}
