/* SPDX-License-Identifier: MIT */
/*
 * The decoder: prefixes, opcode map entry, ModRM, displacement, immediate, then class, registers and flags.
 * What a map entry means is in decode_tables.h. [as-safe]
 */
#include "xlate/decode.h"
#include "xlate/decode_tables.h"

struct cursor {
	const u8 *p;
	size_t n, at;
	bool cut;
};

static u8 next(struct cursor *c)
{
	if (c->at >= c->n) {
		c->cut = true;
		return 0;
	}
	return c->p[c->at++];
}

static u8 peek(struct cursor *c)
{
	if (c->at >= c->n) {
		c->cut = true;
		return 0;
	}
	return c->p[c->at];
}

static void prefixes(struct cursor *c, struct insn *in)
{
	for (;;) {
		u8 b = peek(c);

		switch (b) {
		case 0x66: in->opsize = true; break;
		case 0x67: in->addrsize = true; break;
		case 0xf0: in->lock = true; break;
		case 0xf2: case 0xf3: in->rep = b; break;
		case 0x64: case 0x65: in->seg = b; break;
		case 0x26: case 0x2e: case 0x36: case 0x3e: break;
		default:
			in->pfx_off = (u8)c->at;
			if ((b & 0xf0) == 0x40) { /* REX counts only right in front of the opcode */
				in->rex = b;
				c->at++;
			}
			return;
		}
		if (c->cut || c->at >= 15) {
			in->pfx_off = (u8)c->at;
			return;
		}
		c->at++;
	}
}

/* C5, C4, 62, 8F: fills rex (W R X B), map, opsize/rep from pp; leaves the cursor at the opcode */
static bool vector_prefix(struct cursor *c, struct insn *in, u8 first, u8 *vvvv)
{
	u8 b1 = next(c), b2, pp;

	if (first == 0xc5) {
		in->enc = 1;
		in->rex = 0x40 | (b1 & 0x80 ? 0 : 4);
		in->map = 1;
		pp = b1 & 3;
		*vvvv = ~b1 >> 3 & 15;
	} else {
		b2 = next(c);
		in->rex = 0x40 | (b1 & 0x80 ? 0 : 4) | (b1 & 0x40 ? 0 : 2) | (b1 & 0x20 ? 0 : 1) | (b2 & 0x80 ? 8 : 0);
		in->enc = first == 0xc4 ? 2 : first == 0x62 ? 3 : 4;
		in->map = first == 0x62 ? b1 & 7 : b1 & 31;
		pp = b2 & 3;
		*vvvv = ~b2 >> 3 & 15;
		if (first == 0x62)
			next(c);
	}
	if (pp == 1)
		in->opsize = true;
	else if (pp)
		in->rep = pp == 2 ? 0xf3 : 0xf2;
	if (in->enc == 4)
		return in->map >= 8 && in->map <= 10;
	if (in->enc == 3)
		return in->map >= 1 && in->map <= 6 && in->map != 4;
	return in->map >= 1 && in->map <= 3;
}

static void memory_operand(struct cursor *c, struct insn *in)
{
	u8 mod = in->modrm >> 6, rm = in->modrm & 7;

	in->mem = true;
	if (rm == 4) {
		in->sib = next(c);
		if ((in->sib & 7) == 5 && mod == 0)
			in->disp_size = 4;
	} else if (rm == 5 && mod == 0) {
		in->riprel = true;
		in->disp_size = 4;
	}
	if (mod == 1)
		in->disp_size = 1;
	else if (mod == 2)
		in->disp_size = 4;
	if (in->disp_size)
		in->disp_off = (u8)c->at;
	c->at += in->disp_size;
}

static void immediate(struct cursor *c, struct insn *in, u16 entry)
{
	u8 size = 0;

	switch (entry & DT_IMM_MASK) {
	case DT_IB: size = 1; break;
	case DT_IW: size = 2; break;
	case DT_IZ: size = in->opsize && !(in->rex & 8) ? 2 : 4; break;
	case DT_ID: size = 4; break;
	case DT_IV: size = in->rex & 8 ? 8 : in->opsize ? 2 : 4; break;
	case DT_IWB: size = 3; break;
	case DT_MOFFS:
		in->disp_off = (u8)c->at;
		in->disp_size = in->addrsize ? 4 : 8;
		c->at += in->disp_size;
		return;
	case DT_G3: /* F6, F7: test has an immediate */
		if (((in->modrm >> 3) & 6) == 0)
			size = in->opcode == 0xf6 ? 1 : in->opsize && !(in->rex & 8) ? 2 : 4;
		break;
	}
	if (!size)
		return;
	in->imm_off = (u8)c->at;
	in->imm_size = size;
	c->at += size;
	if (c->at > c->n)
		return;
	for (u8 i = 0; i < size; i++)
		in->imm |= (u64)c->p[in->imm_off + i] << 8 * i;
	if (size == 1)
		in->imm = (u64)(s64)(s8)in->imm;
	else if (size == 4)
		in->imm = (u64)(s64)(s32)in->imm;
	else if (size == 2)
		in->imm = (u64)(s64)(s16)in->imm;
}

/* the instruction set's own names for what the maps leave open */
static u8 class_0f(const struct insn *in)
{
	u8 op = in->opcode, reg = in->modrm >> 3 & 7;
	bool reg_form = in->modrm >> 6 == 3;

	switch (op) {
	case 0x01:
		if (in->rep == 0xf3 && in->modrm == 0xea)
			return INSN_SAVEPREVSSP;
		if (in->rep == 0xf3 && in->modrm == 0xe8)
			return INSN_SETSSBSY;
		if (in->rep == 0xf3 && !reg_form && reg == 5)
			return INSN_RSTORSSP;
		if (in->modrm == 0xd0)
			return INSN_XGETBV;
		if (in->modrm == 0xee || in->modrm == 0xef)
			return INSN_PKRU;
		if (in->modrm == 0xf8)
			return INSN_GSBASE;
		return INSN_PLAIN;
	case 0x05: return INSN_SYSCALL;
	case 0x07: case 0x34: case 0x35: return INSN_SYSENTER;
	case 0x0b: case 0xb9: case 0xff: return INSN_UD;
	case 0x1e:
		if (in->rep == 0xf3 && (in->modrm == 0xfa || in->modrm == 0xfb))
			return INSN_ENDBR;
		return in->rep == 0xf3 && reg_form && reg == 1 ? INSN_RDSSP : INSN_PLAIN;
	case 0xa2: return INSN_CPUID;
	case 0xa8: case 0xa9: case 0xb5: return INSN_GSBASE;
	case 0xae:
		if (in->rep == 0xf3 && reg_form)
			return reg == 5 ? INSN_INCSSP : reg == 1 || reg == 3 ? INSN_GSBASE :
			       reg == 0 || reg == 2 ? INSN_FSBASE : INSN_PLAIN;
		if (in->rep == 0xf3 && reg == 6)
			return INSN_CLRSSBSY;
		return !reg_form && (reg == 1 || reg == 5) ? INSN_XRSTOR : INSN_PLAIN;
	}
	if ((op & 0xf0) == 0x80)
		return INSN_JCC;
	return INSN_PLAIN;
}

static u8 class_one(const struct insn *in)
{
	u8 op = in->opcode, reg = in->modrm >> 3 & 7;

	switch (op) {
	case 0x8c: case 0x8e: return reg == 5 ? INSN_GSBASE : INSN_PLAIN;
	case 0xc2: case 0xc3: return INSN_RET;
	case 0xc6: return in->modrm == 0xf8 ? INSN_XABORT : INSN_PLAIN;
	case 0xc7: return in->modrm == 0xf8 ? INSN_XBEGIN : INSN_PLAIN;
	case 0xca: case 0xcb: return INSN_RET_FAR;
	case 0xcc: case 0xcd: case 0xf1: return INSN_INT;
	case 0xcf: return INSN_IRET;
	case 0xe0: case 0xe1: case 0xe2: case 0xe3: return INSN_LOOP;
	case 0xe8: return INSN_CALL;
	case 0xe9: case 0xeb: return INSN_JMP;
	case 0xff:
		return reg == 2 ? INSN_CALL_IND : reg == 3 ? INSN_CALL_FAR : reg == 4 ? INSN_JMP_IND :
		       reg == 5 ? INSN_JMP_FAR : reg == 7 ? INSN_INVALID : INSN_PLAIN;
	case 0xe4: case 0xe5: case 0xe6: case 0xe7: case 0xec: case 0xed: case 0xee: case 0xef:
	case 0x6c: case 0x6d: case 0x6e: case 0x6f: case 0xf4: case 0xfa: case 0xfb:
		return INSN_PRIV;
	}
	return (op & 0xf0) == 0x70 ? INSN_JCC : INSN_PLAIN;
}

static void classify(struct insn *in, gaddr_t pc)
{
	if (in->enc || in->map > 1)
		in->class = INSN_PLAIN;
	else
		in->class = in->map ? class_0f(in) : class_one(in);
	if (in->map == 2 && !in->enc && in->mem && in->opcode == 0xf6 && !in->opsize && !in->rep)
		in->class = INSN_WRSS;
	if (in->map == 2 && !in->enc && in->mem && in->opcode == 0xf5 && in->opsize)
		in->class = INSN_WRUSS;
	switch (in->class) {
	case INSN_JCC:
		in->cc = in->opcode & 15;
		break;
	case INSN_LOOP:
		in->cc = in->opcode & 3;
		break;
	case INSN_INT:
		in->imm = in->opcode == 0xcc ? 3 : in->opcode == 0xf1 ? 1 : in->imm & 0xff;
		return;
	case INSN_RET:
		in->imm &= 0xffff;
		return;
	case INSN_JMP: case INSN_CALL: case INSN_XBEGIN:
		break;
	default:
		return;
	}
	in->target = pc + in->len + in->imm;
}

/* two-byte opcodes whose register operands are vector registers, both of them; a gap costs time, not truth */
static bool all_vector(u8 op)
{
	return (op >= 0x10 && op <= 0x17) || op == 0x28 || op == 0x29 || op == 0x2e || op == 0x2f ||
	       (op >= 0x51 && op <= 0x6d) || op == 0x6f || (op >= 0x70 && op <= 0x76) || op == 0x7c || op == 0x7d ||
	       op == 0x7f || op == 0xc2 || op == 0xc6 || (op >= 0xd0 && op <= 0xd6) || (op >= 0xd8 && op != 0xff);
}

/* explicit general registers; whether one is read or written is told only where the map knows */
static void registers(struct insn *in, u16 entry, u8 vvvv)
{
	u8 reg = (in->modrm >> 3 & 7) | (in->rex & 4) << 1, rm = (in->modrm & 7) | (in->rex & 1) << 3;
	bool vector = !in->enc && in->map == 1 && all_vector(in->opcode);

	if (entry & DT_OPREG)
		in->gpr_where[(in->opcode & 7) | (in->rex & 1) << 3] |= INSN_REG_OPC;
	if ((entry & DT_MODRM) && !vector) {
		in->gpr_where[reg] |= INSN_REG_REG;
		if (!in->mem)
			in->gpr_where[rm] |= INSN_REG_RM;
	}
	if (in->mem && !in->riprel) {
		if ((in->modrm & 7) != 4) {
			in->gpr_where[rm] |= INSN_REG_BASE;
		} else {
			u8 index = (in->sib >> 3 & 7) | (in->rex & 2) << 2;

			if (!((in->sib & 7) == 5 && in->modrm >> 6 == 0))
				in->gpr_where[(in->sib & 7) | (in->rex & 1) << 3] |= INSN_REG_BASE;
			if (index != 4)
				in->gpr_where[index] |= INSN_REG_INDEX;
		}
	}
	if (in->enc)
		in->gpr_where[vvvv] |= INSN_REG_VVVV;
	for (int i = 0; i < 16; i++)
		if (in->gpr_where[i])
			in->gpr_read |= (u16)(1u << i), in->gpr_write |= (u16)(1u << i);
}

static void flags(struct insn *in, u16 entry)
{
	u8 op = in->opcode, reg = in->modrm >> 3 & 7;

	in->flags_read = FLAGS_ARITH | FLAG_DF;
	if (in->enc || in->class == INSN_ENDBR) {
		in->flags_read = 0;
		return;
	}
	if (in->class != INSN_PLAIN)
		return;
	if (entry & DT_NOFLAGS)
		in->flags_read = 0;
	if (in->map == 1 && (op & 0xf0) == 0x40) /* cmov */
		in->flags_read = FLAGS_ARITH;
	if (in->map)
		return;
	if (op < 0x40 && (op & 7) < 6 && (op >> 3) != 2 && (op >> 3) != 3) {
		in->flags_read = 0; /* add or and sub xor cmp */
		in->flags_kill = FLAGS_ARITH;
	} else if (op >= 0x80 && op <= 0x83 && reg != 2 && reg != 3) {
		in->flags_read = 0;
		in->flags_kill = FLAGS_ARITH;
	} else if (op == 0x84 || op == 0x85 || op == 0xa8 || op == 0xa9) {
		in->flags_read = 0; /* test */
		in->flags_kill = FLAGS_ARITH;
	} else if (op == 0xf6 || op == 0xf7) {
		in->flags_read = 0;
		if (reg == 0 || reg == 1 || reg == 3)
			in->flags_kill = FLAGS_ARITH; /* test neg; mul leaves some undefined: not counted */
	} else if (op == 0xff && reg == 6) {
		in->flags_read = 0;
	}
}

static bool lookup(struct cursor *c, struct insn *in, u16 *entry, u8 *vvvv)
{
	u8 b = next(c);

	if ((b == 0xc4 || b == 0xc5 || b == 0x62 || (b == 0x8f && (peek(c) & 31) >= 8))) {
		if (in->rex || in->opsize || in->rep || in->lock)
			return false;
		if (!vector_prefix(c, in, b, vvvv))
			return false;
		in->opc_off = (u8)c->at;
		in->opcode = next(c);
		*entry = decode_vector_entry(in->enc, in->map, in->opcode);
		return true;
	}
	in->opc_off = (u8)(c->at - 1);
	if (b == 0x0f) {
		in->map = 1;
		in->opc_off = (u8)c->at;
		b = next(c);
		if (b == 0x38 || b == 0x3a) {
			in->map = b == 0x38 ? 2 : 3;
			in->opc_off = (u8)c->at;
			b = next(c);
		}
	}
	in->opcode = b;
	*entry = in->map == 0 ? decode_map0[b] : in->map == 1 ? decode_map1[b] :
		 in->map == 2 ? (u16)(DT_MODRM | DT_PLAIN) : (u16)(DT_MODRM | DT_IB | DT_PLAIN);
	return *entry != 0;
}

long insn_decode(struct insn *in, const u8 *code, size_t avail, gaddr_t pc)
{
	struct cursor c = { code, avail > 15 ? 15 : avail, 0, false };
	u16 entry = 0;
	u8 vvvv = 0;
	bool ok;

	__builtin_memset(in, 0, sizeof(*in));
	prefixes(&c, in);
	ok = !c.cut && lookup(&c, in, &entry, &vvvv);
	if (ok && (entry & DT_MODRM)) {
		in->modrm_off = (u8)c.at;
		in->modrm = next(&c);
		if (in->modrm >> 6 != 3 && !(entry & DT_NOMEM))
			memory_operand(&c, in);
	}
	if (ok)
		immediate(&c, in, entry);
	if (c.at > 15 || (avail >= 15 && c.cut))
		ok = false;
	else if (c.cut || c.at > c.n) {
		in->class = INSN_INVALID;
		in->len = (u8)avail;
		return -EAGAIN_DECODE;
	}
	if (!ok) {
		u8 len = (u8)(c.at ? min(c.at, (size_t)15) : 1);

		__builtin_memset(in, 0, sizeof(*in));
		in->class = INSN_INVALID;
		in->len = len;
		in->flags_read = FLAGS_ARITH | FLAG_DF;
		return 0;
	}
	in->len = (u8)c.at;
	classify(in, pc);
	registers(in, entry, vvvv);
	flags(in, entry);
	return 0;
}
