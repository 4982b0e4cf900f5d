/* SPDX-License-Identifier: MIT */
/*
 * The database: one SQLite file, whose tables docs/audit.md describes. An audit holds its write lock from beginning to
 * end and commits once, so that a killed audit leaves it as it was.
 */
#ifndef GNOMON_AUDIT_DB_H
#define GNOMON_AUDIT_DB_H

#include <sqlite3.h>

#include "audit.h"

#define DB_APPLICATION 0x676e6f6d /* "gnom" */
#define DB_SCHEMA 1
extern const char db_schema[];

enum db_use { DB_READ, DB_WRITE, DB_CREATE };

struct db {
	sqlite3 *h;
	const char *name;
	bool failed; /* something went wrong, which was told; nothing is committed */
};

/* NULL, or why it cannot be used */
const char *db_open(struct db *db, const char *name, enum db_use use);
/* ends the transaction and closes; false (and a line) if something was lost */
bool db_close(struct db *db);
bool db_exec(struct db *db, const char *sql);
/* A statement, and running it with values: i a number, n a number or NULL for 0, s a string or NULL. */
sqlite3_stmt *db_prepare(struct db *db, const char *sql);
void db_run(struct db *db, sqlite3_stmt *s, const char *types, ...);
/* one number, 0 if there is no row */
int64_t db_number(struct db *db, const char *sql);

/* db_read.c: everything, into a->r.objs (with their ids), links, texts, problems */
bool db_load(struct db *db, struct audit *a);
/* db_write.c: what changed: rows of objects without OF_KEPT, and everything that follows from all of them */
bool db_save(struct db *db, struct audit *a);
/* db_known.c: an audit that goes on from a database: what it knows, into a->known; false: it is of no use here */
bool db_known(struct db *db, struct audit *a);
/* after reading: takes over what was not asked for this time */
void db_rest(struct audit *a);

#endif
