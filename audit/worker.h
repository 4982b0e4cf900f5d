/* SPDX-License-Identifier: MIT */
/*
 * What one thread of the reading step owns. Threads share nothing but the queue (pool.c) and the lists they hand over
 * when they end; not even descriptors.
 */
#ifndef GNOMON_AUDIT_WORKER_H
#define GNOMON_AUDIT_WORKER_H

#include "audit.h"
#include "image.h"

struct code; /* code.h: decoder, state of the function at hand */

#define PATH_ROOM 8192 /* bytes; longer paths than the kernel takes at once, since folders are opened step by step */

struct worker {
	struct audit *a;
	struct arena mem;    /* of the results */
	struct strmap names; /* sonames and the like, which repeat */
	struct results r;
	struct img im;	     /* of the file at hand */
	struct code *code;   /* made when first needed */
	char dir[PATH_ROOM]; /* folder of the names at hand, open as dir_fd if that pays */
	int dir_fd;	     /* -1: not open */
};

/* results.c */
void worker_add(struct worker *w, struct obj *o);
/* a new object of this worker; path is copied */
struct obj *worker_obj(struct worker *w, const char *path, struct obj *in);
void worker_link(struct worker *w, const char *path, const char *target, struct obj *in);
void worker_text(struct worker *w, const char *path, struct obj *in, const char *text);
/* tells of it at once and keeps it for the results */
void worker_trouble(struct worker *w, const char *path, const char *cause);

/* object.c: what the image says of itself; o has path and size. false: it is no ELF image, nothing was filled in */
bool object_read(struct worker *w, struct obj *o, struct img *im);
/* dynamic.c */
void dynamic_read(struct worker *w, struct obj *o, struct elf *e, const struct seg *dynamic);
void dep_add(struct worker *w, struct obj *o, enum dep_how how, const char *name, const char *feature);
/* guess.c: names of libraries among the strings of a program that calls dlopen */
void guess_read(struct worker *w, struct obj *o, struct elf *e);
/* linker.c: can this dynamic linker turn a shadow stack on? */
void linker_read(struct obj *o, struct elf *e);
/* code.c */
void code_read(struct worker *w, struct obj *o, struct elf *e);
void code_free(struct code *c);

#endif
