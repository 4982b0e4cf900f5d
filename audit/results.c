/* SPDX-License-Identifier: MIT */
/*
 * What was read: each worker collects for itself, without locks; when all have ended their results become the audit's, in
 * an order that does not depend on who read what.
 */
#include <stdlib.h>
#include <string.h>

#include "walk.h"

void worker_add(struct worker *w, struct obj *o)
{
	w->objs = grow(w->objs, w->n, &w->room, sizeof(*w->objs));
	w->objs[w->n] = o;
	__atomic_store_n(&w->n, w->n + 1, __ATOMIC_RELAXED); /* pairs with progress.c */
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
	VEC_ADD(w->links, w->nlinks, w->links_room,
		(struct link){ arena_str(&w->mem, path), target ? intern(&w->names, &w->mem, target) : NULL, in });
}

void worker_text(struct worker *w, const char *path, struct obj *in, const char *text)
{
	VEC_ADD(w->texts, w->ntexts, w->texts_room, (struct text){ arena_str(&w->mem, path), arena_str(&w->mem, text), in });
}

void worker_trouble(struct worker *w, const char *path, const char *cause)
{
	trouble(path, "%s", cause);
	VEC_ADD(w->problems, w->nproblems, w->problems_room,
		(struct problem){ arena_str(&w->mem, path), arena_str(&w->mem, cause) });
}

void worker_done(struct worker *w)
{
	struct audit *a = w->a;

	for (size_t i = 0; i < w->n; i++)
		VEC_ADD(a->objs, a->n, a->room, w->objs[i]);
	for (size_t i = 0; i < w->nlinks; i++)
		VEC_ADD(a->links, a->nlinks, a->links_room, w->links[i]);
	for (size_t i = 0; i < w->ntexts; i++)
		VEC_ADD(a->texts, a->ntexts, a->texts_room, w->texts[i]);
	for (size_t i = 0; i < w->nproblems; i++)
		VEC_ADD(a->problems, a->nproblems, a->problems_room, w->problems[i]);
	a->files += w->files;
	a->bytes += w->bytes;
	free(w->objs);
	free(w->links);
	free(w->texts);
	free(w->problems);
	strmap_free(&w->names);
}

static int by_place(const void *x, const void *y)
{
	const struct obj *a = *(struct obj *const *)x, *b = *(struct obj *const *)y;
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

void objs_sort(struct audit *a)
{
	if (a->n)
		qsort(a->objs, a->n, sizeof(*a->objs), by_place);
}

void results_settle(struct audit *a)
{
	size_t kept = 0;

	objs_sort(a);
	if (a->nlinks)
		qsort(a->links, a->nlinks, sizeof(*a->links), by_path);
	for (size_t i = 0; i < a->n; i++) {
		if (kept && twice(a->objs[kept - 1], a->objs[i]))
			a->objs[i]->flags |= OF_TWICE;
		else
			a->objs[kept++] = a->objs[i];
	}
	a->n = kept;
}
