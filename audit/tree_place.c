/* SPDX-License-Identifier: MIT */
/* The places of a tree: one table of all names, each found by its folder and what it is called there. */
#include <stdlib.h>
#include <string.h>

#include "tree.h"

#define FIRST_SLOTS 256

static uint64_t mixed(const struct place *up, uint64_t hash)
{
	hash = (hash ^ up->hash) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 32;
}

static struct place_slot *slot(const struct places *m, const struct place *up, const char *name, size_t n, uint64_t h)
{
	size_t i = h & (m->size - 1);
	struct place_slot *s;

	while ((s = &m->slots[i])->p && (s->hash != h || s->p->up != up || s->p->len != up->len + 1 + n || memcmp(s->p->name, name, n)))
		i = (i + 1) & (m->size - 1);
	return s;
}

void places_reserve(struct places *m, size_t n)
{
	struct places old = *m;

	m->size = old.size ? old.size : FIRST_SLOTS;
	while (n * 4 > m->size * 3)
		m->size *= 2;
	if (m->size == old.size)
		return;
	m->slots = xzalloc(m->size * sizeof(*m->slots));
	for (size_t i = 0; i < old.size; i++) {
		size_t at = old.slots[i].hash & (m->size - 1);

		if (!old.slots[i].p)
			continue;
		while (m->slots[at].p)
			at = (at + 1) & (m->size - 1);
		m->slots[at] = old.slots[i];
	}
	free(old.slots);
}

struct place *place_get(const struct tree *t, const struct place *up, const char *name, size_t n, uint64_t hash)
{
	return t->places.size ? slot(&t->places, up, name, n, mixed(up, hash))->p : NULL;
}

struct place *place_make(struct tree *t, struct place *up, const char *name, size_t n, uint64_t hash)
{
	struct place_slot *s;
	uint64_t h = mixed(up, hash);

	places_reserve(&t->places, t->places.used + 1);
	s = slot(&t->places, up, name, n, h);
	if (s->p || up->len + 1 + n >= PATH_MOST)
		return s->p;
	s->hash = h;
	s->p = arena_alloc(&t->w.mem, sizeof(*s->p));
	s->p->up = up;
	s->p->hash = h;
	s->p->name = name;
	s->p->len = up->len + 1 + (uint32_t)n;
	t->places.used++;
	return s->p;
}

struct place *place_literal(struct tree *t, const char *path, size_t n)
{
	struct place *p = &t->root;

	for (const char *s = path, *end = path + n; p && s < end;) {
		const char *name = s + 1;
		size_t k;

		s = memchr(name, '/', (size_t)(end - name));
		s = s ? s : end;
		k = (size_t)(s - name);
		p = place_make(t, p, name, k, key_hash_n(name, k));
	}
	return p;
}

const char *place_path(struct tree *t, struct place *p)
{
	char *path;

	if (p->path)
		return p->path;
	if (!p->up)
		return "";
	path = arena_alloc(&t->w.mem, p->len + 1u);
	for (const struct place *at = p; at->up; at = at->up) {
		path[at->up->len] = '/';
		memcpy(path + at->up->len + 1, at->name, at->len - at->up->len - 1);
	}
	return p->path = path;
}
