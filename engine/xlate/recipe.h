/* SPDX-License-Identifier: MIT */
/*
 * Side tables and recipes: from a host address in a block back to exact guest state.
 *
 * A side table is a row of two-byte records, one per guest instruction, or more where registers move
 * between home and borrowed in front of it (those have guest length 0):
 *	byte 0: host length    byte 1: guest length (low 4 bits), enum rkind (high 4 bits)
 */
#ifndef GNOMON_XLATE_RECIPE_H
#define GNOMON_XLATE_RECIPE_H

#include "cache/cache.h"

#define RECIPE_ENTRY_LEN 6 /* call entry in front of every block: mov r11, rsp; mov rsp, r10 */

enum rkind {
	RK_PLAIN,    /* one host instruction, or several of which only the last changes guest state */
	RK_R10_HOME, /* loads r10 */
	RK_R10_AWAY, /* stores r10 */
	RK_R11_HOME,
	RK_R11_AWAY,
	RK_SETS_R10, /* one instruction that overwrites a borrowed r10 whole: home behind it */
	RK_SETS_R11,
	RK_CALL,     /* direct or indirect call, from the address computation on */
	RK_RET,
	RK_RET_N,    /* RET that pops more: compared before it returns */
	RK_LANDING,  /* compare without flags, rcx spilled */
	RK_LOOP,     /* loop/jrcxz: only its first instruction changes guest state */
	RK_MEM,      /* an instruction with another base register (operand.c); its code says which is in which slot */
	RK_MEM_END,  /* gives the register back; the instruction is done */
	RK_CS_IN,    /* in front of a critical section (critical.c) */
	RK_CS_OUT,   /* behind it: on the way to where the exit in here leads */
};

struct recipe_walk {
	const u8 *p, *end;
	u32 hoff, goff;    /* of the current record */
	u8 hlen, glen, kind;
	u8 res;            /* residency in front of the current record */
	u8 res_after;
	u8 started;
};

static inline u8 recipe_res_after(u8 kind, u8 res)
{
	switch (kind) {
	case RK_R10_HOME:
	case RK_SETS_R10:
		return res | RES_R10_HOME;
	case RK_R10_AWAY:
		return res & (u8)~RES_R10_HOME;
	case RK_R11_HOME:
	case RK_SETS_R11:
		return res | RES_R11_HOME;
	case RK_R11_AWAY:
		return res & (u8)~RES_R11_HOME;
	case RK_CALL:
	case RK_LANDING:
		return 0;
	}
	return res;
}

static inline void recipe_walk_init(struct recipe_walk *w, const struct block *b)
{
	*w = (struct recipe_walk){ .p = block_side(b), .res_after = b->res };
	w->end = w->p + b->side_len;
}

static inline bool recipe_walk_next(struct recipe_walk *w)
{
	if (w->p == w->end)
		return false;
	w->hoff += w->hlen;
	w->goff += w->glen;
	w->hlen = w->p[0];
	w->glen = w->p[1] & 15;
	w->kind = w->p[1] >> 4;
	w->p += 2;
	w->res = w->res_after;
	w->res_after = recipe_res_after(w->kind, w->res);
	return true;
}

/* host offset of the boundary at guest address pc (> b->pc) if it is one with residency res */
bool recipe_boundary(const struct block *b, gaddr_t pc, u8 res, u32 *off);

/* host registers at an interruption, x86 order; what recovery turns into the guest's */
struct hregs {
	u64 r[16];
	u64 rip;
};

/* what recovery says besides registers */
struct recovered {
	gaddr_t rip;
	u64 twin_sp;     /* T */
	bool after_call; /* the interrupted call was completed: rip is its target */
};

/*
 * Exact guest state for host state `h` inside block b: changes h->r to the guest's registers (r10/r11 taken
 * from `gregs` where borrowed, T from `tsp` where r11 is at home; `s`: the thread's slots of those names). Half-done
 * calls and returns are rolled back; a finished host call is rolled forward. Returns 0, or -EINVAL if h->rip
 * is in no instruction of b (a bug).
 */
struct recipe_slots {
	const u64 *gregs;
	u64 tsp, spill, tmp;
};
long recipe_recover(const struct block *b, struct hregs *h, const struct recipe_slots *s, struct recovered *out);
/* guest address of the instruction of b that ends at `next`; 0: there is none */
gaddr_t recipe_insn_before(const struct block *b, gaddr_t next);
/* guest address of the RET that ends the block named in the dead twin slot below T; 0 if there is none */
gaddr_t recipe_ret_pc(u64 twin_sp);
/* what that RET pops besides its address; then the shadow slot at T holds another word than the stack at RSP - this */
static inline u32 recipe_ret_extra(u64 twin_sp)
{
	return *(u32 *)(twin_sp - 4);
}

#endif
