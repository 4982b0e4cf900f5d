/* SPDX-License-Identifier: MIT */
/* Code in hundreds of places, none within reach of another: calls among them, in an order that nobody foresees. Then code
 * with next to no room around it. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include "check.h"

#define PLACES 300
#define APART (3ul << 32)

typedef int piece(int);

static void *reserve(unsigned long at, unsigned long size)
{
	return mmap((void *)at, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
}

static void crowded(void)
{
	const unsigned char code[] = { 0x8d, 0x47, 5, 0xc3 };
	const unsigned long at = 0x60000000000, mib = 1ul << 20;
	void *p = mmap((void *)at, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (p != (void *)at || reserve(at - 4096 * mib, 3290 * mib) == MAP_FAILED ||
	    reserve(at - 610 * mib, 610 * mib) == MAP_FAILED || reserve(at + 4096, 4096 * mib) == MAP_FAILED)
		return; /* something of the program's lies there */
	memcpy(p, code, sizeof(code));
	for (int i = 0; i < 100; i++)
		CHECK_EQ(((piece *)p)(i), i + 5);
}

int main(void)
{
	static piece *f[PLACES];
	unsigned long at = 0x10000000000;
	unsigned int seed = 1, n = 0;
	int sum = 0, want = 0;

	for (int i = 0; i < PLACES; i++, at += APART) {
		/* lea eax, [rdi+i]; ret */
		unsigned char code[] = { 0x8d, 0x87, (unsigned char)i, (unsigned char)(i >> 8), 0, 0, 0xc3 };
		void *p = mmap((void *)at, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

		if (p != (void *)at)
			continue;
		memcpy(p, code, sizeof(code));
		mprotect(p, 4096, PROT_READ | PROT_EXEC);
		f[n++] = (piece *)p;
	}
	CHECK(n > PLACES - 20);
	for (int i = 0; i < 100000; i++) {
		unsigned int k = (seed = seed * 1103515245 + 12345) >> 8;

		sum += f[k % n](i) - i;
		memcpy(&k, (char *)f[k % n] + 2, 4);
		want += (int)k;
	}
	CHECK_EQ(sum, want);
	crowded();
	return check_done();
}
