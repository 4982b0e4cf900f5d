/* SPDX-License-Identifier: MIT */
/*
 * Can this dynamic linker turn a shadow stack on? glibc's can if it was configured with --enable-cet, which leaves the
 * text of dlopen's refusal in it, and is 2.39 or later: before, it asked by numbers that no released kernel answers.
 */
#include <string.h>

#include "worker.h"

#define REFUSAL "rebuild shared object with SHSTK support enabled"
#define VERSION "release version 2."
#define OVERLAP 128u

struct found {
	bool refusal;
	int minor;
};

/* the minor version that begins at p, of which `left` bytes are there */
static int number(const char *p, size_t left)
{
	int n = 0;

	for (; left && *p >= '0' && *p <= '9' && n < 1000; p++, left--)
		n = n * 10 + (*p - '0');
	return n;
}

static void piece(void *arg, const char *p, size_t n)
{
	const char *v = memmem(p, n, VERSION, sizeof(VERSION) - 1);
	struct found *f = arg;

	if (memmem(p, n, REFUSAL, sizeof(REFUSAL) - 1))
		f->refusal = true;
	if (v) {
		int minor = number(v + sizeof(VERSION) - 1, (size_t)(p + n - v) - (sizeof(VERSION) - 1));

		f->minor = minor > f->minor ? minor : f->minor;
	}
}

void linker_read(struct obj *o, struct elf *e)
{
	struct found f = { 0 };

	elf_pieces(e, PF_X, OVERLAP, piece, &f);
	o->flags |= OF_LINKER;
	if (f.refusal && f.minor >= 39)
		o->flags |= OF_GLIBC_CET;
}
