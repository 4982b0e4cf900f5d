/* SPDX-License-Identifier: MIT */
/* gnomon audit show: what a database holds, in any form of output. */
#include "args.h"
#include "closure.h"
#include "db.h"
#include "output.h"

int cmd_show(const struct command *cmd, struct options *o)
{
	static struct audit a;
	const char *why;
	struct db db;

	if (!o->db)
		usage_error(cmd, "show needs --db");
	if (*o->operands)
		usage_error(cmd, "show takes no operand: '%s'", *o->operands);
	why = db_open(&db, o->db, DB_READ);
	if (why)
		die("%s: %s", shown(o->db), why);
	o->from_db = true;
	a.o = o;
	if (!db_load(&db, &a))
		return GN_EXIT_USAGE;
	sqlite3_close(db.h);
	results_sort(&a.r);
	marks_finish(&a);
	return output(&a);
}
