/* SPDX-License-Identifier: MIT */
/* The note parsers: first byte chooses alignment and class, the rest is a note segment.
 * sources: audit/notes.c audit/notes_dlopen.c */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "notes.h"

static void each(void *arg, const char *soname, const char *feature)
{
	*(size_t *)arg += strlen(soname) + strlen(feature);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct props props = { 0 };
	struct note t;
	size_t at = 0, sum = 0;
	uint32_t features = 0;
	uint64_t align;
	bool is64;

	if (!n)
		return 0;
	align = p[0] & 1 ? 8 : p[0] & 2 ? 4 : p[0] & 4 ? 0 : 16;
	is64 = p[0] & 8;
	p++;
	n--;
	notes_declared(p, n, align, is64, &props);
	/* what the loader takes was declared, unless the note has faults */
	if (notes_loader(p, n, align, is64, &features) && !props.faults && props.notes == 1 && features != props.features)
		abort();
	while (note_next(p, n, align, &at, &t))
		if (t.desc_size)
			sum += t.desc[t.desc_size - 1];
	note_dlopen((const char *)p, n, each, &sum);
	return 0;
}
