/* SPDX-License-Identifier: MIT */
/*
 * Has a thread let its lock go? gnomon/unlock_walk.h has the answer; here is what it needs: the thread's memory, and its
 * instructions by Zydis, of 64-bit and of 32-bit code.
 */
#include <Zydis/Zydis.h>
#include <string.h>

#include "gnomon/unlock_walk.h"
#include "tracee.h"

struct asked {
	pid_t tid;
	bool narrow; /* 32-bit code */
	ZydisDecoder dec;
};

static const struct asked *asked(const struct walk *w)
{
	return w->of;
}

/* index of a general register, whatever part of it is named; -1: another one */
static int reg_of(const struct walk *w, ZydisRegister r)
{
	ZydisMachineMode mode = asked(w)->narrow ? ZYDIS_MACHINE_MODE_LEGACY_32 : ZYDIS_MACHINE_MODE_LONG_64;
	ZydisRegister whole = ZydisRegisterGetLargestEnclosing(mode, r);
	ZydisRegisterClass c = ZydisRegisterGetClass(whole);

	return c == ZYDIS_REGCLASS_GPR64 || c == ZYDIS_REGCLASS_GPR32 ? ZydisRegisterGetId(whole) : -1;
}

/* fs has the control block in 64-bit code, gs in 32-bit code */
static enum walk_base segment(const struct walk *w, const ZydisDecodedOperand *op)
{
	if (op->mem.base == ZYDIS_REGISTER_RIP)
		return WALK_CODE;
	if (op->mem.segment == (asked(w)->narrow ? ZYDIS_REGISTER_GS : ZYDIS_REGISTER_FS))
		return WALK_THREAD;
	return op->mem.segment == ZYDIS_REGISTER_FS || op->mem.segment == ZYDIS_REGISTER_GS ? WALK_LOST : WALK_FLAT;
}

/* one part of an address. A register that is no general one is nowhere */
static int part(const struct walk *w, ZydisRegister r, struct walk_insn *ret)
{
	int i = r == ZYDIS_REGISTER_NONE ? -1 : reg_of(w, r);

	if (i < 0 && r != ZYDIS_REGISTER_NONE && ret->seg != WALK_CODE)
		ret->seg = WALK_LOST;
	return i;
}

static void operand(const struct walk *w, const ZydisDecodedOperand *op, struct walk_insn *ret)
{
	ret->seg = segment(w, op);
	ret->base = part(w, op->mem.base, ret);
	ret->index = part(w, op->mem.index, ret);
	ret->scale = op->mem.scale;
	ret->disp = op->mem.disp.value;
}

/* its memory operand, and what it stores there. What goes to the stack by push and call is nobody's lock */
static void memory(const struct walk *w, const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op, struct walk_insn *ret)
{
	for (unsigned i = 0; i < in->operand_count && !ret->stores; i++) {
		if (op[i].type != ZYDIS_OPERAND_TYPE_MEMORY ||
		    (op[i].visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN && op[i].mem.segment == ZYDIS_REGISTER_SS))
			continue;
		operand(w, &op[i], ret);
		ret->stores = op[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
	}
	ret->locked = ret->stores && (in->attributes & ZYDIS_ATTRIB_HAS_LOCK || in->mnemonic == ZYDIS_MNEMONIC_XCHG);
	ret->zero = in->mnemonic == ZYDIS_MNEMONIC_MOV && op[0].size == 8 * w->size &&
		    op[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && !op[1].imm.value.u;
}

static enum walk_load load_of(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op, struct walk_insn *ret)
{
	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_MOV:
		if (op[1].type == ZYDIS_OPERAND_TYPE_MEMORY)
			return WALK_WORD;
		return op[1].type == ZYDIS_OPERAND_TYPE_REGISTER && ret->from >= 0 ? WALK_REG : WALK_NOTHING;
	case ZYDIS_MNEMONIC_LEA:
		return WALK_ADDRESS;
	case ZYDIS_MNEMONIC_ADD:
	case ZYDIS_MNEMONIC_SUB:
		ret->plus = in->mnemonic == ZYDIS_MNEMONIC_ADD ? op[1].imm.value.s : -op[1].imm.value.s;
		return op[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE ? WALK_SUM : WALK_NOTHING;
	default:
		return WALK_NOTHING;
	}
}

static void registers(const struct walk *w, const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op, struct walk_insn *ret)
{
	int i;

	for (unsigned k = 0; k < in->operand_count; k++) {
		i = op[k].type == ZYDIS_OPERAND_TYPE_REGISTER && op[k].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE ?
			    reg_of(w, op[k].reg.value) : -1;
		if (i >= 0)
			ret->writes |= (uint16_t)(1u << i);
	}
	ret->to = op[0].type == ZYDIS_OPERAND_TYPE_REGISTER ? reg_of(w, op[0].reg.value) : -1;
	ret->from = op[1].type == ZYDIS_OPERAND_TYPE_REGISTER ? reg_of(w, op[1].reg.value) : -1;
	if (ret->to >= 0 && op[0].size == 8 * w->size)
		ret->load = load_of(in, op, ret);
	if (in->mnemonic == ZYDIS_MNEMONIC_PUSH)
		ret->stack = -1;
	else if (in->mnemonic == ZYDIS_MNEMONIC_POP && ret->to != WALK_SP)
		ret->stack = 1;
}

static bool keeps_flags(const ZydisDecodedInstruction *in)
{
	const ZydisAccessedFlags *f = in->cpu_flags;

	return !f || !(f->modified | f->set_0 | f->set_1 | f->undefined);
}

static enum walk_flow flow_of(const struct walk *w, const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op)
{
	switch (in->meta.category) {
	case ZYDIS_CATEGORY_COND_BR:
		return WALK_BRANCH;
	case ZYDIS_CATEGORY_UNCOND_BR:
		return op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE ? WALK_JUMP : WALK_END;
	case ZYDIS_CATEGORY_CALL: /* 32-bit libc calls the vDSO through the thread block */
		return asked(w)->narrow && op[0].type == ZYDIS_OPERAND_TYPE_MEMORY && segment(w, &op[0]) == WALK_THREAD ?
			       WALK_KERNEL : WALK_END;
	case ZYDIS_CATEGORY_RET:
		return WALK_RETURN;
	case ZYDIS_CATEGORY_SYSCALL:
	case ZYDIS_CATEGORY_SYSRET:
	case ZYDIS_CATEGORY_INTERRUPT:
		return WALK_KERNEL;
	default:
		return WALK_ON;
	}
}

static bool read_thread(const struct walk *w, uint64_t at, void *to, size_t n)
{
	return tracee_read(asked(w)->tid, at, to, n);
}

static bool decode(const struct walk *w, uint64_t ip, struct walk_insn *ret)
{
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT] = { 0 };
	ZydisDecodedInstruction in;
	uint8_t code[16] = { 0 };

	/* the last bytes of a mapping */
	for (size_t n = sizeof(code); n && !tracee_read(asked(w)->tid, ip, code, n); n--)
		;
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&asked(w)->dec, code, sizeof(code), &in, op)))
		return false;
	ret->next = ip + in.length;
	if (op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && op[0].imm.is_relative)
		ret->target = ret->next + op[0].imm.value.u;
	ret->flow = flow_of(w, &in, op);
	if ((in.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && (in.opcode & 0xf0) == 0x70) ||
	    (in.opcode_map == ZYDIS_OPCODE_MAP_0F && (in.opcode & 0xf0) == 0x80))
		ret->cc = in.opcode & 15;
	memory(w, &in, op, ret);
	if (ret->flow == WALK_RETURN)
		ret->plus = op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE ? op[0].imm.value.s : 0;
	else
		registers(w, &in, op, ret);
	ret->keeps = keeps_flags(&in);
	return true;
}

bool window_open(pid_t tid, const struct regs *regs, const struct robust *rl)
{
	struct asked a = { .tid = tid, .narrow = regs->bits == 32 };
	struct walk w = { .read = read_thread, .decode = decode, .of = &a, .head = rl->head, .slot = rl->slot,
			  .flags = regs->flags, .size = regs->bits / 8, .pi = rl->pi };

	if (a.narrow)
		ZydisDecoderInit(&a.dec, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
	else
		ZydisDecoderInit(&a.dec, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	return walk_let_go(&w, regs->ip, regs->reg, regs->in_syscall);
}
