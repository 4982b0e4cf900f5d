/* SPDX-License-Identifier: MIT */
/*
 * From a host address to exact guest state. Called from host signal handlers on the thread that was
 * interrupted in the cache: no locks, no allocation. [as-safe]
 */
#include "xlate/decode.h"
#include "xlate/recipe.h"
#include "xlate/template.h"

enum { H_RCX = 1, H_RSP = 4, H_R10 = 10, H_R11 = 11 };

bool recipe_boundary(const struct block *b, gaddr_t pc, u8 res, u32 *off)
{
	struct recipe_walk w;

	recipe_walk_init(&w, b);
	while (recipe_walk_next(&w)) {
		if (b->pc + w.goff != pc || w.kind == RK_LANDING || w.kind == RK_MEM_END)
			continue;
		*off = w.hoff; /* only the first record of an instruction is an entry */
		return w.res == res;
	}
	return false;
}

gaddr_t recipe_insn_before(const struct block *b, gaddr_t next)
{
	struct recipe_walk w;
	gaddr_t pc = 0;

	recipe_walk_init(&w, b);
	while (recipe_walk_next(&w))
		if (w.glen && b->pc + w.goff + w.glen == next)
			pc = b->pc + w.goff;
	return pc;
}

/* how many host instructions of the record at `start` end at or before `pc` */
static int step_of(const u8 *start, const u8 *pc)
{
	struct insn in;
	int n = 0;

	while (start < pc) {
		insn_decode(&in, start, 15, (gaddr_t)start);
		start += in.len;
		n++;
	}
	return n;
}

/* call: [mov slot,r10] lea r10 | push r10 | mov [slot],r10 | mov [rec],rsp | mov r10,rsp | mov rsp,r11 | call */
static void recover_call(const u8 *start, struct hregs *h, bool indirect)
{
	int step = step_of(start, (u8 *)h->rip) - (indirect ? 1 : 0);

	if (step >= 6)
		h->r[H_RSP] = h->r[H_R10];
	if (step >= 2)
		h->r[H_RSP] += 8;
}

/* ret: mov [r11-8],id | mov r10,rsp | mov rsp,r11 | ret */
static void recover_ret(const u8 *start, struct hregs *h)
{
	if (step_of(start, (u8 *)h->rip) >= 3)
		h->r[H_RSP] = h->r[H_R10];
}

/* A RET that pops n bytes more is undone: RSP back to its word, which the shadow stack's word gave way for */
static void undo_ret_n(struct hregs *h, u64 twin_sp, u32 n)
{
	h->r[H_RSP] -= n;
	*(u64 *)(twin_sp - SHSTK_TWIN_DELTA) = *(u64 *)h->r[H_RSP];
}

/*
 * ret n: mov [r11-24],rcx | compare: 5 | mov rcx,[r11-24] | leave: 2 | mov rcx,[r11-24] | mov r10,[rsp+n] | mov [slot],r10 |
 * lea r10,[rsp+n] | mov [r11-8],id | mov [r11-4],n | mov rsp,r11 | ret
 */
static void recover_ret_n(const u8 *start, struct hregs *h)
{
	int step = step_of(start, (u8 *)h->rip);

	if (step >= 1)
		h->r[H_RCX] = *(u64 *)(h->r[H_R11] + SHSTK_SPILL);
	if (step >= 16)
		h->r[H_RSP] = h->r[H_R10];
	if (step >= 12)
		undo_ret_n(h, h->r[H_R11], step >= 16 ? *(u32 *)(h->r[H_R11] - 4) : 0);
}

/*
 * landing: mov r11,rsp | lea rsp,[r10+8] | ... ; back to the RET, whose effects are all undone. rcx is spilled at
 * step 2, something else from step 3 on, and back at the end.
 */
static void recover_landing(const u8 *start, struct hregs *h, u64 *twin_sp)
{
	int step = step_of(start, (u8 *)h->rip);

	*twin_sp = (step == 0 ? h->r[H_RSP] : h->r[H_R11]) - 8;
	if (step <= 1)
		h->r[H_RSP] = h->r[H_R10];
	else
		h->r[H_RSP] -= 8;
	if (step >= 4)
		h->r[H_RCX] = *(u64 *)(h->r[H_R11] + SHSTK_SPILL);
	if (recipe_ret_extra(*twin_sp))
		undo_ret_n(h, *twin_sp, recipe_ret_extra(*twin_sp));
}

gaddr_t recipe_ret_pc(u64 twin_sp)
{
	u32 id = *(u32 *)(twin_sp - 8);
	struct recipe_walk w;

	if (!id)
		return 0;
	recipe_walk_init(&w, cache_block(id));
	while (recipe_walk_next(&w))
		if (w.kind == RK_RET || w.kind == RK_RET_N)
			return cache_block(id)->pc + w.goff;
	return 0;
}

/* loopcc taken | jmp short not | [nop] jmp target: behind its first instruction the guest's has been executed */
static void recover_loop(const u8 *start, const struct hregs *h, struct recovered *out)
{
	struct insn in;
	int step = step_of(start, (u8 *)h->rip);

	if (!step)
		return;
	insn_decode(&in, (u8 *)out->rip, 15, out->rip);
	out->rip = step == 1 ? out->rip + in.len : in.target;
}

static void recover_entry(const struct block *b, struct hregs *h, struct recovered *out)
{
	bool first = (u8 *)h->rip < block_host(b) - 3;

	out->twin_sp = first ? h->r[H_RSP] : h->r[H_R11];
	h->r[H_RSP] = h->r[H_R10];
	out->rip = b->pc;
	out->after_call = true;
}

/* mov gs:[slot], reg (0x89) or back (0x8b): the register; else -1 */
static int slot_move(const u8 *p, u8 opcode, u32 slot)
{
	u32 disp;

	__builtin_memcpy(&disp, p + 5, 4);
	if (p[0] != 0x65 || (p[1] & 0xfb) != 0x48 || p[2] != opcode || (p[3] & 0xc7) != 4 || p[4] != 0x25 || disp != slot)
		return -1;
	return (p[3] >> 3 & 7) | (p[1] & 4) << 1;
}

/* registers that xlate/operand.c moved to SLOT_SPILL and SLOT_TMP before `pc` and has not brought back */
static void recover_mem(const u8 *p, struct hregs *h, const struct recipe_slots *s)
{
	int spilled = -1, tmp = -1;

	while (p < (u8 *)h->rip) {
		struct insn in;
		int reg = slot_move(p, 0x89, xl_slot_spill());

		if (reg >= 0)
			spilled = reg;
		reg = slot_move(p, 0x89, xl_slot_tmp());
		if (reg >= 0)
			tmp = reg;
		if (slot_move(p, 0x8b, xl_slot_tmp()) >= 0)
			tmp = -1;
		insn_decode(&in, p, 15, (gaddr_t)p);
		p += in.len;
	}
	if (spilled >= 0)
		h->r[spilled] = s->spill;
	if (tmp >= 0)
		h->r[tmp] = s->tmp;
}

/* where s1 and s2 are from the sequence in front of a critical section on */
static void recover_critical(const struct block *b, const struct recipe_walk *at, struct hregs *h,
			     const struct recipe_slots *s, struct recovered *out)
{
	u64 done = h->rip - (u64)block_host(b) - at->hoff;
	struct recipe_walk w;
	int s1, s2;

	recipe_walk_init(&w, b);
	while (recipe_walk_next(&w) && w.kind != RK_CS_IN)
		;
	if (at->hoff < w.hoff) /* registers on their way home */
		return;
	s1 = slot_move(block_host(b) + w.hoff, 0x89, SLOT_SPILL);
	s2 = slot_move(block_host(b) + w.hoff + CS_SAVED1, 0x89, SLOT_TMP);
	if (at->kind != RK_CS_IN)
		done = at->hlen;
	else if (done >= CS_RCX && done + CS_LAST < at->hlen)
		h->r[H_RCX] = h->r[s2];
	if (at->kind != RK_CS_IN || done >= CS_SAVED1)
		h->r[s1] = s->spill;
	if (at->kind != RK_CS_IN || done >= CS_SAVED2)
		h->r[s2] = s->tmp;
	for (u32 i = 0; at->kind == RK_CS_OUT && i < b->nexits; i++)
		if (block_exits(b)[i].site - at->hoff < at->hlen)
			out->rip = exit_target(&block_exits(b)[i]);
}

static void recover_record(const struct block *b, const struct recipe_walk *w, struct hregs *h,
			   const struct recipe_slots *s, struct recovered *out)
{
	const u8 *start = block_host(b) + w->hoff;

	out->rip = b->pc + w->goff;
	out->twin_sp = w->res & RES_R11_HOME ? s->tsp : h->r[H_R11];
	if (unlikely(b->flags & BLOCK_CRITICAL)) {
		recover_critical(b, w, h, s, out);
		return;
	}
	switch (w->kind) {
	case RK_CALL:
		recover_call(start, h, start[0] == 0x65);
		break;
	case RK_RET:
		recover_ret(start, h);
		break;
	case RK_RET_N:
		recover_ret_n(start, h);
		break;
	case RK_LANDING:
		recover_landing(start, h, &out->twin_sp);
		out->rip = recipe_ret_pc(out->twin_sp);
		break;
	case RK_LOOP:
		recover_loop(start, h, out);
		break;
	case RK_MEM:
		recover_mem(start, h, s);
		break;
	case RK_MEM_END:
		h->r[slot_move(start, 0x8b, xl_slot_spill())] = s->spill;
		break;
	}
}

long recipe_recover(const struct block *b, struct hregs *h, const struct recipe_slots *s, struct recovered *out)
{
	struct recipe_walk w;
	u32 off;
	u8 res = 0;

	*out = (struct recovered){ 0 };
	if ((u8 *)h->rip < block_host(b)) {
		recover_entry(b, h, out);
	} else {
		off = (u32)((u8 *)h->rip - block_host(b));
		recipe_walk_init(&w, b);
		do {
			if (!recipe_walk_next(&w)) /* behind the last record: the jump that ends the block */
				break;
		} while (off >= w.hoff + w.hlen);
		if (off >= w.hoff + w.hlen) {
			out->rip = b->pc + b->glen;
			res = w.res_after;
			out->twin_sp = res & RES_R11_HOME ? s->tsp : h->r[H_R11];
		} else {
			res = w.res;
			recover_record(b, &w, h, s, out);
		}
	}
	if (!(res & RES_R10_HOME))
		h->r[H_R10] = s->gregs[H_R10];
	if (!(res & RES_R11_HOME))
		h->r[H_R11] = s->gregs[H_R11];
	return out->rip ? 0 : -EINVAL;
}
