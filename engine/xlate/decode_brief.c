/* SPDX-License-Identifier: MIT */
/*
 * The decoder's short cut for what most instructions are: no legacy prefix, an ordinary opcode, neither r10 nor r11.
 * Few branches, since nothing here is predictable. Everything else goes to insn_decode(), which also defines what is
 * right (tests/unit/decode_brief.c compares them). [as-safe]
 */
#include "xlate/decode_tables.h"

#define REX_B 1
#define REX_X 2
#define REX_R 4
#define REX_W 8

/* what follows the opcode, and what stands in it */
enum {
	OK = 1,     /* may be taken here; else all bits are 0 */
	M = 2,      /* ModRM */
	OPC = 4,    /* the low three bits of the opcode are a register */
	MEM = 8,    /* only with a memory operand */
	ALL = 16,   /* only with ModRM.reg = 0 */
	I8 = 32,    /* immediates: a byte */
	IZ = 128,   /* 4 bytes */
	IV = 8192,  /* with IZ: 4 more if there is REX.W */
	IMM = 32 | 128, /* bytes of immediate, times 32 */
	REL8 = OK | I8, /* direct branches; the class stands above */
	REL32 = OK | IZ,
};
#define CLASS(c) ((c) << 8)
#define JCC CLASS(INSN_JCC)

#define ALU_ROW OK | M, OK | M, OK | M, OK | M, OK | I8, OK | IZ, 0, 0
#define X4(x) x, x, x, x
#define X8(x) X4(x), X4(x)
#define X16(x) X8(x), X8(x)
#define TWO(...) __VA_ARGS__, __VA_ARGS__
#define FOUR(...) TWO(__VA_ARGS__), TWO(__VA_ARGS__)
#define EIGHT(...) FOUR(__VA_ARGS__), FOUR(__VA_ARGS__)

/* clang-format off */
static const u16 shapes[2][256] = {
	{
		EIGHT(ALU_ROW), /* 00..3F */
		X16(0), X16(OK | OPC),                  /* 40..5F: REX, push, pop */
		0, 0, 0, OK | M, X4(0), OK | IZ, OK | M | IZ, OK | I8, OK | M | I8, X4(0), /* 60..6F */
		X16(REL8 | JCC),                        /* 70..7F */
		OK | M | I8, OK | M | IZ, 0, OK | M | I8, X8(OK | M), 0, OK | M | MEM, 0, 0, /* 80..8F */
		0, OK | OPC, OK | OPC, OK | OPC, X4(OK | OPC), OK, OK, 0, 0, X4(0), /* 90..9F */
		X8(0), OK | I8, OK | IZ, 0, 0, X4(0),   /* A0..AF */
		X8(OK | OPC | I8), X8(OK | OPC | IZ | IV),   /* B0..BF */
		OK | M | I8, OK | M | I8, 0, OK | CLASS(INSN_RET), 0, 0, OK | M | ALL | I8, OK | M | ALL | IZ, X8(0), /* C0.. */
		X4(OK | M), X4(0), X8(0),               /* D0..DF */
		X8(0), REL32 | CLASS(INSN_CALL), REL32 | CLASS(INSN_JMP), 0, REL8 | CLASS(INSN_JMP), X4(0), /* E0..EF */
		X16(0),
	},
	{
		X16(0),
		OK | M, OK | M, 0, 0, OK | M, OK | M, 0, 0, X4(0), 0, 0, 0, OK | M, /* 0F 10..1F */
		X8(0), OK | M, OK | M, 0, 0, 0, 0, OK | M, OK | M, /* 0F 20..2F */
		X16(0),
		X16(OK | M),                            /* 0F 40..4F: cmov */
		0, X4(OK | M), OK | M, OK | M, OK | M, X8(OK | M), /* 0F 50..5F */
		X16(0),
		X16(0),
		X16(REL32 | JCC),                       /* 0F 80..8F */
		X16(OK | M),                            /* 0F 90..9F: setcc */
		0, 0, 0, OK | M, OK | M | I8, OK | M, 0, 0, 0, 0, 0, OK | M, OK | M | I8, OK | M, 0, OK | M, /* 0F A0.. */
		OK | M, OK | M, 0, OK | M, 0, 0, OK | M, OK | M, 0, 0, 0, OK | M, OK | M, OK | M, OK | M, OK | M, /* 0F B0.. */
		OK | M, OK | M, 0, 0, 0, 0, OK | M | I8, 0, X8(OK | OPC), /* 0F C0..CF */
		X16(0),
		X16(0),
		X16(0),
	},
};

/* bytes behind ModRM but for the immediate; SIB_BASE: 4 more where SIB names no base */
#define SIB_BASE 0x80
#define SIB_HERE 0x40
#define ROW0 0, 0, 0, 0, 1 | SIB_BASE | SIB_HERE, 4, 0, 0
#define ROW1 1, 1, 1, 1, 2 | SIB_HERE, 1, 1, 1
#define ROW2 4, 4, 4, 4, 5 | SIB_HERE, 4, 4, 4
static const u8 behind_modrm[256] = {
	EIGHT(ROW0), EIGHT(ROW1), EIGHT(ROW2), X16(0), X16(0), X16(0), X16(0),
};
/* clang-format on */

static inline u32 is_borrowed(u32 reg)
{
	return (reg & 14) == 10;
}

static void direct_branch(struct insn *in, const u8 *code, gaddr_t pc, u32 shape)
{
	s32 disp = 0;

	if (in->class == INSN_RET)
		return;
	if ((shape & IMM) == I8)
		disp = (s8)code[in->len - 1];
	else
		__builtin_memcpy(&disp, code + in->len - 4, 4);
	in->cc = in->class == INSN_JCC ? in->opcode & 15 : 0;
	in->imm = (u64)(s64)disp;
	in->target = pc + in->len + in->imm;
}

long insn_decode_brief(struct insn *in, const u8 *code, size_t avail, gaddr_t pc)
{
	u32 rex, at, map, op, shape, len, modrm, more, sib, rm, has_modrm, has_sib, borrowed;
	u64 w;

	if (unlikely(avail < 16))
		return insn_decode(in, code, avail, pc);
	/*
	 * One load, then all is computed whether it applies or not, and masked. What counts is how soon the length is
	 * known, for the next instruction waits for it.
	 */
	__builtin_memcpy(&w, code, 8);
	at = (w & 0xf0) == 0x40;
	rex = (u32)w & -at & 0xff;
	w >>= 8 * at;
	map = (u8)w == 0x0f;
	w >>= 8 * map;
	at += map;
	op = (u8)w;
	modrm = (u8)(w >> 8);
	sib = (u8)(w >> 16);
	shape = shapes[map][op];
	more = behind_modrm[modrm];
	has_modrm = shape / M & 1;
	has_sib = more / SIB_HERE & 1;
	rm = (modrm & -(has_sib ^ 1) & 7) | (sib & -has_sib & 7);
	borrowed = is_borrowed((modrm >> 3 & 7) | (rex & REX_R) << 1);
	borrowed |= is_borrowed((sib >> 3 & 7) | (rex & REX_X) << 2) & has_sib;
	borrowed |= is_borrowed(rm | (rex & REX_B) << 3);
	borrowed |= (shape / MEM & 1) & (u32)(modrm >= 0xc0);
	borrowed |= (shape / ALL & 1) & (u32)((modrm & 0x38) != 0);
	borrowed &= has_modrm;
	borrowed |= (shape / OPC & 1) & is_borrowed((op & 7) | (rex & REX_B) << 3);
	if (borrowed | !shape)
		return insn_decode(in, code, avail, pc);
	len = 1 + (more & 7) + 4 * ((u32)(rm == 5) & more / SIB_BASE);
	len = at + 1 + (len & -has_modrm) + (shape & IMM) / I8 + (shape / IV & rex / REX_W & 1) * 4;
	insn_clear(in);
	in->len = (u8)len;
	in->class = shape >> 8 & 31;
	in->map = (u8)map;
	in->opcode = (u8)op;
	in->opc_off = (u8)at;
	in->rex = (u8)rex;
	in->modrm = (u8)(modrm & -has_modrm);
	in->modrm_off = (u8)((at + 1) & -has_modrm);
	in->mem = has_modrm & (u32)(modrm < 0xc0);
	in->riprel = has_modrm & (u32)((modrm & 0xc7) == 5);
	in->disp_off = (u8)((at + 2) & -(u32)in->riprel);
	if (in->class != INSN_PLAIN)
		direct_branch(in, code, pc, shape);
	return 0;
}
