/* SPDX-License-Identifier: MIT */
/*
 * Writing an audit. Files that did not change keep their rows; verdicts, blockers and where names lead follow from
 * everything and are written anew.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "args.h"
#include "config.h"
#include "db.h"

/* every number as the int64_t that db_run() takes */
#define N(x) ((int64_t)(x))

static int64_t id_of(const struct obj *o)
{
	return o ? o->id : 0;
}

static void give_ids(struct db *db, struct audit *a)
{
	uint32_t next = (uint32_t)db_number(db, "SELECT max(id) FROM file") + 1;

	for (size_t i = 0; i < a->r.n; i++)
		if (!a->r.objs[i]->id)
			a->r.objs[i]->id = next++;
}

/* rows of files that are gone or were read again; the database's own ids are in the audit's objects that were kept */
static void drop_old(struct db *db, struct audit *a)
{
	sqlite3_stmt *keep;

	db_exec(db, "CREATE TEMP TABLE kept(id INTEGER PRIMARY KEY)");
	keep = db_prepare(db, "INSERT INTO kept VALUES(?)");
	for (size_t i = 0; i < a->r.n; i++)
		if (a->r.objs[i]->flags & OF_KEPT)
			db_run(db, keep, "i", N(a->r.objs[i]->id));
	sqlite3_finalize(keep);
	db_exec(db, "DELETE FROM need WHERE file NOT IN kept;"
		    "DELETE FROM finding WHERE file NOT IN kept OR rule IN ('vetoed', 'missing-library', 'dlopen-fails');"
		    "DELETE FROM evidence WHERE file NOT IN kept;"
		    "DELETE FROM file WHERE id NOT IN kept;"
		    "DELETE FROM verdict; DELETE FROM load; DELETE FROM blocker;"
		    "DELETE FROM link; DELETE FROM conf; DELETE FROM problem; DELETE FROM meta; DELETE FROM asked;"
		    "UPDATE need SET target = NULL, found = NULL WHERE target IS NOT NULL;"
		    "DROP TABLE kept");
}

static void file_rows(struct db *db, struct audit *a)
{
	sqlite3_stmt *s = db_prepare(db, "INSERT INTO file VALUES(?,?,?,?,?,?, ?,?,?,?, ?,?,?,?, ?,?, ?,?,?,?,?,"
					 " ?,?,?,?,?,?, ?,?,?)");

	for (size_t i = 0; i < a->r.n; i++) {
		const struct obj *o = a->r.objs[i];

		if (o->flags & OF_KEPT)
			continue;
		db_run(db, s, "inssisnnniiiiiiinnnnnssssssnnn", N(o->id), id_of(o->in), o->path, kind_names[o->kind],
		       N(!(o->flags & OF_DEPENDENCY)), level_names[o->level], N(o->bits), N(o->machine), N(o->type),
		       N(o->flags & ~(uint32_t)OF_TRANSIENT), N(!!(o->marks & MARK_SHSTK)), N(!!(o->marks & MARK_IBT)),
		       N(o->marks), N(o->declared), N(o->isa_needed), N(o->isa_used), N(o->size), N(o->mtime), N(o->ctime),
		       N(o->dev), N(o->ino), o->soname, o->interp, o->rpath, o->runpath, o->build_id, o->broken, N(o->text),
		       N(o->functions), N(o->endbr));
	}
	sqlite3_finalize(s);
}

static void finding_rows(struct db *db, struct audit *a)
{
	sqlite3_stmt *s = db_prepare(db, "INSERT INTO finding VALUES(?,?,?,?,?,?,?)");

	for (size_t i = 0; i < a->r.n; i++) {
		const struct obj *o = a->r.objs[i];

		for (uint32_t k = 0; k < o->nfindings; k++) {
			const struct finding *f = &o->findings[k];

			if (!(o->flags & OF_KEPT) || finding_of_closure(f))
				db_run(db, s, "issnsns", N(o->id), rules[f->rule].name, confidence_names[f->confidence],
				       N(f->addr), f->symbol, N(f->symbol ? f->offset : 0), f->detail);
		}
	}
	sqlite3_finalize(s);
}

static void need_rows(struct db *db, struct audit *a)
{
	sqlite3_stmt *s = db_prepare(db, "INSERT OR REPLACE INTO need VALUES(?,?,?,?,?,?,?)");

	for (size_t i = 0; i < a->r.n; i++) {
		const struct obj *o = a->r.objs[i];

		for (uint32_t k = 0; k < o->ndeps; k++) {
			const struct dep *d = &o->deps[k];

			if (!(o->flags & OF_KEPT) || d->hit)
				db_run(db, s, "iisssns", N(o->id), N(k), d->name, dep_how_names[d->how], d->feature,
				       id_of(d->hit ? d->hit->o : NULL), d->hit ? d->hit->path : NULL);
		}
	}
	sqlite3_finalize(s);
}

static void closure_rows(struct db *db, struct audit *a)
{
	sqlite3_stmt *v = db_prepare(db, "INSERT INTO verdict VALUES(?,?,?,?,?,?)");
	sqlite3_stmt *l = db_prepare(db, "INSERT INTO load VALUES(?,?,?)");
	sqlite3_stmt *b = db_prepare(db, "INSERT INTO blocker VALUES(?,?,?,?)");

	for (size_t i = 0; i < a->r.n; i++) {
		const struct obj *o = a->r.objs[i];

		if (o->kind == K_PROGRAM && o->closure)
			db_run(db, v, "issini", N(o->id), verdict_names[o->verdict], verdict_names[o->closure], N(o->nveto),
			       id_of(o->veto), N(o->nloads));
		for (uint32_t k = 0; o->kind == K_PROGRAM && k < o->nloads; k++)
			db_run(db, l, "iii", N(o->id), N(k), id_of(o->loads[k]));
		if (o->kind != K_STATIC_LIBRARY && o->users)
			db_run(db, b, "iiii", N(o->id), N(o->users), N(o->blocks), N(o->blocks_alone));
	}
	sqlite3_finalize(v);
	sqlite3_finalize(l);
	sqlite3_finalize(b);
}

static void other_rows(struct db *db, struct audit *a)
{
	sqlite3_stmt *s = db_prepare(db, "INSERT INTO link VALUES(?,?,?)");

	for (size_t i = 0; i < a->r.nlinks; i++)
		db_run(db, s, "nss", id_of(a->r.links[i].in), a->r.links[i].path, a->r.links[i].target);
	sqlite3_finalize(s);
	s = db_prepare(db, "INSERT INTO conf VALUES(?,?,?)");
	for (size_t i = 0; i < a->r.ntexts; i++)
		db_run(db, s, "nss", id_of(a->r.texts[i].in), a->r.texts[i].path, a->r.texts[i].text);
	sqlite3_finalize(s);
	s = db_prepare(db, "INSERT INTO problem VALUES(?,?)");
	for (size_t i = 0; i < a->r.nproblems; i++)
		db_run(db, s, "ss", a->r.problems[i].path, a->r.problems[i].cause);
	sqlite3_finalize(s);
	s = db_prepare(db, "INSERT OR IGNORE INTO asked VALUES(?)");
	for (size_t i = 0; i < a->nasked; i++)
		db_run(db, s, "s", a->asked[i]);
	sqlite3_finalize(s);
	s = db_prepare(db, "INSERT INTO evidence VALUES(?,?,?,?,?,?)");
	for (size_t i = 0; i < a->r.n; i++)
		for (const struct evidence *e = a->r.objs[i]->seen; e && !(a->r.objs[i]->flags & OF_KEPT); e = e->next)
			db_run(db, s, "issssi", N(a->r.objs[i]->id), e->report, e->class, e->offset, e->symbol, N(e->times));
	sqlite3_finalize(s);
}

static void meta_rows(struct db *db, struct audit *a)
{
	sqlite3_stmt *s = db_prepare(db, "INSERT INTO meta VALUES(?,?)");
	char host[256] = "";

	gethostname(host, sizeof(host) - 1);
	db_run(db, s, "ss", "version", GN_VERSION);
	db_run(db, s, "ss", "root", a->o->root);
	db_run(db, s, "ss", "host", host);
	db_run(db, s, "ss", "level", level_names[a->o->level]);
	db_run(db, s, "si", "time", N(time(NULL)));
	db_run(db, s, "si", "files", N(a->r.files));
	db_run(db, s, "si", "partial", N(a->partial));
	db_run(db, s, "si", "shard", N(a->o->shard));
	db_run(db, s, "si", "shards", N(a->o->shards));
	sqlite3_finalize(s);
}

bool db_save(struct db *db, struct audit *a)
{
	give_ids(db, a);
	drop_old(db, a);
	file_rows(db, a);
	need_rows(db, a);
	finding_rows(db, a);
	closure_rows(db, a);
	other_rows(db, a);
	meta_rows(db, a);
	return !db->failed;
}
