/* SPDX-License-Identifier: MIT */
/*
 * Translation of one block. Called with cache_lock held, on an engine stack, by the dispatcher.
 */
#ifndef GNOMON_XLATE_XLATE_H
#define GNOMON_XLATE_XLATE_H

#include "cache/cache.h"
#include "xlate/decode.h"

#define XLATE_MAX_INSNS 64
#define XLATE_ROOM 16000 /* bytes of host code a block may need */

struct xlate_source {
	gaddr_t pc;
	const u8 *code;     /* readable bytes of pc's page from pc on */
	u32 avail;          /* up to the end of the page */
	const u8 *straddle; /* 15+ bytes with the next page's beginning behind this page's end, when avail < 15
			       and the next page is executable; NULL otherwise */
	u32 straddle_len;
	u32 beyond;         /* a critical section: bytes of the next page that belong to the same code */
	enum block_entry front; /* the entry that stands in front of the block: ENTRY_JUMP, ENTRY_CALL, ENTRY_NONE */
};

struct xlate_opts {
	bool one_insn;      /* chaos: one instruction a block */
	bool pext;          /* tables of indirect entries are indexed by PEXT with the thread's mask */
	bool loop;          /* LOOP takes no longer than JRCXZ */
	bool all_far;       /* chaos: no RIP-relative operand is in reach */
	bool ibt;           /* branches with NOTRACK tell so */
	bool pkru;          /* the guest does not load PKRU by itself */
	bool sealed;        /* translated code writes nothing that is the engine's */
};
extern struct xlate_opts xlate_opts;

/* where registers are in front of a block when the dispatcher may choose: borrowed, and at home in sealed code */
static inline u8 xlate_first_res(void)
{
	return unlikely(xlate_opts.sealed) ? RES_HOME : 0;
}

/* where templates keep guest registers for a while */
static inline u32 xl_slot_spill(void)
{
	return unlikely(xlate_opts.sealed) ? SLOT_OPEN_SPILL : SLOT_SPILL;
}

static inline u32 xl_slot_tmp(void)
{
	return unlikely(xlate_opts.sealed) ? SLOT_OPEN_TMP : SLOT_TMP;
}

/* Translates the block at src->pc with entry residency `res`; RES_STEP: the first instruction alone, with no link out of
 * it or into it. The block is published. NULL: out of memory or
 * table space (the caller flushes and tries again). */
struct block *xlate_block(const struct xlate_source *src, u8 res);

/* links the direct exit, if it is not yet and what it leads to is translated */
void xlate_link(struct exit *x);

/* is this instruction copied, as it is or with other registers? Not if it branches, or if the engine executes it */
bool xlate_copies(const struct insn *in);

/* the entry of that kind into b, made when first asked for; NULL when memory is out */
u8 *xlate_entry(struct block *b, enum block_entry kind);
/* where a branch goes that nobody predicts; NULL when memory is out */
u8 *xlate_lookup(struct arena *a, enum arena_lookup kind);

#endif
