/* SPDX-License-Identifier: MIT */
/*
 * The code rules. Text is searched for byte pairs that only rare instructions have (trigger.c); the functions around
 * them (funcs.c) are decoded with Zydis and followed from their first instruction on (flow.c), so that most code is
 * looked at but never decoded.
 */
#ifndef GNOMON_AUDIT_CODE_H
#define GNOMON_AUDIT_CODE_H

#include <Zydis/Zydis.h>

#include "worker.h"

#define FUNCTION_MOST (1u << 20) /* bytes of a function that are followed */

/* ---- functions of an image */
struct func {
	uint64_t start, end;
	bool cfi;   /* bounds from unwind information or a symbol: this is a function */
	bool entry; /* its first instruction is entered by calls: the return address is on top of the stack */
};

struct sym {
	uint64_t at, size;
	const char *name;
	bool function; /* a label of its own right, not one within a function */
};

struct funcs {
	struct elf *e;
	uint64_t *starts, *fdes; /* of .eh_frame_hdr: sorted; virtual addresses */
	size_t n;
	struct sym *syms;	 /* sorted; loaded when first needed */
	size_t nsyms, syms_room;
	bool loaded;
	char *strings; /* names of the symbols */
};
void funcs_open(struct funcs *f, struct elf *e);
void funcs_close(struct funcs *f);
/* the function around addr, within [low, high); always finds something */
void funcs_around(struct funcs *f, uint64_t addr, uint64_t low, uint64_t high, struct func *ret);
/*
 * Narrows fn, n bytes at p that lie in no known function, to the function around addr by the INT3 that linkers pad code
 * with; moves it to p. Its length, 0: its beginning is not among them.
 */
size_t funcs_padded(struct func *fn, uint8_t *p, size_t n, uint64_t addr);
/* where unwind information says that the function around addr begins; 0: it does not say */
uint64_t funcs_start(const struct funcs *f, uint64_t addr);
/* the symbol that addr lies in, NULL if none */
const struct sym *funcs_symbol(struct funcs *f, uint64_t addr);

/* ---- triggers */
/* what a pattern may be; a function is followed for any of the first group */
#define TRIG_FOLLOW 1u
#define TRIG_SSP 2u	  /* a shadow-stack instruction */
#define TRIG_ENABLE 4u	  /* arch_prctl(ARCH_SHSTK_ENABLE) */
#define TRIG_FRAME 8u	  /* worth following in functions with a frame pointer */
/* Position of the next pattern in p[at..n), n if none; *what says which. p must have 64 readable bytes on both sides. */
size_t trigger_next(const uint8_t *p, size_t at, size_t n, unsigned *what);

/* ---- one function */
struct seen {
	uint16_t rule;
	uint8_t confidence;
	uint64_t at;
	char detail[96];
};
#define SEEN_MOST 8
struct flow;
struct code {
	ZydisDecoder decoder;
	struct flow *flow;
	uint8_t *text;	   /* a piece of a section */
	uint8_t *function; /* FUNCTION_MOST bytes */
	struct seen seen[SEEN_MOST];
	unsigned nseen;
	bool ssp; /* the function at hand has shadow-stack instructions */
};
/* follows the function, which is one from its beginning, and fills c->seen */
void flow_function(struct code *c, const struct func *f, const uint8_t *p, size_t n);
struct flow *flow_new(void);

/* jit.c: engines by what they import, export, need and are made of */
void jit_read(struct worker *w, struct obj *o, struct elf *e);

#endif
