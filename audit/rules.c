/* SPDX-License-Identifier: MIT */
/* The rules, and the names of everything that results name. */
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
