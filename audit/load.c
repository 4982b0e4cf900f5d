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
	return (l->hash == hash && !strcmp(l->name, name)) ||
	       (l->o->soname_hash == hash && l->o->soname && !strcmp(l->o->soname, name));
}

static bool already(const struct program *p, const struct dep *d)
{
	for (size_t i = 0; i < p->n; i++)
		if (called(&p->v[i], d->name, d->hash))
			return true;
	return false;
}

bool program_add(struct program *p, struct obj *o, const char *path, const char *name, uint64_t hash, unsigned loader)
{
	if (o->stamp == p->stamp)
		return true;
	if (p->n >= LOADED_MOST)
		return false;
	o->stamp = p->stamp;
	VEC_ADD(p->v, p->n, p->room, (struct loaded){ .o = o, .path = path, .name = name, .loader = loader, .hash = hash });
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

static struct search *take_apart(struct program *p, const char *list, const struct loaded *of)
{
	struct search *r = arena_alloc(&p->t->w.mem, sizeof(*r));
	char dir[PATH_MOST];
	size_t most = 1;

	for (const char *s = list; *s; s++)
		most += *s == ':';
	r->v = arena_alloc(&p->t->w.mem, most * sizeof(*r->v));
	for (const char *s = list; s; s = strchr(s, ':') ? strchr(s, ':') + 1 : NULL)
		if (expand(p, s, strcspn(s, ":"), of, dir, sizeof(dir)))
			r->v[r->n++] = (struct where){ .dir = arena_str(&p->t->w.mem, dir), .n = strlen(dir) };
	return r;
}

/* Without $ORIGIN and the like a search path is the same for all, with them for neighbours of one class. */
static struct search *search_of(struct program *p, const char *list, const struct loaded *of)
{
	const char *slash;
	size_t n, origin;
	char *key;

	if (p->list == list && p->list_of == of->path)
		return p->search;
	slash = strchr(list, '$') ? strrchr(of->path, '/') : NULL;
	origin = slash ? (size_t)(slash - of->path) : 0;
	n = strlen(list);
	key = xmalloc(n + origin + 4);
	memcpy(key, list, n);
	strcpy(key + n, !slash ? "" : of->o->bits == 32 ? "\n3" : "\n6");
	strncat(key, of->path, origin);
	p->search = strmap_get(&p->t->searches, key);
	if (!p->search) {
		p->search = take_apart(p, list, of);
		*strmap_at(&p->t->searches, arena_str(&p->t->w.mem, key)) = p->search;
	}
	free(key);
	p->list = list;
	p->list_of = of->path;
	return p->search;
}

static struct hit *in_path(struct program *p, const char *list, const struct loaded *of, const struct dep *d)
{
	struct search *s = search_of(p, list, of);
	struct hit *h = NULL;

	for (size_t i = 0; i < s->n && !h; i++)
		h = ldso_try(p->t, &s->v[i], d->name, d->hash, of->o);
	return h;
}

static struct hit *by_rpath(struct program *p, const struct dep *d, unsigned loader)
{
	bool main_tried = false;
	struct hit *h = NULL;

	if (p->v[loader].o->runpath && !p->l->musl)
		return NULL;
	for (unsigned i = loader;; i = p->v[i].loader) {
		const struct loaded *l = &p->v[i];

		main_tried |= !i;
		if (l->o->rpath)
			h = in_path(p, l->o->rpath, l, d);
		if (!h && p->l->musl && l->o->runpath)
			h = in_path(p, l->o->runpath, l, d);
		if (h)
			return h;
		if (!i || p->v[i].loader == i)
			break;
	}
	return !main_tried && p->v[0].o->rpath ? in_path(p, p->v[0].o->rpath, &p->v[0], d) : NULL;
}

static struct hit *by_path(struct program *p, const struct dep *d, const struct loaded *l)
{
	char path[PATH_MOST];
	struct hit *h;
	struct obj *o;

	if (!expand(p, d->name, strlen(d->name), l, path, sizeof(path)) || *path != '/')
		return NULL;
	o = tree_find(p->t, path);
	if (!o || o->bits != l->o->bits || o->machine != l->o->machine)
		return NULL;
	h = arena_alloc(&p->t->w.mem, sizeof(*h));
	*h = (struct hit){ o, arena_str(&p->t->w.mem, path) };
	return h;
}

struct hit *program_find(struct program *p, const struct dep *d, unsigned loader)
{
	const struct loaded *l = &p->v[loader];
	struct hit *h = NULL;

	if (d->is_path)
		return by_path(p, d, l);
	if (p->rpath)
		h = by_rpath(p, d, loader);
	if (!h && l->o->runpath)
		h = in_path(p, l->o->runpath, l, d);
	return h ? h : ldso_search(p->t, p->l, d->name, d->hash, l->o);
}

static bool linker_itself(const struct program *p, const char *name)
{
	return p->l->o && p->l->o->soname && !strcmp(p->l->o->soname, name);
}

/*
 * Does what the search found for this object alone (closure.c) hold here, too, as long as nobody has an RPATH? Not with another
 * linker, or where $ORIGIN is another folder, having been found under another name.
 */
static bool as_alone(const struct program *p, const struct loaded *l)
{
	return l->o->linker == p->l && (!l->o->runpath || !strchr(l->o->runpath, '$') || !strcmp(l->path, l->o->path));
}

/* what one object needs */
static void load_of(struct program *p, unsigned i)
{
	struct obj *o = p->v[i].o;
	bool alone = as_alone(p, &p->v[i]);

	for (uint32_t k = 0; k < o->ndeps; k++) {
		const struct dep *d = &o->deps[k];
		bool known = alone && !p->rpath && !d->is_path;
		const struct hit *h;

		/* without a look at the names: what the search would find is there */
		if (d->how != DEP_NEEDED || (known && d->hit && d->hit->o->stamp == p->stamp))
			continue;
		if (already(p, d) || linker_itself(p, d->name))
			continue;
		h = known ? d->hit : program_find(p, d, i);
		if (h) {
			program_add(p, h->o, h->path, d->name, d->hash, i);
		} else if (!p->missing++) {
			p->lacks = d->name;
			p->lacks_for = o;
		}
	}
}

void program_load(struct program *p, size_t from)
{
	if (!from)
		p->v[0].hash = key_hash(p->v[0].name);
	for (unsigned i = (unsigned)from; i < p->n; i++)
		load_of(p, i);
}
