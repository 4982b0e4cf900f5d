/* SPDX-License-Identifier: MIT */
/* flags: -O2 -fno-inline
 * Deep recursion, mutual recursion, callbacks and function pointers of many targets; more return points than any
 * cache or predictor has. */
#include <string.h>
#include "check.h"

static unsigned ack(unsigned m, unsigned n)
{
	return !m ? n + 1 : !n ? ack(m - 1, 1) : ack(m - 1, ack(m, n - 1));
}

static int even(unsigned n);
static int odd(unsigned n)
{
	volatile unsigned keep = n;

	return keep == 0 ? 0 : even(n - 1) + 0 * (int)keep;
}
static int even(unsigned n)
{
	volatile unsigned keep = n;

	return keep == 0 ? 1 : odd(n - 1) + 0 * (int)keep;
}

#define F(n) static unsigned long f##n(unsigned long x) { return x * (2 * n + 1) + (x >> 3); }
#define F10(n) F(n##0) F(n##1) F(n##2) F(n##3) F(n##4) F(n##5) F(n##6) F(n##7) F(n##8) F(n##9)
F10(1) F10(2) F10(3) F10(4) F10(5) F10(6) F10(7) F10(8)
#define P(n) f##n,
#define P10(n) P(n##0) P(n##1) P(n##2) P(n##3) P(n##4) P(n##5) P(n##6) P(n##7) P(n##8) P(n##9)
static unsigned long (*const table[])(unsigned long) = { P10(1) P10(2) P10(3) P10(4) P10(5) P10(6) P10(7) P10(8) };

static int cmp(const void *a, const void *b)
{
	return memcmp(a, b, 8);
}

int main(void)
{
	unsigned long x = 1, s = 0;
	static unsigned long v[20000];

	CHECK_EQ(ack(2, 300), 603);
	CHECK_EQ(even(60000), 1);
	CHECK_EQ(odd(60001), 1);
	for (int i = 0; i < 300000; i++) {
		x = x * 6364136223846793005ul + 1442695040888963407ul;
		s += table[(x >> 40) % 80](s ^ (x >> 50));
		v[i % 20000] = s;
	}
	qsort(v, 20000, 8, cmp);
	printf("%lx %lx %lx\n", s, v[0], v[10000]);
	return check_done();
}
