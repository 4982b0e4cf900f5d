/* SPDX-License-Identifier: MIT */
/*
 * Host instructions as functions, over a bounds-checked cursor. One function per shape the translator
 * needs; names are the mnemonics. Encodings: Intel SDM vol. 2.
 */
#ifndef GNOMON_XLATE_EMIT_H
#define GNOMON_XLATE_EMIT_H

#include "rt/rt.h"
#include "xlate/slots.h"

struct emit {
	u8 *p, *limit; /* writing past the limit is a bug: the caller reserved the worst case */
};

static inline void emit8(struct emit *e, int b)
{
	BUG_ON(e->p >= e->limit);
	*e->p++ = (u8)b;
}

static inline void emit_bytes(struct emit *e, const void *src, size_t n)
{
	const u8 *s = src;
	u8 *p = e->p; /* the bytes may alias e */

	BUG_ON(p + n > e->limit);
	e->p = p + n;
	if (__builtin_constant_p(n)) {
		__builtin_memcpy(p, s, n);
		return;
	}
	for (size_t i = 0; i < n; i++)
		p[i] = s[i];
}

/* n <= 16 bytes of a longer source: 16 are read and written, the next ones overwrite the rest */
static inline void emit_insn(struct emit *e, const u8 *src, size_t n)
{
	u64 lo, hi;

	BUG_ON(e->p + 16 > e->limit);
	__builtin_memcpy(&lo, src, 8);
	__builtin_memcpy(&hi, src + 8, 8);
	__builtin_memcpy(e->p, &lo, 8);
	__builtin_memcpy(e->p + 8, &hi, 8);
	e->p += n;
}

static inline void emit32(struct emit *e, u32 v)
{
	BUG_ON(e->p + 4 > e->limit);
	__builtin_memcpy(e->p, &v, 4);
	e->p += 4;
}

static inline void emit64(struct emit *e, u64 v)
{
	BUG_ON(e->p + 8 > e->limit);
	__builtin_memcpy(e->p, &v, 8);
	e->p += 8;
}

#define EMIT(e, ...)                                            \
	do {                                                    \
		static const u8 b_[] = { __VA_ARGS__ };         \
		emit_bytes(e, b_, sizeof(b_));                  \
	} while (0)

static inline bool fits_s32(s64 v)
{
	return v == (s32)v;
}

/* mov r64, gs:[slot] and back; any register */
static inline void mov_slot(struct emit *e, u32 opcode, int reg, u32 slot)
{
	emit32(e, 0x65 | (0x48u | (u32)reg >> 3 << 2) << 8 | opcode << 16 | (4u | ((u32)reg & 7) << 3) << 24);
	emit8(e, 0x25);
	emit32(e, slot);
}

static inline void mov_r_slot(struct emit *e, int reg, u32 slot)
{
	mov_slot(e, 0x8b, reg, slot);
}

static inline void mov_slot_r(struct emit *e, u32 slot, int reg)
{
	mov_slot(e, 0x89, reg, slot);
}

/* pext reg, reg, gs:[slot]; r8..r15, no flags */
static inline void pext_r_slot(struct emit *e, int reg, u32 slot)
{
	EMIT(e, 0x65, 0xc4, 0x62); /* VEX3: R of reg, map 0F38 */
	emit8(e, (u8)(0xba - (reg - 8) * 8)); /* W1, vvvv = reg, F3 */
	emit8(e, 0xf5);
	emit8(e, (u8)((reg & 7) << 3 | 4));
	emit8(e, 0x25);
	emit32(e, slot);
}

/* mov dword gs:[slot], imm32 */
static inline void mov_slot_imm(struct emit *e, u32 slot, u32 imm)
{
	emit32(e, 0x2504c765);
	emit32(e, slot);
	emit32(e, imm);
}

/* reg := constant, by lea where it is in reach, else by mov imm64; no flags */
static inline void lea_const(struct emit *e, int reg, u64 value)
{
	s64 disp = (s64)(value - (u64)(e->p + 7));

	if (value == (u32)value) { /* mov r32, imm32 */
		if (reg >= 8)
			emit8(e, 0x41);
		emit8(e, 0xb8 | (reg & 7));
		emit32(e, (u32)value);
	} else if (fits_s32(disp)) {
		emit8(e, 0x48 | (reg >> 3 << 2));
		emit8(e, 0x8d);
		emit8(e, 0x05 | (reg & 7) << 3);
		emit32(e, (u32)disp);
	} else {
		emit8(e, 0x48 | (reg >> 3));
		emit8(e, 0xb8 | (reg & 7));
		emit64(e, value);
	}
}

/* a rel32 branch's displacement field must not cross a cache line, so that a link is one atomic store */
static inline void emit_align_rel32(struct emit *e, unsigned opcode_len)
{
	unsigned at = ((unsigned)(u64)e->p + opcode_len) & 63;

	if (at <= 60)
		return;
	switch (64 - at) { /* 1..3 bytes short: pad so that the field starts a line */
	case 1: EMIT(e, 0x90); break;
	case 2: EMIT(e, 0x66, 0x90); break;
	case 3: EMIT(e, 0x0f, 0x1f, 0x00); break;
	}
}

static inline void emit_rel32_to(struct emit *e, const u8 *to)
{
	s64 d = to - (e->p + 4);

	BUG_ON(!fits_s32(d));
	emit32(e, (u32)d);
}

static inline void jmp_rel32(struct emit *e, const u8 *to)
{
	emit8(e, 0xe9);
	emit_rel32_to(e, to);
}

static inline void jcc_rel32(struct emit *e, int cc, const u8 *to)
{
	emit8(e, 0x0f);
	emit8(e, 0x80 | cc);
	emit_rel32_to(e, to);
}

#endif
