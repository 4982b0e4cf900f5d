/* SPDX-License-Identifier: MIT */
/* A whole ELF image in memory: headers, notes, dynamic section, functions, code rules, strings.
 * sources: audit/args.c audit/closure.c audit/code.c audit/dynamic.c audit/file.c audit/flow.c audit/flow_end.c audit/funcs.c
 * sources: audit/guess.c audit/image.c audit/img.c audit/jit.c audit/ldcache.c audit/ldso.c audit/linker.c audit/load.c
 * sources: audit/mem.c audit/member.c audit/msg.c audit/notes.c audit/notes_dlopen.c audit/object.c audit/pack.c audit/pool.c
 * sources: audit/progress.c audit/root.c audit/results.c audit/rules.c audit/summary.c audit/text.c audit/tree.c audit/tree_fill.c
 * sources: audit/trigger.c audit/value.c audit/walk.c
 * libs: -larchive -lZydis -lpthread */
#include <stdlib.h>
#include <string.h>

#include "fuzz_audit.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct worker *w = fuzz_worker();
	struct obj *o = worker_obj(w, "/image", NULL);

	img_memory(&w->im, p, n);
	object_read(w, o, &w->im);
	fuzz_forget(w);
	return 0;
}
