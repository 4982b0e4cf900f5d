/* SPDX-License-Identifier: MIT */
/* A whole ELF image in memory: headers, notes, dynamic section, functions, code rules, strings.
 * sources: audit/code.c audit/dynamic.c audit/flow.c audit/flow_data.c audit/flow_end.c audit/funcs.c audit/guess.c
 * sources: audit/image.c audit/img.c audit/jit.c audit/linker.c audit/mem.c audit/msg.c audit/notes.c
 * sources: audit/notes_dlopen.c audit/obj.c audit/object.c audit/progress.c audit/results.c audit/rules.c
 * sources: audit/text.c audit/trigger.c audit/value.c
 * libs: -lZydis -lpthread */
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
