/* SPDX-License-Identifier: MIT */
/*
 * Reading a board, live or from a file, and showing what is in it. A report file is the board as it was in
 * memory (include/gnomon/board.h), cut behind the last byte of the log that is used: header with settings
 * and counters, sites, records. Nothing in it is trusted: every offset is checked before use.
 */
#ifndef GNOMON_CLI_REPORT_H
#define GNOMON_CLI_REPORT_H

#include "cli.h"

struct report {
	const struct gn_board *b;
	size_t log_bytes; /* readable bytes of b->log */
	size_t pos;       /* next record */
	/* first record of each site, as far as records were read; NULL where none was */
	const struct gn_violation *first[GN_SITES];
};

/* reader.c */
void report_init(struct report *r, const struct gn_board *b, size_t log_bytes);
/* Next complete record or NULL. `last`: no more will come, so one that was never finished (its writer was
 * killed) is stepped over instead of waited for. */
const struct gn_rec *report_next(struct report *r, bool last);
/* maps a report file; dies with one line if it is not one */
void report_open(struct report *r, const char *file);
/* 0 or -errno */
int report_write(const struct gn_board *b, int fd);
/* string of a record, "" where the offset is none or nonsense */
const char *rec_path(const struct gn_rec *h, uint32_t off);

const char *class_name(uint32_t class);     /* "stack switch" */
const char *class_id(uint32_t class);       /* "stack-switch", for JSON */
const char *headline(const struct gn_violation *v);
/* a frame that has moved since a call pushed it: how deep on the shadow stack its word stands; 0: nothing known */
uint32_t moved_depth(const struct gn_violation *v);
bool class_is_clean(uint32_t class);        /* unwinding */

/* symbols.c: where an address is. Strings live for a few more calls of symbols_of(). */
struct place {
	const char *path;   /* "" if anonymous */
	const char *module; /* last part of it */
	bool file;          /* path is a file: offset means something */
	uint64_t offset;    /* address as the module's own tools show it (ELF virtual address) */
	const char *symbol; /* NULL if none */
	uint64_t symbol_offset;
	const char *source; /* NULL if no DWARF */
	const char *source_name; /* last part of it */
	int line;
};
/* `back`: a is a return address, look at the call before it */
void symbols_of(const struct gn_rec *h, const struct gn_addr *a, bool back, struct place *ret);

/* text.c, json.c, html.c; one block or line each, whole in `f` */
void text_record(FILE *f, const struct gn_rec *h, bool unwinds);
void text_violation(FILE *f, const struct gn_violation *v);
void json_record(FILE *f, const struct gn_rec *h);
void html_report(FILE *f, struct report *r, bool unwinds);

/* verdict.c */
struct tally {
	uint64_t sites[8], times[8]; /* by class */
	uint64_t bad_sites, bad_times; /* of the classes that are not clean */
	uint64_t bugs;                 /* engines that failed: there is no verdict */
	bool clean;
};
void tally(const struct report *r, struct tally *t);
/* lists at most `most` sites, 0 = all */
void verdict_text(FILE *f, const struct report *r, bool unwinds, size_t most);
void verdict_json(FILE *f, const struct report *r);
/* help line of a violation: what would make this code clean */
void help_line(FILE *f, const struct gn_violation *v);
void json_string(FILE *f, const char *s);

#endif
