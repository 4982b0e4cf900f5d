/* SPDX-License-Identifier: MIT */
/* Where a dynamic linker looks for libraries: its cache, its configuration, its own folders. */
#ifndef GNOMON_AUDIT_LDSO_H
#define GNOMON_AUDIT_LDSO_H

#include "tree.h"

/* a folder to look in: as it is written, and where that leads, once that was asked */
struct where {
	const char *dir;
	size_t n;
	struct place *folder; /* NULL: nowhere */
	bool looked;
};

/* a search path of an object, taken apart */
struct search {
	struct where *v;
	size_t n;
};

struct ldso {
	struct obj *o;	      /* the linker itself, NULL if it is not there */
	bool musl, mine;      /* mine: it lies where the system's lies */
	struct strmap cache;  /* soname -> struct cached * (chain) */
	struct where *dirs;   /* to look in behind the cache */
	size_t ndirs, room;
	struct strmap found[2]; /* name -> struct hit, for searches that depend on nothing else; [1]: 32 bits */
};

struct cached {
	struct cached *next;
	const char *path;
	bool is64, hwcap;
};

struct ldso *ldso_of(struct tree *t, const char *interp);
/* cache and own folders; `from` tells which class is wanted, and may forbid them (DF_1_NODEFLIB) */
struct hit *ldso_search(struct tree *t, struct ldso *l, const char *name, uint64_t hash, const struct obj *from);
/* tries one folder; NULL: it is not there */
struct hit *ldso_try(struct tree *t, struct where *w, const char *name, uint64_t hash, const struct obj *from);

/* ldcache.c: entries of an ld.so.cache to each(); false: it is none */
bool ldcache_read(const char *p, size_t n, void (*each)(void *arg, const char *name, const char *path, uint32_t flags,
		  uint64_t hwcap), void *arg);

#endif
