/* SPDX-License-Identifier: MIT */
/*
 * Can this dynamic linker turn a shadow stack on? glibc's can if it was configured with --enable-cet, which leaves the
 * text of dlopen's refusal in it, and is 2.39 or later: before, it asked by numbers that no released kernel answers.
 */
#include <stdlib.h>
#include <string.h>

#include "worker.h"

#define REFUSAL "rebuild shared object with SHSTK support enabled"
#define VERSION "release version 2."
#define CHUNK (64u << 10)
#define OVERLAP 128u

struct found {
	bool refusal;
	int minor;
};

static void look(const char *p, size_t n, struct found *f)
{
	const char *v = memmem(p, n, VERSION, sizeof(VERSION) - 1);

	if (memmem(p, n, REFUSAL, sizeof(REFUSAL) - 1))
		f->refusal = true;
	if (v && (size_t)(p + n - v) > sizeof(VERSION) + 4) {
		int minor = atoi(v + sizeof(VERSION) - 1);

		f->minor = minor > f->minor ? minor : f->minor;
	}
}

void linker_read(struct obj *o, struct elf *e)
{
	struct found f = { 0 };
	char *buf = xmalloc(CHUNK + 1);
	struct seg g;

	for (uint32_t i = 0; i < e->phnum && elf_seg(e, i, &g); i++) {
		if (g.type != PT_LOAD || (g.flags & PF_X))
			continue;
		for (uint64_t at = 0; at < g.filesz; at += CHUNK - OVERLAP) {
			size_t want = g.filesz - at < CHUNK ? (size_t)(g.filesz - at) : CHUNK;
			size_t n = img_some(e->im, g.off + at, buf, want);

			buf[n] = 0; /* ends a number at the end */
			look(buf, n, &f);
			if (n < want)
				break;
		}
	}
	free(buf);
	o->flags |= OF_LINKER;
	if (f.refusal && f.minor >= 39)
		o->flags |= OF_GLIBC_CET;
}
