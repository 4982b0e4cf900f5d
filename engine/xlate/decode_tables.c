/* SPDX-License-Identifier: MIT */
/*
 * The legacy opcode maps (one-byte, 0F, 0F 38, 0F 3A), their groups, and what flag and register sets mean. Source:
 * Intel SDM vol. 2 appendix A and the instruction pages, AMD APM vol. 3. Long because it is one table. [as-safe]
 */
#include "xlate/decode_tables.h"

#define OPX(c, fo, r, i, f, m, a) \
	{ .regs = (r), .imm = (i), .flags = (f), .implicit = (m), .class = (c), .forms = (fo), .attr = (a) }
#define OP(r, i, f, m, a) OPX(INSN_PLAIN, FA, r, i, f, m, a)
#define OPM(r, i, f, m, a) OP(r, i, f, m, (a) | A_MODRM)
#define VEC(fo) OPX(INSN_PLAIN, fo, 0, I_NONE, FL_0, IM_0, A_MODRM)       /* no general register, may trap */
#define VEC_I(fo) OPX(INSN_PLAIN, fo, 0, I_B, FL_0, IM_0, A_MODRM)
#define VEC_NF(fo) OPX(INSN_PLAIN, fo, 0, I_NONE, FL_0, IM_0, A_MODRM | A_NF)
#define MMX(fo) OPX(INSN_PLAIN, fo, 0, I_NONE, FL_0, IM_0, A_MODRM | A_NF | A_NFX)
#define MMX_I(fo) OPX(INSN_PLAIN, fo, 0, I_B, FL_0, IM_0, A_MODRM | A_NF | A_NFX)
#define PRIV(fo, r, a) OPX(INSN_PRIV, fo, r, I_NONE, FL_LEAVE, IM_ALL, a)
#define LEAVE(c, i, m) OPX(c, FA, 0, i, FL_LEAVE, m, 0)
#define PFX(c) { .class = (c) }
#define BY(kind, to) { .forms = FA, .attr = (kind) | A_MODRM, .next = (to) }
#define BYI(kind, to, i, m) { .forms = FA, .attr = (kind) | A_MODRM, .next = (to), .imm = (i), .implicit = (m) }

#define ALU(o, w, fl, im, lock) \
	[(o) + 0] = OPM(E(w, SB) | G(RD, SB), I_NONE, fl, IM_0, A_NF | (lock)), \
	[(o) + 1] = OPM(E(w, SV) | G(RD, SV), I_NONE, fl, IM_0, A_NF | (lock)), \
	[(o) + 2] = OPM(G(w, SB) | E(RD, SB), I_NONE, fl, IM_0, A_NF), \
	[(o) + 3] = OPM(G(w, SV) | E(RD, SV), I_NONE, fl, IM_0, A_NF), \
	[(o) + 4] = OP(0, I_B, fl, im, A_NF), \
	[(o) + 5] = OP(0, I_Z, fl, im, A_NF)
/* sub and xor: the same register twice reads nothing */
#define ALU_ZERO(o) \
	[(o) + 0] = OPM(E(UP, SB) | G(RD, SB), I_NONE, FL_K, IM_0, A_NF | A_LOCK), \
	[(o) + 1] = OPM(E(UP, SV) | G(RD, SV), I_NONE, FL_K, IM_0, A_NF | A_LOCK | A_ZERO), \
	[(o) + 2] = OPM(G(UP, SB) | E(RD, SB), I_NONE, FL_K, IM_0, A_NF), \
	[(o) + 3] = OPM(G(UP, SV) | E(RD, SV), I_NONE, FL_K, IM_0, A_NF | A_ZERO), \
	[(o) + 4] = OP(0, I_B, FL_K, IM_A_UP, A_NF), \
	[(o) + 5] = OP(0, I_Z, FL_K, IM_A_UP, A_NF)

#define S(name, n) name, name##_last = name + (n) - 1
enum {
	S_NONE,
	S(S_G1B, 8), S(S_G1V, 8), S(S_8F, 8), S(S_8C, 8), S(S_8E, 8), S(S_G2B, 8), S(S_G2V, 8), S(S_G3B, 8), S(S_G3V, 8),
	S(S_G4, 8), S(S_G5, 8), S(S_C6, 8), S(S_C6_7, 2), S(S_C6_F8, 8), S(S_C7, 8), S(S_C7_7, 2), S(S_C7_F8, 8),
	S(S_90, 2), S(S_X87, 5),
	S(S_0F00, 8), S(S_0F01, 2), S(S_0F01M, 8), S(S_0F01R, 8), S(S_0F01_0, 8), S(S_0F01_C0, 1), S(S_0F01_C6, 4),
	S(S_0F01_1, 8), S(S_0F01_CA, 4), S(S_0F01_2, 8), S(S_0F01_3, 8), S(S_0F01_5, 8), S(S_0F01_E8, 4),
	S(S_0F01_EE, 4), S(S_0F01_EF, 4), S(S_0F01_7, 8), S(S_0F01_FA, 4),
	S(S_1A, 4), S(S_1E, 4), S(S_1E_F3, 2), S(S_1E_R, 8), S(S_1E_R7, 8),
	S(S_2A, 4), S(S_2C, 4), S(S_7E, 4), S(S_D6, 4), S(S_71, 8), S(S_73, 8), S(S_78, 4), S(S_78_66, 8), S(S_79, 4),
	S(S_A6, 8), S(S_A7, 8), S(S_A6_0, 8), S(S_A7_0, 8),
	S(S_AE, 4), S(S_AE_NP, 8), S(S_AE_66, 8), S(S_AE_F3, 8), S(S_AE_F2, 8), S(S_AE_5, 2), S(S_AE_6, 2), S(S_AE_7, 2),
	S(S_AE_66_6, 2), S(S_AE_F3_6, 2),
	S(S_BA, 8), S(S_BC, 4), S(S_BD, 4), S(S_0FC7, 8), S(S_0FC7_6, 2), S(S_0FC7_6M, 4), S(S_0FC7_6R, 4),
	S(S_0FC7_7, 2), S(S_0FC7_7R, 4),
	S(S_38D8, 8), S(S_38DC, 4), S(S_38DC_F3, 2), S(S_38DD, 4), S(S_38F0, 4), S(S_38F1, 4), S(S_38F6, 4), S(S_38F8, 4),
	S(S_38F8_F3, 2), S(S_38F8_F2, 2), S(S_3AF0, 8), S(S_3AF0_0, 8),
	S_COUNT,
};

const struct decode_op decode_map[4][256] = {
[0] = {
	ALU(0x00, UP, FL_K, IM_A_UP, A_LOCK), ALU(0x08, UP, FL_K, IM_A_UP, A_LOCK),
	ALU(0x10, UP, FL_CK, IM_A_UP, A_LOCK), ALU(0x18, UP, FL_CK, IM_A_UP, A_LOCK),
	ALU(0x20, UP, FL_K, IM_A_UP, A_LOCK), ALU_ZERO(0x28), ALU_ZERO(0x30), ALU(0x38, RD, FL_K, IM_A_RD, 0),
	[0x0f] = PFX(C_0F), [0x26] = PFX(C_SEGNONE), [0x2e] = PFX(C_SEGNONE), [0x36] = PFX(C_SEGNONE),
	[0x3e] = PFX(C_SEGNONE), [0x40 ... 0x4f] = PFX(C_REX),
	[0x50 ... 0x57] = OP(G(RD, SV), I_NONE, FL_0, IM_SP, A_OPREG),
	[0x58 ... 0x5f] = OP(G(WR, SV), I_NONE, FL_0, IM_SP, A_OPREG),
	[0x62] = PFX(C_EVEX),
	[0x63] = OPM(G(WR, SV) | E(RD, SV), I_NONE, FL_0, IM_0, A_NF),
	[0x64] = PFX(C_SEG), [0x65] = PFX(C_SEG), [0x66] = PFX(C_66), [0x67] = PFX(C_67),
	[0x68] = OP(0, I_Z, FL_0, IM_SP, 0),
	[0x69] = OPM(G(WR, SV) | E(RD, SV), I_Z, FL_K, IM_0, A_NF),
	[0x6a] = OP(0, I_B, FL_0, IM_SP, 0),
	[0x6b] = OPM(G(WR, SV) | E(RD, SV), I_B, FL_K, IM_0, A_NF),
	[0x6c ... 0x6f] = PRIV(FA, 0, A_STRING),
	[0x70 ... 0x7f] = OPX(INSN_JCC, FA, 0, I_B, FL_CC, IM_0, A_NF),
	[0x80] = BYI(A_BYREG, S_G1B, I_B, 0), [0x81] = BYI(A_BYREG, S_G1V, I_Z, 0), [0x83] = BYI(A_BYREG, S_G1V, I_B, 0),
	[0x84] = OPM(E(RD, SB) | G(RD, SB), I_NONE, FL_K, IM_0, A_NF),
	[0x85] = OPM(E(RD, SV) | G(RD, SV), I_NONE, FL_K, IM_0, A_NF),
	[0x86] = OPM(E(UP, SB) | G(UP, SB), I_NONE, FL_0, IM_0, A_NF | A_LOCK),
	[0x87] = OPM(E(UP, SV) | G(UP, SV), I_NONE, FL_0, IM_0, A_NF | A_LOCK),
	[0x88] = OPM(E(WR, SB) | G(RD, SB), I_NONE, FL_0, IM_0, A_NF),
	[0x89] = OPM(E(WR, SV) | G(RD, SV), I_NONE, FL_0, IM_0, A_NF),
	[0x8a] = OPM(G(WR, SB) | E(RD, SB), I_NONE, FL_0, IM_0, A_NF),
	[0x8b] = OPM(G(WR, SV) | E(RD, SV), I_NONE, FL_0, IM_0, A_NF),
	[0x8c] = BY(A_BYREG, S_8C),
	[0x8d] = OPX(INSN_PLAIN, FMEM, G(WR, SV), I_NONE, FL_0, IM_0, A_MODRM | A_NFM),
	[0x8e] = BY(A_BYREG, S_8E), [0x8f] = BY(A_BYREG, S_8F),
	[0x90] = { .forms = FA, .attr = A_NOP90, .next = S_90 },
	[0x91 ... 0x97] = OP(G(UP, SV), I_NONE, FL_0, IM_A_UP, A_OPREG | A_NF),
	[0x98] = OP(0, I_NONE, FL_0, IM_A_UP, A_NF),
	[0x99] = OP(0, I_NONE, FL_0, IM_CWD, A_NF),
	[0x9b] = OP(0, I_NONE, FL_0, IM_0, 0),
	[0x9c] = OP(0, I_NONE, FL_LEAVE, IM_SP, 0),
	[0x9d] = OPX(INSN_POPF, FA, 0, I_NONE, FL_KALL, IM_SP, 0),
	[0x9e] = OP(0, I_NONE, FL_KNO, IM_A_RD, A_NF),
	[0x9f] = OP(0, I_NONE, FL_R, IM_A_UP, A_NF),
	[0xa0] = OP(0, I_MOFFS, FL_0, IM_A_UP, 0), [0xa1] = OP(0, I_MOFFS, FL_0, IM_A_V, 0),
	[0xa2 ... 0xa3] = OP(0, I_MOFFS, FL_0, IM_A_RD, 0),
	[0xa4 ... 0xa5] = OP(0, I_NONE, FL_D, IM_MOVS, A_STRING),
	[0xa6 ... 0xa7] = OP(0, I_NONE, FL_DK, IM_MOVS, A_STRING),
	[0xa8] = OP(0, I_B, FL_K, IM_A_RD, A_NF), [0xa9] = OP(0, I_Z, FL_K, IM_A_RD, A_NF),
	[0xaa ... 0xab] = OP(0, I_NONE, FL_D, IM_STOS, A_STRING),
	[0xac] = OP(0, I_NONE, FL_D, IM_LODSB, A_STRING), [0xad] = OP(0, I_NONE, FL_D, IM_LODS, A_STRING),
	[0xae ... 0xaf] = OP(0, I_NONE, FL_DK, IM_SCAS, A_STRING),
	[0xb0 ... 0xb7] = OP(G(WR, SB), I_B, FL_0, IM_0, A_OPREG | A_NF),
	[0xb8 ... 0xbf] = OP(G(WR, SV), I_V, FL_0, IM_0, A_OPREG | A_NF),
	[0xc0] = BYI(A_BYREG, S_G2B, I_B, 0), [0xc1] = BYI(A_BYREG, S_G2V, I_B, 0),
	[0xc2] = LEAVE(INSN_RET, I_W, IM_SP), [0xc3] = LEAVE(INSN_RET, I_NONE, IM_SP),
	[0xc4] = PFX(C_VEX3), [0xc5] = PFX(C_VEX2),
	[0xc6] = BYI(A_BYREG, S_C6, I_B, 0), [0xc7] = BYI(A_BYREG, S_C7, I_Z, 0),
	[0xc8] = OP(0, I_WB, FL_0, IM_ENTER, 0), [0xc9] = OP(0, I_NONE, FL_0, IM_ENTER, 0),
	[0xca] = LEAVE(INSN_RET_FAR, I_W, IM_ALL), [0xcb] = LEAVE(INSN_RET_FAR, I_NONE, IM_ALL),
	[0xcc] = LEAVE(INSN_INT, I_NONE, IM_ALL), [0xcd] = LEAVE(INSN_INT, I_B, IM_ALL),
	[0xcf] = LEAVE(INSN_IRET, I_NONE, IM_ALL),
	[0xd0] = BY(A_BYREG, S_G2B), [0xd1] = BY(A_BYREG, S_G2V),
	[0xd2] = BYI(A_BYREG, S_G2B, I_NONE, IM_C_RD), [0xd3] = BYI(A_BYREG, S_G2V, I_NONE, IM_C_RD),
	[0xd7] = OP(0, I_NONE, FL_0, IM_XLAT, 0),
	[0xd8 ... 0xdf] = BY(A_X87, S_X87),
	[0xe0 ... 0xe1] = OPX(INSN_LOOP, FA, 0, I_B, FL_RZ, IM_C_UP, A_NF),
	[0xe2] = OPX(INSN_LOOP, FA, 0, I_B, FL_0, IM_C_UP, A_NF),
	[0xe3] = OPX(INSN_LOOP, FA, 0, I_B, FL_0, IM_C_RD, A_NF),
	[0xe4 ... 0xe7] = OPX(INSN_PRIV, FA, 0, I_B, FL_LEAVE, IM_ALL, 0),
	[0xe8] = LEAVE(INSN_CALL, I_D, IM_SP),
	/* near branches with 66: Intel ignores it in 64-bit mode, AMD truncates to 16 bits. Here: as Intel */
	[0xe9] = LEAVE(INSN_JMP, I_D, IM_0), [0xeb] = LEAVE(INSN_JMP, I_B, IM_0),
	[0xec ... 0xef] = PRIV(FA, 0, 0),
	[0xf0] = PFX(C_LOCK), [0xf1] = LEAVE(INSN_INT, I_NONE, IM_ALL), [0xf2] = PFX(C_REP), [0xf3] = PFX(C_REP),
	[0xf4] = PRIV(FA, 0, 0),
	[0xf5] = OP(0, I_NONE, FL_CKC, IM_0, A_NF),
	[0xf6] = BY(A_BYREG, S_G3B), [0xf7] = BY(A_BYREG, S_G3V),
	[0xf8 ... 0xf9] = OP(0, I_NONE, FL_KC, IM_0, A_NF),
	[0xfa ... 0xfb] = PRIV(FA, 0, 0),
	[0xfc ... 0xfd] = OP(0, I_NONE, FL_KD, IM_0, A_NF),
	[0xfe] = BY(A_BYREG, S_G4), [0xff] = BY(A_BYREG, S_G5),
},
[1] = {
	[0x00] = BY(A_BYREG, S_0F00), [0x01] = BY(A_BYMOD, S_0F01),
	[0x02 ... 0x03] = OPM(G(UP, SV) | E(RD, SV), I_NONE, FL_KZ, IM_0, 0),
	[0x05] = LEAVE(INSN_SYSCALL, I_NONE, IM_SYSCALL), [0x06] = PRIV(FA, 0, 0),
	[0x07] = LEAVE(INSN_SYSENTER, I_NONE, IM_ALL), [0x08 ... 0x09] = PRIV(FA, 0, 0),
	[0x0b] = LEAVE(INSN_UD, I_NONE, IM_ALL),
	[0x0d] = OPM(0, I_NONE, FL_0, IM_0, 0),
	[0x0e] = OP(0, I_NONE, FL_0, IM_0, 0),
	[0x0f] = VEC_I(FA), /* 3DNow!: the operation is the last byte, which the CPU judges */
	[0x10 ... 0x11] = VEC_NF(FA), [0x12] = VEC_NF(FM(15, 13)), [0x13] = VEC(FM(3, 0)), [0x14 ... 0x15] = VEC_NF(FM(3, 3)),
	[0x16] = VEC_NF(FM(7, 5)), [0x17] = VEC(FM(3, 0)),
	[0x18 ... 0x19] = OPM(E(RD, SV), I_NONE, FL_0, IM_0, 0), [0x1a ... 0x1b] = BY(A_BYPP, S_1A),
	[0x1c ... 0x1d] = OPM(E(RD, SV), I_NONE, FL_0, IM_0, 0),
	[0x1e] = BY(A_BYPP, S_1E), [0x1f] = OPM(E(RD, SV), I_NONE, FL_0, IM_0, A_NF | A_NFM),
	[0x20 ... 0x21] = PRIV(FREG, E(WR, SY), A_MODRM | A_NOMOD), [0x22 ... 0x23] = PRIV(FREG, E(RD, SY), A_MODRM | A_NOMOD),
	[0x28 ... 0x29] = VEC_NF(FM(3, 3)), [0x2a] = BY(A_BYPP, S_2A), [0x2b] = VEC(FM(15, 0)),
	[0x2c ... 0x2d] = BY(A_BYPP, S_2C),
	[0x2e ... 0x2f] = OPX(INSN_PLAIN, FM(3, 3), 0, I_NONE, FL_K, IM_0, A_MODRM),
	[0x30] = PRIV(FA, 0, 0), [0x31] = OP(0, I_NONE, FL_0, IM_TSC, 0), [0x32] = PRIV(FA, 0, 0),
	[0x33] = OP(0, I_NONE, FL_0, IM_XGETBV, 0),
	[0x34 ... 0x35] = LEAVE(INSN_SYSENTER, I_NONE, IM_ALL), [0x37] = PRIV(FM(0, P_NP), 0, 0),
	[0x40 ... 0x4f] = OPM(G(UP, SV) | E(RD, SV), I_NONE, FL_CC, IM_0, A_NF),
	[0x50] = OPX(INSN_PLAIN, FM(0, 3), G(WR, SY), I_NONE, FL_0, IM_0, A_MODRM | A_NF),
	[0x51] = VEC(FA), [0x52 ... 0x53] = VEC(FM(5, 5)), [0x54 ... 0x57] = VEC_NF(FM(3, 3)), [0x58 ... 0x5a] = VEC(FA),
	[0x5b] = VEC(FM(7, 7)), [0x5c ... 0x5f] = VEC(FA), [0x60 ... 0x6b] = MMX(FM(3, 3)), [0x6c ... 0x6d] = MMX(FM(2, 2)),
	[0x6e] = OPX(INSN_PLAIN, FM(3, 3), E(RD, SY), I_NONE, FL_0, IM_0, A_MODRM | A_NF | A_NFX),
	[0x6f] = MMX(FM(7, 7)), [0x70] = MMX_I(FA), [0x71 ... 0x72] = BYI(A_BYREG, S_71, I_B, 0),
	[0x73] = BYI(A_BYREG, S_73, I_B, 0), [0x74 ... 0x76] = MMX(FM(3, 3)),
	[0x77] = OPX(INSN_PLAIN, FM(0, P_NP), 0, I_NONE, FL_0, IM_0, 0),
	[0x78] = BY(A_BYPP, S_78), [0x79] = BY(A_BYPP, S_79), [0x7c ... 0x7d] = VEC(FM(10, 10)), [0x7e] = BY(A_BYPP, S_7E),
	[0x7f] = MMX(FM(7, 7)),
	[0x80 ... 0x8f] = OPX(INSN_JCC, FA, 0, I_D, FL_CC, IM_0, A_NF),
	[0x90 ... 0x9f] = OPM(E(WR, SB), I_NONE, FL_CC, IM_0, A_NF),
	[0xa0 ... 0xa1] = OP(0, I_NONE, FL_0, IM_SP, 0), [0xa2] = OPX(INSN_CPUID, FA, 0, I_NONE, FL_0, IM_CPUID, 0),
	[0xa3] = OPM(E(RD, SV) | G(RD, SV), I_NONE, FL_KC, IM_0, A_NF),
	[0xa4] = OPM(E(UP, SV) | G(RD, SV), I_B, FL_SHXD, IM_0, A_NF),
	[0xa5] = OPM(E(UP, SV) | G(RD, SV), I_NONE, FL_SHXD, IM_C_RD, A_NF),
	[0xa6] = BY(A_BYREG, S_A6), [0xa7] = BY(A_BYREG, S_A7),
	[0xa8 ... 0xa9] = OPX(INSN_GSBASE, FA, 0, I_NONE, FL_0, IM_SP, 0), [0xaa] = PRIV(FA, 0, 0),
	[0xab] = OPM(E(UP, SV) | G(RD, SV), I_NONE, FL_KC, IM_0, A_NF | A_LOCK),
	[0xac] = OPM(E(UP, SV) | G(RD, SV), I_B, FL_SHXD, IM_0, A_NF),
	[0xad] = OPM(E(UP, SV) | G(RD, SV), I_NONE, FL_SHXD, IM_C_RD, A_NF),
	[0xae] = BY(A_BYPP, S_AE), [0xaf] = OPM(G(UP, SV) | E(RD, SV), I_NONE, FL_K, IM_0, A_NF),
	[0xb0] = OPM(E(UP, SB) | G(RD, SB), I_NONE, FL_K, IM_A_UP, A_NF | A_LOCK),
	[0xb1] = OPM(E(UP, SV) | G(RD, SV), I_NONE, FL_K, IM_A_UP, A_NF | A_LOCK),
	[0xb2] = OPX(INSN_PLAIN, FMEM, G(WR, SV), I_NONE, FL_0, IM_0, A_MODRM),
	[0xb3] = OPM(E(UP, SV) | G(RD, SV), I_NONE, FL_KC, IM_0, A_NF | A_LOCK),
	[0xb4] = OPX(INSN_PLAIN, FMEM, G(WR, SV), I_NONE, FL_0, IM_0, A_MODRM),
	[0xb5] = OPX(INSN_GSBASE, FMEM, G(WR, SV), I_NONE, FL_0, IM_0, A_MODRM),
	[0xb6] = OPM(G(WR, SV) | E(RD, SB), I_NONE, FL_0, IM_0, A_NF),
	[0xb7] = OPM(G(WR, SV) | E(RD, SH), I_NONE, FL_0, IM_0, A_NF),
	[0xb8] = OPX(INSN_PLAIN, FM(4, 4), G(WR, SV) | E(RD, SV), I_NONE, FL_K, IM_0, A_MODRM),
	[0xb9] = OPX(INSN_UD, FA, G(RD, SV) | E(RD, SV), I_NONE, FL_LEAVE, IM_ALL, A_MODRM),
	[0xba] = BYI(A_BYREG, S_BA, I_B, 0),
	[0xbb] = OPM(E(UP, SV) | G(RD, SV), I_NONE, FL_KC, IM_0, A_NF | A_LOCK),
	[0xbc] = BY(A_BYPP, S_BC), [0xbd] = BY(A_BYPP, S_BD),
	[0xbe] = OPM(G(WR, SV) | E(RD, SB), I_NONE, FL_0, IM_0, A_NF),
	[0xbf] = OPM(G(WR, SV) | E(RD, SH), I_NONE, FL_0, IM_0, A_NF),
	[0xc0] = OPM(E(UP, SB) | G(UP, SB), I_NONE, FL_K, IM_0, A_NF | A_LOCK),
	[0xc1] = OPM(E(UP, SV) | G(UP, SV), I_NONE, FL_K, IM_0, A_NF | A_LOCK),
	[0xc2] = VEC_I(FA), [0xc3] = OPX(INSN_PLAIN, FM(1, 0), G(RD, SY), I_NONE, FL_0, IM_0, A_MODRM),
	[0xc4] = OPX(INSN_PLAIN, FM(3, 3), E(RD, SY), I_B, FL_0, IM_0, A_MODRM | A_NF | A_NFX),
	[0xc5] = OPX(INSN_PLAIN, FM(0, 3), G(WR, SY), I_B, FL_0, IM_0, A_MODRM | A_NF | A_NFX),
	[0xc6] = OPX(INSN_PLAIN, FM(3, 3), 0, I_B, FL_0, IM_0, A_MODRM | A_NF),
	[0xc7] = BY(A_BYREG, S_0FC7),
	[0xc8 ... 0xcf] = OP(G(UP, SV), I_NONE, FL_0, IM_0, A_OPREG | A_NF),
	[0xd0] = VEC(FM(10, 10)), [0xd1 ... 0xd5] = MMX(FM(3, 3)), [0xd6] = BY(A_BYPP, S_D6),
	[0xd7] = OPX(INSN_PLAIN, FM(0, 3), G(WR, SY), I_NONE, FL_0, IM_0, A_MODRM | A_NF | A_NFX),
	[0xd8 ... 0xe5] = MMX(FM(3, 3)), [0xe6] = VEC(FM(14, 14)), [0xe7] = VEC(FM(3, 0)), [0xe8 ... 0xef] = MMX(FM(3, 3)),
	[0xf0] = VEC(FM(8, 0)), [0xf1 ... 0xf6] = MMX(FM(3, 3)),
	[0xf7] = OPX(INSN_PLAIN, FM(0, 3), 0, I_NONE, FL_0, IM_DI, A_MODRM),
	[0xf8 ... 0xfe] = MMX(FM(3, 3)),
	[0xff] = OPX(INSN_UD, FA, G(RD, SV) | E(RD, SV), I_NONE, FL_LEAVE, IM_ALL, A_MODRM),
},
[2] = {
	[0x00 ... 0x0b] = VEC(FM(3, 3)), [0x10] = VEC(FM(2, 2)), [0x14 ... 0x15] = VEC(FM(2, 2)),
	[0x17] = OPX(INSN_PLAIN, FM(2, 2), 0, I_NONE, FL_K, IM_0, A_MODRM),
	[0x1c ... 0x1e] = VEC(FM(3, 3)), [0x20 ... 0x25] = VEC(FM(2, 2)), [0x28 ... 0x29] = VEC(FM(2, 2)),
	[0x2a] = VEC(FM(2, 0)), [0x2b] = VEC(FM(2, 2)), [0x30 ... 0x35] = VEC(FM(2, 2)), [0x37 ... 0x41] = VEC(FM(2, 2)),
	[0x80 ... 0x82] = PRIV(FM(2, 0), G(RD, SY), A_MODRM),
	[0x8a] = OPX(INSN_PLAIN, FMEM, G(WR, SB), I_NONE, FL_0, IM_0, A_MODRM), /* movrs */
	[0x8b] = OPX(INSN_PLAIN, FMEM, G(WR, SV), I_NONE, FL_0, IM_0, A_MODRM),
	[0xc8 ... 0xcd] = VEC(FM(1, 1)), [0xcf] = VEC(FM(2, 2)), [0xd8] = BY(A_BYREG, S_38D8), [0xdb] = VEC(FM(2, 2)),
	[0xdc] = BY(A_BYPP, S_38DC), [0xdd ... 0xdf] = BY(A_BYPP, S_38DD),
	[0xf0] = BY(A_BYPP, S_38F0), [0xf1] = BY(A_BYPP, S_38F1),
	[0xf5] = OPX(INSN_WRUSS, FM(2, 0), G(RD, SY), I_NONE, FL_LEAVE, IM_0, A_MODRM),
	[0xf6] = BY(A_BYPP, S_38F6), [0xf8] = BY(A_BYPP, S_38F8),
	[0xf9] = OPX(INSN_PLAIN, FM(1, 0), G(RD, SY), I_NONE, FL_0, IM_0, A_MODRM),
	[0xfa ... 0xfb] = OPX(INSN_PLAIN, FM(0, 4), G(WR, SY) | E(RD, SY), I_NONE, FL_K, IM_0, A_MODRM),
	[0xfc] = OPX(INSN_PLAIN, FMEM, G(RD, SY), I_NONE, FL_0, IM_0, A_MODRM), /* aadd aand axor aor */
},
[3] = {
	[0x08 ... 0x0e] = VEC_I(FM(2, 2)), [0x0f] = VEC_I(FM(3, 3)),
	[0x14 ... 0x17] = OPX(INSN_PLAIN, FM(2, 2), E(WR, SY), I_B, FL_0, IM_0, A_MODRM),
	[0x20] = OPX(INSN_PLAIN, FM(2, 2), E(RD, SY), I_B, FL_0, IM_0, A_MODRM), [0x21] = VEC_I(FM(2, 2)),
	[0x22] = OPX(INSN_PLAIN, FM(2, 2), E(RD, SY), I_B, FL_0, IM_0, A_MODRM),
	[0x40 ... 0x42] = VEC_I(FM(2, 2)), [0x44] = VEC_I(FM(2, 2)),
	[0x60] = OPX(INSN_PLAIN, FM(2, 2), 0, I_B, FL_K, IM_AD_RD, A_MODRM),
	[0x61] = OPX(INSN_PLAIN, FM(2, 2), 0, I_B, FL_K, IM_ESTRI, A_MODRM),
	[0x62] = OPX(INSN_PLAIN, FM(2, 2), 0, I_B, FL_K, IM_0, A_MODRM),
	[0x63] = OPX(INSN_PLAIN, FM(2, 2), 0, I_B, FL_K, IM_ISTRI, A_MODRM),
	[0xcc] = VEC_I(FM(1, 1)), [0xce ... 0xcf] = VEC_I(FM(2, 2)), [0xdf] = VEC_I(FM(2, 2)),
	[0xf0] = BYI(A_BYREG, S_3AF0, I_B, 0),
},
};

const struct decode_op decode_sub[S_COUNT] = {
#define G1(o, s) \
	[(o) + 0 ... (o) + 1] = OP(E(UP, s), I_NONE, FL_K, IM_0, A_NF | A_LOCK), \
	[(o) + 2 ... (o) + 3] = OP(E(UP, s), I_NONE, FL_CK, IM_0, A_NF | A_LOCK), \
	[(o) + 4 ... (o) + 6] = OP(E(UP, s), I_NONE, FL_K, IM_0, A_NF | A_LOCK), \
	[(o) + 7] = OP(E(RD, s), I_NONE, FL_K, IM_0, A_NF)
	G1(S_G1B, SB), G1(S_G1V, SV),
	[S_8F] = OP(E(WR, SV), I_NONE, FL_0, IM_SP, 0),
	[S_8C ... S_8C + 4] = OP(E(WR, SV), I_NONE, FL_0, IM_0, A_NF),
	[S_8C + 5] = OPX(INSN_GSBASE, FA, E(WR, SV), I_NONE, FL_0, IM_0, 0),
	[S_8E] = OP(E(RD, SV), I_NONE, FL_0, IM_0, 0), [S_8E + 2 ... S_8E + 4] = OP(E(RD, SV), I_NONE, FL_0, IM_0, 0),
	[S_8E + 5] = OPX(INSN_GSBASE, FA, E(RD, SV), I_NONE, FL_0, IM_0, 0),
#define G2(o, s) \
	[(o) + 0 ... (o) + 1] = OP(E(UP, s), I_NONE, FL_ROT, IM_0, A_NF), \
	[(o) + 2 ... (o) + 3] = OP(E(UP, s), I_NONE, FL_RCX, IM_0, A_NF), \
	[(o) + 4 ... (o) + 7] = OP(E(UP, s), I_NONE, FL_SHIFT, IM_0, A_NF)
	G2(S_G2B, SB), G2(S_G2V, SV),
	[S_G3B ... S_G3B + 1] = OP(E(RD, SB), I_B, FL_K, IM_0, A_NF),
	[S_G3B + 2] = OP(E(UP, SB), I_NONE, FL_0, IM_0, A_NF | A_LOCK),
	[S_G3B + 3] = OP(E(UP, SB), I_NONE, FL_K, IM_0, A_NF | A_LOCK),
	[S_G3B + 4 ... S_G3B + 5] = OP(E(RD, SB), I_NONE, FL_K, IM_A_UP, A_NF),
	[S_G3B + 6 ... S_G3B + 7] = OP(E(RD, SB), I_NONE, FL_0, IM_A_UP, 0),
	[S_G3V ... S_G3V + 1] = OP(E(RD, SV), I_Z, FL_K, IM_0, A_NF),
	[S_G3V + 2] = OP(E(UP, SV), I_NONE, FL_0, IM_0, A_NF | A_LOCK),
	[S_G3V + 3] = OP(E(UP, SV), I_NONE, FL_K, IM_0, A_NF | A_LOCK),
	[S_G3V + 4 ... S_G3V + 5] = OP(E(RD, SV), I_NONE, FL_K, IM_MUL, A_NF),
	[S_G3V + 6 ... S_G3V + 7] = OP(E(RD, SV), I_NONE, FL_0, IM_DIV, 0),
	[S_G4 ... S_G4 + 1] = OP(E(UP, SB), I_NONE, FL_KNC, IM_0, A_NF | A_LOCK),
	[S_G5 ... S_G5 + 1] = OP(E(UP, SV), I_NONE, FL_KNC, IM_0, A_NF | A_LOCK),
	[S_G5 + 2] = OPX(INSN_CALL_IND, FA, E(RD, SY), I_NONE, FL_LEAVE, IM_SP, 0),
	[S_G5 + 3] = OPX(INSN_CALL_FAR, FMEM, 0, I_NONE, FL_LEAVE, IM_ALL, 0),
	[S_G5 + 4] = OPX(INSN_JMP_IND, FA, E(RD, SY), I_NONE, FL_LEAVE, IM_0, 0),
	[S_G5 + 5] = OPX(INSN_JMP_FAR, FMEM, 0, I_NONE, FL_LEAVE, IM_ALL, 0),
	[S_G5 + 6] = OP(E(RD, SV), I_NONE, FL_0, IM_SP, 0),
	[S_C6] = OP(E(WR, SB), I_NONE, FL_0, IM_0, A_NF), [S_C6 + 7] = BY(A_BYMOD, S_C6_7),
	[S_C6_7 + 1] = BY(A_BYRM, S_C6_F8),
	[S_C6_F8] = OPX(INSN_XABORT, FREG, 0, I_NONE, FL_LEAVE, IM_ALL, 0),
	[S_C7] = OP(E(WR, SV), I_NONE, FL_0, IM_0, A_NF), [S_C7 + 7] = BY(A_BYMOD, S_C7_7),
	[S_C7_7 + 1] = BY(A_BYRM, S_C7_F8),
	[S_C7_F8] = OPX(INSN_XBEGIN, FREG, 0, I_NONE, FL_LEAVE, IM_XBEGIN, 0),
	[S_90] = OP(0, I_NONE, FL_0, IM_0, A_NF), [S_90 + 1] = OP(G(UP, SV), I_NONE, FL_0, IM_A_UP, A_OPREG | A_NF),
	/* x87: the rest, fnstsw %ax, fcomi family, fcmov family, nothing */
	[S_X87] = OP(0, I_NONE, FL_0, IM_0, 0), [S_X87 + 1] = OP(0, I_NONE, FL_0, IM_A_UP, 0),
	[S_X87 + 2] = OP(0, I_NONE, FL_K, IM_0, 0), [S_X87 + 3] = OP(0, I_NONE, FL_R, IM_0, 0),

	[S_0F00 ... S_0F00 + 1] = OP(E(WR, SV), I_NONE, FL_0, IM_0, 0),
	[S_0F00 + 2 ... S_0F00 + 3] = PRIV(FA, E(RD, SH), 0),
	[S_0F00 + 4 ... S_0F00 + 5] = OP(E(RD, SH), I_NONE, FL_KZ, IM_0, 0),
	[S_0F01] = BY(A_BYREG, S_0F01M), [S_0F01 + 1] = BY(A_BYREG, S_0F01R),
	[S_0F01M ... S_0F01M + 1] = OP(0, I_NONE, FL_0, IM_0, 0), [S_0F01M + 2 ... S_0F01M + 3] = PRIV(FA, 0, 0),
	[S_0F01M + 4] = OP(0, I_NONE, FL_0, IM_0, 0),
	[S_0F01M + 5] = OPX(INSN_RSTORSSP, FM(4, 0), 0, I_NONE, FL_LEAVE, IM_0, 0),
	[S_0F01M + 6 ... S_0F01M + 7] = PRIV(FA, 0, 0),
	[S_0F01R] = BY(A_BYRM, S_0F01_0), [S_0F01R + 1] = BY(A_BYRM, S_0F01_1), [S_0F01R + 2] = BY(A_BYRM, S_0F01_2),
	[S_0F01R + 3] = BY(A_BYRM, S_0F01_3), [S_0F01R + 4] = OP(E(WR, SV), I_NONE, FL_0, IM_0, 0),
	[S_0F01R + 5] = BY(A_BYRM, S_0F01_5), [S_0F01R + 6] = PRIV(FA, E(RD, SH), 0), [S_0F01R + 7] = BY(A_BYRM, S_0F01_7),
	/* enclv vmcall vmlaunch vmresume vmxoff pconfig wrmsrns/... pbndkb: with whatever registers they like */
	[S_0F01_0 ... S_0F01_0 + 5] = PRIV(FM(0, P_NP), 0, 0), [S_0F01_0 + 6] = PRIV(FM(0, 13), 0, 0),
	[S_0F01_0 + 7] = PRIV(FM(0, P_NP), 0, 0),
	/* monitor mwait clac stac; erets eretu; encls */
	[S_0F01_1 ... S_0F01_1 + 1] = PRIV(FM(0, P_NP), 0, 0), [S_0F01_1 + 2] = PRIV(FM(0, 13), 0, 0),
	[S_0F01_1 + 3] = PRIV(FM(0, P_NP), 0, 0), [S_0F01_1 + 4 ... S_0F01_1 + 6] = PRIV(FM(0, P_66), 0, 0),
	[S_0F01_1 + 7] = PRIV(FM(0, 3), 0, 0),
	[S_0F01_2] = OPX(INSN_XGETBV, FM(0, P_NP), 0, I_NONE, FL_0, IM_XGETBV, 0),
	[S_0F01_2 + 1] = PRIV(FM(0, P_NP), 0, 0), [S_0F01_2 + 4] = PRIV(FM(0, P_NP), 0, 0),
	[S_0F01_2 + 5] = OPX(INSN_PLAIN, FM(0, P_NP), 0, I_NONE, FL_LEAVE, IM_0, 0), /* xend */
	[S_0F01_2 + 6] = OPX(INSN_PLAIN, FM(0, P_NP), 0, I_NONE, FL_K, IM_0, 0),     /* xtest */
	[S_0F01_2 + 7] = PRIV(FM(0, P_NP), 0, 0),
	[S_0F01_3 ... S_0F01_3 + 7] = PRIV(FA, 0, 0),
	[S_0F01_5] = BY(A_BYPP, S_0F01_E8),
	[S_0F01_5 + 1] = OPX(INSN_PLAIN, FM(0, P_F2), 0, I_NONE, FL_0, IM_0, 0),
	[S_0F01_5 + 2] = OPX(INSN_SAVEPREVSSP, FM(0, P_F3), 0, I_NONE, FL_LEAVE, IM_0, 0),
	/* uiret testui clui stui: Linux leaves CR4.UINTR clear, they are #UD */
	[S_0F01_5 + 4 ... S_0F01_5 + 5] = PRIV(FM(0, P_F3), 0, 0),
	[S_0F01_5 + 6] = BY(A_BYPP, S_0F01_EE), [S_0F01_5 + 7] = BY(A_BYPP, S_0F01_EF),
	[S_0F01_E8] = OPX(INSN_PLAIN, FREG, 0, I_NONE, FL_0, IM_0, 0), /* serialize */
	[S_0F01_E8 + 2] = OPX(INSN_SETSSBSY, FREG, 0, I_NONE, FL_LEAVE, IM_0, 0),
	[S_0F01_E8 + 3] = OPX(INSN_PLAIN, FREG, 0, I_NONE, FL_0, IM_0, 0), /* xsusldtrk */
	[S_0F01_EE] = OPX(INSN_PKRU, FREG, 0, I_NONE, FL_0, IM_XGETBV, 0), [S_0F01_EE + 2] = PRIV(FREG, 0, 0),
	[S_0F01_EF] = OPX(INSN_PKRU, FREG, 0, I_NONE, FL_0, IM_ACD_RD, 0), [S_0F01_EF + 2] = PRIV(FREG, 0, 0),
	[S_0F01_7] = OPX(INSN_GSBASE, FA, 0, I_NONE, FL_LEAVE, IM_ALL, 0),
	[S_0F01_7 + 1] = OP(0, I_NONE, FL_0, IM_TSCP, 0),
	[S_0F01_7 + 2] = BY(A_BYPP, S_0F01_FA),
	[S_0F01_7 + 3] = OPX(INSN_PLAIN, FM(0, P_NP), 0, I_NONE, FL_0, IM_AC_RD, 0), /* mwaitx: and rbx, which is unused */
	[S_0F01_7 + 4] = OP(0, I_NONE, FL_0, IM_A_RD, 0),                            /* clzero */
	[S_0F01_7 + 5] = OPX(INSN_PLAIN, FA, 0, I_NONE, FL_LEAVE, IM_XGETBV, 0), /* rdpru: CF */
	[S_0F01_7 + 6 ... S_0F01_7 + 7] = PRIV(FM(0, 13), 0, 0),
	[S_0F01_FA] = OPX(INSN_PLAIN, FREG, 0, I_NONE, FL_0, IM_ACD_RD, 0), /* monitorx */
	[S_0F01_FA + 2] = PRIV(FREG, 0, 0),                                 /* mcommit */

	/* MPX; nops on every CPU without it */
	[S_1A ... S_1A + 1] = OP(0, I_NONE, FL_0, IM_0, 0), [S_1A + 2 ... S_1A + 3] = OP(E(RD, SY), I_NONE, FL_0, IM_0, 0),
	[S_1E ... S_1E + 1] = OP(E(RD, SV), I_NONE, FL_0, IM_0, A_NF | A_NFM), [S_1E + 2] = BY(A_BYMOD, S_1E_F3),
	[S_1E + 3] = OP(E(RD, SV), I_NONE, FL_0, IM_0, A_NF | A_NFM),
	[S_1E_F3] = OP(0, I_NONE, FL_0, IM_0, A_NFM), [S_1E_F3 + 1] = BY(A_BYREG, S_1E_R),
	[S_1E_R] = OP(E(RD, SV), I_NONE, FL_0, IM_0, A_NF),
	[S_1E_R + 1] = OPX(INSN_RDSSP, FA, E(UP, SY), I_NONE, FL_0, IM_0, 0), /* leaves it alone with shadow stacks off */
	[S_1E_R + 2 ... S_1E_R + 6] = OP(E(RD, SV), I_NONE, FL_0, IM_0, A_NF), [S_1E_R + 7] = BY(A_BYRM, S_1E_R7),
	[S_1E_R7 ... S_1E_R7 + 1] = OP(E(RD, SV), I_NONE, FL_0, IM_0, A_NF),
	[S_1E_R7 + 2 ... S_1E_R7 + 3] = OPX(INSN_ENDBR, FA, 0, I_NONE, FL_0, IM_0, A_NF),
	[S_1E_R7 + 4 ... S_1E_R7 + 7] = OP(E(RD, SV), I_NONE, FL_0, IM_0, A_NF),

	[S_2A ... S_2A + 1] = OP(0, I_NONE, FL_0, IM_0, 0), [S_2A + 2 ... S_2A + 3] = OP(E(RD, SY), I_NONE, FL_0, IM_0, 0),
	[S_2C ... S_2C + 1] = OP(0, I_NONE, FL_0, IM_0, 0), [S_2C + 2 ... S_2C + 3] = OP(G(WR, SY), I_NONE, FL_0, IM_0, 0),
	[S_7E] = OP(E(WR, SY), I_NONE, FL_0, IM_0, 0), [S_7E + 1] = OP(E(WR, SY), I_NONE, FL_0, IM_0, A_NF),
	[S_7E + 2] = OP(0, I_NONE, FL_0, IM_0, A_NF),
	[S_D6 + 1] = OP(0, I_NONE, FL_0, IM_0, A_NF), [S_D6 + 2 ... S_D6 + 3] = OPX(INSN_PLAIN, FREG, 0, I_NONE, FL_0, IM_0, 0),
	[S_71 + 2] = MMX(FM(0, 3)), [S_71 + 4] = MMX(FM(0, 3)), [S_71 + 6] = MMX(FM(0, 3)),
	[S_73 + 2] = MMX(FM(0, 3)), [S_73 + 3] = MMX(FM(0, 2)), [S_73 + 6] = MMX(FM(0, 3)), [S_73 + 7] = MMX(FM(0, 2)),
	[S_78] = PRIV(FA, E(WR, SY) | G(RD, SY), 0), [S_78 + 1] = BY(A_BYREG, S_78_66),
	[S_78 + 3] = OPX(INSN_PLAIN, FREG, 0, I_BB, FL_0, IM_0, 0),
	[S_78_66] = OPX(INSN_PLAIN, FREG, 0, I_BB, FL_0, IM_0, 0),
	[S_79] = PRIV(FA, G(RD, SY) | E(RD, SY), 0), [S_79 + 1] = OPX(INSN_PLAIN, FREG, 0, I_NONE, FL_0, IM_0, 0),
	[S_79 + 3] = OPX(INSN_PLAIN, FREG, 0, I_NONE, FL_0, IM_0, 0),
	/* VIA and Zhaoxin: montmul xsha1 xsha256, xstore xcrypt*; libcrypto has them */
	[S_A6 ... S_A6 + 2] = BY(A_BYRM, S_A6_0), [S_A7] = BY(A_BYRM, S_A7_0), [S_A7 + 1 ... S_A7 + 5] = BY(A_BYRM, S_A6_0),
	[S_A6_0] = OPX(INSN_PLAIN, FM(0, P_F3), 0, I_NONE, FL_LEAVE, IM_PADLOCK, 0),
	[S_A7_0] = OPX(INSN_PLAIN, FM(0, P_NP | P_66 | P_F3), 0, I_NONE, FL_LEAVE, IM_PADLOCK, 0),

	[S_AE] = BY(A_BYREG, S_AE_NP), [S_AE + 1] = BY(A_BYREG, S_AE_66), [S_AE + 2] = BY(A_BYREG, S_AE_F3),
	[S_AE + 3] = BY(A_BYREG, S_AE_F2),
	[S_AE_NP] = VEC(FMEM), [S_AE_NP + 1] = OPX(INSN_XRSTOR, FMEM, 0, I_NONE, FL_0, IM_0, 0),
	[S_AE_NP + 2 ... S_AE_NP + 3] = VEC(FMEM), [S_AE_NP + 4] = OPX(INSN_PLAIN, FMEM, 0, I_NONE, FL_0, IM_AD_RD, 0),
	[S_AE_NP + 5] = BY(A_BYMOD, S_AE_5), [S_AE_NP + 6] = BY(A_BYMOD, S_AE_6), [S_AE_NP + 7] = BY(A_BYMOD, S_AE_7),
	[S_AE_5] = OPX(INSN_XRSTOR, FMEM, 0, I_NONE, FL_0, IM_AD_RD, 0), [S_AE_5 + 1] = OP(0, I_NONE, FL_0, IM_0, A_NF),
	[S_AE_6] = OPX(INSN_PLAIN, FMEM, 0, I_NONE, FL_0, IM_AD_RD, 0), [S_AE_6 + 1] = OP(0, I_NONE, FL_0, IM_0, A_NF),
	[S_AE_7] = OP(0, I_NONE, FL_0, IM_0, 0), [S_AE_7 + 1] = OP(0, I_NONE, FL_0, IM_0, A_NF),
	[S_AE_66 + 6] = BY(A_BYMOD, S_AE_66_6), [S_AE_66 + 7] = VEC(FMEM),
	[S_AE_66_6] = VEC(FMEM), [S_AE_66_6 + 1] = OP(E(RD, SY), I_NONE, FL_K, IM_AD_RD, 0),
	[S_AE_F3] = OPX(INSN_FSBASE, FREG, E(WR, SY), I_NONE, FL_0, IM_0, 0),
	[S_AE_F3 + 1] = OPX(INSN_GSBASE, FREG, E(WR, SY), I_NONE, FL_0, IM_0, 0),
	[S_AE_F3 + 2] = OPX(INSN_FSBASE, FREG, E(RD, SY), I_NONE, FL_0, IM_0, 0),
	[S_AE_F3 + 3] = OPX(INSN_GSBASE, FREG, E(RD, SY), I_NONE, FL_0, IM_0, 0),
	[S_AE_F3 + 4] = OP(E(RD, SY), I_NONE, FL_0, IM_0, 0),
	[S_AE_F3 + 5] = OPX(INSN_INCSSP, FREG, E(RD, SY), I_NONE, FL_LEAVE, IM_0, 0), [S_AE_F3 + 6] = BY(A_BYMOD, S_AE_F3_6),
	[S_AE_F3_6] = OPX(INSN_CLRSSBSY, FA, 0, I_NONE, FL_LEAVE, IM_0, 0),
	[S_AE_F3_6 + 1] = OP(E(RD, SY), I_NONE, FL_0, IM_0, 0),
	[S_AE_F2 + 6] = OPX(INSN_PLAIN, FREG, E(RD, SY), I_NONE, FL_K, IM_AD_RD, 0),
	[S_BA + 4] = OP(E(RD, SV), I_NONE, FL_KC, IM_0, A_NF),
	[S_BA + 5 ... S_BA + 7] = OP(E(UP, SV), I_NONE, FL_KC, IM_0, A_NF | A_LOCK),
	/* with a zero source bsf and bsr leave the destination; a CPU without tzcnt or lzcnt runs those as bsf and bsr */
	[S_BC ... S_BC + 1] = OP(G(UP, SV) | E(RD, SV), I_NONE, FL_KZ, IM_0, A_NF),
	[S_BC + 2] = OP(G(UP, SV) | E(RD, SV), I_NONE, FL_KCZ, IM_0, A_NF),
	[S_BC + 3] = OP(G(UP, SV) | E(RD, SV), I_NONE, FL_KZ, IM_0, A_NF),
	[S_BD ... S_BD + 1] = OP(G(UP, SV) | E(RD, SV), I_NONE, FL_KZ, IM_0, A_NF),
	[S_BD + 2] = OP(G(UP, SV) | E(RD, SV), I_NONE, FL_KCZ, IM_0, A_NF),
	[S_BD + 3] = OP(G(UP, SV) | E(RD, SV), I_NONE, FL_KZ, IM_0, A_NF),
	[S_0FC7 + 1] = OPX(INSN_PLAIN, FMEM, 0, I_NONE, FL_KZ, IM_CX8B, A_LOCK),
	[S_0FC7 + 3] = OPX(INSN_XRSTOR, FM(1, 0), 0, I_NONE, FL_0, IM_AD_RD, 0),
	[S_0FC7 + 4] = OPX(INSN_PLAIN, FM(1, 0), 0, I_NONE, FL_0, IM_AD_RD, 0),
	[S_0FC7 + 5] = PRIV(FM(1, 0), 0, 0), [S_0FC7 + 6] = BY(A_BYMOD, S_0FC7_6), [S_0FC7 + 7] = BY(A_BYMOD, S_0FC7_7),
	[S_0FC7_6] = BY(A_BYPP, S_0FC7_6M), [S_0FC7_6 + 1] = BY(A_BYPP, S_0FC7_6R),
	[S_0FC7_6M ... S_0FC7_6M + 2] = PRIV(FA, 0, 0),
	[S_0FC7_6R ... S_0FC7_6R + 1] = OP(E(WR, SV), I_NONE, FL_K, IM_0, 0), [S_0FC7_6R + 2] = PRIV(FREG, E(RD, SY), 0),
	[S_0FC7_7] = PRIV(FM(1, 0), 0, 0), [S_0FC7_7 + 1] = BY(A_BYPP, S_0FC7_7R),
	[S_0FC7_7R ... S_0FC7_7R + 1] = OP(E(WR, SV), I_NONE, FL_K, IM_0, 0),
	[S_0FC7_7R + 2] = OP(E(WR, SY), I_NONE, FL_0, IM_0, 0),

	[S_38D8 ... S_38D8 + 3] = OPX(INSN_PLAIN, FM(P_F3, 0), 0, I_NONE, FL_K, IM_0, 0),
	[S_38DC + 1] = VEC(FA), [S_38DC + 2] = BY(A_BYMOD, S_38DC_F3),
	[S_38DC_F3] = OP(0, I_NONE, FL_K, IM_0, 0), [S_38DC_F3 + 1] = PRIV(FREG, 0, 0), /* loadiwkey */
	[S_38DD + 1] = VEC(FA), [S_38DD + 2] = OPX(INSN_PLAIN, FMEM, 0, I_NONE, FL_K, IM_0, 0),
	[S_38F0 ... S_38F0 + 1] = OPX(INSN_PLAIN, FMEM, G(WR, SV), I_NONE, FL_0, IM_0, 0),
	[S_38F0 + 3] = OP(G(UP, SY) | E(RD, SB), I_NONE, FL_0, IM_0, 0),
	[S_38F1 ... S_38F1 + 1] = OPX(INSN_PLAIN, FMEM, G(RD, SV), I_NONE, FL_0, IM_0, 0),
	[S_38F1 + 3] = OP(G(UP, SY) | E(RD, SV), I_NONE, FL_0, IM_0, 0),
	[S_38F6] = OPX(INSN_WRSS, FMEM, G(RD, SY), I_NONE, FL_LEAVE, IM_0, 0),
	[S_38F6 + 1] = OP(G(UP, SY) | E(RD, SY), I_NONE, FL_CKC, IM_0, 0),
	[S_38F6 + 2] = OP(G(UP, SY) | E(RD, SY), I_NONE, FL_OKO, IM_0, 0),
	[S_38F8 + 1] = OPX(INSN_PLAIN, FMEM, G(RD, SY), I_NONE, FL_0, IM_0, 0), /* movdir64b */
	[S_38F8 + 2] = BY(A_BYMOD, S_38F8_F3), [S_38F8 + 3] = BY(A_BYMOD, S_38F8_F2),
	[S_38F8_F3] = PRIV(FA, G(RD, SY), 0),                                                           /* enqcmds */
	[S_38F8_F3 + 1] = OP(G(RD, SY) | E(RD, SY), I_NONE, FL_0, IM_0, 0),                             /* uwrmsr */
	[S_38F8_F2] = OP(G(RD, SY), I_NONE, FL_K, IM_0, 0),                                             /* enqcmd */
	[S_38F8_F2 + 1] = OP(G(RD, SY) | E(WR, SY), I_NONE, FL_0, IM_0, 0),                             /* urdmsr */
	[S_3AF0] = BY(A_BYRM, S_3AF0_0), [S_3AF0_0] = PRIV(FM(0, P_F3), 0, 0),                          /* hreset */
};

const struct decode_fl_row decode_fl[] = {
	[FL_K] = { 0, FLAGS_ARITH }, [FL_CK] = { FLAG_CF, FLAGS_ARITH }, [FL_CKC] = { FLAG_CF, FLAG_CF },
	[FL_OKO] = { FLAG_OF, FLAG_OF }, [FL_KC] = { 0, FLAG_CF }, [FL_KZ] = { 0, FLAG_ZF },
	[FL_KCZ] = { 0, FLAG_CF | FLAG_ZF }, [FL_KNC] = { 0, FLAGS_ARITH & ~FLAG_CF },
	[FL_KNO] = { 0, FLAGS_ARITH & ~FLAG_OF }, [FL_R] = { FLAGS_ARITH, 0 }, [FL_RZ] = { FLAG_ZF, 0 },
	[FL_LEAVE] = { FLAGS_ARITH | FLAG_DF, 0 }, [FL_KALL] = { 0, FLAGS_ARITH | FLAG_DF }, [FL_D] = { FLAG_DF, 0 },
	[FL_DK] = { FLAG_DF, FLAGS_ARITH }, [FL_KD] = { 0, FLAG_DF }, [FL_RCX] = { FLAG_CF | FLAG_OF, 0 },
	[FL_CC ... FL_SHXD] = { FLAGS_ARITH, 0 },
};

#define rA 0x01
#define rC 0x02
#define rD 0x04
#define rB 0x08
#define rSP 0x10
#define rBP 0x20
#define rSI 0x40
#define rDI 0x80
#define rALL 0xffff

const struct decode_im_row decode_im[] = {
	[IM_SP] = { rSP, rSP, 0, 0 },
	[IM_A_UP] = { rA, rA, 0, 0 }, [IM_A_RD] = { rA, 0, 0, 0 }, [IM_A_V] = { 0, rA, rA, rA },
	[IM_CWD] = { rA, rD, rD, rD }, [IM_MUL] = { rA, rA | rD, rD, rD }, [IM_DIV] = { rA | rD, rA | rD, 0, 0 },
	[IM_XLAT] = { rA | rB, rA, 0, 0 },
	[IM_MOVS] = { rSI | rDI, rSI | rDI, 0, 0 }, [IM_STOS] = { rA | rDI, rDI, 0, 0 },
	[IM_LODSB] = { rA | rSI, rA | rSI, 0, 0 }, [IM_LODS] = { rSI, rA | rSI, rA, rA }, [IM_SCAS] = { rA | rDI, rDI, 0, 0 },
	[IM_ENTER] = { rSP | rBP, rSP | rBP, 0, 0 },
	[IM_C_UP] = { rC, rC, 0, 0 }, [IM_C_RD] = { rC, 0, 0, 0 }, [IM_AD_RD] = { rA | rD, 0, 0, 0 },
	[IM_ACD_RD] = { rA | rC | rD, 0, 0, 0 }, [IM_AC_RD] = { rA | rB | rC, 0, 0, 0 },
	[IM_CX8B] = { rA | rB | rC | rD, rA | rD, 0, 0 },
	[IM_CPUID] = { rA | rC, rA | rB | rC | rD, rB | rD, 0 },
	[IM_TSC] = { 0, rA | rD, rA | rD, 0 }, [IM_TSCP] = { 0, rA | rC | rD, rA | rC | rD, 0 },
	[IM_XGETBV] = { rC, rA | rD, rA | rD, 0 }, [IM_DI] = { rDI, 0, 0, 0 },
	[IM_ESTRI] = { rA | rD, rC, rC, 0 }, [IM_ISTRI] = { 0, rC, rC, 0 }, [IM_D_RD] = { rD, 0, 0, 0 },
	[IM_SYSCALL] = { rALL, rA | rC | 1 << 11, 0, 0 }, [IM_XBEGIN] = { rALL, rA, 0, 0 }, [IM_ALL] = { rALL, rALL, 0, 0 },
	[IM_PADLOCK] = { rA | rB | rC | rD | rSI | rDI, rA | rC | rD | rSI | rDI, 0, 0 },
};
