/* SPDX-License-Identifier: MIT */
/* gnomon audit PATH...: read, judge, show. */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "closure.h"
#include "db.h"
#include "output.h"
#include "walk.h"

static unsigned cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

int cmd_scan(const struct command *cmd, struct options *o)
{
	static struct audit a;
	struct db db;
	const char *why;

	if (!*o->operands && !o->files_from && o->rootfd < 0)
		usage_error(cmd, "no file or folder given");
	if (o->shards && !o->db)
		usage_error(cmd, "--shard needs --db: a part is of use only to gnomon audit merge");
	if (!o->jobs)
		o->jobs = cpus();
	a.o = o;
	a.live = true;
	a.partial = o->shards != 0;
	if (o->db && (why = db_open(&db, o->db, DB_CREATE))) {
		trouble(o->db, "%s; the audit goes on without it", why);
		o->db = NULL;
	}
	if (o->db && !db_known(&db, &a))
		o->db = NULL;
	walk_run(&a);
	if (o->db)
		db_rest(&a);
	if (o->level >= LEVEL_CLOSURE)
		closure_run(&a);
	marks_finish(&a);
	if (o->db) {
		db_save(&db, &a);
		db_close(&db);
	}
	return output(&a);
}
