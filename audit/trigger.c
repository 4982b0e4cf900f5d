/* SPDX-License-Identifier: MIT */
/*
 * The search for byte sequences that the instructions of the rules have. A table of byte pairs rules out nearly every
 * position with one load; what is left is looked at here with its neighbours, and only then is a function decoded. A hit
 * by chance costs that decoding and nothing else.
 */
#include <string.h>

#include "code.h"

static uint64_t pairs[65536 / 64];

static void pair(unsigned a, unsigned b)
{
	unsigned i = a | b << 8;

	pairs[i / 64] |= 1ull << i % 64;
}

__attribute__((constructor)) static void fill(void)
{
	for (unsigned m = 0; m < 256; m++) {
		unsigned reg = m >> 3 & 7, rm = m & 7, mod = m >> 6;

		if (mod == 3 && rm == 4 && reg != 5)
			pair(0x89, m); /* mov %reg, %rsp */
		if (reg == 4 && !(mod != 0 && mod != 3 && rm == 5) && m != 0xe5)
			pair(0x8b, m); /* mov ..., %rsp */
		if (reg == 4 && mod != 3 && !(mod && rm == 5))
			pair(0x8d, m); /* lea ..., %rsp */
		if (reg == 4 || (mod == 3 && rm == 4))
			pair(0x87, m); /* xchg */
		if (mod == 3 && rm == 4)
			pair(0x01, m); /* add %reg, %rsp */
		if (mod == 1 && rm == 5) {
			pair(0x89, m); /* mov %reg, d8(%rbp) */
			pair(0x87, m);
		}
		if (mod == 3 && reg == 5 && rm != 4 && rm != 5)
			pair(0x89, m); /* mov %rbp, %reg: the frame's address is taken */
		if (mod == 1 && rm == 5 && reg != 4)
			pair(0x8d, m); /* lea d8(%rbp), %reg: ... or the return address's */
		if (reg == 7 && mod == 1 && rm != 4 && rm != 5)
			pair(0x89, m); /* mov %r15, d8(%base): with its like, a saved context */
		if (m >= 0xe0 && m <= 0xe7)
			pair(0xff, m); /* jmp *%reg */
		if (reg == 6 && mod != 3)
			pair(0xff, m); /* push of memory */
		if (m >= 0xe8 && m <= 0xef)
			pair(0xae, m); /* incssp */
		if (m >= 0xc8 && m <= 0xcf)
			pair(0x1e, m); /* rdssp */
		if (m >= 0x28 && m <= 0x2f)
			pair(0x01, m); /* rstorssp (%reg) */
		if (m >= 0x68 && m <= 0x6f)
			pair(0x01, m);
		/* what may stand before a ret that is no return */
		if ((m >= 0x50 && m <= 0x57) || m == 0x24)
			pair(m, 0xc3);
	}
	pair(0x48, 0x94); /* xchg %rax, %rsp */
	pair(0x5c, 0xc3);
	pair(0x5c, 0xff);
	pair(0x45, 0x08); /* op $imm, 8(%rbp) */
	pair(0x04, 0x24); /* ... (%rsp): add, mov of an immediate */
	pair(0x44, 0x24); /* mov $imm, 4(%rsp) */
	pair(0x64, 0x24); /* jmp *-8(%rsp) */
	pair(0x01, 0xea); /* saveprevssp */
	pair(0x38, 0xf6); /* wrss */
	pair(0xb8, 0xc3); /* mov $451, %eax */
	pair(0xc0, 0xc3);
	pair(0xbf, 0xc3); /* mov $451, %edi */
	pair(0xbf, 0x01); /* mov $0x5001, %edi */
	for (unsigned d = 1; d < 128; d++)
		pair(0xe8, d); /* call over a few bytes */
}

static bool rex_w(uint8_t b)
{
	return (b & 0xf8) == 0x48;
}

static uint32_t word(const uint8_t *p)
{
	uint32_t w;

	memcpy(&w, p, 4);
	return w;
}

static bool is_ret(const uint8_t *p)
{
	return *p == 0xc3 || *p == 0xc2 || ((p[0] == 0xf2 || p[0] == 0xf3) && p[1] == 0xc3);
}

static bool pop_at(const uint8_t *p)
{
	return (*p & 0xf8) == 0x58 || (*p == 0x41 && (p[1] & 0xf8) == 0x58);
}

/* p is the opcode of 89, 8b, 8d or 87; p[-1] its REX prefix */
static bool stack_pointer(const uint8_t *p)
{
	uint8_t rex = p[-1], m = p[1];
	unsigned mod = m >> 6, rm = m & 7;
	bool to_reg = (m & 0x38) == 0x20 && !(rex & 4), to_rm = mod == 3 && rm == 4 && !(rex & 1);

	if (!rex_w(rex))
		return false;
	switch (*p) {
	case 0x89: return to_rm;
	case 0x8b: return to_reg && !(rm == 5 && mod && !(rex & 1));
	case 0x87: return to_reg || to_rm;
	default:
		if (!to_reg || mod == 3 || (rm == 5 && mod && !(rex & 1)))
			return false;
		/* lea -8(%reg), %rsp; ret: how compilers leave a frame that they aligned */
		if (mod == 1 && rm != 4 && p[2] == 0xf8 && p[3] == 0xc3)
			return false;
		/* lea of an address relative to %rsp or %rbp is a prologue or an epilogue */
		return rm != 4 || rex & 1 || ((p[2] & 7) != 4 && ((p[2] & 7) != 5 || !mod));
	}
}

/* mov to 8(%rbp), or lea of it: the return address if %rbp is a frame pointer */
static bool above_frame(const uint8_t *p)
{
	return rex_w(p[-1]) && !(p[-1] & 1) && (p[1] & 0xc7) == 0x45 && p[2] == 8;
}

/* mov %rbp, %reg or to the stack: the frame's own address, from which the return address is two words away */
static bool frame_address(const uint8_t *p)
{
	return rex_w(p[-1]) && !(p[-1] & 4) && ((p[1] & 0xf8) == 0xe8 || p[1] == 0x6d);
}

/* %r12 to %r15 stored side by side, as setjmp and context switches do */
static bool context(const uint8_t *p)
{
	unsigned regs = 0;

	if (p[-1] != 0x4c || (p[1] & 0xf8) != 0x78)
		return false;
	for (int i = -16; i < 14; i++)
		if (p[i] == 0x4c && p[i + 1] == 0x89 && (p[i + 2] & 0x20))
			regs |= 1u << (p[i + 2] >> 3 & 7);
	return (regs & 0xf0) == 0xf0;
}

static bool pushed_before(const uint8_t *p)
{
	/* p: behind a push of a register, or behind the SIB byte 24 of an operand (%rsp) */
	if (p[-1] == 0x24)
		return (p[-2] & 0xc7) == 4 && rex_w(p[-4]);
	/* the second half of xorps and its like, with an operand that looks like a ret, is no push */
	return (p[-1] & 0xf8) == 0x50 && p[-2] != 0x0f && p[-3] != 0xc5 && p[-4] != 0xc4;
}

static bool memory_then_ret(const uint8_t *p)
{
	/* p: the ModRM byte of an operand (%rsp) or 4(%rsp), of an operation with an immediate */
	if (p[-1] == 0x83 && *p == 4)
		return is_ret(p + 3);
	if (p[-1] == 0x81 && *p == 4)
		return is_ret(p + 6);
	if (p[-1] == 0xc7)
		return is_ret(p + (*p == 4 ? 6 : 7)) || (*p == 4 && p[6] == 0xc7);
	return false;
}

/* add $8, %rsp or lea 8(%rsp), %rsp */
static bool drops_word(const uint8_t *p)
{
	return !memcmp(p, "\x48\x83\xc4\x08", 4) || !memcmp(p, "\x48\x8d\x64\x24\x08", 5);
}

/* a call over a few bytes, to something that takes what it pushed, writes over it or gives it up */
static bool call_over(const uint8_t *p, const uint8_t *end)
{
	const uint8_t *to = p + 5 + p[1];

	return word(p + 1) < 128 && to + 5 <= end &&
	       (pop_at(to) || (rex_w(to[0]) && to[1] == 0x89 && to[3] == 0x24) || drops_word(to));
}

/* p: push of memory; is it followed by a ret? */
static bool push_then_ret(const uint8_t *p)
{
	unsigned mod = p[1] >> 6, rm = p[1] & 7, n = 2;

	if (rm == 4) {
		if (!mod && (p[2] & 7) == 5)
			n += 4;
		n++;
	} else if (!mod && rm == 5) {
		n += 4;
	}
	return is_ret(p + n + (mod == 1 ? 1 : mod == 2 ? 4 : 0));
}

/* p: jmp *%reg. Was the register popped, or read from the top of a stack that is then given up? */
static unsigned jump_back(const uint8_t *p)
{
	static const uint8_t drop[4] = { 0x48, 0x83, 0xc4, 0x08 };
	unsigned reg = p[1] & 7;

	if (p[-1] == 0x41)
		return (p[-2] & 0xf8) == 0x58 && (p[-2] & 7) == reg ? TRIG_FOLLOW : 0;
	if ((p[-1] & 0xf8) == 0x58 && (p[-1] & 7) == reg)
		return TRIG_FOLLOW;
	if (memcmp(p - 4, drop, 4))
		return 0;
	for (int i = -40; i < -6; i++)
		if (p[i] == 0x48 && p[i + 1] == 0x8b && p[i + 2] == (4 | reg << 3) && p[i + 3] == 0x24)
			return TRIG_FOLLOW;
	return 0;
}

/* p: an addition to %rsp. Does that of the same register to %rbp follow? */
static bool moves_frame(const uint8_t *p)
{
	return (p[-1] & 0xfb) == 0x48 && p[2] == p[-1] && p[3] == 0x01 && p[4] == (p[1] | 1);
}

static unsigned judge(const uint8_t *p, const uint8_t *end)
{
	switch (*p) {
	case 0x89:
		if (stack_pointer(p) || context(p))
			return TRIG_FOLLOW;
		return above_frame(p) || frame_address(p) ? TRIG_FRAME : 0;
	case 0x87: return stack_pointer(p) ? TRIG_FOLLOW : above_frame(p) ? TRIG_FRAME : 0;
	case 0x8b: return stack_pointer(p) ? TRIG_FOLLOW : 0;
	case 0x8d: return stack_pointer(p) ? TRIG_FOLLOW : above_frame(p) ? TRIG_FRAME : 0;
	case 0x48: return TRIG_FOLLOW;
	case 0x5c: /* not pop %r12 */
		return (p[-1] & 0xf1) == 0x41 || (p[1] == 0xff && (p[2] < 0xe0 || p[2] > 0xe7)) ? 0 : TRIG_FOLLOW;
	case 0x45: return (p[-1] == 0x83 || p[-1] == 0x81 || p[-1] == 0xc7) && rex_w(p[-2]) ? TRIG_FRAME : 0;
	case 0x04:
	case 0x44: return memory_then_ret(p) ? TRIG_FOLLOW : 0;
	case 0x64: return p[-1] == 0xff && p[2] == 0xf8 ? TRIG_FOLLOW : 0;
	case 0xff: return p[1] >= 0xe0 ? jump_back(p) : push_then_ret(p) ? TRIG_FOLLOW : 0;
	case 0xe8: return call_over(p, end) ? TRIG_FOLLOW : 0;
	case 0xb8:
	case 0xbf:
		if (word(p + 1) == 451)
			return TRIG_FOLLOW;
		return *p == 0xbf && word(p + 1) == 0x5001 ? TRIG_ENABLE : 0;
	case 0xc0: return p[-1] == 0xc7 && rex_w(p[-2]) && word(p + 1) == 451 ? TRIG_FOLLOW : 0;
	case 0xae:
	case 0x1e: return p[-1] == 0x0f && (p[-2] == 0xf3 || (rex_w(p[-2]) && p[-3] == 0xf3)) ? TRIG_SSP : 0;
	case 0x01: return p[-1] == 0x0f && p[-2] == 0xf3 ? TRIG_SSP : moves_frame(p) ? TRIG_FOLLOW : 0;
	case 0x38: return p[-1] == 0x0f && p[-2] != 0x66 && p[-2] != 0xf3 && p[-2] != 0xf2 &&
				 !(rex_w(p[-2]) && (p[-3] == 0x66 || p[-3] == 0xf3)) ? TRIG_SSP : 0;
	}
	return p[1] == 0xc3 && pushed_before(p + 1) ? TRIG_FOLLOW : 0;
}

size_t trigger_next(const uint8_t *p, size_t at, size_t n, unsigned *what)
{
	for (; at < n; at++) {
		uint16_t w;

		memcpy(&w, p + at, 2);
		if (!(pairs[w / 64] >> w % 64 & 1))
			continue;
		*what = judge(p + at, p + n);
		if (*what)
			return at;
	}
	return n;
}
