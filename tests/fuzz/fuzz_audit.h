/* SPDX-License-Identifier: MIT */
/* A worker of the audit without the audit around it; one target includes this. Messages go nowhere. */
#include <fcntl.h>
#include <unistd.h>

#include "args.h"
#include "code.h"

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

/* what one input left behind */
static void fuzz_forget(struct worker *w)
{
	w->r.n = w->r.nlinks = w->r.ntexts = w->r.nproblems = 0;
	strmap_free(&w->names);
	arena_free(&w->mem);
}
