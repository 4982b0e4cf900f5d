/* SPDX-License-Identifier: MIT */
/* One object: its name, what is added to it, what is taken from it before the verdicts are come to anew. */
#include <string.h>

#include "audit.h"

const char *obj_name(const struct obj *o)
{
	const char *outer;
	char *t;

	if (!o->in)
		return o->path;
	outer = obj_name(o->in);
	t = text_room(strlen(outer) + strlen(o->path) + 3);
	sprintf(t, "%s(%s)", outer, o->path);
	return t;
}

/* room for one more in a list of n; doubled at powers of two: what is left behind in the arena is small */
static void *widened(struct arena *mem, void *list, uint32_t n, size_t each)
{
	void *v;

	if (n & (n - 1))
		return list;
	v = arena_alloc(mem, (n ? 2 * (size_t)n : 1) * each);
	return n ? memcpy(v, list, n * each) : v;
}

struct dep *dep_new(struct obj *o, struct arena *mem, enum dep_how how, const char *name, uint64_t hash)
{
	struct dep *d;

	o->deps = widened(mem, o->deps, o->ndeps, sizeof(*o->deps));
	d = &o->deps[o->ndeps++];
	*d = (struct dep){ .name = name, .hash = hash, .how = (uint8_t)how, .is_path = strchr(name, '/') != NULL };
	return d;
}

struct finding *finding_add(struct obj *o, struct arena *mem, enum rule rule, uint64_t addr, const char *detail)
{
	struct finding *f;

	o->findings = widened(mem, o->findings, o->nfindings, sizeof(*f));
	f = &o->findings[o->nfindings++];
	f->rule = (uint16_t)rule;
	f->confidence = (uint8_t)rules[rule].confidence;
	f->addr = addr;
	f->detail = detail ? arena_str(mem, detail) : NULL;
	return f;
}

bool finding_of_closure(const struct finding *f)
{
	return f->rule == R_VETOED || f->rule == R_MISSING_LIBRARY || f->rule == R_DLOPEN_FAILS;
}

void closure_forget(struct obj *o)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < o->nfindings; i++)
		if (!finding_of_closure(&o->findings[i]))
			o->findings[kept++] = o->findings[i];
	o->nfindings = kept;
	o->nveto = o->nloads = o->blocks = o->blocks_alone = o->users = 0;
	o->veto = NULL;
	o->linker = NULL;
	o->stamp = 0;
	for (uint32_t i = 0; i < o->ndeps; i++)
		o->deps[i].hit = NULL;
}
