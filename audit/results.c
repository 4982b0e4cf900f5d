/* SPDX-License-Identifier: MIT */
/*
 * What was read: each worker collects for itself, without locks; when all have ended their results become the audit's, in
 * an order that does not depend on who read what.
 */
#include <stdlib.h>
#include <string.h>

#include "worker.h"

void worker_add(struct worker *w, struct obj *o)
{
	w->r.objs = grow(w->r.objs, w->r.n, &w->r.room, sizeof(*w->r.objs));
	w->r.objs[w->r.n] = o;
	__atomic_store_n(&w->r.n, w->r.n + 1, __ATOMIC_RELAXED); /* pairs with progress.c */
}

struct obj *worker_obj(struct worker *w, const char *path, struct obj *in)
{
	struct obj *o = arena_alloc(&w->mem, sizeof(*o));

	o->path = arena_str(&w->mem, path);
	o->in = in;
	worker_add(w, o);
	return o;
}

void worker_link(struct worker *w, const char *path, const char *target, struct obj *in)
{
	VEC_ADD(w->r.links, w->r.nlinks, w->r.links_room,
		(struct link){ arena_str(&w->mem, path), target ? intern(&w->names, &w->mem, target) : NULL, in });
}

void worker_text(struct worker *w, const char *path, struct obj *in, const char *text)
{
	VEC_ADD(w->r.texts, w->r.ntexts, w->r.texts_room, (struct text){ arena_str(&w->mem, path), arena_str(&w->mem, text), in });
}

void worker_trouble(struct worker *w, const char *path, const char *cause)
{
	trouble(path, "%s", cause);
	VEC_ADD(w->r.problems, w->r.nproblems, w->r.problems_room,
		(struct problem){ arena_str(&w->mem, path), arena_str(&w->mem, cause) });
}

/* moves a list behind another one */
#define TAKE(list, n, room)                                                  \
	do {                                                                 \
		for (size_t i = 0; i < from->n; i++)                         \
			VEC_ADD(r->list, r->n, r->room, from->list[i]);      \
		free(from->list);                                            \
	} while (0)

void results_take(struct results *r, struct results *from)
{
	TAKE(objs, n, room);
	TAKE(links, nlinks, links_room);
	TAKE(texts, ntexts, texts_room);
	TAKE(problems, nproblems, problems_room);
	r->files += from->files;
	r->bytes += from->bytes;
	memset(from, 0, sizeof(*from));
}
#undef TAKE

static int by_place(const struct obj *a, const struct obj *b)
{
	int r = strcmp(a->in ? a->in->path : a->path, b->in ? b->in->path : b->path);

	if (r || a->in == b->in)
		return r ? r : strcmp(a->path, b->path);
	/* an archive stands before its members; archives in archives by the outer ones */
	if (a->in == b)
		return 1;
	if (b->in == a)
		return -1;
	return strcmp(obj_name(a), obj_name(b));
}

static int by_path(const void *x, const void *y)
{
	return strcmp(((const struct link *)x)->path, ((const struct link *)y)->path);
}

/* Is b a file that was named twice, or once and found in a folder, or in such an archive? It sorts behind a. */
static bool twice(const struct obj *a, const struct obj *b)
{
	return b->in ? b->in->flags & OF_TWICE : !a->in && !strcmp(a->path, b->path);
}

/* How many of n in order go before x? Looked for in growing steps: what is merged seldom alternates one by one. */
static size_t before(struct obj *const *v, size_t n, const struct obj *x, bool or_same, bool *same)
{
	size_t lo = 0, step = 1; /* v[0..lo) do, v[n..) do not; step 0: no longer growing */

	while (lo < n) {
		size_t at = step && step < n - lo ? lo + step - 1 : lo + (n - lo - 1) / 2;
		int r = by_place(v[at], x);

		*same |= !r;
		if (r < 0 || (!r && or_same)) {
			lo = at + 1;
			step *= 2;
		} else {
			n = at;
			step = 0;
		}
	}
	return lo;
}

/* two neighbours in order, of which the second begins at `mid`, into one; whether any two have the same place */
static bool merge(struct obj **to, struct obj *const *v, size_t mid, size_t n)
{
	size_t a = 0, b = mid, k;
	bool same = false;

	while (a < mid && b < n) {
		k = before(v + a, mid - a, v[b], true, &same);
		memcpy(to, v + a, k * sizeof(*v));
		to += k;
		a += k;
		k = a < mid ? before(v + b, n - b, v[a], false, &same) : 0;
		memcpy(to, v + b, k * sizeof(*v));
		to += k;
		b += k;
	}
	memcpy(to, v + a, (mid - a) * sizeof(*v));
	memcpy(to + (mid - a), v + b, (n - b) * sizeof(*v));
	return same;
}

/*
 * Merges what is in order already: lists mostly are, each thread keeps the order, and comparing long names that have most
 * in common is what costs.
 */
bool results_sort(struct results *r)
{
	struct obj **v = r->objs, **to = xmalloc(r->n * sizeof(*to)), **swap;
	size_t *end = NULL, runs = 0, room = 0;
	bool same = false;

	for (size_t i = 1; i <= r->n; i++) {
		int order = i == r->n ? 1 : by_place(v[i - 1], v[i]);

		same |= !order;
		if (order > 0)
			VEC_ADD(end, runs, room, i);
	}
	while (runs > 1) {
		size_t from = 0, kept = 0;

		for (size_t i = 0; i < runs; i += 2) {
			size_t last = end[i + 1 < runs ? i + 1 : i];

			same |= merge(to + from, v + from, end[i] - from, last - from);
			end[kept++] = from = last;
		}
		runs = kept;
		swap = v, v = to, to = swap;
	}
	r->room = v == r->objs ? r->room : r->n;
	r->objs = v;
	free(to);
	free(end);
	return same;
}

void results_settle(struct results *r)
{
	bool same = results_sort(r);
	size_t kept = 0;

	if (r->nlinks)
		qsort(r->links, r->nlinks, sizeof(*r->links), by_path);
	if (!same)
		return;
	for (size_t i = 0; i < r->n; i++) {
		if (kept && twice(r->objs[kept - 1], r->objs[i]))
			r->objs[i]->flags |= OF_TWICE;
		else
			r->objs[kept++] = r->objs[i];
	}
	r->n = kept;
}
