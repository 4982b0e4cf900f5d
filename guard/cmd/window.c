/* SPDX-License-Identifier: MIT */
/*
 * Has a thread let its lock go? Between the release and the store that clears the pending slot there is nothing but
 * the wake; so the code the thread would run next is followed until it clears the slot, and if it does no locked
 * operation before, the release is behind it. Taking a lock looks alike but puts the lock on the list first. Any
 * doubt counts as "it still holds the lock".
 */
#include <Zydis/Zydis.h>
#include <linux/futex.h>
#include <string.h>

#include "tracee.h"

#define STEPS 256   /* instructions looked at, over all paths */
#define PATHS 32    /* places still to go to */

enum verdict { UNKNOWN, CLEARS, HOLDS };

#define REGS 16 /* in the order of their encoding */
#define AX 0
#define CX 1
#define SP 4
#define R11 11

struct place {
	uint64_t ip;
	uint64_t reg[REGS];
	uint16_t known; /* registers whose values these are; the others were loaded on the way */
	bool flags;     /* the thread's flags are still those of its registers */
	bool doubt;     /* something was stored, nobody knows where: perhaps a lock was put on the list */
};

struct walk {
	pid_t tid;
	const struct regs *regs;
	const struct robust *rl;
	uint64_t base; /* of the thread's control block, that fs or gs points to */
	ZydisDecoder dec;
	struct place todo[PATHS];
	unsigned n, steps;
	struct {
		uint64_t ip;
		bool doubt;
	} seen[STEPS];
	bool clears, holds;
};

static void later(struct walk *w, const struct place *p, uint64_t ip)
{
	if (w->n == PATHS) {
		w->holds = true;
		return;
	}
	w->todo[w->n] = *p;
	w->todo[w->n++].ip = ip;
}

static bool seen(struct walk *w, const struct place *p)
{
	for (unsigned i = 0; i < w->steps; i++)
		if (w->seen[i].ip == p->ip && w->seen[i].doubt >= p->doubt)
			return true;
	w->seen[w->steps].ip = p->ip;
	w->seen[w->steps++].doubt = p->doubt;
	return false;
}

/* whether a conditional jump is taken with these flags; -1: not known here */
static int taken(ZydisMnemonic m, uint64_t f)
{
	bool c = f & 1, p = f >> 2 & 1, z = f >> 6 & 1, s = f >> 7 & 1, o = f >> 11 & 1;

	switch (m) {
	case ZYDIS_MNEMONIC_JZ: return z;
	case ZYDIS_MNEMONIC_JNZ: return !z;
	case ZYDIS_MNEMONIC_JS: return s;
	case ZYDIS_MNEMONIC_JNS: return !s;
	case ZYDIS_MNEMONIC_JB: return c;
	case ZYDIS_MNEMONIC_JNB: return !c;
	case ZYDIS_MNEMONIC_JBE: return c || z;
	case ZYDIS_MNEMONIC_JNBE: return !c && !z;
	case ZYDIS_MNEMONIC_JL: return s != o;
	case ZYDIS_MNEMONIC_JNL: return s == o;
	case ZYDIS_MNEMONIC_JLE: return z || s != o;
	case ZYDIS_MNEMONIC_JNLE: return !z && s == o;
	case ZYDIS_MNEMONIC_JP: return p;
	case ZYDIS_MNEMONIC_JNP: return !p;
	default: return -1;
	}
}

/* index of a general register, whatever part of it is named; -1: another one */
static int reg_of(const struct walk *w, ZydisRegister r)
{
	ZydisMachineMode mode = w->regs->bits == 64 ? ZYDIS_MACHINE_MODE_LONG_64 : ZYDIS_MACHINE_MODE_LEGACY_32;
	ZydisRegister whole = ZydisRegisterGetLargestEnclosing(mode, r);
	ZydisRegisterClass c = ZydisRegisterGetClass(whole);

	return c == ZYDIS_REGCLASS_GPR64 || c == ZYDIS_REGCLASS_GPR32 ? ZydisRegisterGetId(whole) : -1;
}

static bool value_of(const struct walk *w, const struct place *p, ZydisRegister r, uint64_t *v)
{
	int i = reg_of(w, r);

	*v = 0;
	if (r == ZYDIS_REGISTER_NONE)
		return true;
	if (i < 0 || !(p->known >> i & 1))
		return false;
	*v = p->reg[i];
	return true;
}

/* fs has the control block in 64-bit code, gs in 32-bit code */
static bool block_segment(const struct walk *w, const ZydisDecodedOperand *op)
{
	return op->type == ZYDIS_OPERAND_TYPE_MEMORY &&
	       op->mem.segment == (w->regs->bits == 64 ? ZYDIS_REGISTER_FS : ZYDIS_REGISTER_GS);
}

/* where a memory operand is, if its registers are known; 0: nobody knows */
static uint64_t address(const struct walk *w, const struct place *p, const ZydisDecodedOperand *op)
{
	uint64_t base, index, at;

	if (op->type != ZYDIS_OPERAND_TYPE_MEMORY)
		return 0;
	if (op->mem.base == ZYDIS_REGISTER_RIP)
		return p->ip; /* data of the code's file: not the control block, and that is all that matters */
	if (!value_of(w, p, op->mem.base, &base) || !value_of(w, p, op->mem.index, &index))
		return 0;
	at = base + index * op->mem.scale + (uint64_t)op->mem.disp.value;
	if (block_segment(w, op))
		at += w->base;
	else if (op->mem.segment == ZYDIS_REGISTER_FS || op->mem.segment == ZYDIS_REGISTER_GS)
		return 0;
	return w->regs->bits == 64 ? at : (uint32_t)at;
}

/* what the instruction stores, if that matters: true ends the path */
static bool stores(struct walk *w, struct place *p, const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op)
{
	for (unsigned i = 0; i < in->operand_count; i++) {
		uint64_t at;

		if (op[i].type != ZYDIS_OPERAND_TYPE_MEMORY || !(op[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			continue;
		if (in->attributes & ZYDIS_ATTRIB_HAS_LOCK || in->mnemonic == ZYDIS_MNEMONIC_XCHG) {
			w->holds = true; /* the release may be this one */
			return true;
		}
		at = address(w, p, &op[i]);
		p->doubt |= !at;
		if (at == w->rl->head) {
			w->holds = true; /* it takes a lock */
			return true;
		}
		if (at != w->rl->slot)
			continue;
		if (!p->doubt && i == 0 && in->mnemonic == ZYDIS_MNEMONIC_MOV && op[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
		    !op[1].imm.value.u)
			w->clears = true;
		else
			w->holds = true;
		return true;
	}
	return false;
}

/* the value that an instruction loads a register with, where that is a matter of addresses */
static bool loads(struct walk *w, const struct place *p, const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op,
		  uint64_t *v)
{
	uint64_t old, width = w->regs->bits;

	if (op[0].size != width)
		return false;
	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_MOV:
		if (op[1].type == ZYDIS_OPERAND_TYPE_REGISTER)
			return value_of(w, p, op[1].reg.value, v);
		/* a control block begins with its own address */
		*v = w->base;
		return address(w, p, &op[1]) == w->base;
	case ZYDIS_MNEMONIC_LEA:
		*v = address(w, p, &op[1]);
		return *v;
	case ZYDIS_MNEMONIC_ADD:
	case ZYDIS_MNEMONIC_SUB:
		if (op[1].type != ZYDIS_OPERAND_TYPE_IMMEDIATE || !value_of(w, p, op[0].reg.value, &old))
			return false;
		*v = in->mnemonic == ZYDIS_MNEMONIC_ADD ? old + op[1].imm.value.u : old - op[1].imm.value.u;
		return true;
	default:
		return false;
	}
}

/* what becomes of the registers */
static void registers(struct walk *w, struct place *p, const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op)
{
	uint64_t v, sp = p->reg[SP];
	bool loaded = op[0].type == ZYDIS_OPERAND_TYPE_REGISTER && loads(w, p, in, op, &v), stack = p->known >> SP & 1;
	int i;

	for (unsigned k = 0; k < in->operand_count; k++) {
		i = op[k].type == ZYDIS_OPERAND_TYPE_REGISTER && op[k].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE ?
			    reg_of(w, op[k].reg.value) : -1;
		if (i >= 0)
			p->known &= (uint16_t)~(1u << i);
	}
	if (loaded && (i = reg_of(w, op[0].reg.value)) >= 0) {
		p->reg[i] = v;
		p->known |= (uint16_t)(1u << i);
	}
	if ((in->mnemonic != ZYDIS_MNEMONIC_PUSH && in->mnemonic != ZYDIS_MNEMONIC_POP) || !stack)
		return;
	p->reg[SP] = in->mnemonic == ZYDIS_MNEMONIC_PUSH ? sp - w->regs->bits / 8 : sp + w->regs->bits / 8;
	p->known |= 1u << SP;
}

static uint64_t pop(struct walk *w, struct place *p)
{
	uint64_t v = 0;

	if (!(p->known >> SP & 1) || !tracee_read(w->tid, p->reg[SP], &v, w->regs->bits / 8))
		return 0;
	p->reg[SP] += w->regs->bits / 8;
	return v;
}

/* the next place on this path; false: it ends here */
static bool step(struct walk *w, struct place *p)
{
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction in;
	uint8_t code[16] = { 0 };
	uint64_t next, target = 0;
	int t;

	if (w->steps == STEPS || seen(w, p))
		return false;
	/* the last bytes of a mapping */
	for (size_t n = sizeof(code); n && !tracee_read(w->tid, p->ip, code, n); n--)
		;
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&w->dec, code, sizeof(code), &in, op)))
		return false;
	next = p->ip + in.length;
	if (stores(w, p, &in, op))
		return false;
	if (op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && op[0].imm.is_relative)
		target = next + op[0].imm.value.u;
	switch (in.meta.category) {
	case ZYDIS_CATEGORY_COND_BR:
		t = p->flags ? taken(in.mnemonic, w->regs->flags) : -1;
		if (t != 0)
			later(w, p, target);
		p->ip = next;
		return t != 1;
	case ZYDIS_CATEGORY_UNCOND_BR:
		p->ip = target;
		return target;
	case ZYDIS_CATEGORY_CALL:
		/* the system call stub of 32-bit libc; other calls do not come before the store, but where it gives up */
		p->ip = next;
		return w->regs->bits == 32 && block_segment(w, &op[0]);
	case ZYDIS_CATEGORY_RET:
		p->ip = pop(w, p);
		return p->ip;
	case ZYDIS_CATEGORY_SYSCALL:
	case ZYDIS_CATEGORY_SYSRET:
	case ZYDIS_CATEGORY_INTERRUPT:
		/* the wake; for a PI lock it is the unlock itself */
		w->holds |= w->rl->pi;
		p->known &= (uint16_t)~(1u << AX | (w->regs->bits == 64 ? 1u << CX | 1u << R11 : 0));
		p->ip = next;
		return !w->rl->pi;
	default:
		break;
	}
	registers(w, p, &in, op);
	if (in.cpu_flags && in.cpu_flags->modified | in.cpu_flags->set_0 | in.cpu_flags->set_1 | in.cpu_flags->undefined)
		p->flags = false;
	p->ip = next;
	return true;
}

static bool open_at(pid_t tid, const struct regs *r, const struct robust *rl, uint64_t base)
{
	struct walk w = { .tid = tid, .regs = r, .rl = rl, .base = base };
	struct place start = { .known = 0xffff, .flags = true };

	if (r->bits == 64)
		ZydisDecoderInit(&w.dec, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	else
		ZydisDecoderInit(&w.dec, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
	memcpy(start.reg, r->reg, sizeof(start.reg));
	if (r->in_syscall)
		start.known &= (uint16_t)~(1u << AX);
	later(&w, &start, r->ip);
	while (w.n && !w.holds) {
		struct place p = w.todo[--w.n];

		while (!w.holds && step(&w, &p))
			;
	}
	return w.clears && !w.holds;
}

/* A libc's control block begins with its own address. The head lies in it, and may be its own address too. */
static bool block_base(pid_t tid, const struct robust *rl, uint64_t *base)
{
	uint8_t buf[4096];
	uint64_t from = rl->head - 2048;

	if (rl->head % rl->size)
		return false;
	if (!tracee_read(tid, from, buf, 2048)) {
		from = rl->head & ~4095ull;
		if (!tracee_read(tid, from, buf, rl->head - from))
			return false;
	}
	for (uint64_t at = rl->head - rl->size; at >= from; at -= rl->size) {
		uint64_t v = 0;

		memcpy(&v, buf + (at - from), rl->size);
		if (v == at) {
			*base = at;
			return true;
		}
	}
	return false;
}

bool window_open(pid_t tid, const struct regs *regs, const struct robust *rl)
{
	uint64_t base;

	return block_base(tid, rl, &base) && open_at(tid, regs, rl, base);
}
