/* SPDX-License-Identifier: MIT */
/* libs: -pthread
 * Fibers that threads hand on to each other, and whose frames are more than come back at once: nothing but the switches is
 * reported.
 * expect: stack-switch switcher=co_switch at=co_switch */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "co_switch.h"

#define FIBERS 3
#define DEPTH 70

static void *thread_sp, *fiber_sp[FIBERS];
static int current;
static long total;

/* goes down, yields at the bottom and in some places on the way up */
static long __attribute__((noinline)) down(int n)
{
	long r = n ? down(n - 1) + 1 : 0;

	if (n % 23 == 0)
		co_switch(&fiber_sp[current], thread_sp);
	return r;
}

static void body(void)
{
	for (;;)
		total += down(DEPTH);
}

static long __attribute__((noinline)) resume_from(int n, int fiber)
{
	if (n)
		return resume_from(n - 1, fiber) + 1;
	current = fiber;
	co_switch(&thread_sp, fiber_sp[fiber]);
	return 0;
}

static void *runs(void *p)
{
	for (int i = 0; i < 25; i++)
		for (int f = 0; f < FIBERS; f++)
			total += resume_from((i * 7 + f) % 60, f);
	return p;
}

int main(void)
{
	pthread_t t;

	for (int i = 0; i < FIBERS; i++)
		fiber_sp[i] = co_stack(65536, body);
	for (int i = 0; i < 3; i++) { /* one after the other: only the fibers are shared */
		runs(NULL);
		pthread_create(&t, NULL, runs, NULL);
		pthread_join(t, NULL);
	}
	printf("%ld\n", total);
	return 0;
}
