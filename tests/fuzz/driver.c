/* SPDX-License-Identifier: MIT */
/*
 * Runs a libFuzzer target without libFuzzer: every file named, and --mutations N changed forms of each, always the same
 * ones. With clang, `make fuzz` uses the real thing.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

#define MOST (1u << 20)

static uint64_t state = 88172645463325252ull;
static unsigned long runs;

static uint32_t rnd(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return below ? (uint32_t)(state >> 16) % below : 0;
}

/* a copy of exactly the size, so that reading beyond it is seen */
static void one(const uint8_t *p, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);

	memcpy(copy, p, n);
	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
	runs++;
}

static size_t mutate(uint8_t *p, size_t n)
{
	static const uint32_t odd[] = { 0, 1, 4, 8, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffff0, 0xc0000002, 4096 };

	for (uint32_t k = 1 + rnd(5); k && n; k--) {
		uint32_t at = rnd((uint32_t)n), v = odd[rnd(10)];

		switch (rnd(4)) {
		case 0: p[at] = (uint8_t)rnd(256); break;
		case 1:
			at &= ~3u;
			memcpy(p + at, &v, n - at < 4 ? n - at : 4);
			break;
		case 2: n = at; break;
		default: memmove(p + at, p + rnd((uint32_t)n - at) + at, rnd((uint32_t)(n - at) / 2)); break;
		}
	}
	return n;
}

static void file(const char *path, unsigned mutations)
{
	static uint8_t buf[MOST], changed[MOST];
	FILE *f = fopen(path, "rb");
	size_t n = f ? fread(buf, 1, sizeof(buf), f) : 0;

	if (f)
		fclose(f);
	one(buf, n);
	for (unsigned i = 0; i < mutations; i++) {
		memcpy(changed, buf, n);
		one(changed, mutate(changed, n));
	}
}

int main(int argc, char **argv)
{
	unsigned mutations = 0;

	for (int i = 1; i < argc; i++) {
		struct dirent **list;
		int n;

		if (!strcmp(argv[i], "--mutations") && i + 1 < argc) {
			mutations = (unsigned)atoi(argv[++i]);
			continue;
		}
		n = scandir(argv[i], &list, NULL, alphasort);
		for (int k = 0; k < n; k++) {
			char path[4096];

			snprintf(path, sizeof(path), "%s/%s", argv[i], list[k]->d_name);
			if (list[k]->d_name[0] != '.')
				file(path, mutations);
			free(list[k]);
		}
		if (n >= 0)
			free(list);
		else
			file(argv[i], mutations);
	}
	printf("%lu inputs\n", runs);
	return 0;
}
