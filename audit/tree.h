/* SPDX-License-Identifier: MIT */
/*
 * A file system as the audit knows it: the objects and links that were read, and, where the root is at hand, what is
 * looked up in it now. There are two: the root, and what the archives of this audit hold together, in the order in
 * which they were named (the packages of a distribution, the layers of an image).
 */
#ifndef GNOMON_AUDIT_TREE_H
#define GNOMON_AUDIT_TREE_H

#include "worker.h"

#define PATH_MOST 4096

/* one name in one folder. Folders are such names, too; none on the way to it is a link */
struct place {
	struct place *up;  /* the folder; NULL: this is the root */
	const char *name;  /* in it, not ended by NUL */
	const char *path;  /* the whole name, once it was asked for: place_path() */
	uint64_t hash;	   /* of folder and name */
	struct obj *o;
	const char *link;  /* where it leads, NULL: it is none */
	uint32_t len;	   /* of the whole name */
	bool seen; /* known whether it is a link */
	bool read; /* known whether it is an object */
	bool gone; /* nothing of that name is there, nor below it */
};

struct places {
	struct place_slot {
		uint64_t hash;
		struct place *p;
	} *slots;
	size_t used, size; /* size: power of two or 0 */
};

struct tree {
	struct audit *a;
	bool packed;	      /* of archives */
	bool live;	      /* lacking names are looked up in the root */
	struct place root;
	struct places places; /* all others */
	struct strmap dirs;   /* a folder's name -> its struct place, &nowhere if there is none (tree.c) */
	struct strmap inodes; /* objects by device and inode, for names that are links to folders */
	struct strmap linkers; /* an interpreter's name -> struct ldso (ldso.c) */
	struct strmap searches; /* a search path -> struct search (load.c) */
	const char *interp;   /* the last one that was asked for there, and what it is */
	struct ldso *linker;
	struct worker w;      /* reads what is needed and was not asked for */
};

/* ---- tree_place.c: `n` characters of `name`; hash: their key_hash_n() */
void places_reserve(struct places *m, size_t n);
struct place *place_get(const struct tree *t, const struct place *up, const char *name, size_t n, uint64_t hash);
/* made, with nothing known, where there is none; `name` is kept as it is. NULL: its whole name is too long */
struct place *place_make(struct tree *t, struct place *up, const char *name, size_t n, uint64_t hash);
/* the place of a path that begins with '/' or is empty (the root), taken as it is written; `path` is kept as it is */
struct place *place_literal(struct tree *t, const char *path, size_t n);
/* the whole name; "" for the root */
const char *place_path(struct tree *t, struct place *p);

/* tree_read.c: the file of the root at `path`, a name without links; NULL if it is no ELF image */
struct obj *tree_read(struct tree *t, const char *path);

/* tree_fill.c */
void tree_make(struct tree *t, struct audit *a, bool packed);
/* hands over what it read */
void tree_done(struct tree *t);
/* the ELF file that `path` leads to, or NULL */
struct obj *tree_find(struct tree *t, const char *path);
/* the same in two steps: the folder that a name leads to, NULL if nowhere; what a name without '/' is in there */
struct place *tree_folder(struct tree *t, const char *dir, size_t n);
struct obj *tree_in(struct tree *t, struct place *folder, const char *name, uint64_t hash);
/* contents of a file of the root or of an archive, to be freed, NULL if it is not there; binary files end at *n */
char *tree_text(struct tree *t, const char *path, size_t *n);
/* calls each for the files of a folder of configuration (…/NAME.conf), in the order of their names */
void tree_confs(struct tree *t, const char *dir, void (*each)(void *arg, const char *path), void *arg);

#endif
