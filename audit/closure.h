/* SPDX-License-Identifier: MIT */
/* What programs load at start, what the C library makes of it, and who is in the way. */
#ifndef GNOMON_AUDIT_CLOSURE_H
#define GNOMON_AUDIT_CLOSURE_H

#include "ldso.h"

/* one object of a program that is being loaded */
struct loaded {
	struct obj *o;
	const char *path, *name; /* under which it was found; as it was asked for */
	unsigned loader;	 /* index of the one that asked for it */
	uint64_t hash;		 /* of the name, as the object has its soname's: one comparison for nearly all others */
};

struct program {
	struct tree *t;
	struct ldso *l;
	struct loaded *v; /* [0]: the program itself */
	size_t n, room;
	size_t missing;
	const char *lacks; /* the first that is missing */
	const struct obj *lacks_for;
	bool rpath;	   /* somebody has an RPATH, which those it loads inherit */
	uint32_t stamp;	   /* of those in v */
	/* the search path that was looked at last, whose it was, and what it is: all names of an object go the same way */
	const char *list, *list_of;
	struct search *search;
};

/* load.c: loads everything that the objects from [from] on need */
void program_load(struct program *p, size_t from);
/* adds one, as dlopen does; false: it is not found */
bool program_add(struct program *p, struct obj *o, const char *path, const char *name, uint64_t hash, unsigned loader);
/* takes those from [n] on out again */
void program_cut(struct program *p, size_t n);
struct hit *program_find(struct program *p, const struct dep *d, unsigned loader); /* NULL: not found */

/* closure.c: everything, for all objects of the audit */
void closure_run(struct audit *a);
/* members of static libraries, and findings that every unmarked file has; after everything was read */
void marks_finish(struct audit *a);

#endif
