/* SPDX-License-Identifier: MIT */
/* Totals, and the list to be worked off from the top. */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

static void count(const struct obj *o, struct totals *t)
{
	bool marked = o->marks & MARK_SHSTK;

	switch ((enum kind)o->kind) {
	case K_PROGRAM:
		t->programs++;
		t->programs_marked += marked;
		t->verdicts[o->verdict]++;
		t->closures[o->closure]++;
		break;
	case K_LIBRARY:
		t->libraries++;
		t->libraries_marked += marked;
		break;
	case K_OBJECT:
		t->objects++;
		t->objects_marked += marked;
		break;
	case K_STATIC_LIBRARY:
		t->statics++;
		t->statics_marked += marked;
		break;
	case K_ARCHIVE: t->archives++; break;
	default: t->others++; break;
	}
}

void totals_of(const struct audit *a, struct totals *t)
{
	memset(t, 0, sizeof(*t));
	for (size_t i = 0; i < a->r.n; i++) {
		const struct obj *o = a->r.objs[i];
		bool seen[R_COUNT] = { 0 };

		if (o->flags & OF_HIDDEN)
			continue;
		t->text += o->text;
		if (o->bits && o->machine != EM_X86_64 && o->machine != EM_386)
			t->foreign++;
		else
			count(o, t);
		for (uint32_t k = 0; k < o->nfindings; k++) {
			t->findings[o->findings[k].rule] += !seen[o->findings[k].rule];
			seen[o->findings[k].rule] = true;
		}
	}
}

static int by_blocks(const void *x, const void *y)
{
	const struct obj *a = *(struct obj *const *)x, *b = *(struct obj *const *)y;

	if (a->blocks != b->blocks)
		return a->blocks > b->blocks ? -1 : 1;
	if (a->blocks_alone != b->blocks_alone)
		return a->blocks_alone > b->blocks_alone ? -1 : 1;
	return strcmp(a->path, b->path);
}

struct obj **blockers(const struct audit *a, size_t *n)
{
	struct obj **v = xmalloc(a->r.n * sizeof(*v));

	*n = 0;
	for (size_t i = 0; i < a->r.n; i++)
		if (a->r.objs[i]->blocks)
			v[(*n)++] = a->r.objs[i];
	qsort(v, *n, sizeof(*v), by_blocks);
	return v;
}
