/* SPDX-License-Identifier: MIT */
/*
 * gnomon audit merge: one database from those of shards. Every part has the files it read, the dependencies it looked
 * up, and the links it met; together they are all that verdicts need, so nothing is read again and the root need not be
 * at hand.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "closure.h"
#include "db.h"
#include "output.h"

/* of two of the same file, the one that was asked for and looked at more deeply */
static bool better(const struct obj *a, const struct obj *b)
{
	bool x = !(a->flags & OF_DEPENDENCY), y = !(b->flags & OF_DEPENDENCY);

	return x != y ? x : a->level > b->level;
}

static void part(struct audit *a, const char *name)
{
	static struct options local;
	struct audit p = { 0 };
	struct db db;
	const char *why = db_open(&db, name, DB_READ);

	if (why)
		die("%s: %s", shown(name), why);
	local = *a->o;
	local.from_db = true;
	p.o = &local;
	if (!db_load(&db, &p))
		die("%s: cannot be read", shown(name));
	sqlite3_close(db.h);
	if (a->r.n && strcmp(a->o->root, local.root))
		die("%s: about the root %s, not %s", shown(name), local.root, a->o->root);
	a->o->root = local.root;
	a->o->level = a->r.n && a->o->level < local.level ? a->o->level : local.level;
	results_take(&a->r, &p.r);
	for (size_t i = 0; i < p.nasked; i++)
		VEC_ADD(a->asked, a->nasked, a->asked_room, p.asked[i]);
}

/* `from` is dropped for `o`, the same file in another part: what was seen of it stays */
static void drop(struct obj *from, struct obj *o)
{
	struct evidence **end = &o->seen;

	while (*end)
		end = &(*end)->next;
	*end = from->seen;
	from->flags |= OF_TWICE;
}

static void join(struct audit *a)
{
	size_t kept = 0;

	results_sort(&a->r);
	for (size_t i = 0; i < a->r.n; i++) {
		struct obj *o = a->r.objs[i], *last = kept ? a->r.objs[kept - 1] : NULL;

		o->id = 0;
		if (last && !o->in && !last->in && !strcmp(o->path, last->path)) {
			if (better(o, last))
				a->r.objs[kept - 1] = o;
			drop(better(o, last) ? last : o, a->r.objs[kept - 1]);
			continue;
		}
		a->r.objs[kept++] = o;
	}
	a->r.n = kept;
	/* members of archives that two parts had */
	kept = 0;
	for (size_t i = 0; i < a->r.n; i++)
		if (!(a->r.objs[i]->in && (a->r.objs[i]->in->flags & OF_TWICE)))
			a->r.objs[kept++] = a->r.objs[i];
	a->r.n = kept;
}

int cmd_merge(const struct command *cmd, struct options *o)
{
	static struct audit a;
	const char *why;
	struct db db;

	if (!o->db)
		usage_error(cmd, "merge needs --db, the database to write");
	if (!*o->operands)
		usage_error(cmd, "no database of a shard given");
	if (access(o->db, F_OK) == 0)
		die("%s: is there already; merge writes a new database", shown(o->db));
	a.o = o;
	for (char **name = o->operands; *name; name++)
		part(&a, *name);
	join(&a);
	if (o->level >= LEVEL_CLOSURE)
		closure_run(&a);
	marks_finish(&a);
	why = db_open(&db, o->db, DB_CREATE);
	if (why)
		die("%s: %s", shown(o->db), why);
	if (!db_save(&db, &a) || !db_close(&db)) {
		unlink(o->db);
		return GN_EXIT_USAGE;
	}
	return output(&a);
}
