/* SPDX-License-Identifier: MIT */
/* The cache of ldconfig(8), in the form it has had since glibc 2.32 and, in front of that, the one before. */
#include <string.h>

#include "ldso.h"

#define OLD_MAGIC "ld.so-1.7.0"
#define NEW_MAGIC "glibc-ld.so.cache1.1"
#define OLD_HEAD 16u
#define OLD_ENTRY 12u
#define NEW_HEAD 48u
#define NEW_ENTRY 24u

static uint32_t word(const char *p)
{
	uint32_t w;

	memcpy(&w, p, 4);
	return w;
}

static const char *string(const char *p, size_t n, uint32_t at)
{
	return at < n && memchr(p + at, 0, n - at) ? p + at : NULL;
}

bool ldcache_read(const char *p, size_t n, void (*each)(void *arg, const char *name, const char *path, uint32_t flags,
		  uint64_t hwcap), void *arg)
{
	uint32_t count;

	if (n >= OLD_HEAD && !memcmp(p, OLD_MAGIC, sizeof(OLD_MAGIC) - 1)) {
		uint64_t skip = OLD_HEAD + (uint64_t)word(p + 12) * OLD_ENTRY;

		skip = (skip + 7) & ~7ull;
		if (skip > n)
			return false;
		p += skip;
		n -= skip;
	}
	if (n < NEW_HEAD || memcmp(p, NEW_MAGIC, sizeof(NEW_MAGIC) - 1))
		return false;
	count = word(p + 20);
	if (count > (n - NEW_HEAD) / NEW_ENTRY)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		const char *e = p + NEW_HEAD + (size_t)i * NEW_ENTRY;
		const char *name = string(p, n, word(e + 4)), *path = string(p, n, word(e + 8));
		uint64_t hwcap;

		memcpy(&hwcap, e + 16, 8);
		if (name && path)
			each(arg, name, path, word(e), hwcap);
	}
	return true;
}
