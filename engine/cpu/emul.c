/* SPDX-License-Identifier: MIT */
/*
 * Instructions the engine executes itself: rare control transfers, CPUID, users of GS, the CET instructions.
 * v->rip is at the instruction and the guest's state is exact; afterwards it is at the next one, or a fault has
 * been told to the floor above, which set v->rip.
 */
#include <linux/signal.h>
#include "cpu/cpu.h"
#include "gnomon/board.h"
#include "rt/engine.h"

#define TRAP_UD 6
#define TRAP_GP 13
#define TRAP_PF 14
#define TRAP_CP 21
#define SI_KERNEL_CODE 0x80

static void fault_ud(struct vcpu *v)
{
	cpu_up.fault(v, SIGILL, 2, v->rip, TRAP_UD, 0);
}

static void fault_gp(struct vcpu *v, u64 err)
{
	cpu_up.fault(v, SIGSEGV, SI_KERNEL_CODE, 0, TRAP_GP, err);
}

static void fault_page(struct vcpu *v, u64 addr, u64 err)
{
	if ((addr + 0x800000000000ul) >> 48)
		fault_gp(v, 0);
	else
		cpu_up.fault(v, SIGSEGV, cpu_up.prot(PAGE_DOWN(addr), NULL) < 0 ? 1 : 2, addr, TRAP_PF, err);
}

/* a near return in full: word and shadow word, `extra` bytes more from the stack */
void emul_return(struct vcpu *v, u32 extra)
{
	u64 word, rsp = v->gregs[RSP];

	if (rt_copy_from_guest(&word, rsp, 8)) {
		fault_page(v, rsp, 4);
		return;
	}
	if (v->twin_sp < shstk_top(v) && *shstk_slot(v->twin_sp) == word) {
		v->twin_sp += 8;
	} else if (v->shstk_on && !violation_return(v, word)) {
		cpu_up.fault(v, SIGSEGV, 10 /* SEGV_CPERR */, 0, TRAP_CP, 1);
		return;
	}
	v->gregs[RSP] = rsp + 8 + extra;
	v->rip = word;
}

static u64 guest_ea(struct vcpu *v, const struct insn *in, const u8 *code)
{
	u64 ea = 0;
	s32 disp = 0;
	u8 rm = in->modrm & 7;

	if (in->disp_size == 1)
		disp = (s8)code[in->disp_off];
	else if (in->disp_size == 4)
		__builtin_memcpy(&disp, code + in->disp_off, 4);
	if (in->riprel) {
		ea = v->rip + in->len;
	} else if (rm == 4) {
		int base = (in->sib & 7) | (in->rex & 1) << 3, index = (in->sib >> 3 & 7) | (in->rex & 2) << 2;

		if ((in->sib & 7) != 5 || in->modrm >> 6)
			ea += v->gregs[base];
		if (index != 4)
			ea += v->gregs[index] << (in->sib >> 6);
	} else {
		ea = v->gregs[rm | (in->rex & 1) << 3];
	}
	ea += (u64)(s64)disp;
	if (in->addrsize)
		ea = (u32)ea;
	if (in->seg == 0x65)
		ea += v->guest_gs;
	else if (in->seg == 0x64) {
		u64 fs;

		__asm__("rdfsbase %0" : "=r"(fs));
		ea += fs;
	}
	return ea;
}

/* the target of an indirect branch; false after a fault */
static bool branch_operand(struct vcpu *v, const struct insn *in, const u8 *code, u64 *target)
{
	u64 ea;

	if (!in->mem) {
		*target = v->gregs[(in->modrm & 7) | (in->rex & 1) << 3];
		return true;
	}
	ea = guest_ea(v, in, code);
	if (!rt_copy_from_guest(target, ea, 8))
		return true;
	fault_page(v, ea, 4);
	return false;
}

static void emul_call(struct vcpu *v, u64 target, u64 next, bool shadow)
{
	u64 rsp = v->gregs[RSP] - 8;

	if (rt_copy_to_guest(rsp, &next, 8)) {
		fault_page(v, rsp, 6);
		return;
	}
	if (shadow && !shstk_push(v, next, rsp)) {
		fault_page(v, vcpu_ssp(v) - 8, 0x46);
		return;
	}
	v->gregs[RSP] = rsp;
	v->rip = target;
}

static void emul_cpuid(struct vcpu *v)
{
	u32 a = (u32)v->gregs[RAX], b, c = (u32)v->gregs[RCX], d, leaf = a, sub = c;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	if (leaf == 7 && sub == 0)
		c |= 1u << 7; /* SHSTK: the guest has a shadow stack */
	v->gregs[RAX] = a;
	v->gregs[RBX] = b;
	v->gregs[RCX] = c;
	v->gregs[RDX] = d;
}

/*
 * An instruction with a gs: operand: moves between memory and a register or an immediate. The others are named on
 * the engine's channel by unknown(), never guessed.
 */
static bool emul_memory(struct vcpu *v, const struct insn *in, const u8 *code)
{
	u64 ea, value = 0, mask;
	int size, reg = (in->modrm >> 3 & 7) | (in->rex & 4) << 1;

	if (in->map != 0 || in->enc != 0 || !in->mem)
		return false;
	size = in->opcode & 1 ? (in->rex & 8 ? 8 : in->opsize ? 2 : 4) : 1;
	mask = size == 8 ? ~0ul : (1ul << 8 * size) - 1;
	if (size == 1 && !in->rex && reg >= 4)
		return false;
	ea = guest_ea(v, in, code);
	switch (in->opcode) {
	case 0x8a: case 0x8b:
		if (rt_copy_from_guest(&value, ea, (size_t)size)) {
			fault_page(v, ea, 4);
			return true;
		}
		v->gregs[reg] = size >= 4 ? value : (v->gregs[reg] & ~mask) | value;
		break;
	case 0x88: case 0x89:
		value = v->gregs[reg];
		if (rt_copy_to_guest(ea, &value, (size_t)size)) {
			fault_page(v, ea, 6);
			return true;
		}
		break;
	case 0xc6: case 0xc7:
		value = in->imm;
		if (rt_copy_to_guest(ea, &value, (size_t)size)) {
			fault_page(v, ea, 6);
			return true;
		}
		break;
	default:
		return false;
	}
	v->rip += in->len;
	return true;
}

static void emul_gsbase(struct vcpu *v, const struct insn *in)
{
	int reg = (in->modrm & 7) | (in->rex & 1) << 3, op = in->modrm >> 3 & 7;

	if (in->map != 1 || in->opcode != 0xae || (op != 1 && op != 3)) {
		fault_ud(v);
		return;
	}
	if (op == 1)
		v->gregs[reg] = in->rex & 8 ? v->guest_gs : (u32)v->guest_gs;
	else if (in->rex & 8 && (v->gregs[reg] + 0x800000000000ul) >> 48) {
		fault_gp(v, 0);
		return;
	} else {
		v->guest_gs = in->rex & 8 ? v->gregs[reg] : (u32)v->gregs[reg];
	}
	v->rip += in->len;
}

static void emul_ssp(struct vcpu *v, const struct insn *in)
{
	int reg = (in->modrm & 7) | (in->rex & 1) << 3;
	u64 n;

	if (in->class == INSN_RDSSP) {
		if (v->shstk_on)
			v->gregs[reg] = in->rex & 8 ? vcpu_ssp(v) : (u32)vcpu_ssp(v);
	} else {
		n = (v->gregs[reg] & 0xff) * (in->rex & 8 ? 8 : 4);
		if (!v->shstk_on) {
			fault_ud(v);
			return;
		}
		if (v->twin_sp + n > shstk_top(v)) {
			fault_page(v, vcpu_ssp(v) + n - 8, 0x44);
			return;
		}
		v->twin_sp += n;
	}
	v->rip += in->len;
}

static void unknown(struct vcpu *v, const u8 *code, bool invalid)
{
	if (!invalid)
		rt_log_once("unknown instruction at %lx: %x %x %x %x %x %x %x %x", v->rip, code[0], code[1], code[2], code[3],
	       code[4], code[5], code[6], code[7]);
	fault_ud(v);
}

void emul_insn(struct vcpu *v)
{
	struct insn in;
	u8 code[16] = { 0 };
	u64 target;
	size_t n = 15;

	while (n && rt_copy_from_guest(code, v->rip, n))
		n--;
	insn_decode(&in, code, 15, v->rip);
	switch (in.class) {
	case INSN_CPUID:
		emul_cpuid(v);
		v->rip += in.len;
		return;
	case INSN_CALL:
		emul_call(v, in.target, v->rip + in.len, in.target != v->rip + in.len);
		return;
	case INSN_CALL_IND:
		if (branch_operand(v, &in, code, &target))
			emul_call(v, target, v->rip + in.len, true);
		return;
	case INSN_JMP_IND:
		if (branch_operand(v, &in, code, &target))
			v->rip = target;
		return;
	case INSN_RET:
		emul_return(v, (u32)in.imm);
		return;
	case INSN_GSBASE:
		emul_gsbase(v, &in);
		return;
	case INSN_RDSSP:
	case INSN_INCSSP:
		emul_ssp(v, &in);
		return;
	case INSN_INT:
		if (in.imm == 3 || in.imm == 1) {
			v->rip += in.len;
			cpu_up.fault(v, SIGTRAP, in.imm == 3 ? SI_KERNEL_CODE : 1, 0, in.imm == 3 ? 3 : 1, 0);
		} else if (in.imm == 0x80) {
			rt_log_once("32-bit system call (int $0x80) refused");
			v->gregs[RAX] = (u64)-ENOSYS;
			v->rip += in.len;
		} else {
			fault_gp(v, in.imm << 3 | 2); /* a gate of CPL 0 in the IDT */
		}
		return;
	}
	if (in.class == INSN_PLAIN && emul_memory(v, &in, code))
		return;
	unknown(v, code, in.class == INSN_INVALID || in.class == INSN_UD);
}
