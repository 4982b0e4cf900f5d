/* SPDX-License-Identifier: MIT */
/*
 * Tables of the decoder's short cut, and struct insn for those who want one. [as-safe]
 */
#include "xlate/decode_brief.h"

/* short names for the tables */
enum {
	OK = BRIEF_OK, M = BRIEF_M, MEM = BRIEF_MEM, ALL = BRIEF_ALL, I8 = BRIEF_I8, IZ = BRIEF_IZ, IV = BRIEF_IV,
	TO_REG = BRIEF_TO_REG, TO_RM = BRIEF_TO_RM,
	REL8 = OK | I8, REL32 = OK | IZ, /* direct branches: the class stands above */
	SIB = BRIEF_SIB, SIB0 = BRIEF_SIB | BRIEF_NO_BASE, RIP = BRIEF_RIP,
	B = BRIEF_REX_B, X = BRIEF_REX_X, R = BRIEF_REX_R,
};
#define CLASS(c) ((c) << 8)
#define JCC CLASS(INSN_JCC)

#define ALU_ROW OK | M, OK | M, OK | M, OK | M, OK | I8, OK | IZ, 0, 0
#define X4(x) x, x, x, x
#define X8(x) X4(x), X4(x)
#define X16(x) X8(x), X8(x)
#define OPC8(x) (x), (x), (x) | B, (x) | B, (x), (x), (x), (x) /* a register in the opcode's low bits */
#define TWO(...) __VA_ARGS__, __VA_ARGS__
#define FOUR(...) TWO(__VA_ARGS__), TWO(__VA_ARGS__)
#define EIGHT(...) FOUR(__VA_ARGS__), FOUR(__VA_ARGS__)

/* clang-format off */
const u16 decode_shapes[2][256] = {
	{
		OK | M, OK | M | TO_RM, OK | M, OK | M, OK | I8, OK | IZ, 0, 0, /* 00..07: no ADD to RSP */
		ALU_ROW, TWO(ALU_ROW), FOUR(ALU_ROW),   /* 08..3F */
		X16(0), OPC8(OK), OPC8(OK),              /* 40..5F: REX, push, pop */
		0, 0, 0, OK | M, X4(0), OK | IZ, OK | M | IZ, OK | I8, OK | M | I8, X4(0), /* 60..6F */
		X16(REL8 | JCC),                        /* 70..7F */
		OK | M | I8, OK | M | IZ, 0, OK | M | I8, OK | M, OK | M, OK | M, 0,
		OK | M, OK | M | TO_RM, OK | M, OK | M | TO_REG, 0, OK | M | MEM | TO_REG, 0, 0, /* 80..8F */
		0, OK, OK | B, OK | B, X4(OK), OK, OK, 0, 0, X4(0), /* 90..9F */
		X8(0), OK | I8, OK | IZ, 0, 0, X4(0),   /* A0..AF */
		OPC8(OK | I8), OPC8(OK | IZ | IV),       /* B0..BF */
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
		OK | M, OK | M, 0, 0, 0, 0, OK | M | I8, 0, OPC8(OK), /* 0F C0..CF */
		X16(0),
		X16(0),
		X16(0),
	},
};

#define L(n) ((n) << BRIEF_LEN_SHIFT)
#define REG(r) (((r) ? ALL : 0) | (((r) & 6) == 2 ? R : 0) | ((r) == 4 ? TO_REG : 0))
#define BY_RM(r, l, l4, l5) \
	REG(r) | (l), REG(r) | (l), REG(r) | (l) | B, REG(r) | (l) | B, REG(r) | (l4), REG(r) | (l5), REG(r) | (l), REG(r) | (l)
#define BY_REG(...) \
	BY_RM(0, __VA_ARGS__), BY_RM(1, __VA_ARGS__), BY_RM(2, __VA_ARGS__), BY_RM(3, __VA_ARGS__), \
	BY_RM(4, __VA_ARGS__), BY_RM(5, __VA_ARGS__), BY_RM(6, __VA_ARGS__), BY_RM(7, __VA_ARGS__)
const u16 decode_modrm[256] = {
	BY_REG(L(0), L(1) | SIB0, L(4) | RIP),
	BY_REG(L(1), L(2) | SIB, L(1)),
	BY_REG(L(4), L(5) | SIB, L(4)),
	BY_REG(MEM, MEM | TO_RM, MEM),
};

#define BY_BASE(x) (x), (x), (x) | B, (x) | B, (x), (x) | BRIEF_BASE5, (x), (x)
#define BY_INDEX BY_BASE(0), BY_BASE(0), BY_BASE(X), BY_BASE(X), BY_BASE(0), BY_BASE(0), BY_BASE(0), BY_BASE(0)
const u8 decode_sib[256] = { FOUR(BY_INDEX) };
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
