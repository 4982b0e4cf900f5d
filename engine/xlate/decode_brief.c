/* SPDX-License-Identifier: MIT */
/*
 * Tables of the decoder's short cut, and struct insn for those who want one. [as-safe]
 */
#include "xlate/decode_brief.h"

/* the table's short names of enum brief_shape */
enum {
	OK = BRIEF_OK, M = BRIEF_M, OPC = BRIEF_OPC, MEM = BRIEF_MEM, ALL = BRIEF_ALL, I8 = BRIEF_I8, IZ = BRIEF_IZ,
	IV = BRIEF_IV, TO_REG = BRIEF_TO_REG, TO_RM = BRIEF_TO_RM,
	REL8 = OK | I8, REL32 = OK | IZ, /* direct branches: the class stands above */
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
const u16 decode_shapes[2][256] = {
	{
		EIGHT(ALU_ROW), /* 00..3F */
		X16(0), X16(OK | OPC),                  /* 40..5F: REX, push, pop */
		0, 0, 0, OK | M, X4(0), OK | IZ, OK | M | IZ, OK | I8, OK | M | I8, X4(0), /* 60..6F */
		X16(REL8 | JCC),                        /* 70..7F */
		OK | M | I8, OK | M | IZ, 0, OK | M | I8, OK | M, OK | M, OK | M, 0,
		OK | M, OK | M | TO_RM, OK | M, OK | M | TO_REG, 0, OK | M | MEM | TO_REG, 0, 0, /* 80..8F */
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

/* see decode_brief.h */
#define ROW0 0, 0, 0, 0, 1 | BRIEF_SIB_BASE | BRIEF_SIB, 4, 0, 0
#define ROW1 1, 1, 1, 1, 2 | BRIEF_SIB, 1, 1, 1
#define ROW2 4, 4, 4, 4, 5 | BRIEF_SIB, 4, 4, 4
const u8 decode_behind_modrm[256] = {
	EIGHT(ROW0), EIGHT(ROW1), EIGHT(ROW2), X16(0), X16(0), X16(0), X16(0),
};
/* clang-format on */

static void direct_branch(struct insn *in, const u8 *code, gaddr_t pc, bool byte)
{
	s32 disp = 0;

	if (in->class == INSN_RET)
		return;
	if (byte)
		disp = (s8)code[in->len - 1];
	else
		__builtin_memcpy(&disp, code + in->len - 4, 4);
	in->cc = in->class == INSN_JCC ? in->opcode & 15 : 0;
	in->imm = (u64)(s64)disp;
	in->target = pc + in->len + in->imm;
}

void insn_from_brief(struct insn *in, const struct insn_brief *b, const u8 *code, gaddr_t pc)
{
	u32 rex = (code[0] & 0xf0) == 0x40, map = code[rex] == 0x0f, at = rex + map;

	insn_clear(in);
	in->len = (u8)b->len;
	in->class = (u8)brief_class(b);
	in->map = (u8)map;
	in->rex = rex ? code[0] : 0;
	in->opc_off = (u8)at;
	in->opcode = code[at];
	if (b->shape & BRIEF_M) {
		in->modrm_off = (u8)(at + 1);
		in->modrm = code[at + 1];
		in->mem = in->modrm < 0xc0;
	}
	in->riprel = b->disp_off;
	in->disp_off = (u8)b->disp_off;
	if (in->class != INSN_PLAIN)
		direct_branch(in, code, pc, (b->shape & BRIEF_IMM) == BRIEF_I8);
}

long insn_decode_brief(struct insn *in, const u8 *code, size_t avail, gaddr_t pc)
{
	struct insn_brief b;

	if (unlikely(avail < 16) || !insn_brief(&b, code))
		return insn_decode(in, code, avail, pc);
	insn_from_brief(in, &b, code, pc);
	return 0;
}
