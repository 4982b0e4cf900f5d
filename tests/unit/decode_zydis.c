/* SPDX-License-Identifier: MIT */
/*
 * xlate/decode against Zydis: lengths, control flow, places of displacements and immediates, registers, flags.
 * Every instruction of every executable section of the ELF files given, decoded linearly; every opcode with every
 * ModRM under the usual prefixes; random and mutated bytes.
 *
 * Hosted build:
 *   gcc -std=gnu11 -g -O2 -Wall -Wextra -Iengine -Itests/lib tests/unit/decode_zydis.c \
 *     $(echo 'int main(){}' | gcc -xc - -o /dev/null -lZydis 2>/dev/null && echo -lZydis)
 * Usage: decode_zydis [--limit BYTES] [--random N] [--seed S] [--full] [--bench FILE] [PATH...]. TAP on stdout.
 * Without arguments: a small part of what there is.
 * fuzz: --random 20000000 --seed @SEED@
 * campaign: --full --random 100000000 --seed @SEED@ /usr/bin /usr/sbin /usr/lib /usr/lib64 /usr/libexec
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

#if !__has_include(<Zydis/Zydis.h>)
int main(void)
{
	SKIP("no libzydis-dev");
}
#else
#include <Zydis/Zydis.h>

#include "../../engine/xlate/decode.c"
#include "../../engine/xlate/decode_tables.c"
#include "../../engine/xlate/decode_vec.c"

/* Where the two disagree and why that is right. */
enum known {
	K_NONE,
	K_CPU,     /* Zydis knows which W, L, vvvv, masks an opcode has; here the CPU is asked */
	K_NEW,     /* newer than Zydis 4, legacy maps; vector instructions that are count as K_CPU */
	K_KNC,     /* Zydis decodes Knights Corner's VEX instructions; no CPU since has them */
	K_PTEST,   /* Zydis: (v)ptest, vtestp* leave OF SF AF PF alone; the SDM: they are cleared */
	K_3DNOW,   /* Zydis does not count the operation byte of 3DNow! as an immediate, and knows which there are */
	K_NOP,     /* registers that Zydis takes for operands of a hint nop */
	K_XCHG,    /* F3 90 with REX.B: pause for Zydis; CPUs exchange r8 and rax (tried on one by AMD) */
	K_SIB,     /* 67, REX.B, SIB without a base: Zydis 4.0 makes r13d of it */
	K_COUNT,
};
static const char *const known_name[K_COUNT] = {
	"", "left to the CPU", "newer than Zydis", "Knights Corner", "ptest flags", "3DNow! suffix",
	"operands of nops", "rep xchg r8, rax",
	"SIB without a base and 67",
};

static ZydisDecoder decoder;
static u64 compared, differ, known[K_COUNT], undecodable, bytes_done, cut_checked;
static u64 limit = ~0ull;
static unsigned shown, show_max = 40;

static void report(const u8 *p, const ZydisDecodedInstruction *z, const struct insn *in, const char *what, u64 want, u64 got)
{
	differ++;
	if (shown++ >= show_max)
		return;
	printf("# %s: Zydis %llx, here %llx:", what, (unsigned long long)want, (unsigned long long)got);
	for (int i = 0; i < 15; i++)
		printf("%s%02x", z && i == z->length ? " | " : " ", p[i]);
	printf("  (%s; here len %d class %d)\n", z ? ZydisMnemonicGetString(z->mnemonic) : "rejected", in->len, in->class);
}

/* number of a general register, -1 for anything else; *size its width */
static int gpr(ZydisRegister r, int *size)
{
	ZydisRegisterClass c = ZydisRegisterGetClass(r);

	if (c < ZYDIS_REGCLASS_GPR8 || c > ZYDIS_REGCLASS_GPR64)
		return -1;
	*size = ZydisRegisterGetWidth(ZYDIS_MACHINE_MODE_LONG_64, r);
	return ZydisRegisterGetId(ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, r));
}

struct want {
	u16 read, write, no_kill;
	u8 where[16];
	bool riprel, gs_sreg;
};

static void want_address(struct want *w, const ZydisDecodedOperand *o)
{
	bool explicit = o->visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT && o->encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM;
	int size, b = gpr(o->mem.base, &size), i = gpr(o->mem.index, &size);

	if (b >= 0) {
		w->read |= 1u << b;
		if (explicit)
			w->where[b] |= INSN_REG_BASE;
	}
	if (i >= 0) {
		w->read |= 1u << i;
		if (explicit)
			w->where[i] |= INSN_REG_INDEX;
	}
	if (o->mem.base == ZYDIS_REGISTER_RIP || o->mem.base == ZYDIS_REGISTER_EIP)
		w->riprel = true;
}

static void want_registers(struct want *w, const ZydisDecodedInstruction *z, const ZydisDecodedOperand *ops)
{
	for (int k = 0; k < z->operand_count; k++) {
		const ZydisDecodedOperand *o = &ops[k];
		int size, r;

		if (o->type == ZYDIS_OPERAND_TYPE_MEMORY)
			want_address(w, o);
		if (o->type != ZYDIS_OPERAND_TYPE_REGISTER)
			continue;
		if (o->reg.value == ZYDIS_REGISTER_GS)
			w->gs_sreg = true;
		r = gpr(o->reg.value, &size);
		if (r < 0)
			continue;
		if (o->actions & ZYDIS_OPERAND_ACTION_MASK_READ) {
			w->read |= 1u << r;
			w->no_kill |= 1u << r;
		}
		if (o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
			w->write |= 1u << r;
		if ((o->actions & ZYDIS_OPERAND_ACTION_CONDWRITE) || size < 32)
			w->no_kill |= 1u << r;
		if (o->visibility != ZYDIS_OPERAND_VISIBILITY_EXPLICIT)
			continue;
		switch (o->encoding) {
		case ZYDIS_OPERAND_ENCODING_MODRM_REG: w->where[r] |= INSN_REG_REG; break;
		case ZYDIS_OPERAND_ENCODING_MODRM_RM: w->where[r] |= INSN_REG_RM; break;
		case ZYDIS_OPERAND_ENCODING_OPCODE: w->where[r] |= INSN_REG_OPC; break;
		case ZYDIS_OPERAND_ENCODING_NDSNDD: w->where[r] |= INSN_REG_VVVV; break;
		default: break;
		}
	}
}

static int branch_class(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *ops, int direct, int indirect, int far)
{
	if (z->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
		return far;
	return ops[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE ? direct : indirect;
}

/* the class Zydis's description leads to; PRIV and PLAIN as far as known */
static int want_class(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *ops, const struct want *w)
{
	switch (z->mnemonic) {
	case ZYDIS_MNEMONIC_LOOP: case ZYDIS_MNEMONIC_LOOPE: case ZYDIS_MNEMONIC_LOOPNE:
	case ZYDIS_MNEMONIC_JRCXZ: case ZYDIS_MNEMONIC_JECXZ: return INSN_LOOP;
	case ZYDIS_MNEMONIC_XBEGIN: return INSN_XBEGIN;
	case ZYDIS_MNEMONIC_XABORT: return INSN_XABORT;
	case ZYDIS_MNEMONIC_JMP: return branch_class(z, ops, INSN_JMP, INSN_JMP_IND, INSN_JMP_FAR);
	case ZYDIS_MNEMONIC_CALL: return branch_class(z, ops, INSN_CALL, INSN_CALL_IND, INSN_CALL_FAR);
	case ZYDIS_MNEMONIC_RET: return z->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR ? INSN_RET_FAR : INSN_RET;
	case ZYDIS_MNEMONIC_IRET: case ZYDIS_MNEMONIC_IRETD: case ZYDIS_MNEMONIC_IRETQ: return INSN_IRET;
	case ZYDIS_MNEMONIC_POPF: case ZYDIS_MNEMONIC_POPFD: case ZYDIS_MNEMONIC_POPFQ: return INSN_POPF;
	case ZYDIS_MNEMONIC_SYSCALL: return INSN_SYSCALL;
	case ZYDIS_MNEMONIC_SYSENTER: case ZYDIS_MNEMONIC_SYSEXIT: case ZYDIS_MNEMONIC_SYSRET: return INSN_SYSENTER;
	case ZYDIS_MNEMONIC_INT: case ZYDIS_MNEMONIC_INT3: case ZYDIS_MNEMONIC_INT1: return INSN_INT;
	case ZYDIS_MNEMONIC_CPUID: return INSN_CPUID;
	case ZYDIS_MNEMONIC_XGETBV: return INSN_XGETBV;
	case ZYDIS_MNEMONIC_RDGSBASE: case ZYDIS_MNEMONIC_WRGSBASE: case ZYDIS_MNEMONIC_SWAPGS:
	case ZYDIS_MNEMONIC_LGS: return INSN_GSBASE;
	case ZYDIS_MNEMONIC_RDFSBASE: case ZYDIS_MNEMONIC_WRFSBASE: return INSN_FSBASE;
	case ZYDIS_MNEMONIC_RDSSPD: case ZYDIS_MNEMONIC_RDSSPQ: return INSN_RDSSP;
	case ZYDIS_MNEMONIC_INCSSPD: case ZYDIS_MNEMONIC_INCSSPQ: return INSN_INCSSP;
	case ZYDIS_MNEMONIC_RSTORSSP: return INSN_RSTORSSP;
	case ZYDIS_MNEMONIC_SAVEPREVSSP: return INSN_SAVEPREVSSP;
	case ZYDIS_MNEMONIC_SETSSBSY: return INSN_SETSSBSY;
	case ZYDIS_MNEMONIC_CLRSSBSY: return INSN_CLRSSBSY;
	case ZYDIS_MNEMONIC_WRSSD: case ZYDIS_MNEMONIC_WRSSQ: return INSN_WRSS;
	case ZYDIS_MNEMONIC_WRUSSD: case ZYDIS_MNEMONIC_WRUSSQ: return INSN_WRUSS;
	case ZYDIS_MNEMONIC_ENDBR64: case ZYDIS_MNEMONIC_ENDBR32: return INSN_ENDBR;
	case ZYDIS_MNEMONIC_RDPKRU: case ZYDIS_MNEMONIC_WRPKRU: return INSN_PKRU;
	case ZYDIS_MNEMONIC_XRSTOR: case ZYDIS_MNEMONIC_XRSTOR64: case ZYDIS_MNEMONIC_XRSTORS:
	case ZYDIS_MNEMONIC_XRSTORS64: case ZYDIS_MNEMONIC_FXRSTOR: case ZYDIS_MNEMONIC_FXRSTOR64: return INSN_XRSTOR;
	case ZYDIS_MNEMONIC_UD0: case ZYDIS_MNEMONIC_UD1: case ZYDIS_MNEMONIC_UD2: return INSN_UD;
	case ZYDIS_MNEMONIC_MOV: case ZYDIS_MNEMONIC_PUSH: case ZYDIS_MNEMONIC_POP:
		if (w->gs_sreg)
			return INSN_GSBASE;
		break;
	default: break;
	}
	if (z->meta.category == ZYDIS_CATEGORY_COND_BR && z->mnemonic != ZYDIS_MNEMONIC_XEND)
		return INSN_JCC;
	if (z->meta.category == ZYDIS_CATEGORY_UNCOND_BR && z->mnemonic != ZYDIS_MNEMONIC_UIRET)
		return -1;
	return z->attributes & ZYDIS_ATTRIB_IS_PRIVILEGED ? INSN_PRIV : INSN_PLAIN;
}

/* instructions classed PRIV that Zydis does not mark: I/O rights, virtual machines, user interrupts, SGX */
static bool priv_anyway(ZydisMnemonic m)
{
	switch (m) {
	case ZYDIS_MNEMONIC_IN: case ZYDIS_MNEMONIC_OUT: case ZYDIS_MNEMONIC_INSB: case ZYDIS_MNEMONIC_INSW:
	case ZYDIS_MNEMONIC_INSD: case ZYDIS_MNEMONIC_OUTSB: case ZYDIS_MNEMONIC_OUTSW: case ZYDIS_MNEMONIC_OUTSD:
	case ZYDIS_MNEMONIC_CLI: case ZYDIS_MNEMONIC_STI: case ZYDIS_MNEMONIC_UIRET: case ZYDIS_MNEMONIC_TESTUI:
	case ZYDIS_MNEMONIC_CLUI: case ZYDIS_MNEMONIC_STUI: case ZYDIS_MNEMONIC_SENDUIPI: case ZYDIS_MNEMONIC_ENCLU:
	case ZYDIS_MNEMONIC_ENCLV: case ZYDIS_MNEMONIC_ENCLS: case ZYDIS_MNEMONIC_VMCALL: case ZYDIS_MNEMONIC_VMFUNC:
	case ZYDIS_MNEMONIC_VMMCALL: case ZYDIS_MNEMONIC_VMLAUNCH: case ZYDIS_MNEMONIC_VMRESUME: case ZYDIS_MNEMONIC_VMXOFF:
	case ZYDIS_MNEMONIC_VMXON: case ZYDIS_MNEMONIC_VMPTRLD: case ZYDIS_MNEMONIC_VMPTRST: case ZYDIS_MNEMONIC_VMCLEAR:
	case ZYDIS_MNEMONIC_VMREAD: case ZYDIS_MNEMONIC_VMWRITE: case ZYDIS_MNEMONIC_INVEPT: case ZYDIS_MNEMONIC_INVVPID:
	case ZYDIS_MNEMONIC_VMRUN: case ZYDIS_MNEMONIC_VMLOAD: case ZYDIS_MNEMONIC_VMSAVE: case ZYDIS_MNEMONIC_STGI:
	case ZYDIS_MNEMONIC_CLGI: case ZYDIS_MNEMONIC_SKINIT: case ZYDIS_MNEMONIC_INVLPGA: case ZYDIS_MNEMONIC_INVLPGB:
	case ZYDIS_MNEMONIC_TLBSYNC: case ZYDIS_MNEMONIC_MCOMMIT: case ZYDIS_MNEMONIC_GETSEC: case ZYDIS_MNEMONIC_RSM:
	case ZYDIS_MNEMONIC_CLAC: case ZYDIS_MNEMONIC_STAC: case ZYDIS_MNEMONIC_MONITOR: case ZYDIS_MNEMONIC_MWAIT:
	case ZYDIS_MNEMONIC_PCONFIG: case ZYDIS_MNEMONIC_PSMASH: case ZYDIS_MNEMONIC_PVALIDATE: case ZYDIS_MNEMONIC_RMPADJUST:
	case ZYDIS_MNEMONIC_RMPUPDATE: case ZYDIS_MNEMONIC_LOADIWKEY: case ZYDIS_MNEMONIC_ENQCMDS: case ZYDIS_MNEMONIC_HRESET:
	case ZYDIS_MNEMONIC_XSETBV: case ZYDIS_MNEMONIC_SEAMCALL: case ZYDIS_MNEMONIC_SEAMOPS: case ZYDIS_MNEMONIC_SEAMRET:
	case ZYDIS_MNEMONIC_TDCALL: case ZYDIS_MNEMONIC_LGDT: case ZYDIS_MNEMONIC_LIDT:
		return true;
	default:
		return false;
	}
}

static bool class_agrees(const ZydisDecodedInstruction *z, int want, int got)
{
	if (want == got)
		return true;
	if (got == INSN_PRIV)
		return want == INSN_PLAIN && priv_anyway(z->mnemonic);
	return false;
}

static bool is_ptest(ZydisMnemonic m)
{
	return m == ZYDIS_MNEMONIC_PTEST || m == ZYDIS_MNEMONIC_VPTEST || m == ZYDIS_MNEMONIC_VTESTPS ||
	       m == ZYDIS_MNEMONIC_VTESTPD;
}

static void compare_flags(const u8 *p, const ZydisDecodedInstruction *z, const struct insn *in)
{
	u32 mask = FLAGS_ARITH | FLAG_DF, tested = 0, touched = 0;

	if (z->cpu_flags) {
		tested = z->cpu_flags->tested & mask;
		touched = (z->cpu_flags->modified | z->cpu_flags->set_0 | z->cpu_flags->set_1 | z->cpu_flags->undefined) & mask;
	}
	if (tested & ~in->flags_read)
		report(p, z, in, "flags read", tested, in->flags_read);
	if (in->flags_kill & ~touched) {
		if (is_ptest(z->mnemonic))
			known[K_PTEST]++;
		else
			report(p, z, in, "flags kill", touched, in->flags_kill);
	}
}

static void compare_registers(const u8 *p, const ZydisDecodedInstruction *z, const struct want *w, const struct insn *in)
{
	u16 read = w->read, no_kill = w->no_kill;
	bool zero = !in->enc && !in->map && !in->mem && (in->opcode == 0x29 || in->opcode == 0x2b || in->opcode == 0x31 ||
							 in->opcode == 0x33) && z->operand_width >= 32;

	/* xor and sub of a register with itself read nothing */
	if (zero)
		for (int i = 0; i < 16; i++)
			if (w->where[i] == (INSN_REG_REG | INSN_REG_RM)) {
				read &= ~(1u << i);
				no_kill &= ~(1u << i);
			}
	if (z->mnemonic == ZYDIS_MNEMONIC_NOP && in->map == 1) {
		known[K_NOP]++;
		return;
	}
	if (read & ~in->gpr_read)
		report(p, z, in, "gpr read", read, in->gpr_read);
	if (w->write & ~in->gpr_write)
		report(p, z, in, "gpr write", w->write, in->gpr_write);
	if (in->gpr_kill & (no_kill | ~w->write | in->gpr_read | ~in->gpr_write))
		report(p, z, in, "gpr kill", w->write & ~no_kill, in->gpr_kill);
	if (z->mnemonic == ZYDIS_MNEMONIC_PAUSE && (in->rex & 1)) {
		known[K_XCHG]++;
		return;
	}
	for (int i = 0; i < 16; i++)
		if (w->where[i] != in->gpr_where[i]) {
			report(p, z, in, "gpr where", (u64)i << 8 | w->where[i], (u64)i << 8 | in->gpr_where[i]);
			break;
		}
}

static void compare_places(const u8 *p, const ZydisDecodedInstruction *z, const ZydisDecodedOperand *ops,
			   const struct want *w, const struct insn *in, u64 pc)
{
	u32 zimm = (z->raw.imm[0].size + z->raw.imm[1].size) / 8;
	u64 target;

	if (in->disp_off != (z->raw.disp.size ? z->raw.disp.offset : 0) || in->disp_size * 8 != z->raw.disp.size)
		report(p, z, in, "displacement", (u64)z->raw.disp.offset << 8 | z->raw.disp.size, (u64)in->disp_off << 8 | in->disp_size);
	if (w->riprel != in->riprel)
		report(p, z, in, "rip-relative", w->riprel, in->riprel);
	if (in->imm_size == 1 && !zimm && in->map == 1 && in->opcode == 0x0f && !in->enc)
		known[K_3DNOW]++;
	else if (in->imm_size != zimm || in->imm_off != (zimm ? z->raw.imm[0].offset : 0))
		report(p, z, in, "immediate", (u64)z->raw.imm[0].offset << 8 | zimm, (u64)in->imm_off << 8 | in->imm_size);
	else if (zimm) {
		u32 bits = z->raw.imm[0].size;
		u64 mask = bits == 64 ? ~0ull : (1ull << bits) - 1;

		if ((z->raw.imm[0].value.u ^ in->imm) & mask)
			report(p, z, in, "immediate value", z->raw.imm[0].value.u, in->imm);
	}
	if (z->raw.modrm.offset != in->modrm_off)
		report(p, z, in, "ModRM", z->raw.modrm.offset, in->modrm_off);
	switch (in->class) {
	case INSN_JCC: case INSN_LOOP: case INSN_JMP: case INSN_CALL: case INSN_XBEGIN:
		if (!ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(z, &ops[0], pc, &target)) || target != in->target)
			report(p, z, in, "target", target, in->target);
	}
	if (z->opcode != in->opcode && !(in->map == 1 && in->opcode == 0x0f))
		report(p, z, in, "opcode", z->opcode, in->opcode);
}

static void compare_faults(const u8 *p, const ZydisDecodedInstruction *z, const ZydisDecodedOperand *ops, const struct insn *in)
{
	bool may = z->mnemonic == ZYDIS_MNEMONIC_DIV || z->mnemonic == ZYDIS_MNEMONIC_IDIV || z->meta.category == ZYDIS_CATEGORY_X87_ALU ||
		   z->meta.category == ZYDIS_CATEGORY_MMX || z->meta.isa_ext == ZYDIS_ISA_EXT_X87;

	for (int k = 0; k < z->operand_count; k++)
		if (ops[k].type == ZYDIS_OPERAND_TYPE_MEMORY && ops[k].mem.type != ZYDIS_MEMOP_TYPE_AGEN && z->mnemonic != ZYDIS_MNEMONIC_NOP)
			may = true;
	if (may && in->no_fault)
		report(p, z, in, "no_fault", 0, 1);
}

/* of exactly its own bytes it decodes the same; one less is not enough */
static void compare_cut(const u8 *p, const struct insn *in, u64 pc)
{
	struct insn cut;
	u8 copy[16];

	cut_checked++;
	memset(copy, 0xcc, sizeof(copy));
	memcpy(copy, p, in->len);
	if (insn_decode(&cut, copy, in->len, pc) || memcmp(&cut, in, sizeof(cut)))
		report(p, NULL, in, "decodes otherwise from its own bytes", in->len, cut.len);
	if (insn_decode(&cut, copy, in->len - 1u, pc) != -EAGAIN)
		report(p, NULL, in, "decodes from one byte less", in->len, cut.len);
}

static enum known why_rejected(const struct insn *in)
{
	if (in->enc || (in->map == 1 && (in->opcode & 0xfc) == 0x20))
		return K_CPU; /* 0F 20..23: control registers */
	if (in->map == 1 && in->opcode == 0x0f)
		return K_3DNOW;
	if (in->map == 1 && (in->opcode & 0xfe) == 0x1a)
		return K_CPU; /* MPX: nops where there is none */
	if (in->map == 1 && in->opcode == 0x01 && (in->modrm == 0xc6 || in->modrm == 0xc7 || in->modrm == 0xca))
		return K_NEW; /* MSRLIST, PBNDKB, FRED */
	if (in->map == 2 && (in->opcode == 0xfc || in->opcode == 0xf8 || (in->opcode & 0xfe) == 0x8a))
		return K_NEW; /* RAO-INT, USER_MSR, MOVRS */
	return K_NONE;
}

static bool is_knc(const ZydisDecodedInstruction *z)
{
	return z->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX || z->encoding == ZYDIS_INSTRUCTION_ENCODING_MVEX;
}

/* p has at least 15 bytes; returns how far to go on */
static u32 compare(const u8 *p, u64 pc)
{
	ZydisDecodedInstruction z;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	bool ok = ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, p, 15, &z, ops));
	struct want w = { 0 };
	struct insn in;
	long ret = insn_decode(&in, p, 15, pc);
	int class;

	compared++;
	if (ret || !in.len || in.len > 15 || in.class > INSN_INVALID)
		report(p, ok ? &z : NULL, &in, "result", 0, (u64)ret);
	if ((compared & 15) == 0 && !ret)
		compare_cut(p, &in, pc);
	if (!ok || in.class == INSN_INVALID) {
		undecodable++;
		if (!ok && in.class != INSN_INVALID) {
			enum known k = why_rejected(&in);

			if (k)
				known[k]++;
			else
				report(p, NULL, &in, "Zydis rejects", 0, in.len);
		} else if (ok) {
			if (is_knc(&z))
				known[K_KNC]++;
			else
				report(p, &z, &in, "rejected here", z.length, in.len);
		}
		return 1;
	}
	if (z.length != in.len) {
		report(p, &z, &in, "length", z.length, in.len);
		return 1;
	}
	want_registers(&w, &z, ops);
	if (in.addrsize && in.mem && in.modrm >> 6 == 0 && (in.modrm & 7) == 4 && (in.sib & 7) == 5 && (in.rex & 1) &&
	    (w.where[13] & INSN_REG_BASE)) {
		known[K_SIB]++;
		return z.length;
	}
	class = want_class(&z, ops, &w);
	if (!class_agrees(&z, class, in.class))
		report(p, &z, &in, "class", (u64)class, in.class);
	compare_places(p, &z, ops, &w, &in, pc);
	compare_registers(p, &z, &w, &in);
	compare_flags(p, &z, &in);
	compare_faults(p, &z, ops, &in);
	return z.length;
}

/* ---- real code ------------------------------------------------------------------------------------------------ */

#define RESERVOIR 65536
static u8 reservoir[RESERVOIR][16];
static u32 reservoir_used;
static u64 seed = 88172645463325252ull;
static u64 files;

static u64 rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static void keep(const u8 *p)
{
	u32 slot = reservoir_used < RESERVOIR ? reservoir_used++ : (u32)(rnd() % RESERVOIR);

	memcpy(reservoir[slot], p, 15);
}

static void section(const u8 *p, u64 n, u64 pc)
{
	u64 at = 0, count = 0;

	while (at + 15 <= n && bytes_done + at < limit) {
		if ((count++ & 63) == 0)
			keep(p + at);
		at += compare(p + at, pc + at);
	}
	bytes_done += at;
}

static void elf(const char *path, void (*each)(const u8 *, u64, u64))
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	const u8 *map;

	if (fd < 0)
		return;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(Elf64_Ehdr) ||
	    (map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0)) == MAP_FAILED) {
		close(fd);
		return;
	}
	close(fd);
	const Elf64_Ehdr *eh = (const void *)map;
	u64 size = (u64)st.st_size;

	if (!memcmp(eh->e_ident, ELFMAG, SELFMAG) && eh->e_ident[EI_CLASS] == ELFCLASS64 && eh->e_machine == EM_X86_64 &&
	    eh->e_shentsize == sizeof(Elf64_Shdr) && eh->e_shoff <= size && (u64)eh->e_shnum * sizeof(Elf64_Shdr) <= size - eh->e_shoff) {
		const Elf64_Shdr *sh = (const void *)(map + eh->e_shoff);

		files++;
		for (int i = 0; i < eh->e_shnum; i++)
			if ((sh[i].sh_flags & SHF_EXECINSTR) && sh[i].sh_type != SHT_NOBITS && sh[i].sh_offset <= size &&
			    sh[i].sh_size <= size - sh[i].sh_offset)
				each(map + sh[i].sh_offset, sh[i].sh_size, sh[i].sh_addr);
	}
	munmap((void *)map, (size_t)st.st_size);
}

static void walk(const char *path)
{
	struct stat st;
	struct dirent **list;
	int n;

	if (bytes_done >= limit || lstat(path, &st) || S_ISLNK(st.st_mode))
		return;
	if (!S_ISDIR(st.st_mode)) {
		elf(path, section);
		return;
	}
	n = scandir(path, &list, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		char sub[4096];

		if (strcmp(list[i]->d_name, ".") && strcmp(list[i]->d_name, "..")) {
			snprintf(sub, sizeof(sub), "%s/%s", path, list[i]->d_name);
			walk(sub);
		}
		free(list[i]);
	}
	if (n >= 0)
		free(list);
}

/* ---- made-up code --------------------------------------------------------------------------------------------- */

static void fill(u8 *p)
{
	u64 a = rnd(), b = rnd();

	memcpy(p, &a, 8);
	memcpy(p + 8, &b, 8);
}

/* every opcode and ModRM of the legacy maps, under every mandatory prefix and three REX bytes */
static void all_legacy(u32 step)
{
	static const u8 pfx[6][2] = { { 0 }, { 0x66 }, { 0xf3 }, { 0xf2 }, { 0x66, 0xf2 }, { 0xf0 } };
	static const u8 rex[4] = { 0, 0x48, 0x45, 0x4f };
	u32 turn = 0;

	for (u32 map = 0; map < 4; map++)
	for (u32 op = 0; op < 256; op++)
	for (u32 x = 0; x < 6 * 4 * 256; x++) {
		u8 p[24];
		u32 n = 0, a = x >> 8 & 3, b = x >> 10;

		if (++turn % step)
			continue;
		fill(p);
		for (u32 k = 0; k < 2 && pfx[b][k]; k++)
			p[n++] = pfx[b][k];
		if (rex[a])
			p[n++] = rex[a];
		if (map)
			p[n++] = 0x0f;
		if (map > 1)
			p[n++] = map == 2 ? 0x38 : 0x3a;
		p[n++] = (u8)op;
		p[n] = (u8)x;
		compare(p, 0x400000);
	}
}

static void all_vector(u32 step)
{
	static const u8 first[3] = { 0xc4, 0x62, 0x8f };
	u32 turn = 0;

	for (u32 enc = 0; enc < 3; enc++)
	for (u32 map = enc == 2 ? 8 : 0; map < (enc == 2 ? 11 : 8); map++)
	for (u32 op = 0; op < 256; op++)
	for (u32 x = 0; x < 4 * 2 * 4 * 256; x++) {
		u32 pp = x >> 8 & 3, w = x >> 10 & 1, l = x >> 11;
		u64 r;
		u8 p[24];
		u32 n = 0;

		if (++turn % step || (enc != 1 && l > 1))
			continue;
		fill(p);
		r = rnd();
		p[n++] = first[enc];
		p[n++] = (u8)((r & 0xe0) | (enc == 1 ? r & 0x10 : 0) | map);
		p[n++] = (u8)(w << 7 | (r & 0x100 ? 0x78 : r >> 9 & 0x78) | (enc == 1 ? 4 : l << 2) | pp);
		if (enc == 1)
			p[n++] = (u8)((r >> 20 & 0x97 & ((r & 0x600) ? 0xf8 : 0xff)) | l << 5 | 8);
		p[n++] = (u8)op;
		p[n] = (u8)x;
		compare(p, 0x400000);
	}
}

static void one_random(void)
{
	static const u8 pfx[] = { 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e, 0x3e, 0x64, 0x65, 0x40, 0x41, 0x48, 0x4f, 0x49 };
	u8 p[40];
	u64 r = rnd();
	u32 n = 0;

	fill(p);
	fill(p + 16);
	switch (r & 3) {
	case 0: break;
	case 1:
		for (u32 k = r >> 2 & 3; k; k--, r >>= 4)
			p[n++] = pfx[(r >> 8) % sizeof(pfx)];
		switch (r >> 2 & 7) {
		case 0: case 1: p[n++] = 0x0f; break;
		case 2: p[n++] = 0x0f; p[n++] = 0x38; break;
		case 3: p[n++] = 0x0f; p[n++] = 0x3a; break;
		case 4: p[n++] = 0xc5; break;
		case 5: p[n++] = 0xc4; p[n] = (u8)((p[n] & 0xe0) | (p[n] & 3)); break;
		case 6: p[n++] = 0x62; p[n] &= 0xf7; p[n + 1] |= 4; break;
		}
		break;
	default:
		if (!reservoir_used)
			break;
		memcpy(p, reservoir[(r >> 2) % reservoir_used], 15);
		for (u32 k = 1 + (r >> 40 & 3); k; k--, r >>= 5) {
			u64 x = rnd();

			if (x & 1)
				p[(x >> 1) % 15] ^= (u8)(1 << (x >> 8 & 7));
			else if (x & 2)
				p[(x >> 2) % 6] = (u8)(x >> 8);
			else if (x & 4) {
				memmove(p + 1, p, 15);
				p[0] = pfx[(x >> 8) % sizeof(pfx)];
			}
		}
	}
	compare(p, 0x400000);
}

/* ---- speed ---------------------------------------------------------------------------------------------------- */

static u64 bench_count, bench_bytes;
static double bench_seconds;

static void bench_section(const u8 *p, u64 n, u64 pc)
{
	struct timespec a, b;
	struct insn in;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	for (u64 at = 0; at + 15 <= n; at += in.len) {
		if (insn_decode(&in, p + at, 15, pc + at))
			break;
		bench_count++;
		bench_bytes += in.len;
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	bench_seconds += (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) * 1e-9;
}

static int bench(const char *path)
{
	for (int i = 0; i < 5; i++) {
		bench_count = bench_bytes = 0;
		bench_seconds = 0;
		elf(path, bench_section);
		printf("# %s: %llu instructions, %.1f ns each, %.0f MB/s\n", path, (unsigned long long)bench_count,
		       bench_seconds * 1e9 / (double)(bench_count ? bench_count : 1), (double)bench_bytes / bench_seconds / 1e6);
	}
	return 0;
}

static int test_no;

static int verdict(const char *what)
{
	static u64 before_compared, before_differ;
	bool ok = differ == before_differ;

	printf("%s %d - %s: %llu compared, %llu differ\n", ok ? "ok" : "not ok", ++test_no, what,
	       (unsigned long long)(compared - before_compared), (unsigned long long)(differ - before_differ));
	before_compared = compared;
	before_differ = differ;
	fflush(stdout);
	shown = 0;
	return ok;
}

int main(int argc, char **argv)
{
	static const char *const some[] = {
		"/usr/lib/x86_64-linux-gnu/libcrypto.so.3", "/usr/lib/x86_64-linux-gnu/libc.so.6", "/usr/bin/python3.11",
		"/usr/bin/python3.13", "/usr/bin/bash", "/usr/lib64/libc.so.6", "/usr/lib64/libcrypto.so.3",
	};
	u64 randoms = 200000;
	u32 step = 29;
	const char *paths[64];
	int npaths = 0, good;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--limit") && i + 1 < argc)
			limit = strtoull(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--random") && i + 1 < argc)
			randoms = strtoull(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--seed") && i + 1 < argc)
			seed ^= strtoull(argv[++i], NULL, 0) * 0x9e3779b97f4a7c15ull;
		else if (!strcmp(argv[i], "--show") && i + 1 < argc)
			show_max = (unsigned)atoi(argv[++i]);
		else if (!strcmp(argv[i], "--full"))
			step = 1;
		else if (!strcmp(argv[i], "--bench") && i + 1 < argc)
			return bench(argv[i + 1]);
		else if (npaths < 64)
			paths[npaths++] = argv[i];
	}
	printf("1..4\n");
	if (npaths) {
		for (int i = 0; i < npaths; i++)
			walk(paths[i]);
	} else {
		u64 total = limit == ~0ull ? 6000000 : limit, done = 0;

		for (u32 i = 0; i < ARRAY_SIZE(some); i++) {
			limit = done + total / 4;
			bytes_done = done;
			elf(some[i], section);
			done = bytes_done;
		}
	}
	printf("# %llu files, %llu bytes\n", (unsigned long long)files, (unsigned long long)bytes_done);
	good = verdict("real code");
	all_legacy(step);
	good &= verdict("legacy maps");
	all_vector(step);
	good &= verdict("VEX, EVEX, XOP maps");
	for (u64 i = 0; i < randoms; i++)
		one_random();
	good &= verdict("random and mutated");
	printf("# undecodable for one or both: %llu; also decoded cut short: %llu\n", (unsigned long long)undecodable,
	       (unsigned long long)cut_checked);
	for (int k = 1; k < K_COUNT; k++)
		printf("# known, %s: %llu\n", known_name[k], (unsigned long long)known[k]);
	return !good;
}
#endif
