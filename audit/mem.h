/* SPDX-License-Identifier: MIT */
/*
 * Memory of the audit: arenas that are only given back as a whole, and a map from strings. Results live as long as
 * the process; what is needed for one file only comes from malloc(3) and is freed with the file.
 */
#ifndef GNOMON_AUDIT_MEM_H
#define GNOMON_AUDIT_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* these never return NULL: without memory there is nothing to go on with */
void *xmalloc(size_t n);
void *xzalloc(size_t n); /* zeroed */
void *xrealloc(void *p, size_t n);
char *xstrdup(const char *s);
/* for a text of n bytes that is used at once: good until the thread has asked for sixteen more; given back at its end */
char *text_room(size_t n);
void text_rooms_free(void);

/* one owner thread each */
struct arena {
	char *at, *end;
	struct chunk *chunks;
};
void *arena_alloc(struct arena *a, size_t n); /* zeroed, aligned to 8 */
void arena_free(struct arena *a); /* all of it */
/* goes on in what `from`, which will not be used any more, has left, if that is more; it stays from's to give back */
void arena_go_on(struct arena *a, struct arena *from);
const char *arena_strn(struct arena *a, const char *s, size_t n);
const char *arena_str(struct arena *a, const char *s);

/* string -> pointer; keys are not copied */
struct strmap {
	struct strmap_slot {
		const char *key;
		uint64_t hash;
		void *value;
	} *slots;
	size_t used, size; /* size: power of two or 0 */
};
void *strmap_get(const struct strmap *m, const char *key); /* NULL: not there */
void *strmap_get_hashed(const struct strmap *m, const char *key, uint64_t hash); /* where key_hash(key) is known */
/* the place of key's value, made (NULL) where it is not there */
void **strmap_at(struct strmap *m, const char *key);
void **strmap_at_hashed(struct strmap *m, const char *key, uint64_t hash);
void strmap_free(struct strmap *m);
uint64_t key_hash(const char *s); /* of the maps, and of whatever else ends with this process */
uint64_t key_hash_n(const char *s, size_t n);
uint64_t str_hash(const char *s); /* always the same, in every version: shards are made by it */

/* one string for equal strings, kept in the arena */
const char *intern(struct strmap *m, struct arena *a, const char *s);
const char *intern_hashed(struct strmap *m, struct arena *a, const char *s, uint64_t hash);

/* room for one more element in a growing vector of elements of size `each`; returns the (moved) vector */
void *grow(void *v, size_t n, size_t *room, size_t each);
/* appends to one, of which v, n and room are vector, length and room; the element may be a compound literal */
#define VEC_ADD(v, n, room, ...) ((v) = grow((v), (n), &(room), sizeof(*(v))), (v)[(n)++] = __VA_ARGS__)

#endif
