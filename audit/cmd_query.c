/* SPDX-License-Identifier: MIT */
/* gnomon audit query: SQL on a database that it cannot change, rows with tabs between their values. */
#include <string.h>

#include "args.h"
#include "db.h"

static void put_row(sqlite3_stmt *s)
{
	for (int i = 0; i < sqlite3_column_count(s); i++) {
		const char *t = (const char *)sqlite3_column_text(s, i);

		if (i)
			putchar('\t');
		fputs(t ? shown(t) : "", stdout);
	}
	putchar('\n');
}

int cmd_query(const struct command *cmd, struct options *o)
{
	const char *why, *sql = o->operands[0];
	struct db db;
	int rc = SQLITE_DONE;

	if (!o->db)
		usage_error(cmd, "query needs --db");
	if (!sql || o->operands[1])
		usage_error(cmd, sql ? "one query at a time: '%s'" : "no query given", sql ? o->operands[1] : "");
	why = db_open(&db, o->db, DB_READ);
	if (why)
		die("%s: %s", shown(o->db), why);
	while (*sql) {
		sqlite3_stmt *s;

		if (sqlite3_prepare_v2(db.h, sql, -1, &s, &sql) != SQLITE_OK)
			die("%s: %s", shown(o->db), sqlite3_errmsg(db.h));
		while (s && (rc = sqlite3_step(s)) == SQLITE_ROW)
			put_row(s);
		sqlite3_finalize(s);
		if (rc != SQLITE_DONE)
			die("%s: %s", shown(o->db), sqlite3_errmsg(db.h));
	}
	sqlite3_close(db.h);
	return stdout_done();
}
