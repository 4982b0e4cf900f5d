/* SPDX-License-Identifier: MIT */
/* qsort and bsearch with callbacks: an indirect call and a return for a handful of instructions. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct item {
	uint32_t key;
	uint32_t value;
};

static int by_key(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	return x->key < y->key ? -1 : x->key > y->key;
}

static int by_value(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	return x->value < y->value ? 1 : x->value > y->value ? -1 : by_key(a, b);
}

int main(int argc, char **argv)
{
	size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;
	struct item *v = malloc(n * sizeof(*v));
	uint64_t x = 88172645463325252u, sum = 0;

	for (int round = 0; round < 4; round++) {
		for (size_t i = 0; i < n; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			v[i] = (struct item){ (uint32_t)x, (uint32_t)(x >> 40) };
		}
		qsort(v, n, sizeof(*v), by_value);
		sum = sum * 31 + v[n / 2].key;
		qsort(v, n, sizeof(*v), by_key);
		for (size_t i = 0; i < n; i += 3) {
			struct item want = { v[i].key ^ (uint32_t)(i & 1), 0 };
			struct item *got = bsearch(&want, v, n, sizeof(*v), by_key);

			sum = sum * 31 + (got ? got->value : 1);
		}
	}
	printf("%llu\n", (unsigned long long)sum);
	free(v);
	return 0;
}
