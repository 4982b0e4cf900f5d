/* SPDX-License-Identifier: MIT */
/* ld.so.cache.
 * sources: audit/ldcache.c */
#include <stdlib.h>
#include <string.h>

#include "ldso.h"

static void each(void *arg, const char *name, const char *path, uint32_t flags, uint64_t hwcap)
{
	*(size_t *)arg += strlen(name) + strlen(path) + flags + hwcap;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	size_t sum = 0;

	ldcache_read((const char *)p, n, each, &sum);
	return 0;
}
