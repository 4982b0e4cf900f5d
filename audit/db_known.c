/* SPDX-License-Identifier: MIT */
/*
 * Going on from a database. Files that are asked for again are compared by size, times and inode, and only read if those
 * changed; those that are gone are forgotten; what was not asked for this time stays as it is.
 */
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "db.h"
#include "walk.h"

static struct audit before;

static bool same_root(struct db *db, const struct options *o)
{
	sqlite3_stmt *s = db_prepare(db, "SELECT value FROM meta WHERE key = 'root'");
	bool same = true;

	if (s && sqlite3_step(s) == SQLITE_ROW && sqlite3_column_text(s, 0))
		same = !strcmp((const char *)sqlite3_column_text(s, 0), o->root);
	sqlite3_finalize(s);
	return same;
}

bool db_known(struct db *db, struct audit *a)
{
	static struct options quiet;

	if (!same_root(db, a->o)) {
		trouble(db->name, "is about another root; the audit goes on without it");
		db->failed = true;
		db_close(db);
		return false;
	}
	quiet = *a->o;
	before.o = &quiet;
	if (!db_load(db, &before)) {
		db_close(db);
		return false;
	}
	objs_sort(&before);
	for (size_t i = 0; i < before.n; i++) {
		struct obj *o = before.objs[i], *top = o;

		if (!o->in) {
			*strmap_at(&a->known, o->path) = o;
			continue;
		}
		/* members hang behind the outermost archive */
		while (top->in)
			top = top->in;
		o->next = top->next;
		top->next = o;
	}
	return true;
}

/* is the path one of those asked for this time, or in such a folder? */
static bool asked_now(const struct audit *a, const char *path, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t k = strlen(a->asked[i]);

		if (k == 1 || (!strncmp(path, a->asked[i], k) && (!path[k] || path[k] == '/' || path[k] == '(')))
			return true;
	}
	return false;
}

static void objects(struct audit *a, size_t nasked)
{
	struct strmap read = { 0 };

	for (size_t i = 0; i < a->n; i++)
		if (!a->objs[i]->in)
			*strmap_at(&read, a->objs[i]->path) = a->objs[i];
	for (size_t i = 0; i < before.n; i++) {
		struct obj *o = before.objs[i], *top = o;

		while (top->in)
			top = top->in;
		if ((top->flags & (OF_KEPT | OF_TWICE | OF_DEPENDENCY)) || strmap_get(&read, top->path) ||
		    (asked_now(a, top->path, nasked) && shard_has(a->o, top->path)))
			continue;
		o->flags |= OF_ELSEWHERE;
		a->objs = grow(a->objs, a->n, &a->room, sizeof(*a->objs));
		a->objs[a->n++] = o;
	}
	/* only now, so that members and their archives are treated alike */
	for (size_t i = 0; i < a->n; i++)
		if (a->objs[i]->flags & OF_ELSEWHERE)
			a->objs[i]->flags |= OF_KEPT;
	strmap_free(&read);
	objs_sort(a);
}

static bool kept(const struct audit *a, size_t nasked, const struct obj *in, const char *path)
{
	return in ? in->flags & OF_KEPT : !asked_now(a, path, nasked);
}

void db_rest(struct audit *a)
{
	size_t nasked = a->nasked;

	objects(a, nasked);
	for (size_t i = 0; i < before.nlinks; i++)
		if (kept(a, nasked, before.links[i].in, before.links[i].path)) {
			a->links = grow(a->links, a->nlinks, &a->links_room, sizeof(*a->links));
			a->links[a->nlinks++] = before.links[i];
		}
	for (size_t i = 0; i < before.ntexts; i++)
		if (kept(a, nasked, before.texts[i].in, before.texts[i].path)) {
			a->texts = grow(a->texts, a->ntexts, &a->texts_room, sizeof(*a->texts));
			a->texts[a->ntexts++] = before.texts[i];
		}
	for (size_t i = 0; i < before.nproblems; i++)
		if (!asked_now(a, before.problems[i].path, nasked)) {
			a->problems = grow(a->problems, a->nproblems, &a->problems_room, sizeof(*a->problems));
			a->problems[a->nproblems++] = before.problems[i];
		}
	for (size_t i = 0; i < before.nasked; i++) {
		size_t k = 0;

		while (k < nasked && strcmp(a->asked[k], before.asked[i]))
			k++;
		if (k < nasked)
			continue;
		a->asked = xrealloc(a->asked, (a->nasked + 1) * sizeof(*a->asked));
		a->asked[a->nasked++] = before.asked[i];
	}
}
