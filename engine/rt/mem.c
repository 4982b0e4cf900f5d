/* SPDX-License-Identifier: MIT */
/*
 * Memory and string functions of the freestanding core. gcc calls the first four by itself, from any file of
 * the engine. No vector registers: they hold the guest's values. Any stack, any signal state. [as-safe] [no-fp]
 */
#include "rt/rt.h"

/* below this, the start-up cost of the string instructions is larger than a loop of words */
#define STRING_INSN_MIN 96

typedef u64 any64 __attribute__((may_alias, aligned(1)));

static inline u64 load64(const void *p)
{
	return *(const any64 *)p;
}

static inline void store64(void *p, u64 v)
{
	*(any64 *)p = v;
}

void *memcpy(void *dst, const void *src, size_t n)
{
	u8 *d = dst;
	const u8 *s = src;

	if (n >= STRING_INSN_MIN) {
		void *di = d;

		__asm__ volatile("rep movsb" : "+D"(di), "+S"(s), "+c"(n) : : "memory");
		return dst;
	}
	for (; n >= 8; n -= 8, d += 8, s += 8)
		store64(d, load64(s));
	for (; n; n--)
		*d++ = *s++;
	return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
	u8 *d = dst;
	const u8 *s = src;

	if ((u64)d - (u64)s >= n)
		return memcpy(dst, src, n); /* forwards is safe */
	while (n >= 8) {
		n -= 8;
		store64(d + n, load64(s + n));
	}
	while (n--)
		d[n] = s[n];
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	u8 *d = dst;

	if (n >= STRING_INSN_MIN) {
		void *di = d;

		__asm__ volatile("rep stosb" : "+D"(di), "+c"(n) : "a"(c) : "memory");
		return dst;
	}
	for (; n >= 8; n -= 8, d += 8)
		store64(d, 0x0101010101010101ull * (u8)c);
	for (; n; n--)
		*d++ = (u8)c;
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *p = a, *q = b;

	for (; n >= 8 && load64(p) == load64(q); n -= 8, p += 8, q += 8)
		;
	for (; n; n--, p++, q++)
		if (*p != *q)
			return *p - *q;
	return 0;
}

size_t strlen(const char *s)
{
	const char *p = s;

	while (*p)
		p++;
	return (size_t)(p - s);
}

int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return (u8)*a - (u8)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n && *a && *a == *b; n--)
		a++, b++;
	return n ? (u8)*a - (u8)*b : 0;
}

char *strchr(const char *s, int c)
{
	for (; *s != (char)c; s++)
		if (!*s)
			return NULL;
	return (char *)s;
}

char *strrchr(const char *s, int c)
{
	const char *found = NULL;

	for (;; s++) {
		if (*s == (char)c)
			found = s;
		if (!*s)
			return (char *)found;
	}
}
