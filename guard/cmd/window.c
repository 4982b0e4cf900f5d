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

struct place {
	uint64_t ip, sp;
	bool flags; /* the thread's flags are still those of its registers */
};

struct walk {
	pid_t tid;
	const struct regs *regs;
	const struct robust *rl;
	uint64_t base; /* of the thread's control block, that fs or gs points to */
	ZydisDecoder dec;
	struct place todo[PATHS];
	unsigned n, steps;
	uint64_t seen[STEPS];
	bool clears, holds;
};

static void later(struct walk *w, uint64_t ip, uint64_t sp, bool flags)
{
	if (w->n < PATHS)
		w->todo[w->n++] = (struct place){ ip, sp, flags };
	else
		w->holds = true;
}

static bool seen(struct walk *w, uint64_t ip)
{
	for (unsigned i = 0; i < w->steps; i++)
		if (w->seen[i] == ip)
			return true;
	w->seen[w->steps++] = ip;
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

/* the address in the control block that a memory operand names; 0: some other memory */
static uint64_t block_address(const struct walk *w, const ZydisDecodedOperand *op)
{
	if (op->type != ZYDIS_OPERAND_TYPE_MEMORY || op->mem.base != ZYDIS_REGISTER_NONE ||
	    op->mem.index != ZYDIS_REGISTER_NONE)
		return 0;
	if (op->mem.segment != ZYDIS_REGISTER_FS && op->mem.segment != ZYDIS_REGISTER_GS)
		return 0;
	return w->base + (uint64_t)op->mem.disp.value;
}

/* what the instruction stores, if that matters: true ends the path */
static bool stores(struct walk *w, const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op)
{
	for (unsigned i = 0; i < in->operand_count; i++) {
		uint64_t at;

		if (op[i].type != ZYDIS_OPERAND_TYPE_MEMORY || !(op[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			continue;
		if (in->attributes & ZYDIS_ATTRIB_HAS_LOCK || in->mnemonic == ZYDIS_MNEMONIC_XCHG) {
			w->holds = true; /* the release may be this one */
			return true;
		}
		at = block_address(w, &op[i]);
		if (at == w->rl->head) {
			w->holds = true; /* it takes a lock */
			return true;
		}
		if (at != w->rl->slot)
			continue;
		if (i == 0 && in->mnemonic == ZYDIS_MNEMONIC_MOV && op[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
		    !op[1].imm.value.u)
			w->clears = true;
		else
			w->holds = true;
		return true;
	}
	return false;
}

static uint64_t pop(struct walk *w, struct place *p)
{
	uint64_t v = 0;

	if (!tracee_read(w->tid, p->sp, &v, w->regs->bits / 8))
		return 0;
	p->sp += w->regs->bits / 8;
	return v;
}

/* how the stack pointer moves, as far as system call stubs move it; false: not understood */
static bool stack(struct walk *w, struct place *p, const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op)
{
	bool sp = op[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		  (op[0].reg.value == ZYDIS_REGISTER_RSP || op[0].reg.value == ZYDIS_REGISTER_ESP) &&
		  op[0].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;

	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_PUSH:
		p->sp -= w->regs->bits / 8;
		return true;
	case ZYDIS_MNEMONIC_POP:
		p->sp += w->regs->bits / 8;
		return !sp;
	case ZYDIS_MNEMONIC_ADD:
	case ZYDIS_MNEMONIC_SUB:
		if (sp && op[1].type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
			return false;
		if (sp)
			p->sp += in->mnemonic == ZYDIS_MNEMONIC_ADD ? op[1].imm.value.u : -op[1].imm.value.u;
		return true;
	default:
		return !sp;
	}
}

/* the next place on this path; false: it ends here */
static bool step(struct walk *w, struct place *p)
{
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction in;
	uint8_t code[16] = { 0 };
	uint64_t next, target = 0;
	int t;

	if (w->steps == STEPS || seen(w, p->ip))
		return false;
	/* the last bytes of a mapping */
	for (size_t n = sizeof(code); n && !tracee_read(w->tid, p->ip, code, n); n--)
		;
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&w->dec, code, sizeof(code), &in, op)))
		return false;
	next = p->ip + in.length;
	if (stores(w, &in, op))
		return false;
	if (op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && op[0].imm.is_relative)
		target = next + op[0].imm.value.u;
	switch (in.meta.category) {
	case ZYDIS_CATEGORY_COND_BR:
		t = p->flags ? taken(in.mnemonic, w->regs->flags) : -1;
		if (t != 0)
			later(w, target, p->sp, p->flags);
		p->ip = next;
		return t != 1;
	case ZYDIS_CATEGORY_UNCOND_BR:
		p->ip = target;
		return target;
	case ZYDIS_CATEGORY_CALL:
		/* the system call stub of 32-bit libc; other calls do not come before the store, but where it gives up */
		p->ip = next;
		return w->regs->bits == 32 && block_address(w, &op[0]);
	case ZYDIS_CATEGORY_RET:
		p->ip = pop(w, p);
		return p->ip;
	case ZYDIS_CATEGORY_SYSCALL:
	case ZYDIS_CATEGORY_SYSRET:
	case ZYDIS_CATEGORY_INTERRUPT:
		/* the wake; for a PI lock it is the unlock itself */
		w->holds |= w->rl->pi;
		p->ip = next;
		return !w->rl->pi;
	default:
		break;
	}
	if (!stack(w, p, &in, op))
		return false;
	if (in.cpu_flags && in.cpu_flags->modified | in.cpu_flags->set_0 | in.cpu_flags->set_1 | in.cpu_flags->undefined)
		p->flags = false;
	p->ip = next;
	return true;
}

static bool open_at(pid_t tid, const struct regs *r, const struct robust *rl, uint64_t base)
{
	struct walk w = { .tid = tid, .regs = r, .rl = rl, .base = base };

	if (r->bits == 64)
		ZydisDecoderInit(&w.dec, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	else
		ZydisDecoderInit(&w.dec, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
	later(&w, r->ip, r->sp, true);
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
