/* SPDX-License-Identifier: MIT */
/* Reading a database back into objects, for the next audit and for every form of output. */
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "db.h"

struct reader {
	struct db *db;
	struct audit *a;
	struct strmap names;
	struct obj **by_id;
	size_t ids;
};

static const char *text(struct reader *r, sqlite3_stmt *s, int i)
{
	const char *t = (const char *)sqlite3_column_text(s, i);

	return t ? intern(&r->names, &r->a->mem, t) : NULL;
}

static unsigned one_of(const char *const *names, unsigned n, const char *t)
{
	for (unsigned i = 0; t && i < n; i++)
		if (!strcmp(names[i], t))
			return i;
	return 0;
}

static struct obj *obj(struct reader *r, int64_t id)
{
	return id > 0 && (uint64_t)id < r->ids ? r->by_id[id] : NULL;
}

static void file_row(struct reader *r, sqlite3_stmt *s)
{
	struct audit *a = r->a;
	struct obj *o = arena_alloc(&a->mem, sizeof(*o));
	const char *path = (const char *)sqlite3_column_text(s, 2);
	int64_t id = sqlite3_column_int64(s, 0);

	if (id <= 0 || (uint64_t)id >= r->ids || !path)
		return;
	o->id = (uint32_t)id;
	o->in = (void *)(intptr_t)sqlite3_column_int64(s, 1); /* until all are there */
	o->path = arena_str(&a->mem, path);
	o->kind = (uint8_t)one_of(kind_names, K_COUNT, (const char *)sqlite3_column_text(s, 3));
	o->flags = (uint32_t)sqlite3_column_int64(s, 9) & ~(uint32_t)OF_TRANSIENT;
	if (!sqlite3_column_int(s, 4))
		o->flags |= OF_DEPENDENCY;
	o->level = (uint8_t)one_of(level_names, 3, (const char *)sqlite3_column_text(s, 5));
	o->bits = (uint8_t)sqlite3_column_int(s, 6);
	o->machine = (uint16_t)sqlite3_column_int(s, 7);
	o->type = (uint16_t)sqlite3_column_int(s, 8);
	o->marks = (uint32_t)sqlite3_column_int64(s, 12);
	o->declared = (uint32_t)sqlite3_column_int64(s, 13);
	o->isa_needed = (uint32_t)sqlite3_column_int64(s, 14);
	o->isa_used = (uint32_t)sqlite3_column_int64(s, 15);
	o->size = (uint64_t)sqlite3_column_int64(s, 16);
	o->mtime = sqlite3_column_int64(s, 17);
	o->ctime = sqlite3_column_int64(s, 18);
	o->dev = (uint64_t)sqlite3_column_int64(s, 19);
	o->ino = (uint64_t)sqlite3_column_int64(s, 20);
	o->soname = text(r, s, 21);
	o->soname_hash = o->soname ? key_hash(o->soname) : 0;
	o->interp = text(r, s, 22);
	o->rpath = text(r, s, 23);
	o->runpath = text(r, s, 24);
	o->build_id = text(r, s, 25);
	o->broken = text(r, s, 26);
	o->text = (uint64_t)sqlite3_column_int64(s, 27);
	o->functions = (uint32_t)sqlite3_column_int64(s, 28);
	o->endbr = (uint32_t)sqlite3_column_int64(s, 29);
	r->by_id[id] = o;
	VEC_ADD(a->r.objs, a->r.n, a->r.room, o);
}

static void need_row(struct reader *r, sqlite3_stmt *s)
{
	struct obj *o = obj(r, sqlite3_column_int64(s, 0)), *to = obj(r, sqlite3_column_int64(s, 5));
	const char *name;
	struct dep *d;

	if (!o || !sqlite3_column_text(s, 2))
		return;
	name = text(r, s, 2);
	d = dep_new(o, &r->a->mem, (enum dep_how)one_of(dep_how_names, 3, (const char *)sqlite3_column_text(s, 3)), name,
		    key_hash(name));
	d->feature = text(r, s, 4);
	if (to) {
		d->hit = arena_alloc(&r->a->mem, sizeof(*d->hit));
		*d->hit = (struct hit){ to, text(r, s, 6) };
	}
}

static void finding_row(struct reader *r, sqlite3_stmt *s)
{
	struct obj *o = obj(r, sqlite3_column_int64(s, 0));
	const char *rule = (const char *)sqlite3_column_text(s, 1);
	int id = rule ? rule_find(rule, strlen(rule)) : -1;
	struct finding *f;

	if (!o || id < 0)
		return;
	f = finding_add(o, &r->a->mem, (enum rule)id, (uint64_t)sqlite3_column_int64(s, 3), NULL);
	f->confidence = (uint8_t)one_of(confidence_names, 4, (const char *)sqlite3_column_text(s, 2));
	f->symbol = text(r, s, 4);
	f->offset = (uint64_t)sqlite3_column_int64(s, 5);
	f->detail = text(r, s, 6);
}

static void verdict_row(struct reader *r, sqlite3_stmt *s)
{
	struct obj *o = obj(r, sqlite3_column_int64(s, 0));
	int64_t loads = sqlite3_column_int64(s, 5);

	if (!o)
		return;
	o->verdict = (uint8_t)one_of(verdict_names, V_COUNT, (const char *)sqlite3_column_text(s, 1));
	o->closure = (uint8_t)one_of(verdict_names, V_COUNT, (const char *)sqlite3_column_text(s, 2));
	o->nveto = (uint32_t)sqlite3_column_int(s, 3);
	o->veto = obj(r, sqlite3_column_int64(s, 4));
	if (loads > 0 && loads < 100000)
		o->loads = arena_alloc(&r->a->mem, (size_t)loads * sizeof(*o->loads));
}

static void load_row(struct reader *r, sqlite3_stmt *s)
{
	struct obj *o = obj(r, sqlite3_column_int64(s, 0)), *l = obj(r, sqlite3_column_int64(s, 2));

	/* the verdict's row made room for as many as there are rows */
	if (o && l && o->loads)
		o->loads[o->nloads++] = l;
}

static void blocker_row(struct reader *r, sqlite3_stmt *s)
{
	struct obj *o = obj(r, sqlite3_column_int64(s, 0));

	if (!o)
		return;
	o->users = (uint32_t)sqlite3_column_int(s, 1);
	o->blocks = (uint32_t)sqlite3_column_int(s, 2);
	o->blocks_alone = (uint32_t)sqlite3_column_int(s, 3);
}

static void link_row(struct reader *r, sqlite3_stmt *s)
{
	struct audit *a = r->a;

	VEC_ADD(a->r.links, a->r.nlinks, a->r.links_room,
		(struct link){ text(r, s, 1), text(r, s, 2), obj(r, sqlite3_column_int64(s, 0)) });
}

static void conf_row(struct reader *r, sqlite3_stmt *s)
{
	struct audit *a = r->a;

	VEC_ADD(a->r.texts, a->r.ntexts, a->r.texts_room,
		(struct text){ text(r, s, 1), text(r, s, 2), obj(r, sqlite3_column_int64(s, 0)) });
}

static void problem_row(struct reader *r, sqlite3_stmt *s)
{
	struct audit *a = r->a;

	VEC_ADD(a->r.problems, a->r.nproblems, a->r.problems_room, (struct problem){ text(r, s, 0), text(r, s, 1) });
}

static void asked_row(struct reader *r, sqlite3_stmt *s)
{
	struct audit *a = r->a;

	VEC_ADD(a->asked, a->nasked, a->asked_room, text(r, s, 0));
}

static void evidence_row(struct reader *r, sqlite3_stmt *s)
{
	struct obj *o = obj(r, sqlite3_column_int64(s, 0));
	struct evidence *e = arena_alloc(&r->a->mem, sizeof(*e));

	if (!o)
		return;
	e->report = text(r, s, 1);
	e->class = text(r, s, 2);
	e->offset = text(r, s, 3);
	e->symbol = text(r, s, 4);
	e->times = (uint64_t)sqlite3_column_int64(s, 5);
	e->next = o->seen;
	o->seen = e;
}

static void meta_row(struct reader *r, sqlite3_stmt *s)
{
	const char *key = (const char *)sqlite3_column_text(s, 0);
	struct options *o = r->a->o;

	if (!key)
		return;
	if (!strcmp(key, "root") && sqlite3_column_text(s, 1) && o->rootfd < 0)
		o->root = text(r, s, 1);
	else if (!strcmp(key, "files"))
		r->a->r.files = (uint64_t)sqlite3_column_int64(s, 1);
	else if (!strcmp(key, "partial"))
		r->a->partial = sqlite3_column_int(s, 1);
	else if (!strcmp(key, "level") && o->from_db)
		o->level = (enum level)one_of(level_names, 3, (const char *)sqlite3_column_text(s, 1));
}

static void rows(struct reader *r, const char *sql, void (*each)(struct reader *r, sqlite3_stmt *s))
{
	sqlite3_stmt *s = db_prepare(r->db, sql);
	int rc = SQLITE_DONE;

	while (s && (rc = sqlite3_step(s)) == SQLITE_ROW)
		each(r, s);
	if (rc != SQLITE_DONE && !r->db->failed) {
		trouble(r->db->name, "%s", sqlite3_errmsg(r->db->h));
		r->db->failed = true;
	}
	sqlite3_finalize(s);
}

bool db_load(struct db *db, struct audit *a)
{
	struct reader r = { .db = db, .a = a };
	int64_t most = db_number(db, "SELECT max(id) FROM file");

	if (most < 0 || most > UINT32_MAX)
		return false;
	r.ids = (size_t)most + 1;
	r.by_id = xzalloc(r.ids * sizeof(*r.by_id));
	rows(&r, "SELECT * FROM file", file_row);
	for (size_t i = 0; i < a->r.n; i++)
		a->r.objs[i]->in = obj(&r, (int64_t)(intptr_t)a->r.objs[i]->in);
	rows(&r, "SELECT * FROM need ORDER BY file, seq", need_row);
	rows(&r, "SELECT * FROM finding ORDER BY rowid", finding_row);
	rows(&r, "SELECT * FROM verdict", verdict_row);
	rows(&r, "SELECT l.* FROM load l JOIN verdict v ON v.program = l.program WHERE l.seq < v.loads ORDER BY l.program, l.seq",
	     load_row);
	rows(&r, "SELECT * FROM blocker", blocker_row);
	rows(&r, "SELECT * FROM link", link_row);
	rows(&r, "SELECT * FROM conf", conf_row);
	rows(&r, "SELECT * FROM problem", problem_row);
	rows(&r, "SELECT * FROM asked", asked_row);
	rows(&r, "SELECT * FROM evidence ORDER BY rowid", evidence_row);
	rows(&r, "SELECT * FROM meta", meta_row);
	free(r.by_id);
	strmap_free(&r.names);
	return !db->failed;
}
