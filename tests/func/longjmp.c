/* SPDX-License-Identifier: MIT */
/* libs: -pthread
 * verdict: clean unwinds
 * setjmp and longjmp over many frames, in and out of signal handlers and threads; the right values come back. */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include "check.h"

static jmp_buf buf, outer;

static void __attribute__((noinline)) down(int n, int value)
{
	if (n == 0)
		longjmp(buf, value);
	down(n - 1, value);
	__asm__ volatile("" ::: "memory");
}

static int __attribute__((noinline)) once(int n, int value)
{
	int r = setjmp(buf);

	if (r == 0)
		down(n, value);
	return r;
}

static int __attribute__((noinline)) levels(int n)
{
	jmp_buf mine;
	int r = setjmp(mine);

	if (r == 0) {
		if (n == 0)
			longjmp(outer, 55);
		levels(n - 1);
	}
	return r;
}

static int __attribute__((noinline)) same(void)
{
	volatile int i = 0;

	setjmp(buf);
	if (i++ < 1000)
		longjmp(buf, 1);
	return i;
}

static void *thread(void *p)
{
	jmp_buf b;
	volatile long sum = 0;

	for (volatile int i = 0; i < 500; i++) {
		int r = setjmp(b);

		if (r == 0)
			longjmp(b, i + 1);
		sum += r;
	}
	return (void *)sum;
}

int main(void)
{
	pthread_t t[4];
	void *r;

	for (int i = 1; i < 300; i++)
		CHECK_EQ(once(i, i * 3), i * 3);
	CHECK_EQ(once(3, 0), 1);
	CHECK_EQ(once(2000, 9), 9);
	CHECK_EQ(same(), 1001);
	for (int i = 0; i < 30; i++) {
		int got = setjmp(outer);

		if (got == 0)
			levels(40);
		CHECK_EQ(got, 55);
	}
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, thread, NULL);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &r);
		CHECK_EQ(r, 125250);
	}
	return check_done();
}
