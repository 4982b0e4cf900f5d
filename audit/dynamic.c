/* SPDX-License-Identifier: MIT */
/* The dynamic section: what a program or library needs, where it looks, how it is called. */
#include <stdlib.h>
#include <string.h>

#include "worker.h"

#define ENTRIES_MOST 65536u
#define NEEDED_MOST 4096u
#define NAME_MOST 4096u
#define NAME_USUAL 192u

struct dyn {
	uint64_t strtab, strsz, soname, rpath, runpath, flags, flags_1;
	bool has_soname, has_rpath, has_runpath;
	uint64_t *needed;
	size_t n, room;
};

void dep_add(struct worker *w, struct obj *o, enum dep_how how, const char *name, const char *feature)
{
	size_t n = strlen(name);
	uint64_t hash = key_hash_n(name, n);
	struct dep *d;

	if (!n || n >= NAME_MOST || o->ndeps > 4 * NEEDED_MOST)
		return;
	for (uint32_t i = 0; i < o->ndeps; i++)
		if (o->deps[i].hash == hash && !strcmp(o->deps[i].name, name))
			return;
	d = dep_new(o, &w->mem, how, intern_hashed(&w->names, &w->mem, name, hash), hash);
	d->feature = feature ? intern(&w->names, &w->mem, feature) : NULL;
}

/* false: the list ends here */
static bool entry(struct dyn *d, int64_t tag, uint64_t value)
{
	switch (tag) {
	case DT_NULL: return false;
	case DT_NEEDED:
		if (d->n < NEEDED_MOST) {
			VEC_ADD(d->needed, d->n, d->room, value);
		}
		break;
	case DT_STRTAB: d->strtab = value; break;
	case DT_STRSZ: d->strsz = value; break;
	case DT_SONAME: d->soname = value, d->has_soname = true; break;
	case DT_RPATH: d->rpath = value, d->has_rpath = true; break;
	case DT_RUNPATH: d->runpath = value, d->has_runpath = true; break;
	case DT_FLAGS: d->flags = value; break;
	case DT_FLAGS_1: d->flags_1 = value; break;
	}
	return true;
}

/* the names lie close together in nearly every table: that part of it in one read */
static void names_ahead(struct elf *e, const struct dyn *d, uint64_t off, uint64_t left)
{
	uint64_t lo = UINT64_MAX, hi = 0;

#define SPAN(has, at) if (has) lo = (at) < lo ? (at) : lo, hi = (at) > hi ? (at) : hi
	for (size_t i = 0; i < d->n; i++)
		SPAN(true, d->needed[i]);
	SPAN(d->has_soname, d->soname);
	SPAN(d->has_rpath, d->rpath);
	SPAN(d->has_runpath, d->runpath);
#undef SPAN
	left = d->strsz < left ? d->strsz : left;
	if (lo >= left || hi - lo > IMG_WINDOW - NAME_USUAL)
		return;
	left -= lo;
	img_ahead(e->im, off + lo, hi - lo + NAME_USUAL < left ? hi - lo + NAME_USUAL : left);
}

/* some at a time, as most have no more than fit */
static void entries(struct elf *e, const struct seg *g, struct dyn *d)
{
	size_t each = e->is64 ? sizeof(Elf64_Dyn) : sizeof(Elf32_Dyn), got;
	union {
		Elf64_Dyn d64[64];
		Elf32_Dyn d32[128];
	} u;

	for (uint64_t at = 0; at < ENTRIES_MOST * each && at < g->filesz; at += sizeof(u)) {
		got = img_some(e->im, g->off + at, &u, g->filesz - at < sizeof(u) ? (size_t)(g->filesz - at) : sizeof(u));
		for (size_t i = 0; i < got / each; i++)
			if (!(e->is64 ? entry(d, u.d64[i].d_tag, u.d64[i].d_un.d_val) :
					entry(d, u.d32[i].d_tag, u.d32[i].d_un.d_val)))
				return;
		if (got < sizeof(u))
			return;
	}
}

void dynamic_read(struct worker *w, struct obj *o, struct elf *e, const struct seg *g)
{
	struct dyn d = { 0 };
	uint64_t off, left;
	char name[NAME_MOST];

	entries(e, g, &d);
	if (!elf_place(e, d.strtab, &off, &left)) {
		if (d.n || d.has_soname)
			o->broken = "the dynamic section names strings that are not in the file";
		free(d.needed);
		return;
	}
	names_ahead(e, &d, off, left);
#define GET(at) ((at) < left && img_string(e->im, off + (at), name, sizeof(name)))
	for (size_t i = 0; i < d.n; i++) {
		if (GET(d.needed[i]))
			dep_add(w, o, DEP_NEEDED, name, NULL);
		else
			o->broken = "the name of a needed library is not readable";
	}
	if (d.has_soname && GET(d.soname)) {
		o->soname_hash = key_hash(name);
		o->soname = intern_hashed(&w->names, &w->mem, name, o->soname_hash);
	}
	/* the loader looks at RPATH only where there is no RUNPATH */
	if (d.has_runpath && GET(d.runpath))
		o->runpath = intern(&w->names, &w->mem, name);
	else if (d.has_rpath && GET(d.rpath))
		o->rpath = intern(&w->names, &w->mem, name);
#undef GET
	free(d.needed);
	if (d.flags_1 & DF_1_NODEFLIB)
		o->flags |= OF_NODEFLIB;
	if (d.flags_1 & DF_1_PIE)
		o->flags |= OF_PIE;
}
