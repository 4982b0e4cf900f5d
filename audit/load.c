/* SPDX-License-Identifier: MIT */
/*
 * Loading a program as ld.so does: breadth first over DT_NEEDED, each name once; RPATH of the one that asks and of those
 * that loaded it, RUNPATH of the one that asks, cache, own folders. LD_LIBRARY_PATH and LD_PRELOAD are not looked at:
 * they belong to a process, not to a file.
 */
#include <stdlib.h>
#include <string.h>

#include "closure.h"

#define LOADED_MOST 4096

static bool called(const struct loaded *l, const char *name, uint64_t hash)
{
	return (l->hash[0] == hash && !strcmp(l->name, name)) ||
	       (l->hash[1] == hash && l->o->soname && !strcmp(l->o->soname, name));
}

static struct loaded *already(struct program *p, const char *name)
{
	uint64_t hash = key_hash(name);

	for (size_t i = 0; i < p->n; i++)
		if (called(&p->v[i], name, hash))
			return &p->v[i];
	return NULL;
}

bool program_add(struct program *p, struct obj *o, const char *path, const char *name, unsigned loader)
{
	if (o->stamp == p->stamp)
		return true;
	if (p->n >= LOADED_MOST)
		return false;
	o->stamp = p->stamp;
	VEC_ADD(p->v, p->n, p->room, ((struct loaded){
			.o = o, .path = path, .name = name, .loader = loader,
			.hash = { key_hash(name), o->soname ? key_hash(o->soname) : 0 } }));
	p->rpath |= o->rpath != NULL || (p->l->musl && o->runpath);
	return true;
}

void program_cut(struct program *p, size_t n)
{
	while (p->n > n)
		p->v[--p->n].o->stamp = 0;
}

/* one element of a search path with $ORIGIN and the like replaced; false: too long */
static bool expand(struct program *p, const char *s, size_t n, const struct loaded *of, char *out, size_t size)
{
	static const char *const names[] = { "$ORIGIN", "${ORIGIN}", "$LIB", "${LIB}", "$PLATFORM", "${PLATFORM}" };
	const char *slash = strrchr(of->path, '/'), *end = s + n;
	size_t used = 0;

	while (s < end) {
		const char *with = NULL, *dollar = memchr(s, '$', (size_t)(end - s));
		size_t k = 0, len = !dollar ? (size_t)(end - s) : dollar > s ? (size_t)(dollar - s) : 1;

		while (*s == '$' && k < 6 && strncmp(s, names[k], strlen(names[k])))
			k++;
		if (*s == '$' && k < 6) {
			len = strlen(names[k]);
			with = k < 2 ? of->path : k > 3 ? "x86_64" : of->o->bits == 32 ? "lib" : "lib/x86_64-linux-gnu";
		}
		n = !with ? len : k < 2 ? (slash && slash != of->path ? (size_t)(slash - of->path) : 0) : strlen(with);
		if (used + n + 1 > size)
			return false;
		memcpy(out + used, with ? with : s, n);
		used += n;
		s += len;
	}
	out[used] = 0;
	return used > 0;
}

static bool in_path(struct program *p, const char *list, const struct loaded *of, const char *name, struct hit *ret)
{
	char dir[4096];

	for (const char *s = list; s; s = strchr(s, ':') ? strchr(s, ':') + 1 : NULL) {
		size_t n = strcspn(s, ":");

		if (expand(p, s, n, of, dir, sizeof(dir)) && ldso_try(p->t, dir, strlen(dir), name, of->o, ret))
			return true;
	}
	return false;
}

static bool by_rpath(struct program *p, const char *name, unsigned loader, struct hit *ret)
{
	bool main_tried = false;

	if (p->v[loader].o->runpath && !p->l->musl)
		return false;
	for (unsigned i = loader;; i = p->v[i].loader) {
		const struct loaded *l = &p->v[i];

		main_tried |= !i;
		if (l->o->rpath && in_path(p, l->o->rpath, l, name, ret))
			return true;
		if (p->l->musl && l->o->runpath && in_path(p, l->o->runpath, l, name, ret))
			return true;
		if (!i || p->v[i].loader == i)
			break;
	}
	return !main_tried && p->v[0].o->rpath && in_path(p, p->v[0].o->rpath, &p->v[0], name, ret);
}

bool program_find(struct program *p, const char *name, unsigned loader, struct hit *ret)
{
	const struct loaded *l = &p->v[loader];
	struct hit *h;
	char path[4096];

	if (strchr(name, '/')) {
		if (!expand(p, name, strlen(name), l, path, sizeof(path)) || *path != '/')
			return false;
		*ret = (struct hit){ tree_find(p->t, path, NULL), arena_str(&p->t->w.mem, path) };
		return ret->o && ret->o->bits == l->o->bits && ret->o->machine == l->o->machine;
	}
	if (p->rpath && by_rpath(p, name, loader, ret))
		return true;
	if (l->o->runpath && in_path(p, l->o->runpath, l, name, ret))
		return true;
	h = ldso_search(p->t, p->l, name, l->o);
	if (h)
		*ret = *h;
	return h != NULL;
}

static bool linker_itself(const struct program *p, const char *name)
{
	return p->l->o && p->l->o->soname && !strcmp(p->l->o->soname, name);
}

/*
 * Does what the search found for this object alone (closure.c) hold here, too? Not with another linker, below an RPATH, or
 * where $ORIGIN is another folder, having been found under another name.
 */
static bool as_alone(const struct program *p, const struct loaded *l)
{
	return l->o->linker == p->l && !p->rpath &&
	       (!l->o->runpath || !strchr(l->o->runpath, '$') || !strcmp(l->path, l->o->path));
}

static bool dep_find(struct program *p, const struct dep *d, unsigned loader, struct hit *ret)
{
	if (!as_alone(p, &p->v[loader]) || strchr(d->name, '/'))
		return program_find(p, d->name, loader, ret);
	if (d->hit)
		*ret = *d->hit;
	return d->hit != NULL;
}

/* without a look at the names: what the search would find is there */
static bool there(const struct program *p, const struct dep *d, unsigned loader)
{
	return d->hit && d->hit->o->stamp == p->stamp && as_alone(p, &p->v[loader]) && !strchr(d->name, '/');
}

void program_load(struct program *p, size_t from)
{
	for (unsigned i = (unsigned)from; i < p->n; i++) {
		struct obj *o = p->v[i].o;

		for (uint32_t k = 0; k < o->ndeps; k++) {
			const struct dep *d = &o->deps[k];
			const char *name = d->name;
			struct hit h;

			if (d->how != DEP_NEEDED || there(p, d, i) || already(p, name) || linker_itself(p, name))
				continue;
			if (dep_find(p, d, i, &h)) {
				program_add(p, h.o, h.path, name, i);
			} else if (!p->missing++) {
				p->lacks = name;
				p->lacks_for = o;
			}
		}
	}
}
