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
	IZ = 64,    /* 4 bytes */
	IV = 96,    /* 4 bytes, 8 with REX.W */
	IMM = 96,
};

#define ALU_ROW OK | M, OK | M, OK | M, OK | M, OK | I8, OK | IZ, 0, 0
#define X4(x) x, x, x, x
#define X8(x) X4(x), X4(x)
#define X16(x) X8(x), X8(x)
#define TWO(...) __VA_ARGS__, __VA_ARGS__
#define FOUR(...) TWO(__VA_ARGS__), TWO(__VA_ARGS__)
#define EIGHT(...) FOUR(__VA_ARGS__), FOUR(__VA_ARGS__)

/* clang-format off */
static const u8 shapes[2][256] = {
	{
		EIGHT(ALU_ROW), /* 00..3F */
		X16(0), X16(OK | OPC),                  /* 40..5F: REX, push, pop */
		0, 0, 0, OK | M, X4(0), OK | IZ, OK | M | IZ, OK | I8, OK | M | I8, X4(0), /* 60..6F */
		X16(0),                                 /* 70..7F: jcc */
		OK | M | I8, OK | M | IZ, 0, OK | M | I8, X8(OK | M), 0, OK | M | MEM, 0, 0, /* 80..8F */
		0, OK | OPC, OK | OPC, OK | OPC, X4(OK | OPC), OK, OK, 0, 0, X4(0), /* 90..9F */
		X8(0), OK | I8, OK | IZ, 0, 0, X4(0),   /* A0..AF */
		X8(OK | OPC | I8), X8(OK | OPC | IV),   /* B0..BF */
		OK | M | I8, OK | M | I8, 0, 0, 0, 0, OK | M | ALL | I8, OK | M | ALL | IZ, X8(0), /* C0..CF */
		X4(OK | M), X4(0), X8(0),               /* D0..DF */
		X16(0),
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
		X16(0),                                 /* 0F 80..8F: jcc */
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

static inline bool is_borrowed(u32 reg)
{
	return (reg & 14) == 10;
}

long insn_decode_brief(struct insn *in, const u8 *code, size_t avail, gaddr_t pc)
{
	static const u8 imm_size[8] = { 0, 1, 4, 4, 0, 1, 4, 8 };
	u32 rex, at, map, shape, len, modrm, more, sib, rm;
	bool borrowed;

	if (unlikely(avail < 16))
		return insn_decode(in, code, avail, pc);
	rex = (code[0] & 0xf0) == 0x40 ? code[0] : 0;
	at = rex != 0;
	map = code[at] == 0x0f;
	at += map;
	shape = shapes[map][code[at]];
	modrm = code[at + 1];
	sib = code[at + 2];
	more = behind_modrm[modrm];
	rm = modrm & 7;
	if (shape & M) {
		borrowed = is_borrowed((modrm >> 3 & 7) | (rex & REX_R) << 1);
		if (more & SIB_HERE) {
			borrowed |= is_borrowed((sib >> 3 & 7) | (rex & REX_X) << 2);
			rm = sib & 7;
		}
		borrowed |= is_borrowed(rm | (rex & REX_B) << 3);
		if (shape & (MEM | ALL))
			borrowed |= shape & MEM ? modrm >> 6 == 3 : (modrm >> 3 & 7) != 0;
		len = 1 + (more & 7);
		if (more & SIB_BASE && rm == 5)
			len += 4;
	} else {
		borrowed = shape & OPC && is_borrowed((code[at] & 7) | (rex & REX_B) << 3);
		len = 0;
	}
	if (!shape || borrowed)
		return insn_decode(in, code, avail, pc);
	len += at + 1 + imm_size[(shape & IMM) >> 5 | (rex & REX_W ? 4 : 0)];
	insn_clear(in);
	in->len = (u8)len;
	in->map = (u8)map;
	in->opcode = code[at];
	in->opc_off = (u8)at;
	in->rex = (u8)rex;
	if (shape & M) {
		in->modrm = (u8)modrm;
		in->modrm_off = (u8)(at + 1);
		in->mem = modrm >> 6 != 3;
		in->riprel = (modrm & 0xc7) == 5;
		in->disp_off = (u8)(in->riprel ? at + 2 : 0);
	}
	return 0;
}
