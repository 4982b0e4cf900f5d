/* SPDX-License-Identifier: MIT */
/* Opening, statements, errors. */
#include "db.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

static void failed(struct db *db)
{
	if (!db->failed)
		trouble(db->name, "%s; nothing was written to it", sqlite3_errmsg(db->h));
	db->failed = true;
}

bool db_exec(struct db *db, const char *sql)
{
	if (!db->failed && sqlite3_exec(db->h, sql, NULL, NULL, NULL) != SQLITE_OK)
		failed(db);
	return !db->failed;
}

int64_t db_number(struct db *db, const char *sql)
{
	sqlite3_stmt *s = db_prepare(db, sql);
	int64_t n = 0;

	if (s && sqlite3_step(s) == SQLITE_ROW)
		n = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return n;
}

static const char *refuse(struct db *db, const char *why)
{
	static char text[256];

	snprintf(text, sizeof(text), "%s", why);
	sqlite3_close(db->h);
	db->h = NULL;
	return text;
}

#define TEXT(x) #x
#define VALUE(x) TEXT(x)
static const char ours[] = "PRAGMA application_id = " VALUE(DB_APPLICATION) "; PRAGMA user_version = " VALUE(DB_SCHEMA);

/* an empty database becomes ours; another one is left alone */
static const char *settle(struct db *db, bool create)
{
	sqlite3_stmt *s;
	int64_t app, schema;

	if (sqlite3_prepare_v2(db->h, "PRAGMA application_id", -1, &s, NULL) != SQLITE_OK ||
	    sqlite3_step(s) != SQLITE_ROW) {
		sqlite3_finalize(s);
		return refuse(db, sqlite3_errmsg(db->h));
	}
	app = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	schema = db_number(db, "PRAGMA user_version");
	if (app == DB_APPLICATION && schema == DB_SCHEMA)
		return NULL;
	if (app == DB_APPLICATION)
		return refuse(db, schema < DB_SCHEMA ? "written by an older version of gnomon: name a new file" :
						       "written by a newer version of gnomon");
	if (app || db_number(db, "SELECT count(*) FROM sqlite_master"))
		return refuse(db, "a database, but not one of gnomon audit");
	if (!create)
		return refuse(db, "an empty database");
	if (sqlite3_exec(db->h, db_schema, NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_exec(db->h, ours, NULL, NULL, NULL) != SQLITE_OK)
		return refuse(db, sqlite3_errmsg(db->h));
	return NULL;
}

const char *db_open(struct db *db, const char *name, enum db_use use)
{
	int flags = use == DB_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
	const char *why;

	memset(db, 0, sizeof(*db));
	db->name = name;
	if (use != DB_CREATE && access(name, F_OK) < 0)
		return strerror(errno);
	if (sqlite3_open_v2(name, &db->h, flags | (use == DB_CREATE ? SQLITE_OPEN_CREATE : 0) | SQLITE_OPEN_NOMUTEX, NULL) !=
	    SQLITE_OK)
		return refuse(db, db->h ? sqlite3_errmsg(db->h) : "out of memory");
	if (use != DB_READ) {
		/* what is lost in a power failure is one audit; a crash loses nothing */
		sqlite3_exec(db->h, "PRAGMA synchronous = OFF", NULL, NULL, NULL);
		if (sqlite3_exec(db->h, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
			return refuse(db, sqlite3_errcode(db->h) == SQLITE_BUSY ? "locked: another audit is writing to it" :
										  sqlite3_errmsg(db->h));
	}
	why = settle(db, use == DB_CREATE);
	return why;
}

bool db_close(struct db *db)
{
	bool ok;

	if (!db->h)
		return false;
	if (!sqlite3_get_autocommit(db->h))
		db_exec(db, "COMMIT");
	ok = !db->failed;
	if (!ok)
		sqlite3_exec(db->h, "ROLLBACK", NULL, NULL, NULL);
	sqlite3_close(db->h);
	db->h = NULL;
	return ok;
}

sqlite3_stmt *db_prepare(struct db *db, const char *sql)
{
	sqlite3_stmt *s = NULL;

	if (!db->failed && sqlite3_prepare_v2(db->h, sql, -1, &s, NULL) != SQLITE_OK)
		failed(db);
	return s;
}

void db_run(struct db *db, sqlite3_stmt *s, const char *types, ...)
{
	va_list ap;

	if (db->failed || !s)
		return;
	va_start(ap, types);
	for (int i = 1; *types; types++, i++) {
		if (*types == 's') {
			const char *text = va_arg(ap, const char *);

			/* bytes of names are kept as they are, whether UTF-8 or not */
			if (text)
				sqlite3_bind_text(s, i, text, -1, SQLITE_STATIC);
			else
				sqlite3_bind_null(s, i);
		} else {
			int64_t n = va_arg(ap, int64_t);

			if (n || *types == 'i')
				sqlite3_bind_int64(s, i, n);
			else
				sqlite3_bind_null(s, i);
		}
	}
	va_end(ap);
	if (sqlite3_step(s) != SQLITE_DONE)
		failed(db);
	sqlite3_reset(s);
}
