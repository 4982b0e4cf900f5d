/* SPDX-License-Identifier: MIT */
/*
 * What the files of the audit share: the objects it finds, what is known about each, messages, the steps.
 * An ordinary hosted program of its own (gnomon-audit, started by `gnomon audit`), so that the libraries it needs
 * are not loaded by other commands.
 */
#ifndef GNOMON_AUDIT_AUDIT_H
#define GNOMON_AUDIT_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "gnomon/exit.h"
#include "mem.h"

/* exit statuses besides GN_EXIT_USAGE */
#define ST_FOUND 1	/* --fail-on found something; diff: there are differences */
#define ST_INCOMPLETE 3 /* something could not be read; the rest is done */

/* ---- messages (msg.c), from any thread, one line on descriptor 2 each */
void msg(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn)); /* status GN_EXIT_USAGE */
/* "gnomon: WHAT: WHY"; the exit status will tell that something is missing */
void trouble(const char *what, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
extern bool had_trouble, silenced; /* silenced: no line is written, for fuzzing */
/* A name as a line shows it: control characters and what is no UTF-8 as \xNN. Strings live for a few calls. */
const char *shown(const char *name);
int stdout_done(void);

/* ---- rules (rules.def) */
enum confidence { CONF_INFO, CONF_LOW, CONF_MEDIUM, CONF_HIGH };
enum rule {
#define RULE(id, name, conf, title, help) R_##id,
#include "rules.def"
#undef RULE
	R_COUNT
};
struct rule_text {
	const char *name;
	enum confidence confidence; /* what a finding has unless it says otherwise */
	const char *title, *help;
};
extern const struct rule_text rules[R_COUNT];
extern const char *const confidence_names[];
int rule_find(const char *name, size_t n); /* -1 */

/* ---- objects */
enum kind { K_PROGRAM, K_LIBRARY, K_OBJECT, K_CORE, K_DEBUG, K_STATIC_LIBRARY, K_ARCHIVE, K_COUNT };
extern const char *const kind_names[K_COUNT];

/* GNU_PROPERTY_X86_FEATURE_1_AND */
#define MARK_IBT 1u
#define MARK_SHSTK 2u
#define MARK_LAM_U48 4u
#define MARK_LAM_U57 8u

/* obj.flags: what the file says of itself */
#define OF_STATIC 0x01		 /* a program without interpreter */
#define OF_DLOPEN 0x02		 /* imports dlopen or dlmopen */
#define OF_NODEFLIB 0x04	 /* DF_1_NODEFLIB */
#define OF_RWX 0x08		 /* a segment is writable and executable */
#define OF_EXECSTACK 0x10
#define OF_PROPERTY_SEGMENT 0x20 /* has PT_GNU_PROPERTY */
#define OF_PROPERTY_NOTE 0x40	 /* has a property note at all */
#define OF_LTO 0x80		 /* slim LTO object: its mark is made at link time */
#define OF_SSP_CODE 0x100	 /* contains shadow-stack instructions */
#define OF_GLIBC_CET 0x200	 /* an interpreter that was built with --enable-cet */
#define OF_LINKER 0x400		 /* a dynamic linker */
#define OF_EMPTY 0x2000		 /* an object without sections: the linker does not look at its mark */
#define OF_PIE 0x4000		 /* DF_1_PIE: a program, though ET_DYN */
#define OF_PARTIAL 0x20000	 /* a member too large for memory: its middle was not looked at */
#define OF_SSP_ENABLE 0x40000	 /* a static program that asks the kernel for a shadow stack */
/* ... and what it is in this audit; the numbers of those above are in databases */
#define OF_DEPENDENCY 0x800	 /* not asked for: read because something needs it */
#define OF_KEPT 0x1000		 /* as the database had it: the file did not change */
#define OF_LISTED 0x8000	 /* named by itself: shown with everything */
#define OF_TWICE 0x10000	 /* named twice, or gone: this one is dropped */
#define OF_ELSEWHERE 0x80000	 /* the database's, not asked for this time: not shown */
#define OF_TRANSIENT (OF_KEPT | OF_LISTED | OF_TWICE | OF_ELSEWHERE | OF_DEPENDENCY)
#define OF_HIDDEN (OF_DEPENDENCY | OF_ELSEWHERE)

enum dep_how { DEP_NEEDED, DEP_NOTE, DEP_GUESS }; /* DT_NEEDED, .note.dlopen, a string in an importer of dlopen */
extern const char *const dep_how_names[];

/* a file, and the name under which it was found, whose folder is its $ORIGIN */
struct hit {
	struct obj *o;
	const char *path;
};

struct dep {
	const char *name;
	uint64_t hash;	 /* its key_hash() */
	struct hit *hit; /* what the search finds; NULL: nothing */
	bool is_path;	 /* a path, which is not searched for */
	uint8_t how;
	const char *feature; /* of a note: what it is for, with its priority; else NULL */
};

struct finding {
	uint16_t rule; /* enum rule */
	uint8_t confidence;
	uint64_t addr;	    /* virtual address, 0: the file as a whole */
	const char *symbol; /* NULL: none known */
	uint64_t offset;    /* from the symbol */
	const char *detail; /* what was seen there; NULL: nothing to add */
};

enum verdict {
	V_NONE,	       /* no program */
	V_ENABLED,     /* asked for, the C library turns the shadow stack on */
	V_VETOED,      /* ... and leaves it off because of a library */
	V_UNMARKED,    /* ... and leaves it off because of the program itself */
	V_NO_SUPPORT,  /* the C library never turns it on */
	V_INCOMPLETE,  /* a library is missing: the program does not start */
	V_COUNT,
};
extern const char *const verdict_names[V_COUNT];

struct obj {
	const char *path;  /* in the root, or in the archive */
	struct obj *in;	   /* the archive or static library; NULL: a file */
	uint32_t id;	   /* in the database and in the output; 0: none yet */
	uint8_t kind, bits; /* bits: 64, 32; 0: no ELF */
	uint16_t machine;
	uint16_t type;	   /* e_type */
	uint32_t flags;	   /* OF_* */
	uint32_t declared; /* MARK_*, as readelf shows them */
	uint32_t marks;	   /* MARK_*, as the C library takes them; of an object as the linker does */
	uint32_t isa_needed, isa_used;
	/* the file, to know it again */
	uint64_t size, dev, ino;
	int64_t mtime, ctime; /* ns */
	const char *soname, *interp, *rpath, *runpath, *build_id;
	uint64_t soname_hash; /* its key_hash() */
	const char *broken; /* why it could not be read to its end; NULL: it could */
	struct dep *deps;
	struct finding *findings;
	uint32_t ndeps, nfindings;
	uint8_t level;	       /* LEVEL_* that was done */
	/* code */
	uint64_t text;	       /* bytes of code looked at */
	uint32_t functions;    /* functions known */
	uint32_t endbr;	       /* of them begin with ENDBR64 */
	/* closure, programs only */
	uint8_t verdict;
	uint8_t closure; /* the same by the marks alone, whatever the C library can do */
	uint32_t nveto;	 /* libraries that are in the way */
	struct obj *veto; /* the first of them, in the order in which the C library looks */
	const struct ldso *linker; /* whose search gave the hits of deps, with nobody else involved; NULL: not done */
	uint32_t stamp; /* of the program that was last found to load it */
	struct obj **loads; /* everything it loads at start, breadth first, itself left out */
	uint32_t nloads;
	/* closure, libraries only; of a static library nveto counts its unmarked members, users all that count for the link */
	uint32_t blocks;     /* programs that load it at start and whose shadow stack it prevents */
	uint32_t blocks_alone; /* ... and nobody else */
	uint32_t users;	     /* programs that load it at start */
	struct evidence *seen; /* dynamic evidence */
	struct obj *next;    /* free for the step at work */
	uint32_t row;	     /* on the page */
};

/* what gnomon check saw a file do */
struct evidence {
	struct evidence *next;
	const char *report, *class, *symbol, *offset; /* class "ran": it ran, no more is known of it */
	uint64_t times; /* places in the report */
};

/* a symbolic link; hard links in archives are links with an absolute target; target NULL: a layer's whiteout */
struct link {
	const char *path, *target;
	struct obj *in; /* the archive it is in, NULL: the root itself */
};

/* a configuration file of the dynamic linker, or a container image's list of layers, found in an archive */
struct text {
	const char *path, *text;
	struct obj *in;
};

struct problem {
	const char *path, *cause;
};

/* what was found: of one worker, of one database, of the whole audit (results.c) */
struct results {
	struct obj **objs; /* sorted by archive and path once settled */
	size_t n, room;
	struct link *links;
	size_t nlinks, links_room;
	struct text *texts;
	size_t ntexts, texts_room;
	struct problem *problems;
	size_t nproblems, problems_room;
	uint64_t files; /* looked at, whatever they were */
	uint64_t bytes; /* read */
};
/* appends everything that `from` has, and leaves it empty; the lists change hands, what they point to stays where it is */
void results_take(struct results *r, struct results *from);
/* archives before their members, otherwise by name; whether any two have the same place */
bool results_sort(struct results *r);
/* sorted, and each file once */
void results_settle(struct results *r);

/* how deep to look; each includes those before */
enum level { LEVEL_MARKS, LEVEL_CLOSURE, LEVEL_CODE };
extern const char *const level_names[];

struct audit {
	struct options *o;
	struct arena mem;
	struct results r;
	bool live;	  /* the root can be looked at for what was not read */
	struct strmap known; /* incremental: objects of the database by path (struct obj *) */
	const char **asked; /* operands as absolute paths in the root */
	size_t nasked, asked_room;
	bool partial;	  /* a shard */
	uint32_t stamps;  /* of programs, those given out (obj.stamp) */
};

/* ---- obj.c; `mem` is where strings go */
/* "archive(member)" or the path; strings live for a few calls */
const char *obj_name(const struct obj *o);
struct finding *finding_add(struct obj *o, struct arena *mem, enum rule rule, uint64_t addr, const char *detail);
/* one more name that it needs; hash: key_hash(name) */
struct dep *dep_new(struct obj *o, struct arena *mem, enum dep_how how, const char *name, uint64_t hash);
/* is the finding one that follows from what a program loads? */
bool finding_of_closure(const struct finding *f);
/* drops what follows from what it loads, so that it can be come to anew */
void closure_forget(struct obj *o);

#endif
