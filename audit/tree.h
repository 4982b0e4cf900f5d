/* SPDX-License-Identifier: MIT */
/*
 * A file system as the audit knows it: the objects and links that were read, and, where the root is at hand, what is
 * looked up in it now. There are two: the root, and what the archives of this audit hold together, in the order in
 * which they were named (the packages of a distribution, the layers of an image).
 */
#ifndef GNOMON_AUDIT_TREE_H
#define GNOMON_AUDIT_TREE_H

#include "worker.h"

struct tree {
	struct audit *a;
	bool packed;	      /* of archives */
	bool live;	      /* lacking names are looked up in the root */
	struct strmap places; /* path -> struct place */
	struct strmap dirs;   /* a folder's name -> its name without links, "" if there is none */
	struct strmap inodes; /* objects by device and inode, for names that are links to folders */
	struct strmap linkers; /* an interpreter's name -> struct ldso (ldso.c) */
	struct worker w;      /* reads what is needed and was not asked for */
};

#define PATH_MOST 4096

/* what is known of one name whose folders are no links */
struct place {
	struct obj *o;
	const char *link; /* where it leads, NULL: it is none */
	bool seen; /* known whether it is a link */
	bool read; /* known whether it is an object */
};
/* made, with nothing known, where there is none */
struct place *tree_place(struct tree *t, const char *path);

/* tree_read.c: the file of the root at `path`, a name without links; NULL if it is no ELF image */
struct obj *tree_read(struct tree *t, const char *path);

/* tree_fill.c */
void tree_make(struct tree *t, struct audit *a, bool packed);
/* hands over what it read */
void tree_done(struct tree *t);
/* the ELF file that `path` leads to, or NULL; *real (if not NULL): the name without links of what is there */
struct obj *tree_find(struct tree *t, const char *path, const char **real);
/* contents of a file of the root or of an archive, to be freed, NULL if it is not there; binary files end at *n */
char *tree_text(struct tree *t, const char *path, size_t *n);
/* calls each for the files of a folder of configuration (…/NAME.conf), in the order of their names */
void tree_confs(struct tree *t, const char *dir, void (*each)(void *arg, const char *path), void *arg);

#endif
