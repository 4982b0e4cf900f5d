/* SPDX-License-Identifier: MIT */
/*
 * The decoder's short cut for what most instructions are: no legacy prefix, an ordinary opcode, neither r10 nor r11.
 * Inline, for the translator's inner loop. Everything else goes to insn_decode(), which also defines what is right
 * (tests/unit/decode_brief.c compares them). [as-safe]
 */
#ifndef GNOMON_XLATE_DECODE_BRIEF_H
#define GNOMON_XLATE_DECODE_BRIEF_H

#include "xlate/decode_tables.h"

/* what follows an opcode, and what stands in it; bits 8..12 are its class */
enum brief_shape {
	BRIEF_OK = 1,     /* may be taken here; else all bits are 0 */
	BRIEF_M = 2,      /* ModRM */
	BRIEF_OPC = 4,    /* the low three bits of the opcode are a register */
	BRIEF_MEM = 8,    /* only with a memory operand */
	BRIEF_ALL = 16,   /* only with ModRM.reg = 0 */
	BRIEF_I8 = 32,    /* immediates: a byte */
	BRIEF_IZ = 128,   /* 4 bytes */
	BRIEF_IV = 8192,  /* with IZ: 4 more if there is REX.W */
	BRIEF_IMM = 32 | 128, /* bytes of immediate, times 32 */
	BRIEF_TO_REG = 16384, /* only where ModRM.reg is not RSP: loads of RSP are the translator's */
	BRIEF_TO_RM = 32768,  /* only where ModRM.rm is not the register RSP */
};
extern const u16 decode_shapes[2][256];

/* bytes behind ModRM but for the immediate: low three bits, and */
#define BRIEF_SIB_BASE 0x80 /* 4 more where SIB names no base */
#define BRIEF_SIB 0x40      /* SIB follows */
extern const u8 decode_behind_modrm[256];

struct insn_brief {
	u32 len, shape;
	u32 disp_off; /* of a RIP-relative operand, else 0 */
};

static inline u32 brief_is_borrowed(u32 reg)
{
	return (reg & 14) == 10;
}

static inline u32 brief_class(const struct insn_brief *b)
{
	return b->shape >> 8 & 31;
}

/*
 * 16 bytes at `code` are readable. False: not an instruction for the short cut. Few branches, since nothing here is
 * predictable: all is computed whether it applies or not, and masked. What counts is how soon the length is known, for
 * the next instruction waits for it.
 */
static inline __attribute__((always_inline)) bool insn_brief(struct insn_brief *b, const u8 *code)
{
	enum { REX_B = 1, REX_X = 2, REX_R = 4, REX_W = 8 };
	u32 rex, at, map, op, shape, len, modrm, more, sib, rm, has_modrm, has_sib, no;
	u64 w;

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
	shape = decode_shapes[map][op];
	more = decode_behind_modrm[modrm];
	has_modrm = shape / BRIEF_M & 1;
	has_sib = more / BRIEF_SIB & 1;
	rm = (modrm & -(has_sib ^ 1) & 7) | (sib & -has_sib & 7);
	no = brief_is_borrowed((modrm >> 3 & 7) | (rex & REX_R) << 1);
	no |= brief_is_borrowed((sib >> 3 & 7) | (rex & REX_X) << 2) & has_sib;
	no |= brief_is_borrowed(rm | (rex & REX_B) << 3);
	no |= (shape / BRIEF_MEM & 1) & (u32)(modrm >= 0xc0);
	no |= (shape / BRIEF_ALL & 1) & (u32)((modrm & 0x38) != 0);
	no |= (shape / BRIEF_TO_REG & 1) & (u32)((modrm & 0x38) == 0x20) & ~(rex / REX_R);
	no |= (shape / BRIEF_TO_RM & 1) & (u32)((modrm & 0xc7) == 0xc4) & ~(rex / REX_B);
	no &= has_modrm;
	no |= (shape / BRIEF_OPC & 1) & brief_is_borrowed((op & 7) | (rex & REX_B) << 3);
	if (no | !shape)
		return false;
	len = 1 + (more & 7) + 4 * ((u32)(rm == 5) & more / BRIEF_SIB_BASE);
	b->len = at + 1 + (len & -has_modrm) + (shape & BRIEF_IMM) / BRIEF_I8 + (shape / BRIEF_IV & rex / REX_W & 1) * 4;
	b->shape = shape;
	b->disp_off = (at + 2) & -(has_modrm & (u32)((modrm & 0xc7) == 5));
	return true;
}

/* the same, of the instruction at `code`, as struct insn; see insn_decode_brief() for what that says */
void insn_from_brief(struct insn *in, const struct insn_brief *b, const u8 *code, gaddr_t pc);

#endif
