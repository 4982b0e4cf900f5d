/* SPDX-License-Identifier: MIT */
/* The rules and the names of everything that results name; adding findings. */
#include <string.h>

#include "audit.h"

const struct rule_text rules[R_COUNT] = {
#define RULE(id, name, conf, title, help) [R_##id] = { name, conf, title, help },
#include "rules.def"
#undef RULE
};

const char *const confidence_names[] = { "info", "low", "medium", "high" };
const char *const kind_names[K_COUNT] = { "program", "library", "object", "core", "debug file", "static library", "archive" };
const char *const dep_how_names[] = { "needed", "note", "guess" };
const char *const level_names[] = { "marks", "closure", "code" };
const char *const verdict_names[V_COUNT] = { "-", "enabled", "vetoed", "unmarked", "no support", "incomplete" };

int rule_find(const char *name, size_t n)
{
	for (int i = 0; i < R_COUNT; i++)
		if (strlen(rules[i].name) == n && !memcmp(rules[i].name, name, n))
			return i;
	return -1;
}

struct finding *finding_add(struct obj *o, struct arena *mem, enum rule rule, uint64_t addr, const char *detail)
{
	struct finding *f;

	/* doubled at powers of two; what is left behind in the arena is small */
	if (!(o->nfindings & (o->nfindings - 1))) {
		struct finding *v = arena_alloc(mem, (o->nfindings ? o->nfindings * 2 : 1) * sizeof(*v));

		if (o->nfindings)
			memcpy(v, o->findings, o->nfindings * sizeof(*v));
		o->findings = v;
	}
	f = &o->findings[o->nfindings++];
	f->rule = (uint16_t)rule;
	f->confidence = (uint8_t)rules[rule].confidence;
	f->addr = addr;
	f->detail = detail ? arena_str(mem, detail) : NULL;
	return f;
}
