/* SPDX-License-Identifier: MIT */
/*
 * Critical sections of the guest's (rseq(2), docs/rseq.md): which are known, and the descriptors by which the host knows their
 * translations. Called with cache_lock held.
 */
#ifndef GNOMON_XLATE_CRITICAL_H
#define GNOMON_XLATE_CRITICAL_H

#include "rt/rt.h"

#define CRITICAL_SIG 0x53053053u /* RSEQ_SIG of every libc for x86 */

/* the kernel's struct rseq_cs */
struct rseq_cs {
	u32 version, flags;
	u64 start, len, abort;
} __attribute__((aligned(32)));

struct critical {
	gaddr_t start, end, abort;
	gaddr_t desc;
	u32 sig;
	struct critical *next;
	struct rseq_cs host[4]; /* by the residency of the block. Never given back: the kernel may read them */
};

extern u32 critical_count; /* no lock needed to be told that there are none */
/* what became known since somebody looked: code translated from it before is to be severed */
extern gaddr_t critical_new_lo, critical_new_hi;

/* the one that begins at pc, or NULL */
struct critical *critical_at(gaddr_t pc);
/* where the first one of [pc, end), which lies in a page, begins; `end` if none does */
gaddr_t critical_next(gaddr_t pc, gaddr_t end);
/* Is that a descriptor? Then its section is known from here on */
bool critical_learn(gaddr_t desc);
/* the same for the operand of a LEA at pc, which need not be one */
void critical_guess(gaddr_t pc, gaddr_t desc);
/* is its descriptor what it was? Else it is known no more */
bool critical_confirm(struct critical *c);

#endif
