/* SPDX-License-Identifier: MIT */
/*
 * The decoder's short cut for what most instructions are: no legacy prefix, an ordinary opcode, neither r10 nor r11.
 * Inline, for the translator's inner loop. Everything else goes to insn_decode(), which also defines what is right
 * (tests/unit/decode_brief.c compares them). [as-safe]
 */
#ifndef GNOMON_XLATE_DECODE_BRIEF_H
#define GNOMON_XLATE_DECODE_BRIEF_H

#include "xlate/decode_tables.h"

/*
 * Three tables, by opcode, ModRM and SIB. The low three bits of each stand where REX has B, X and R, and are set where
 * that bit of REX would make a register of r10 or r11. MEM and ALL reject what has them both for opcode and ModRM.
 */
enum brief_bits {
	BRIEF_REX_B = 1, BRIEF_REX_X = 2, BRIEF_REX_R = 4,
	BRIEF_MEM = 8,    /* opcode: only with a memory operand. ModRM: two registers */
	BRIEF_ALL = 16,   /* opcode: only with ModRM.reg = 0. ModRM: it is not */
	/* opcode; bits 8..10 are its class */
	BRIEF_I8 = 32,    /* immediates: a byte */
	BRIEF_M = 64,     /* ModRM follows */
	BRIEF_IZ = 128,   /* 4 bytes */
	BRIEF_IMM = 32 | 128, /* bytes of immediate, times 32 */
	BRIEF_TO_REG = 2048, /* only where ModRM.reg is not RSP: loads of RSP are the translator's. ModRM: it is, or R12 */
	BRIEF_TO_RM = 4096,  /* the same for the register ModRM.rm */
	BRIEF_IV = 8192,  /* with IZ: 4 more if there is REX.W */
	BRIEF_OK = 16384, /* may be taken here; else all bits are 0 */
	/* ModRM; from bit 5 on the bytes behind it, without 4 for a SIB without base */
	BRIEF_SIB = 256,
	BRIEF_NO_BASE = 512, /* SIB, mod 0: base 5 is a displacement */
	BRIEF_RIP = 1024,
	/* SIB */
	BRIEF_BASE5 = 8,
};
#define BRIEF_LEN_SHIFT 5
extern const u16 decode_shapes[2][256], decode_modrm[256];
extern const u8 decode_sib[256];

struct insn_brief {
	u32 len, shape;
	u32 disp_off; /* of a RIP-relative operand, else 0 */
};

static inline u32 brief_class(const struct insn_brief *b)
{
	return b->shape >> 8 & 7;
}

/*
 * 16 bytes at `code` are readable. False: not an instruction for the short cut. Few branches, since nothing here is
 * predictable: all is looked up whether it applies or not, and masked.
 */
static inline __attribute__((always_inline)) bool insn_brief(struct insn_brief *b, const u8 *code)
{
	u32 rex, at, map, shape, modrm, sib, not_rsp;
	u64 w;

	__builtin_memcpy(&w, code, 8);
	at = (w & 0xf0) == 0x40;
	rex = (u32)w & -at & 15;
	w >>= 8 * at;
	map = (u8)w == 0x0f;
	w >>= 8 * map;
	at += map;
	shape = decode_shapes[map][(u8)w];
	modrm = decode_modrm[(u8)(w >> 8)] & -(shape / BRIEF_M & 1);
	sib = decode_sib[(u8)(w >> 16)] & -(modrm / BRIEF_SIB & 1);
	not_rsp = (rex & BRIEF_REX_R) * (BRIEF_TO_REG / BRIEF_REX_R) | (rex & BRIEF_REX_B) * BRIEF_TO_RM;
	if (((shape | modrm | sib) & rex & 7) | !shape |
	    (shape & modrm & (BRIEF_MEM | BRIEF_ALL | BRIEF_TO_REG | BRIEF_TO_RM) & ~not_rsp))
		return false;
	b->shape = shape;
	b->disp_off = (at + 2) & -(modrm / BRIEF_RIP & 1);
	b->len = at + 1 + (shape / BRIEF_M & 1) + (modrm >> BRIEF_LEN_SHIFT & 7) +
		 4 * (modrm / BRIEF_NO_BASE & sib / BRIEF_BASE5) + (shape & BRIEF_IMM) / BRIEF_I8 +
		 4 * (shape / BRIEF_IV & rex >> 3);
	return true;
}

/* the same, of the instruction at `code`, as struct insn; see insn_decode_brief() for what that says */
void insn_from_brief(struct insn *in, const struct insn_brief *b, const u8 *code, gaddr_t pc);

#endif
