/* SPDX-License-Identifier: MIT */
/* libs: -pthread -ldl
 * so: churn.so.c
 * args: @WORK@/libchurn.so
 * also: preempt=2
 * timeout: 60
 * Eight threads run more code than a small cache holds, by direct and indirect calls and deep returns, while others
 * load and unload libraries, toggle and unmap code and come and go. Whoever flushes the cache must not pull it away
 * from under the rest. (DynamoRIO 1911, 4481, 7576) */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include "check.h"

#define WORKERS 5

typedef unsigned (*fn)(unsigned);

/* 256 functions that differ, each calling another one in the middle */
#define F(n)                                                                                              \
	static unsigned __attribute__((noinline)) f##n(unsigned x)                                        \
	{                                                                                                 \
		x = (x ^ n##u) * 2654435761u;                                                             \
		if (x & 64)                                                                               \
			x = table[(x >> 8) & 15](x >> 3) + n##u;                                          \
		for (unsigned i = 0; i < (n##u & 7); i++)                                                 \
			x = (x << 5 | x >> 27) + i;                                                       \
		return x;                                                                                 \
	}
static unsigned leaf0(unsigned x) { return x + 1; }
static unsigned leaf1(unsigned x) { return x ^ 77; }
static unsigned leaf2(unsigned x) { return x * 3; }
static unsigned leaf3(unsigned x) { return x - 9; }
static fn const table[16] = { leaf0, leaf1, leaf2, leaf3, leaf3, leaf1, leaf0, leaf2,
			      leaf1, leaf0, leaf3, leaf2, leaf2, leaf3, leaf0, leaf1 };
#define F8(n) F(n##0) F(n##1) F(n##2) F(n##3) F(n##4) F(n##5) F(n##6) F(n##7)
F8(1) F8(2) F8(3) F8(4) F8(5) F8(6) F8(7) F8(8) F8(9)
F8(11) F8(12) F8(13) F8(14) F8(15) F8(16) F8(17) F8(18) F8(19)
F8(21) F8(22) F8(23) F8(24) F8(25) F8(26) F8(27) F8(28) F8(29)
#define P8(n) f##n##0, f##n##1, f##n##2, f##n##3, f##n##4, f##n##5, f##n##6, f##n##7,
static fn const all[] = { P8(1) P8(2) P8(3) P8(4) P8(5) P8(6) P8(7) P8(8) P8(9)
			  P8(11) P8(12) P8(13) P8(14) P8(15) P8(16) P8(17) P8(18) P8(19)
			  P8(21) P8(22) P8(23) P8(24) P8(25) P8(26) P8(27) P8(28) P8(29) };
#define N (sizeof(all) / sizeof(all[0]))

static volatile int done;

static unsigned __attribute__((noinline)) deep(unsigned n, unsigned x)
{
	if (!n)
		return x;
	x = all[(x + n) % N](x);
	return deep(n - 1, x) + 1;
}

static unsigned round_of(unsigned seed)
{
	unsigned x = seed;

	for (unsigned i = 0; i < N; i++)
		x = all[i](x);
	return deep(60, x);
}

static unsigned want[4];

static void *worker(void *p)
{
	unsigned long bad = 0, rounds = 0;

	while (!done || rounds < 20) {
		bad += round_of(rounds & 3) != want[rounds & 3];
		rounds++;
	}
	return (void *)bad;
}

static void *brief(void *p)
{
	return (void *)(unsigned long)(round_of(2) != want[2]);
}

static void put(unsigned char *p, unsigned value)
{
	p[0] = 0xb8; /* mov $value, %eax; ret */
	memcpy(p + 1, &value, 4);
	p[5] = 0xc3;
}

static void *mapper(void *p)
{
	unsigned long bad = 0;

	for (unsigned i = 0; i < 300; i++) {
		unsigned char *q = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		put(q + 4090, i);
		mprotect(q, 8192, PROT_READ | PROT_EXEC);
		bad += ((fn)(q + 4090))(0) != i;
		mprotect(q, 8192, PROT_READ | PROT_WRITE | PROT_EXEC);
		put(q + 4090, i + 1);
		bad += ((fn)(q + 4090))(0) != i + 1;
		munmap(q, 8192);
	}
	return (void *)bad;
}

static const char *so;
static void *loader(void *p)
{
	unsigned long bad = 0;

	for (unsigned i = 0; i < 40; i++) {
		void *h = dlopen(so, RTLD_NOW);
		int (*f)(int) = (int (*)(int))dlsym(h, "churn_value");

		bad += f(20) != 6765 + 1;
		dlclose(h);
	}
	return (void *)bad;
}

int main(int argc, char **argv)
{
	pthread_t w[WORKERS], map, load, t;
	void *bad;

	so = argv[1];
	for (unsigned i = 0; i < 4; i++)
		want[i] = round_of(i);
	for (int i = 0; i < WORKERS; i++)
		CHECK_EQ(pthread_create(&w[i], NULL, worker, NULL), 0);
	CHECK_EQ(pthread_create(&map, NULL, mapper, NULL), 0);
	CHECK_EQ(pthread_create(&load, NULL, loader, NULL), 0);
	for (int i = 0; i < 60; i++) {
		CHECK_EQ(pthread_create(&t, NULL, brief, NULL), 0);
		pthread_join(t, &bad);
		CHECK_EQ(bad, 0);
	}
	pthread_join(map, &bad);
	CHECK_EQ(bad, 0);
	pthread_join(load, &bad);
	CHECK_EQ(bad, 0);
	done = 1;
	for (int i = 0; i < WORKERS; i++) {
		pthread_join(w[i], &bad);
		CHECK_EQ(bad, 0);
	}
	return check_done();
}
