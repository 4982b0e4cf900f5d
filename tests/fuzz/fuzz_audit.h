/* SPDX-License-Identifier: MIT */
/* A worker of the audit without the audit around it; one target includes this. Messages go nowhere. */
#include <fcntl.h>
#include <unistd.h>

#include "args.h"
#include "code.h"

int cmd_scan(const struct command *c, struct options *o) { return 0; }
int cmd_diff(const struct command *c, struct options *o) { return 0; }
int cmd_query(const struct command *c, struct options *o) { return 0; }
int cmd_import(const struct command *c, struct options *o) { return 0; }
int cmd_merge(const struct command *c, struct options *o) { return 0; }
int cmd_show(const struct command *c, struct options *o) { return 0; }

static struct worker *fuzz_worker(void)
{
	static struct options o = { .root = "/", .rootfd = -1, .level = LEVEL_CODE, .quiet = true };
	static struct audit a = { .o = &o };
	static struct worker w;

	/* what is wrong with the inputs is not worth a line each; sanitizers write to descriptor 2 by themselves */
	silenced = true;
	w.a = &a;
	w.dir_fd = -1;
	return &w;
}

/* arenas are never given back: the address space of a fuzzing run is large enough, its lists are not kept */
static void fuzz_forget(struct worker *w)
{
	w->n = w->nlinks = w->ntexts = w->nproblems = 0;
}
