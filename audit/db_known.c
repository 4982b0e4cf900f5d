/* SPDX-License-Identifier: MIT */
/*
 * Going on from a database. Files that are asked for again are compared by size, times and inode, and only read if those
 * changed; those that are gone are forgotten; what was not asked for this time stays as it is.
 */
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "db.h"
#include "file.h"

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
	results_sort(&before.r);
	for (size_t i = 0; i < before.r.n; i++) {
		struct obj *o = before.r.objs[i], *top = o;

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

	for (size_t i = 0; i < a->r.n; i++)
		if (!a->r.objs[i]->in)
			*strmap_at(&read, a->r.objs[i]->path) = a->r.objs[i];
	for (size_t i = 0; i < before.r.n; i++) {
		struct obj *o = before.r.objs[i], *top = o;

		while (top->in)
			top = top->in;
		if ((top->flags & (OF_KEPT | OF_TWICE | OF_DEPENDENCY)) || strmap_get(&read, top->path) ||
		    (asked_now(asked, top->path) && file_in_shard(a->o, top->path)))
			continue;
		o->flags |= OF_ELSEWHERE;
		VEC_ADD(a->r.objs, a->r.n, a->r.room, o);
	}
	/* only now, so that members and their archives are treated alike */
	for (size_t i = 0; i < a->r.n; i++)
		if (a->r.objs[i]->flags & OF_ELSEWHERE)
			a->r.objs[i]->flags |= OF_KEPT;
	strmap_free(&read);
	results_sort(&a->r);
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
	for (size_t i = 0; i < before.r.nlinks; i++)
		if (kept(&asked, before.r.links[i].in, before.r.links[i].path))
			VEC_ADD(a->r.links, a->r.nlinks, a->r.links_room, before.r.links[i]);
	for (size_t i = 0; i < before.r.ntexts; i++)
		if (kept(&asked, before.r.texts[i].in, before.r.texts[i].path))
			VEC_ADD(a->r.texts, a->r.ntexts, a->r.texts_room, before.r.texts[i]);
	for (size_t i = 0; i < before.r.nproblems; i++)
		if (!asked_now(&asked, before.r.problems[i].path))
			VEC_ADD(a->r.problems, a->r.nproblems, a->r.problems_room, before.r.problems[i]);
	for (size_t i = 0; i < before.nasked; i++)
		if (!strmap_get(&asked, before.asked[i]))
			VEC_ADD(a->asked, a->nasked, a->asked_room, before.asked[i]);
	strmap_free(&asked);
}
