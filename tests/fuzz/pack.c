/* SPDX-License-Identifier: MIT */
/* An archive as a file: packages, tar archives, static libraries, archives in archives.
 * sources: audit/archive_lib.c audit/code.c audit/dynamic.c audit/file.c audit/flow.c audit/flow_data.c
 * sources: audit/flow_end.c audit/funcs.c audit/guess.c audit/image.c audit/img.c audit/jit.c audit/linker.c
 * sources: audit/mem.c audit/member.c audit/msg.c audit/notes.c audit/notes_dlopen.c audit/obj.c audit/object.c
 * sources: audit/pack.c audit/pack_input.c audit/pack_kind.c audit/progress.c audit/results.c audit/root.c
 * sources: audit/rules.c audit/text.c audit/trigger.c audit/value.c
 * libs: -lZydis -lpthread */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz_audit.h"
#include "file.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct worker *w = fuzz_worker();
	int fd = memfd_create("pack", 0);

	if (fd < 0 || write(fd, p, n) != (ssize_t)n)
		abort();
	file_read(w, fd, "/pack.tar.gz", true);
	fuzz_forget(w);
	return 0;
}
