/* SPDX-License-Identifier: MIT */
/*
 * State of one block under translation, shared by block.c (its frame), run.c (what to emit) and template.c (how).
 */
#ifndef GNOMON_XLATE_TEMPLATE_H
#define GNOMON_XLATE_TEMPLATE_H

#include "xlate/xlate.h"
#include "xlate/recipe.h"

#define XLATE_MAX_EXITS (XLATE_MAX_INSNS + 2)
#define XLATE_MAX_GLEN (XLATE_MAX_INSNS * 15)

struct pending_exit {
	gaddr_t target;
	u8 *site;
	u8 kind, res;
};

struct xl {
	struct arena *a;
	struct emit e;
	u8 *start;              /* plain entry */
	u8 *front;              /* indirect entry in front of it, NULL: none */
	const struct xlate_source *src;
	gaddr_t pc;             /* of the instruction being translated */
	const u8 *code;         /* its bytes */
	u8 res;
	u8 *rec_start;          /* host address where the open record began */
	u8 side[XLATE_MAX_INSNS * 12];
	u32 nside;
	struct pending_exit exits[XLATE_MAX_EXITS];
	u32 nexits;
	u8 *slow;               /* the block's last way to where a RET goes that does not match, NULL: none yet */
	u8 *ret_id;             /* where the RET that ends the block names it; NULL: no RET */
	/* where instructions begin: a bit for each byte of the page, with any residency and with none; at the bits of
	 * `bounds`, host offset * 4 + residency, by guest offset in the block. Forgotten after every block. */
	gaddr_t end;            /* the page's, or where a critical section begins */
	u64 bounds[PAGE_SIZE / 64], starts[PAGE_SIZE / 64];
	u16 bound_at[XLATE_MAX_GLEN];
};

static inline bool xl_is_bound(const struct xl *x, gaddr_t pc)
{
	return x->bounds[pc % PAGE_SIZE / 64] >> (pc % 64) & 1;
}
void xl_forget_bounds(struct xl *x, u32 glen);

/* Instructions from x->pc on, as many as make a block. Returns their bytes; 0 where the first is cut off. */
u32 xl_run(struct xl *x);
/* The first instruction alone: it crosses the page, or is cut off by a page that may not be executed. */
u32 xl_straddler(struct xl *x, u8 *flags);

/* The whole block of a critical section, with the bytes of it that are protected; 0: it cannot be */
struct critical;
u32 xl_critical(struct xl *x, struct critical *c, u8 res);
/* where registers are in it (recipe.c): s1 and s2 are in their slots behind these bytes; in front of the last CS_LAST s2 holds
 * rcx */
#define CS_SAVED1 9
#define CS_SAVED2 18
#define CS_RCX 21
#define CS_LAST 3

/* the indirect entry x->src->front, which goes on into the call entry, to be emitted next; `res`: the block's */
void xl_front_entry(struct xl *x, u8 res);
/* closes the record that began at rec_start */
void xl_record(struct xl *x, enum rkind kind, u32 glen);
/* registers home or away, with their records */
void xl_home(struct xl *x, u8 which);
void xl_away(struct xl *x, u8 which);
/* r11 is about to be overwritten by the guest: T to its slot */
void xl_keep_twin(struct xl *x);
void xl_exit_site(struct xl *x, u8 kind, gaddr_t target);

/* `kind`: of its record, RK_PLAIN or RK_SETS_...; not RK_PLAIN only where it is copied as one instruction */
void xl_copy(struct xl *x, const struct insn *in, enum rkind kind);
bool xl_copies_alone(const struct xl *x, const struct insn *in);
/* the copy of an instruction that may take RSP to another stack, and a note of it for reports */
/* an instruction that loads RSP: what is noted before its registers are home, and the instruction */
void xl_note_twin(struct xl *x);
void xl_load_rsp(struct xl *x, const struct insn *in);
void xl_slice(struct xl *x, const struct insn *in);
void xl_jcc(struct xl *x, u8 cc, gaddr_t target, u32 glen);
/* copies with another memory operand (operand.c): one out of reach of disp32; one of gs: */
void xl_far_operand(struct xl *x, const struct insn *in);
enum gs_use { GS_UNUSED, GS_OPERAND, GS_ENGINE }; /* no memory of gs:; xl_gs_operand() can; the engine must execute it */
enum gs_use xl_gs_use(const struct insn *in);
void xl_gs_operand(struct xl *x, const struct insn *in);
void xl_loop(struct xl *x, const struct insn *in);
void xl_jmp(struct xl *x, gaddr_t target, u32 glen);
void xl_call(struct xl *x, const struct insn *in);
void xl_call_ind(struct xl *x, const struct insn *in);
void xl_jmp_ind(struct xl *x, const struct insn *in);
void xl_ret(struct xl *x, const struct insn *in);
void xl_ret_n(struct xl *x, const struct insn *in);
void xl_engine(struct xl *x, const struct insn *in, u8 kind);
/* was that the last thing, so that the engine comes back to where the block ends? */
bool xl_comes_back(const struct xl *x);
/* sealed code: the copy, with exits around it where the engine has to note that RSP changes */
void xl_sealed_copy(struct xl *x, const struct insn *in);

#endif
