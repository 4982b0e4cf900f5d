/* SPDX-License-Identifier: MIT */
/*
 * Names of libraries among the strings of a file that imports dlopen: a guess at what it opens. A name counts if it is a
 * whole string, "lib….so", "lib….so.N" or a path to such, and contains no conversion of printf.
 */
#include <ctype.h>
#include <string.h>

#include "worker.h"

#define NAME 256u
#define GUESSES_MOST 64u

static bool plain(char c)
{
	return isalnum((unsigned char)c) || strchr("/_+-.", c);
}

/* `so` points to ".so" in p[0..n), which the string around it lies in */
static bool name_around(const char *p, size_t n, size_t so, char *buf)
{
	size_t from = so, to = so + 3;
	const char *base;

	while (from && so - from < NAME / 2 && p[from - 1] && plain(p[from - 1]))
		from--;
	while (to < n && to - so < NAME / 2 && p[to] && (isdigit((unsigned char)p[to]) || p[to] == '.'))
		to++;
	if (!from || p[from - 1] || to >= n || p[to] || p[to - 1] == '.' || to - from >= NAME)
		return false;
	memcpy(buf, p + from, to - from);
	buf[to - from] = 0;
	base = strrchr(buf, '/');
	base = base ? base + 1 : buf;
	return !strncmp(base, "lib", 3) && base + 3 < buf + (so - from) && (*buf == '/' || base == buf);
}

struct guess {
	struct worker *w;
	struct obj *o;
};

static void piece(void *arg, const char *p, size_t n)
{
	struct guess *g = arg;
	struct obj *o = g->o;
	const char *at = p;
	char name[NAME];

	while (o->ndeps < GUESSES_MOST && (at = memmem(at, (size_t)(p + n - at), ".so", 3))) {
		if (name_around(p, n, (size_t)(at - p), name) && (!o->soname || strcmp(o->soname, name)))
			dep_add(g->w, o, DEP_GUESS, name, NULL);
		at += 3;
	}
}

void guess_read(struct worker *w, struct obj *o, struct elf *e)
{
	struct guess g = { w, o };

	if (o->flags & OF_DLOPEN)
		elf_pieces(e, PF_W, NAME, piece, &g);
}
