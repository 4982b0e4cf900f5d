/* SPDX-License-Identifier: MIT */
/*
 * gnomon audit import: what `gnomon check --report` saw, into the database. A report is turned into JSON lines by
 * `gnomon explain --json`; files that are JSON lines already (--json-fd) are taken as they are. SQLite parses them.
 */
#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "args.h"
#include "db.h"

extern const char *gnomon_path;

/* one line is one event; what is no violation in a file of the database is skipped */
static const char insert[] =
	"INSERT INTO evidence"
	" SELECT (SELECT id FROM file WHERE path = e.module AND container IS NULL), ?2, e.class, e.offset, e.symbol, 1 FROM"
	" (SELECT json_extract(?1, '$.class') AS class,"
	"         coalesce(json_extract(?1, '$.switcher.module'), json_extract(?1, '$.at.module')) AS module,"
	"         coalesce(json_extract(?1, '$.switcher.symbol'), json_extract(?1, '$.at.symbol')) AS symbol,"
	"         coalesce(json_extract(?1, '$.switcher.offset'), json_extract(?1, '$.at.offset')) AS offset"
	"  WHERE json_valid(?1) AND json_extract(?1, '$.event') = 'violation') e"
	" WHERE EXISTS (SELECT 1 FROM file WHERE path = e.module AND container IS NULL)";
/* every program image that ran: without a violation of its own it is clean evidence */
static const char ran[] =
	"INSERT INTO evidence"
	" SELECT id, ?2, 'ran', NULL, NULL, 1 FROM file WHERE container IS NULL AND json_valid(?1)"
	"  AND json_extract(?1, '$.event') = 'exec' AND path = json_extract(?1, '$.path')"
	"  AND NOT EXISTS (SELECT 1 FROM evidence v WHERE v.file = file.id AND v.report = ?2 AND v.class = 'ran')";

struct import {
	struct db db;
	sqlite3_stmt *insert, *ran;
	uint64_t events, used;
};

static void line(struct import *im, const char *text, const char *report)
{
	im->events++;
	db_run(&im->db, im->insert, "ss", text, report);
	im->used += (uint64_t)sqlite3_changes(im->db.h);
	db_run(&im->db, im->ran, "ss", text, report);
	im->used += (uint64_t)sqlite3_changes(im->db.h);
}

/* JSON lines of a binary report, from `gnomon explain` */
static FILE *explained(const char *report, pid_t *pid)
{
	posix_spawn_file_actions_t act;
	char *argv[] = { (char *)gnomon_path, "explain", "--json", "--", (char *)report, NULL };
	int fd[2], r;

	if (pipe(fd) < 0)
		die("pipe: %s", strerror(errno));
	posix_spawn_file_actions_init(&act);
	posix_spawn_file_actions_adddup2(&act, fd[1], 1);
	posix_spawn_file_actions_addclose(&act, fd[0]);
	posix_spawn_file_actions_addclose(&act, fd[1]);
	r = posix_spawnp(pid, gnomon_path, &act, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&act);
	close(fd[1]);
	if (r)
		die("%s: %s", gnomon_path, strerror(r));
	return fdopen(fd[0], "re");
}

static void import(struct import *im, const char *report)
{
	FILE *f = fopen(report, "re");
	char *text = NULL;
	size_t room = 0;
	pid_t pid = 0;
	ssize_t n;
	int c;

	if (!f) {
		trouble(report, "%s", strerror(errno));
		return;
	}
	c = getc(f);
	ungetc(c, f);
	if (c != '{' && c != EOF) {
		fclose(f);
		f = explained(report, &pid);
	}
	while (f && (n = getline(&text, &room, f)) > 0) {
		if (text[n - 1] == '\n')
			text[n - 1] = 0;
		line(im, text, report);
	}
	free(text);
	if (f)
		fclose(f);
	if (pid) {
		int status;

		/* gnomon explain said what is wrong with the report */
		if (waitpid(pid, &status, 0) < 0 || status)
			trouble(report, "not imported to its end");
	}
}

/* the same place seen several times is one row */
static void fold(struct import *im)
{
	db_exec(&im->db, "CREATE TEMP TABLE folded AS SELECT file, report, class, offset, symbol, sum(times) AS times"
			 " FROM evidence GROUP BY file, report, class, offset, symbol;"
			 "DELETE FROM evidence; INSERT INTO evidence SELECT * FROM folded; DROP TABLE folded");
}

int cmd_import(const struct command *cmd, struct options *o)
{
	struct import im = { 0 };
	const char *why;

	if (!o->db)
		usage_error(cmd, "import needs --db");
	if (!*o->operands)
		usage_error(cmd, "no report given");
	why = db_open(&im.db, o->db, DB_WRITE);
	if (why)
		die("%s: %s", shown(o->db), why);
	/* a report that is imported again takes the place of its former self */
	for (char **r = o->operands; *r; r++) {
		sqlite3_stmt *s = db_prepare(&im.db, "DELETE FROM evidence WHERE report = ?");

		db_run(&im.db, s, "s", *r);
		sqlite3_finalize(s);
	}
	im.insert = db_prepare(&im.db, insert);
	im.ran = db_prepare(&im.db, ran);
	for (char **r = o->operands; *r; r++)
		import(&im, *r);
	sqlite3_finalize(im.insert);
	sqlite3_finalize(im.ran);
	fold(&im);
	if (!db_close(&im.db))
		return GN_EXIT_USAGE;
	if (!o->quiet)
		printf("%lu events, %lu of them about files of the database\n", im.events, im.used);
	return stdout_done() ? GN_EXIT_USAGE : had_trouble ? ST_INCOMPLETE : 0;
}
