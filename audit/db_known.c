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

/* is the path one of those asked for this time, or in such a folder or archive? */
static bool asked_now(const struct strmap *asked, const char *path)
{
	char *part = xstrdup(path);
	bool yes = strmap_get(asked, "/") != NULL;

	for (size_t n = strlen(path); n && !yes; n--) {
		if (path[n] && path[n] != '/' && path[n] != '(')
			continue;
		part[n] = 0;
		yes = strmap_get(asked, part) != NULL;
	}
	free(part);
	return yes;
}

static void objects(struct audit *a, const struct strmap *asked)
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
		    (asked_now(asked, top->path) && shard_has(a->o, top->path)))
			continue;
		o->flags |= OF_ELSEWHERE;
		VEC_ADD(a->objs, a->n, a->room, o);
	}
	/* only now, so that members and their archives are treated alike */
	for (size_t i = 0; i < a->n; i++)
		if (a->objs[i]->flags & OF_ELSEWHERE)
			a->objs[i]->flags |= OF_KEPT;
	strmap_free(&read);
	objs_sort(a);
}

static bool kept(const struct strmap *asked, const struct obj *in, const char *path)
{
	return in ? in->flags & OF_KEPT : !asked_now(asked, path);
}

void db_rest(struct audit *a)
{
	struct strmap asked = { 0 };

	for (size_t i = 0; i < a->nasked; i++)
		*strmap_at(&asked, a->asked[i]) = a;
	objects(a, &asked);
	for (size_t i = 0; i < before.nlinks; i++)
		if (kept(&asked, before.links[i].in, before.links[i].path))
			VEC_ADD(a->links, a->nlinks, a->links_room, before.links[i]);
	for (size_t i = 0; i < before.ntexts; i++)
		if (kept(&asked, before.texts[i].in, before.texts[i].path))
			VEC_ADD(a->texts, a->ntexts, a->texts_room, before.texts[i]);
	for (size_t i = 0; i < before.nproblems; i++)
		if (!asked_now(&asked, before.problems[i].path))
			VEC_ADD(a->problems, a->nproblems, a->problems_room, before.problems[i]);
	for (size_t i = 0; i < before.nasked; i++)
		if (!strmap_get(&asked, before.asked[i]))
			VEC_ADD(a->asked, a->nasked, a->asked_room, before.asked[i]);
	strmap_free(&asked);
}
