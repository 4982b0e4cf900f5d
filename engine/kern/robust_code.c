/* SPDX-License-Identifier: MIT */
/*
 * Has a thread let its lock go? Between the release and the store that clears the pending slot there is nothing but the
 * wake; so the code the thread would run next is followed until it clears the slot, and if it does no locked operation
 * before, the release is behind it. Taking a lock looks alike but puts the lock on the list first. Any doubt counts as
 * "it still holds the lock". guard/cmd/window.c does the same for programs that are not translated.
 *
 * The thread's state is exact: it is the caller, or is held. On engine stacks.
 */
#include "kern/kern.h"
#include "kern/robust.h"
#include "xlate/decode.h"

#define STEPS 128 /* instructions looked at, over all paths */
#define PATHS 12  /* places still to go to */
#define SEG_FS 0x64
#define SEG_GS 0x65
#define BLOCK_MOST 2048 /* of a control block, in front of the head */
#define LIST_MOST 2048  /* the kernel's limit */

struct place {
	gaddr_t ip;
	u64 reg[16];
	u16 known;  /* registers whose values these are; the others were loaded on the way */
	bool flags; /* the thread's flags are still valid */
	bool doubt; /* something was stored, nobody knows where: perhaps a lock was put on the list */
};

struct walk {
	const struct vcpu *t;
	gaddr_t head;
	gaddr_t base; /* of the thread's control block, that fs points to */
	bool pi;
	struct place todo[PATHS];
	u32 n, steps;
	struct {
		gaddr_t ip;
		bool doubt;
	} seen[STEPS];
	bool clears, holds;
};

/* one instruction where the walk stands */
struct here {
	struct insn in;
	u8 code[16];
	gaddr_t next;
};

static void later(struct walk *w, const struct place *p, gaddr_t ip)
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
	for (u32 i = 0; i < w->steps; i++)
		if (w->seen[i].ip == p->ip && w->seen[i].doubt >= p->doubt)
			return true;
	w->seen[w->steps].ip = p->ip;
	w->seen[w->steps++].doubt = p->doubt;
	return false;
}

static bool taken(u8 cc, u64 f)
{
	bool c = f & FLAG_CF, p = f & FLAG_PF, z = f & FLAG_ZF, s = f & FLAG_SF, o = f & FLAG_OF;
	bool is[8] = { o, c, z, c || z, s, p, s != o, z || s != o };

	return is[cc >> 1] != (cc & 1);
}

static s64 number(const struct here *h, u8 off, u8 size)
{
	s32 v = 0;

	if (size == 1)
		return (s8)h->code[off];
	if (size == 4)
		memcpy(&v, h->code + off, 4);
	return v;
}

static int reg_of(const struct here *h)
{
	return (h->in.modrm >> 3 & 7) | (h->in.rex & 4) << 1;
}

/* the other one: a register, or the base of the operand */
static int rm_of(const struct here *h)
{
	return (h->in.modrm & 7) | (h->in.rex & 1) << 3;
}

/* where the memory operand is, if its registers are known; 0: nobody knows */
static gaddr_t address(const struct walk *w, const struct place *p, const struct here *h)
{
	const struct insn *in = &h->in;
	int base = rm_of(h), index = -1;
	u32 scale = 0;
	gaddr_t at;

	if (in->riprel)
		return p->ip; /* data of the code's file: not the control block, and that is all that matters */
	if (!in->mem || in->addrsize || in->seg == SEG_GS || in->enc)
		return 0;
	if ((in->modrm & 7) == 4) {
		base = (in->sib & 7) | (in->rex & 1) << 3;
		index = (in->sib >> 3 & 7) | (in->rex & 2) << 2;
		index = index == 4 ? -1 : index;
		scale = in->sib >> 6;
		if ((in->sib & 7) == 5 && in->modrm < 0x40)
			base = -1;
	}
	if ((base >= 0 && !(p->known >> base & 1)) || (index >= 0 && !(p->known >> index & 1)))
		return 0;
	at = (base >= 0 ? p->reg[base] : 0) + (index >= 0 ? p->reg[index] << scale : 0) +
	     (u64)number(h, in->disp_off, in->disp_size);
	return in->seg == SEG_FS ? at + w->base : at;
}

static bool wide(const struct insn *in)
{
	return !in->map && !in->enc && in->rex & 8 && !in->opsize;
}

/* of the instructions with a memory operand: mov, movzx, movsx, add and the like into a register, cmp, test */
static bool only_reads(const struct insn *in)
{
	u8 op = in->opcode, ext = in->modrm >> 3 & 7;

	if (in->enc || in->map > 1)
		return false;
	if (in->map)
		return (op & 0xf6) == 0xb6 || (op & 0xf0) == 0x40 || op == 0x1f /* nop */;
	return op == 0x8a || op == 0x8b || op == 0x63 || op == 0x84 || op == 0x85 || op == 0x8d || (op < 0x40 && (op & 7) < 4 && op & 2) ||
	       op == 0x38 || op == 0x39 || ((op & 0xfc) == 0x80 && ext == 7) || ((op | 1) == 0xf7 && ext < 2);
}

/* what the instruction stores, if that matters: true ends the path */
static bool stores(struct walk *w, struct place *p, const struct here *h)
{
	const struct insn *in = &h->in;
	gaddr_t at = address(w, p, h);

	if (!in->mem) {
		/* mov to an address that is a number, movs, stos */
		p->doubt |= !in->map && !in->enc && ((in->opcode >= 0xa2 && in->opcode <= 0xa5) || (in->opcode | 1) == 0xab);
		return false;
	}
	if (in->lock || (!in->map && !in->enc && (in->opcode | 1) == 0x87)) {
		w->holds = true; /* the release may be this one */
		return true;
	}
	if (only_reads(in))
		return false;
	p->doubt |= !at;
	if (at != w->head && at != w->head + ROBUST_PENDING)
		return false;
	/* mov $0, the slot; all other stores to it or to the list are somebody who takes a lock */
	if (at != w->head && !p->doubt && wide(in) && in->opcode == 0xc7 && !in->imm)
		w->clears = true;
	else
		w->holds = true;
	return true;
}

/* the value that it loads a register with, where that is a matter of addresses; -1: no such register */
static int loads(const struct walk *w, const struct place *p, const struct here *h, u64 *v)
{
	const struct insn *in = &h->in;
	int from = in->opcode == 0x89 ? reg_of(h) : rm_of(h), to = in->opcode == 0x89 ? rm_of(h) : reg_of(h);

	if (!wide(in))
		return -1;
	switch (in->opcode) {
	case 0x8b: /* a control block begins with its own address */
		*v = w->base;
		if (h->in.mem)
			return address(w, p, h) == w->base ? to : -1;
		/* fall through */
	case 0x89:
		*v = p->reg[from];
		return !h->in.mem && p->known >> from & 1 ? to : -1;
	case 0x8d:
		*v = in->seg ? 0 : address(w, p, h);
		return *v ? to : -1;
	case 0x81:
	case 0x83: /* add and sub of a number */
		to = rm_of(h);
		*v = p->reg[to] + (u64)((in->modrm >> 3 & 7) == 5 ? -(s64)in->imm : (s64)in->imm);
		return !h->in.mem && p->known >> to & 1 && ((in->modrm >> 3 & 7) == 0 || (in->modrm >> 3 & 7) == 5) ? to : -1;
	}
	return -1;
}

/* what becomes of registers and flags */
static void registers(const struct walk *w, struct place *p, const struct here *h)
{
	const struct insn *in = &h->in;
	bool plain = !in->map && !in->enc, push = plain && (in->opcode & 0xf8) == 0x50, pop = plain && (in->opcode & 0xf8) == 0x58;
	bool stack = p->known >> RSP & 1;
	u64 v, sp = p->reg[RSP];
	int to = loads(w, p, h, &v);

	p->known &= ~in->gpr_write;
	if (to >= 0) {
		p->reg[to] = v;
		p->known |= (u16)(1u << to);
	}
	if ((push || pop) && stack && (push || !(in->gpr_where[RSP] & INSN_REG_OPC))) {
		p->reg[RSP] = push ? sp - 8 : sp + 8;
		p->known |= 1u << RSP;
	}
	/* mov, lea, push, pop and what does nothing leave them alone */
	p->flags &= push || pop || in->class == INSN_ENDBR ||
		    (plain && ((in->opcode & 0xfc) == 0x88 || in->opcode == 0x8d || (in->opcode | 1) == 0xc7 || in->opcode == 0x90)) ||
		    (in->map == 1 && !in->enc && in->opcode == 0x1f);
}

static bool fetch(gaddr_t ip, struct here *h)
{
	size_t n = min(15ul, PAGE_SIZE - (ip & ~PAGE_MASK));

	memset(h->code, 0, sizeof(h->code));
	if (rt_copy_from_guest(h->code, ip, n))
		return false;
	if (n < 15 && !rt_copy_from_guest(h->code + n, ip + n, 15 - n))
		n = 15;
	if (insn_decode(&h->in, h->code, n, ip))
		return false;
	h->next = ip + h->in.len;
	return true;
}

/* the next place on this path; false: it ends here */
static bool step(struct walk *w, struct place *p)
{
	struct here h;
	bool known;

	if (w->steps == STEPS || seen(w, p) || !fetch(p->ip, &h) || stores(w, p, &h))
		return false;
	switch (h.in.class) {
	case INSN_PLAIN:
	case INSN_ENDBR:
		registers(w, p, &h);
		p->ip = h.next;
		return true;
	case INSN_JCC:
		known = p->flags;
		if (!known || taken(h.in.cc, w->t->rflags))
			later(w, p, h.in.target);
		p->ip = h.next;
		return !known || !taken(h.in.cc, w->t->rflags);
	case INSN_JMP:
		p->ip = h.in.target;
		return true;
	case INSN_RET: /* of libc's function around the system call */
		if (!(p->known >> RSP & 1) || rt_copy_from_guest(&p->ip, p->reg[RSP], 8))
			return false;
		p->reg[RSP] += 8 + h.in.imm;
		return true;
	case INSN_SYSCALL: /* the wake; for a PI lock it is the unlock itself */
		w->holds |= w->pi;
		p->known &= (u16)~(1u << RAX | 1u << RCX | 1u << R11);
		p->flags = false;
		p->ip = h.next;
		return true;
	default: /* calls do not come before the store, but where libc gives up */
		return false;
	}
}

/* A libc's control block begins with its own address. The head lies in it, and may be its own address too. */
static gaddr_t block_base(gaddr_t head)
{
	u64 word;

	for (gaddr_t at = head - 8; at >= head - BLOCK_MOST && !(head & 7); at -= 8) {
		if (rt_copy_from_guest(&word, at, 8))
			break;
		if (word == at)
			return at;
	}
	return 0;
}

static bool listed(gaddr_t head, const struct robust_head *h)
{
	gaddr_t e = h->next & ~1ul;

	for (int i = 0; i < LIST_MOST && e != head; i++) {
		if (e == (h->pending & ~1ul))
			return true;
		if (rt_copy_from_guest(&e, e, 8))
			return false;
		e &= ~1ul;
	}
	return false;
}

bool robust_let_go(const struct vcpu *t, gaddr_t head, const struct robust_head *h)
{
	struct walk w = { .t = t, .head = head, .base = block_base(head), .pi = h->pending & 1 };
	struct place start = { .ip = t->rip, .known = 0xffff, .flags = true };
	u8 before[2];

	if (!w.base || listed(head, h))
		return false;
	memcpy(start.reg, t->gregs, sizeof(start.reg));
	/* a system call may still be under way */
	if (rt_copy_from_guest(before, t->rip - 2, 2) || (before[0] == 0x0f && before[1] == 0x05))
		start.known &= (u16)~(1u << RAX | 1u << RCX | 1u << R11);
	later(&w, &start, start.ip);
	while (w.n && !w.holds) {
		struct place p = w.todo[--w.n];

		while (!w.holds && step(&w, &p))
			;
	}
	return w.clears && !w.holds;
}
