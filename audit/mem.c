/* SPDX-License-Identifier: MIT */
/* Arenas, string maps, allocation that does not fail. */
#include "mem.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "audit.h"

#define CHUNK (256u << 10)
#define LARGE (2u << 20)
#define PAGE 4096u

void *xmalloc(size_t n)
{
	void *p = malloc(n ? n : 1);

	if (!p)
		die("out of memory (%zu bytes)", n);
	return p;
}

void *xzalloc(size_t n)
{
	void *p = calloc(n ? n : 1, 1);

	if (!p)
		die("out of memory (%zu bytes)", n);
	return p;
}

void *xrealloc(void *p, size_t n)
{
	p = realloc(p, n ? n : 1);
	if (!p)
		die("out of memory (%zu bytes)", n);
	return p;
}

char *xstrdup(const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(xmalloc(n), s, n);
}

#define ROOMS 16
static __thread char *rooms[ROOMS];

char *text_room(size_t n)
{
	static __thread unsigned turn;
	char **r = &rooms[turn++ % ROOMS];

	free(*r);
	return *r = xmalloc(n);
}

void text_rooms_free(void)
{
	for (int i = 0; i < ROOMS; i++) {
		free(rooms[i]);
		rooms[i] = NULL;
	}
}

struct chunk {
	struct chunk *next;
	char bytes[];
};

static char *linked(struct arena *a, struct chunk *c)
{
	c->next = a->chunks;
	a->chunks = c;
	return c->bytes;
}

/* memory of at least n bytes that the arena will give back */
static char *chunk(struct arena *a, size_t n)
{
	return linked(a, xmalloc(sizeof(struct chunk) + n));
}

/*
 * Room for what is to come. It will be filled soon, and a fault for each page is a tenth of what reading small files costs:
 * a small arena gets its pages at once, a large one a huge page, where the kernel has that.
 */
static void more(struct arena *a)
{
	size_t n = a->chunks ? LARGE : CHUNK;
	void *p;

	if (posix_memalign(&p, a->chunks ? LARGE : PAGE, n))
		die("out of memory (%zu bytes)", n);
	(void)madvise(p, n, a->chunks ? MADV_HUGEPAGE : MADV_POPULATE_WRITE);
	a->at = linked(a, p);
	a->end = (char *)p + n;
}

void *arena_alloc(struct arena *a, size_t n)
{
	char *p;

	n = (n + 7) & ~(size_t)7;
	if (n > CHUNK / 4)
		return memset(chunk(a, n), 0, n);
	if ((size_t)(a->end - a->at) < n)
		more(a);
	p = memset(a->at, 0, n);
	a->at += n;
	return p;
}

void arena_free(struct arena *a)
{
	for (struct chunk *c = a->chunks, *next; c; c = next) {
		next = c->next;
		free(c);
	}
	memset(a, 0, sizeof(*a));
}

void arena_go_on(struct arena *a, struct arena *from)
{
	if (from->end - from->at <= a->end - a->at)
		return;
	a->at = from->at;
	a->end = from->end;
	from->at = from->end;
}

const char *arena_strn(struct arena *a, const char *s, size_t n)
{
	return memcpy(arena_alloc(a, n + 1), s, n);
}

const char *arena_str(struct arena *a, const char *s)
{
	return arena_strn(a, s, strlen(s));
}

uint64_t str_hash(const char *s)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3ull;
	return h ^ h >> 29;
}

uint64_t key_hash_n(const char *s, size_t n)
{
	const uint64_t k = 0x9e3779b97f4a7c15ull;
	uint64_t h = n * k, w;

	for (; n >= 8; s += 8, n -= 8) {
		memcpy(&w, s, 8);
		h = (h ^ w) * k;
		h ^= h >> 32;
	}
	w = 0;
	memcpy(&w, s, n);
	h = (h ^ w) * k;
	return h ^ h >> 29;
}

uint64_t key_hash(const char *s)
{
	return key_hash_n(s, strlen(s));
}

static struct strmap_slot *slot(const struct strmap *m, const char *key, uint64_t h)
{
	size_t i = h & (m->size - 1);

	while (m->slots[i].key && (m->slots[i].hash != h || strcmp(m->slots[i].key, key)))
		i = (i + 1) & (m->size - 1);
	return &m->slots[i];
}

void *strmap_get(const struct strmap *m, const char *key)
{
	return strmap_get_hashed(m, key, key_hash(key));
}

void *strmap_get_hashed(const struct strmap *m, const char *key, uint64_t hash)
{
	return m->size ? slot(m, key, hash)->value : NULL;
}

static void widen(struct strmap *m)
{
	struct strmap old = *m;

	m->size = old.size ? old.size * 2 : 64;
	m->slots = xzalloc(m->size * sizeof(*m->slots));
	for (size_t i = 0; i < old.size; i++)
		if (old.slots[i].key)
			*slot(m, old.slots[i].key, old.slots[i].hash) = old.slots[i];
	free(old.slots);
}

void **strmap_at(struct strmap *m, const char *key)
{
	return strmap_at_hashed(m, key, key_hash(key));
}

void **strmap_at_hashed(struct strmap *m, const char *key, uint64_t h)
{
	struct strmap_slot *s;

	if (m->used * 4 >= m->size * 3)
		widen(m);
	s = slot(m, key, h);
	if (!s->key) {
		s->key = key;
		s->hash = h;
		m->used++;
	}
	return &s->value;
}

void strmap_free(struct strmap *m)
{
	free(m->slots);
	memset(m, 0, sizeof(*m));
}

const char *intern(struct strmap *m, struct arena *a, const char *s)
{
	return intern_hashed(m, a, s, key_hash(s));
}

const char *intern_hashed(struct strmap *m, struct arena *a, const char *s, uint64_t hash)
{
	const char *known = strmap_get_hashed(m, s, hash);

	if (known)
		return known;
	known = arena_str(a, s);
	*strmap_at_hashed(m, known, hash) = (void *)known;
	return known;
}

void *grow(void *v, size_t n, size_t *room, size_t each)
{
	if (n < *room)
		return v;
	*room = *room ? *room * 2 : 16;
	return xrealloc(v, *room * each);
}
