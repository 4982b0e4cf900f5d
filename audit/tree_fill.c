/* SPDX-License-Identifier: MIT */
/*
 * What a tree begins with: the objects and links of the root, or those of all archives, one over the other in the order in
 * which they were asked for; layers of an image in the order of its manifest, with their whiteouts.
 */
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "pack.h"
#include "tree.h"

/* Where an image's list of its layers names this one, and with that its place among them; 0: nowhere. */
static size_t rank(const struct audit *a, const struct obj *layer)
{
	const char *blob = pack_blob(layer->path), *at;

	for (size_t i = 0; i < a->r.ntexts; i++) {
		const struct text *t = &a->r.texts[i];
		const char *listed = pack_blob(t->path);
		bool docker = !strcmp(t->path, "manifest.json"), oci = listed && blob;

		/* those of OCI lie beside the layers, and name them by their digests */
		if (t->in != layer->in || (!docker && !oci) ||
		    (oci && (listed - t->path != blob - layer->path || memcmp(t->path, layer->path, (size_t)(blob - layer->path)))))
			continue;
		at = strstr(t->text, oci ? blob : layer->path);
		if (at)
			return (size_t)(at - t->text) + 1;
	}
	return 0;
}

struct layer {
	struct obj *o;
	size_t asked, rank, at;
};

static int by_rank(const void *x, const void *y)
{
	const struct layer *a = x, *b = y;

	if (a->asked != b->asked)
		return a->asked < b->asked ? -1 : 1;
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	return a->at < b->at ? -1 : a->at > b->at;
}

/* the place on the command line of the archive that this is, or is in; the last for what a folder or a list brought */
static size_t asked_at(const struct audit *a, const struct strmap *asked, const struct obj *o)
{
	const char **at;

	while (o->in)
		o = o->in;
	at = strmap_get(asked, o->path);
	return at ? (size_t)(at - a->asked) : a->nasked;
}

/* ---- whiteouts: what a layer takes out of those below it */

struct whiteouts {
	struct strmap gone;  /* names, with everything below them */
	struct strmap empty; /* folders of which only the contents are gone; "" is the root */
};

static void whiteout(struct tree *t, struct whiteouts *w, const char *path)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	bool all = !strcmp(base, ".wh..wh..opq");
	int n = slash ? (int)(slash - path) : 0;
	char full[PATH_MOST + 2];

	if (strlen(path) >= PATH_MOST)
		return;
	snprintf(full, sizeof(full), "%s%.*s%s%s", n ? "/" : "", n, path, all ? "" : "/", all ? "" : base + 4);
	*strmap_at(all ? &w->empty : &w->gone, arena_str(&t->w.mem, full)) = t;
}

static bool hidden(const struct whiteouts *w, const char *path)
{
	char part[PATH_MOST + 2], *slash;

	snprintf(part, sizeof(part), "%s", path);
	if (strmap_get(&w->gone, part))
		return true;
	while ((slash = strrchr(part, '/'))) {
		*slash = 0;
		if (strmap_get(&w->gone, part) || strmap_get(&w->empty, part))
			return true;
	}
	return false;
}

static void hide(struct tree *t, struct whiteouts *w)
{
	for (size_t i = 0; i < t->places.size && (w->gone.used || w->empty.used); i++) {
		struct place *p = t->places.slots[i].p;

		if (!p || !hidden(w, place_path(t, p)))
			continue;
		p->o = NULL;
		p->link = NULL;
		p->seen = p->read = p->gone = false;
	}
	strmap_free(&w->gone);
	strmap_free(&w->empty);
}

/* ---- objects and links, archive by archive */

/* where the last one was put: neighbours mostly lie in the same folder */
struct last {
	const char *dir;
	size_t n;
	struct place *p;
};

static void put(struct tree *t, struct last *last, const char *path, struct obj *o, const char *link)
{
	size_t n = strlen(path), dir, k;
	struct place *p;

	if (n >= PATH_MOST)
		return;
	if (*path != '/') {
		char *full = arena_alloc(&t->w.mem, n + 2);

		*full = '/';
		memcpy(full + 1, path, n + 1);
		path = full;
		n++;
	}
	dir = (size_t)(strrchr(path, '/') - path);
	if (!last->p || last->n != dir || memcmp(last->dir, path, dir))
		*last = (struct last){ path, dir, place_literal(t, path, dir) };
	k = n - dir - 1;
	p = last->p ? place_make(t, last->p, path + dir + 1, k, key_hash_n(path + dir + 1, k)) : NULL;
	if (!p)
		return;
	p->path = path;
	p->o = o;
	p->link = link;
	p->seen = p->read = true;
}

/* objects or links by the archive they are in: an archive of packages has as many of them as it has members */
struct member {
	const struct obj *in;
	size_t i;
};

struct members {
	struct member *v;
	size_t n;
};

static int by_archive(const void *x, const void *y)
{
	const struct member *a = x, *b = y;

	if (a->in != b->in)
		return (uintptr_t)a->in < (uintptr_t)b->in ? -1 : 1;
	return a->i < b->i ? -1 : a->i > b->i;
}

static struct members members_of_objs(const struct audit *a)
{
	struct members m = { xmalloc(a->r.n * sizeof(*m.v)), a->r.n };

	for (size_t i = 0; i < m.n; i++)
		m.v[i] = (struct member){ a->r.objs[i]->in, i };
	qsort(m.v, m.n, sizeof(*m.v), by_archive);
	return m;
}

static struct members members_of_links(const struct audit *a)
{
	struct members m = { xmalloc(a->r.nlinks * sizeof(*m.v)), a->r.nlinks };

	for (size_t i = 0; i < m.n; i++)
		m.v[i] = (struct member){ a->r.links[i].in, i };
	qsort(m.v, m.n, sizeof(*m.v), by_archive);
	return m;
}

/* the first of an archive's; they end where another's begin */
static const struct member *members_in(const struct members *m, const struct obj *in)
{
	size_t lo = 0, hi = m->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if ((uintptr_t)m->v[mid].in < (uintptr_t)in)
			lo = mid + 1;
		else
			hi = mid;
	}
	return m->v + lo;
}

static void fill_root(struct tree *t)
{
	struct results *r = &t->a->r;
	struct last last = { 0 };

	places_reserve(&t->places, r->n + r->nlinks);
	for (size_t i = 0; i < r->n; i++)
		if (!r->objs[i]->in)
			put(t, &last, r->objs[i]->path, r->objs[i], NULL);
	for (size_t i = 0; i < r->nlinks; i++)
		if (!r->links[i].in)
			put(t, &last, r->links[i].path, NULL, r->links[i].target);
}

/* what one archive has, over what those before it had */
static void fill(struct tree *t, const struct members *objs, const struct members *links, const struct obj *in)
{
	const struct member *o = members_in(objs, in), *first = members_in(links, in);
	struct audit *a = t->a;
	struct whiteouts w = { 0 };
	struct last last = { 0 };

	for (const struct member *l = first; l < links->v + links->n && l->in == in; l++)
		if (!a->r.links[l->i].target)
			whiteout(t, &w, a->r.links[l->i].path);
	hide(t, &w);
	for (; o < objs->v + objs->n && o->in == in; o++)
		put(t, &last, a->r.objs[o->i]->path, a->r.objs[o->i], NULL);
	for (const struct member *l = first; l < links->v + links->n && l->in == in; l++)
		if (a->r.links[l->i].target)
			put(t, &last, a->r.links[l->i].path, NULL, a->r.links[l->i].target);
}

static size_t layers_of(const struct audit *a, struct layer *layers)
{
	struct strmap asked = { 0 };
	size_t n = 0;

	for (size_t i = a->nasked; i-- > 0;) /* the first of two counts */
		*strmap_at(&asked, a->asked[i]) = (void *)&a->asked[i];
	for (size_t i = 0; i < a->r.n; i++) {
		struct obj *o = a->r.objs[i];

		if (o->kind == K_ARCHIVE)
			layers[n++] = (struct layer){ o, asked_at(a, &asked, o), rank(a, o), i };
	}
	strmap_free(&asked);
	qsort(layers, n, sizeof(*layers), by_rank);
	return n;
}

static void fill_packed(struct tree *t)
{
	struct members objs = members_of_objs(t->a), links = members_of_links(t->a);
	struct layer *layers = xmalloc(t->a->r.n * sizeof(*layers));
	size_t n = layers_of(t->a, layers);

	for (size_t i = 0; i < n; i++)
		fill(t, &objs, &links, layers[i].o);
	free(layers);
	free(objs.v);
	free(links.v);
}

void tree_make(struct tree *t, struct audit *a, bool packed)
{
	memset(t, 0, sizeof(*t));
	t->a = a;
	t->packed = packed;
	t->live = a->live && (!packed || a->o->rootfd >= 0);
	t->w.a = a;
	arena_go_on(&t->w.mem, &a->mem);
	if (packed)
		fill_packed(t);
	else
		fill_root(t);
}
