/* SPDX-License-Identifier: MIT */
/*
 * Shape of the opcode tables. One entry an opcode; an entry may send the decoder on to a row of decode_sub[] chosen
 * by ModRM or by the mandatory prefix. An entry of zeros is an encoding that does not exist. Indices, no pointers:
 * the engine's tables need no relocation. Included by decode*.c only.
 */
#ifndef GNOMON_XLATE_DECODE_TABLES_H
#define GNOMON_XLATE_DECODE_TABLES_H

#include "xlate/decode.h"

/* roles and sizes of a general register operand: low nibble of decode_op.regs = ModRM.rm, high = ModRM.reg or opcode */
#define RD 1
#define WR 2
#define UP (RD | WR)
#define SB 0 /* byte */
#define SV 1 /* 16, 32, 64 by 66 and REX.W */
#define SY 2 /* 32 or 64 (or zero-extended to it) whatever 66 says */
#define SH 3 /* always 16 */
#define E(role, size) ((role) | (size) << 2)
#define G(role, size) ((role) << 4 | (size) << 6)

/* decode_op.attr */
#define A_MODRM 0x0001
#define A_OPREG 0x0002  /* the register in the opcode's low bits, described by the G() half */
#define A_LOCK 0x0004   /* may be locked when its destination is memory */
#define A_NF 0x0008     /* cannot fault without a memory operand */
#define A_NFM 0x0010    /* cannot fault with one either */
#define A_NOMOD 0x0020  /* ModRM.mod is ignored: both operands are registers */
#define A_STRING 0x0040 /* rep counts with rcx */
#define A_ZERO 0x0080   /* same register twice: result does not depend on it */
#define A_NFX 0x0100    /* A_NF with a prefix that makes it SSE; without one it is MMX, which #MF can hit */
#define A_BYREG 0x1000  /* entry is decode_sub[next + ...]: ModRM.reg */
#define A_BYPP 0x2000   /* mandatory prefix */
#define A_BYMOD 0x3000  /* 0 memory, 1 register */
#define A_BYRM 0x4000   /* ModRM.rm */
#define A_NOP90 0x5000  /* 90: xchg r8 with REX.B */
#define A_X87 0x6000
#define A_BY 0xf000

/* decode_op.forms: which mandatory prefixes exist, low nibble with memory, high with a register or without ModRM */
#define P_NP 1
#define P_66 2
#define P_F3 4
#define P_F2 8
#define P_ANY 15
#define FM(mem, reg) ((mem) | (reg) << 4)
#define FA 0xff
#define FMEM FM(P_ANY, 0)
#define FREG FM(0, P_ANY)

enum decode_imm {
	I_NONE, I_B, I_W,
	I_Z,     /* 2 with 66, else 4 */
	I_D,     /* 4 */
	I_V,     /* 2, 4, 8 */
	I_WB,    /* enter */
	I_BB,    /* extrq, insertq */
	I_MOFFS,
};

/* classes that exist inside the tables only: bytes that are not the opcode yet */
enum {
	C_66 = 0x80, C_67, C_LOCK, C_REP, C_SEG, C_SEGNONE, C_REX, C_0F, C_VEX2, C_VEX3, C_EVEX, C_XOP,
};

enum decode_fl {
	FL_0,
	FL_K,     /* kills all */
	FL_CK,    /* reads CF, kills all */
	FL_CKC,   /* reads and kills CF */
	FL_OKO,   /* reads and kills OF */
	FL_KC, FL_KZ, FL_KCZ,
	FL_KNC,   /* kills all but CF */
	FL_KNO,   /* kills all but OF */
	FL_R,     /* reads all */
	FL_RZ,
	FL_LEAVE, /* leaves the guest's code: all must be right */
	FL_KALL,  /* popf */
	FL_D, FL_DK, FL_KD,
	FL_RCX,   /* rcl, rcr */
	FL_CC,    /* by condition; from here on worked out by decode_flags_special() */
	FL_SHIFT, FL_ROT, FL_SHXD,
};

enum decode_im {
	IM_0, IM_SP, IM_A_UP, IM_A_RD, IM_A_V, IM_CWD, IM_MUL, IM_DIV, IM_XLAT, IM_MOVS, IM_STOS, IM_LODSB, IM_LODS,
	IM_SCAS, IM_ENTER, IM_C_UP, IM_C_RD, IM_AD_RD, IM_ACD_RD, IM_AC_RD, IM_CX8B, IM_CPUID, IM_TSC, IM_TSCP,
	IM_XGETBV, IM_DI, IM_ESTRI, IM_ISTRI, IM_D_RD, IM_SYSCALL, IM_XBEGIN, IM_ALL, IM_PADLOCK,
};

struct decode_op {
	u8 regs, imm, flags, implicit, class, forms;
	u16 attr;
	u16 next;
};

struct decode_fl_row {
	u16 read, kill;
};

struct decode_im_row {
	u16 read, write, kill;
	u16 sized; /* with 16-bit operands these kills are partial writes, hence reads */
};

/* VEX, EVEX, XOP: which prefixes exist (low nibble VEX or XOP, next EVEX), and where general registers take part */
struct decode_vec_row {
	u8 pps;   /* mandatory prefixes this row is for; V_LAST ends the opcode's rows */
	u8 roles; /* 2 bits each: rm, reg, vvvv; V_VSIB */
	u8 flags, implicit;
};
#define V_LAST 0x80
#define V_RM(role) (role)
#define V_REG(role) ((role) << 2)
#define V_VVVV(role) ((role) << 4)
#define V_VSIB 0x40
#define V_PRIV 0x80

#define DECODE_VEC_MAPS 11

extern const struct decode_op decode_map[4][256];
extern const struct decode_op decode_sub[];
extern const struct decode_fl_row decode_fl[];
extern const struct decode_im_row decode_im[];
extern const u16 decode_vec[DECODE_VEC_MAPS][256]; /* pp masks | first row << 8 */
extern const struct decode_vec_row decode_vec_rows[];

/* not memset(): without vector registers gcc makes a slow `rep stos` of it */
static inline void insn_clear(struct insn *in)
{
	u8 *p = (u8 *)in;

	_Static_assert(sizeof(*in) % 8 == 0, "insn_clear goes by words");
#pragma GCC unroll 16
	for (size_t i = 0; i < sizeof(*in); i += 8)
		__builtin_memset(p + i, 0, 8);
}

#endif
