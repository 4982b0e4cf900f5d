/* SPDX-License-Identifier: MIT */
/*
 * Has a thread let its lock go? Between the release and the store that clears the pending slot there is nothing but the
 * wake; so the code the thread would run next is followed until it clears the slot, and if it does no locked operation
 * before, the release is behind it. Taking a lock looks alike but puts the lock on the list first. Any doubt counts as
 * "it still holds the lock".
 *
 * The walk itself, the same for both who ask: the engine about a program that it translates (engine/kern/robust_code.c), the
 * guard from outside about one that runs natively (guard/cmd/window.c). Each reads the memory and decodes in its own way.
 */
#ifndef GNOMON_UNLOCK_WALK_H
#define GNOMON_UNLOCK_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WALK_STEPS 256  /* instructions looked at, over all paths */
#define WALK_PATHS 24   /* places still to go to */
#define WALK_BLOCK 2048 /* of a control block, in front of the head */
#define WALK_DOUBT (1ull << 63)

enum { WALK_AX = 0, WALK_CX = 1, WALK_SP = 4, WALK_R11 = 11, WALK_REGS = 16 }; /* as they are encoded */

/* where it goes on */
enum walk_flow {
	WALK_ON,
	WALK_JUMP,   /* target */
	WALK_BRANCH, /* there, or on */
	WALK_RETURN, /* of libc's function around the system call */
	WALK_KERNEL, /* a system call: the wake; for a PI lock it is the unlock itself */
	WALK_END,    /* calls do not come before the store, but where libc gives up */
};

enum walk_base {
	WALK_FLAT,
	WALK_THREAD, /* relative to the thread's control block */
	WALK_CODE,   /* to the instruction: not the control block, and that is all that matters */
	WALK_LOST,   /* to something else */
};

/* what a register is loaded with, where that is a matter of addresses; whole registers only */
enum walk_load {
	WALK_NOTHING,
	WALK_REG,     /* another one, `from` */
	WALK_WORD,    /* memory */
	WALK_ADDRESS, /* the address of the operand */
	WALK_SUM,     /* itself and a number */
};

/* an instruction as far as it matters */
struct walk_insn {
	uint64_t next, target;
	enum walk_flow flow;
	int cc;          /* of a branch, as it is encoded; -1: by something else than flags */
	/* its memory operand: the one that it stores to, if there are two */
	enum walk_base seg;
	int base, index; /* registers; -1: none */
	unsigned scale;
	int64_t disp;
	bool stores, locked;
	bool blind;      /* it stores somewhere else */
	bool zero;       /* what it stores is a whole word of 0 */
	uint16_t writes; /* registers */
	enum walk_load load;
	int to, from;
	int64_t plus;    /* WALK_SUM; of a return: what it pops besides */
	int stack;       /* words it pops, if that is all that becomes of the stack pointer */
	bool keeps;      /* the flags */
};

struct walk_place {
	uint64_t ip;
	uint64_t reg[WALK_REGS];
	uint16_t known; /* registers whose values these are; the others were loaded on the way */
	bool flags;     /* the thread's flags are still valid */
	bool doubt;     /* something was stored, nobody knows where: perhaps a lock was put on the list */
};

struct walk {
	/* whoever asks. False: not to be read, no instruction */
	bool (*read)(const struct walk *w, uint64_t at, void *to, size_t n);
	bool (*decode)(const struct walk *w, uint64_t ip, struct walk_insn *in);
	const void *of;
	uint64_t head, slot, flags;
	unsigned size; /* of an address: 4 or 8 */
	bool pi;
	/* the walk */
	uint64_t base; /* of the thread's control block */
	unsigned n, steps;
	bool clears, holds;
	struct walk_place todo[WALK_PATHS];
	uint64_t seen[WALK_STEPS]; /* with WALK_DOUBT */
};

static void walk_later(struct walk *w, const struct walk_place *p, uint64_t ip)
{
	if (w->n == WALK_PATHS) {
		w->holds = true;
		return;
	}
	w->todo[w->n] = *p;
	w->todo[w->n++].ip = ip;
}

static bool walk_seen(struct walk *w, const struct walk_place *p)
{
	uint64_t now = p->ip | (p->doubt ? WALK_DOUBT : 0);

	for (unsigned i = 0; i < w->steps; i++)
		if (w->seen[i] == now || w->seen[i] == (now | WALK_DOUBT))
			return true;
	w->seen[w->steps++] = now;
	return false;
}

static bool walk_taken(int cc, uint64_t f)
{
	bool c = f & 1, p = f >> 2 & 1, z = f >> 6 & 1, s = f >> 7 & 1, o = f >> 11 & 1;
	bool is[8] = { o, c, z, c || z, s, p, s != o, z || s != o };

	return is[cc >> 1] != (cc & 1);
}

static bool walk_value(const struct walk_place *p, int reg, uint64_t *v)
{
	*v = reg < 0 ? 0 : p->reg[reg];
	return reg < 0 || p->known >> reg & 1;
}

/* where the memory operand is, if its registers are known; 0: nobody knows */
static uint64_t walk_address(const struct walk *w, const struct walk_place *p, const struct walk_insn *in)
{
	uint64_t base, index, at;

	if (in->seg == WALK_CODE)
		return p->ip;
	if (in->seg == WALK_LOST || !walk_value(p, in->base, &base) || !walk_value(p, in->index, &index))
		return 0;
	at = base + index * in->scale + (uint64_t)in->disp + (in->seg == WALK_THREAD ? w->base : 0);
	return w->size == 8 ? at : (uint32_t)at;
}

/* what the instruction stores, if that matters: true ends the path */
static bool walk_stores(struct walk *w, struct walk_place *p, const struct walk_insn *in)
{
	uint64_t at;

	p->doubt |= in->blind;
	if (!in->stores)
		return false;
	if (in->locked) {
		w->holds = true; /* the release may be this one */
		return true;
	}
	at = walk_address(w, p, in);
	p->doubt |= !at;
	if (at != w->head && at != w->slot)
		return false;
	/* all other stores to the slot, or to the list, are somebody who takes a lock */
	if (at == w->slot && at != w->head && in->zero && !p->doubt)
		w->clears = true;
	else
		w->holds = true;
	return true;
}

static bool walk_loads(const struct walk *w, const struct walk_place *p, const struct walk_insn *in, uint64_t *v)
{
	switch (in->load) {
	case WALK_REG:
		return walk_value(p, in->from, v);
	case WALK_WORD: /* a control block begins with its own address */
		*v = w->base;
		return walk_address(w, p, in) == w->base;
	case WALK_ADDRESS:
		*v = walk_address(w, p, in);
		return *v;
	case WALK_SUM:
		if (!walk_value(p, in->to, v))
			return false;
		*v += (uint64_t)in->plus;
		return true;
	default:
		return false;
	}
}

/* what becomes of registers and flags */
static void walk_registers(const struct walk *w, struct walk_place *p, const struct walk_insn *in)
{
	bool stack = p->known >> WALK_SP & 1, loaded;
	uint64_t v;

	loaded = walk_loads(w, p, in, &v);
	p->known &= (uint16_t)~in->writes;
	if (loaded) {
		p->reg[in->to] = w->size == 8 ? v : (uint32_t)v;
		p->known |= (uint16_t)(1u << in->to);
	}
	if (in->stack && stack) {
		p->reg[WALK_SP] += (uint64_t)(in->stack * (int)w->size);
		p->known |= 1u << WALK_SP;
	}
	p->flags &= in->keeps;
}

/* the next place on this path; false: it ends here */
static bool walk_step(struct walk *w, struct walk_place *p)
{
	struct walk_insn in = { .base = -1, .index = -1, .scale = 1, .cc = -1 };
	uint64_t ip = 0;
	bool known, taken;

	if (w->steps == WALK_STEPS || walk_seen(w, p) || !w->decode(w, p->ip, &in) || walk_stores(w, p, &in))
		return false;
	switch (in.flow) {
	case WALK_ON:
		walk_registers(w, p, &in);
		p->ip = in.next;
		return true;
	case WALK_BRANCH:
		known = p->flags && in.cc >= 0;
		taken = !known || walk_taken(in.cc, w->flags);
		if (taken)
			walk_later(w, p, in.target);
		p->ip = in.next;
		return !known || !taken;
	case WALK_JUMP:
		p->ip = in.target;
		return true;
	case WALK_RETURN:
		if (!(p->known >> WALK_SP & 1) || !w->read(w, p->reg[WALK_SP], &ip, w->size))
			return false;
		p->reg[WALK_SP] += w->size + (uint64_t)in.plus;
		p->ip = ip;
		return true;
	case WALK_KERNEL:
		w->holds |= w->pi;
		p->known &= (uint16_t)~(1u << WALK_AX | (w->size == 8 ? 1u << WALK_CX | 1u << WALK_R11 : 0));
		p->flags = false;
		p->ip = in.next;
		return true;
	default:
		return false;
	}
}

/* A libc's control block begins with its own address. The head lies in it, and may be its own address too. 0: none is found */
static uint64_t walk_block(const struct walk *w)
{
	uint8_t piece[256];

	for (uint64_t end = w->head, from; end > w->head - WALK_BLOCK && !(w->head % w->size); end = from) {
		from = (end - 1) & ~(uint64_t)(sizeof(piece) - 1);
		if (!w->read(w, from, piece, end - from))
			return 0;
		for (uint64_t at = end - w->size; at >= from && at < end; at -= w->size) {
			uint64_t v = 0;

			__builtin_memcpy(&v, piece + (at - from), w->size);
			if (v == at)
				return at;
		}
	}
	return 0;
}

/* w has what whoever asks fills in; in_syscall: one may still be under way, which will change registers */
static bool walk_let_go(struct walk *w, uint64_t ip, const uint64_t reg[WALK_REGS], bool in_syscall)
{
	struct walk_place p = { .ip = ip, .known = 0xffff, .flags = true };

	w->n = w->steps = 0;
	w->clears = w->holds = false;
	w->base = walk_block(w);
	if (!w->base)
		return false;
	for (int i = 0; i < WALK_REGS; i++)
		p.reg[i] = reg[i];
	if (in_syscall)
		p.known &= (uint16_t)~(1u << WALK_AX | (w->size == 8 ? 1u << WALK_CX | 1u << WALK_R11 : 0));
	walk_later(w, &p, ip);
	while (w->n && !w->holds) {
		p = w->todo[--w->n];
		while (!w->holds && walk_step(w, &p))
			;
	}
	return w->clears && !w->holds;
}

#endif
