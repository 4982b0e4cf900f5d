/* SPDX-License-Identifier: MIT */
/* The forms in which an audit is shown. All of them print what is in `a` and nothing else. */
#ifndef GNOMON_AUDIT_OUTPUT_H
#define GNOMON_AUDIT_OUTPUT_H

#include "audit.h"

/* what the summaries count */
struct totals {
	uint64_t programs, libraries, objects, statics, archives, others, foreign;
	uint64_t programs_marked, libraries_marked, objects_marked, statics_marked;
	uint64_t text;
	uint64_t verdicts[V_COUNT], closures[V_COUNT];
	uint64_t findings[R_COUNT]; /* files in which the rule found something */
};
void totals_of(const struct audit *a, struct totals *t);
/* unmarked libraries by the number of programs they are in the way of; to be freed */
struct obj **blockers(const struct audit *a, size_t *n);

void table_print(FILE *f, const struct audit *a, bool list);
void json_print(FILE *f, const struct audit *a);
void sarif_print(FILE *f, const struct audit *a);
void page_print(FILE *f, const struct audit *a);

/* shows an audit as the options ask; the exit status */
int output(const struct audit *a);

#endif
