/* SPDX-License-Identifier: MIT */
/*
 * Table-driven x86-64 instruction decoder: lengths, control flow, operand places, register and flag
 * effects. Allocation-free, reentrant, no state. Source: Intel SDM vol. 2 (opcode maps A-2..A-6,
 * VEX/EVEX encodings), AMD APM vol. 3. Tested against Zydis (tests/unit/decode_zydis.c). [as-safe]
 */
#ifndef GNOMON_XLATE_DECODE_H
#define GNOMON_XLATE_DECODE_H

#include "rt/types.h"

enum insn_class {
	INSN_PLAIN,      /* may be copied as it is but for a RIP-relative displacement */
	INSN_JCC,        /* 70..7F, 0F 80..8F: insn.cc, insn.target */
	INSN_LOOP,       /* E0..E3 loopne loope loop jrcxz: target; rel8 only */
	INSN_JMP,        /* EB, E9: target */
	INSN_CALL,       /* E8: target */
	INSN_JMP_IND,    /* FF /4 */
	INSN_CALL_IND,   /* FF /2 */
	INSN_RET,        /* C3, C2: insn.imm = bytes popped besides the address */
	INSN_JMP_FAR,    /* FF /5 */
	INSN_CALL_FAR,   /* FF /3 */
	INSN_RET_FAR,    /* CB, CA */
	INSN_IRET,       /* CF */
	INSN_SYSCALL,    /* 0F 05 */
	INSN_SYSENTER,   /* 0F 34, 0F 35 sysexit, 0F 07 sysret */
	INSN_INT,        /* CD ib: insn.imm; CC int3 = 3; F1 int1 = 1 */
	INSN_CPUID,      /* 0F A2 */
	INSN_XGETBV,     /* 0F 01 D0 */
	INSN_GSBASE,     /* rdgsbase wrgsbase swapgs; mov to/from %gs selector, lgs, push/pop gs */
	INSN_FSBASE,     /* rdfsbase, wrfsbase: plain copies, classed for the curious */
	INSN_RDSSP,      /* F3 [W] 0F 1E /1, mod 11 */
	INSN_INCSSP,     /* F3 [W] 0F AE /5, mod 11 */
	INSN_RSTORSSP,   /* F3 0F 01 /5, mod != 11 */
	INSN_SAVEPREVSSP,/* F3 0F 01 EA */
	INSN_SETSSBSY,   /* F3 0F 01 E8 */
	INSN_CLRSSBSY,   /* F3 0F AE /6, mod != 11 */
	INSN_WRSS,       /* NP 0F 38 F6 /r, mod != 11 */
	INSN_WRUSS,      /* 66 0F 38 F5 /r, mod != 11 */
	INSN_ENDBR,      /* F3 0F 1E FA / FB */
	INSN_XBEGIN,     /* C7 F8 rel32/16: target is the abort handler */
	INSN_XABORT,     /* C6 F8 ib; a no-op outside a transaction */
	INSN_PKRU,       /* rdpkru, wrpkru */
	INSN_XRSTOR,     /* xrstor/xrstors/fxrstor family: may write pkru */
	INSN_POPF,       /* 9D: may set the trap flag */
	INSN_PRIV,       /* needs CPL 0 or I/O rights (hlt, in, out, cli, mov cr, lgdt, invlpg, rdmsr ...):
			    copied as it is, raises the same #GP/#UD for the guest */
	INSN_UD,         /* ud0, ud1, ud2 */
	INSN_INVALID,    /* not decodable in 64-bit mode (length = bytes looked at, at least 1) */
};

/* where a general register number stands in an instruction; used for r10/r11 and for rewriting */
#define INSN_REG_REG   0x01 /* ModRM.reg (with REX.R / VEX.R / EVEX.R) names a GPR */
#define INSN_REG_RM    0x02 /* ModRM.rm with mod == 3 names a GPR */
#define INSN_REG_BASE  0x04 /* memory base */
#define INSN_REG_INDEX 0x08 /* memory index (a GPR; false for VSIB) */
#define INSN_REG_VVVV  0x10 /* VEX/EVEX.vvvv names a GPR */
#define INSN_REG_OPC   0x20 /* low three opcode bits (with REX.B) name a GPR */

/* arithmetic flags, at their EFLAGS positions */
#define FLAG_CF 0x001
#define FLAG_PF 0x004
#define FLAG_AF 0x010
#define FLAG_ZF 0x040
#define FLAG_SF 0x080
#define FLAG_OF 0x800
#define FLAG_DF 0x400
#define FLAGS_ARITH (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

struct insn {
	u8 len;        /* 1..15 */
	u8 class;      /* enum insn_class */
	u8 cc;         /* JCC: condition 0..15; LOOP: opcode & 3 */
	u8 map;        /* 0 one-byte, 1 = 0F, 2 = 0F 38, 3 = 0F 3A, 5 = EVEX map 5, 6 = EVEX map 6, 8..10 XOP */
	u8 opcode;     /* last opcode byte */
	u8 enc;        /* 0 legacy, 1 VEX2, 2 VEX3, 3 EVEX, 4 XOP */
	u8 rex;        /* REX byte in force (0 if none); for VEX/EVEX the equivalent W,R,X,B bits | 0x40 */
	u8 pfx_off;    /* offset of the byte that starts REX/VEX/EVEX/XOP/opcode, i.e. number of legacy prefixes */
	u8 opc_off;    /* offset of the (last) opcode byte */
	u8 modrm_off;  /* offset of ModRM, 0 if none */
	u8 modrm;
	u8 sib;        /* SIB byte if there is one */
	u8 disp_off;   /* offset of the displacement, 0 if none */
	u8 disp_size;  /* 0, 1, 4 (8 for moffs) */
	u8 imm_off;    /* offset of the immediate, 0 if none */
	u8 imm_size;   /* total size of the immediates */
	u8 seg;        /* 0, or the last segment prefix byte: 0x64 fs, 0x65 gs (2E 36 3E 26 not reported) */
	u8 rep;        /* 0, 0xF2 or 0xF3: the last of them (a prefix byte; VEX and EVEX have theirs in pp) */
	u8 pp;         /* mandatory prefix in force, legacy or VEX/EVEX: 0 none, 1 = 66, 2 = F3, 3 = F2 */
	u8 vvvv;       /* VEX/EVEX/XOP.vvvv, not inverted; 0 for legacy */
	bool opsize;   /* 66 present */
	bool addrsize; /* 67 present */
	bool lock;     /* F0 present */
	bool mem;      /* has a ModRM memory operand */
	bool riprel;   /* that operand is RIP-relative (disp_off tells where) */
	u8 gpr_where[16]; /* INSN_REG_* bits per GPR for explicitly encoded operands */
	u16 gpr_read;  /* GPRs whose old value can be observed, explicit and implicit */
	u16 gpr_write; /* GPRs (possibly) written */
	u16 gpr_kill;  /* GPRs certainly overwritten whole (32/64-bit destination, not conditional) without
			  their old value being read: subset of gpr_write, disjoint from gpr_read */
	u16 flags_read;  /* arithmetic flags + DF possibly read; all of FLAGS_ARITH where in doubt */
	u16 flags_kill;  /* flags certainly overwritten (or undefined afterwards) whatever the operands */
	bool no_fault;   /* certainly cannot fault or trap: register-only, no divide */
	u64 imm;       /* RET: imm16; INT: vector; else the first immediate sign-extended if <= 8 bytes */
	gaddr_t target;/* direct branches: absolute target */
};

/*
 * Decodes the instruction at `code`, of which `avail` (1..15 are looked at) bytes may be read, as if it
 * stood at guest address `pc`. Returns 0, -EAGAIN if avail bytes are not enough to tell, and always
 * fills *in (INSN_INVALID for what a 64-bit CPU answers with #UD by encoding alone, also for an
 * instruction longer than 15 bytes). What only the CPU model decides (a vector length, W, masking or broadcast
 * that an opcode does not have, a 3DNow! operation, a control register that does not exist) is decoded and
 * left to the CPU: the copy raises the #UD. Fewer than 15 bytes, or more than 8 prefixes, take a slower path.
 * 66 before a near branch is ignored, as Intel CPUs do (AMD's truncate the target to 16 bits).
 */
long insn_decode(struct insn *in, const u8 *code, size_t avail, gaddr_t pc);

/*
 * Does it load RSP with something that is not its function's own? RBP, R10 or R13 hold the old RSP while a function has
 * moved it. Of a plain instruction as either decoder gives it.
 */
bool insn_loads_rsp(const struct insn *in);
/* ADD of a register to RSP: no compiler makes one; greenlet does, when it exchanges what is on the stack */
bool insn_slices_stack(const struct insn *in);

/*
 * The same for the translator, several times as fast. A plain instruction without legacy prefixes that names neither
 * r10 nor r11 comes with len, class, rex, pfx_off, opc_off, opcode, map, modrm, modrm_off, mem, riprel and disp_off
 * (of a RIP-relative operand) only; all else is 0.
 */
long insn_decode_brief(struct insn *in, const u8 *code, size_t avail, gaddr_t pc);

#endif
