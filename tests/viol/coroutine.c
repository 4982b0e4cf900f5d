/* SPDX-License-Identifier: MIT */
/* variant: O1: -O1
 * variant: O2: -O2
 * A hand-made coroutine switch, as in fiber libraries: push, exchange the stack pointers, pop, ret.
 * expect: stack-switch switcher=co_switch at=co_switch */
#include <stdio.h>
#include <stdlib.h>
#include "co_switch.h"

static void *main_sp, *co_sp[3];
static int current;
static long total;

static long __attribute__((noinline)) work(long n)
{
	return n < 2 ? n : work(n - 1) + work(n - 2);
}

static void body(void)
{
	int me = current;

	for (long i = 0;; i++) {
		total += work(8 + me) + i;
		co_switch(&co_sp[me], main_sp);
	}
}

int main(void)
{
	for (int i = 0; i < 3; i++)
		co_sp[i] = co_stack(65536, body);
	for (int round = 0; round < 50; round++)
		for (current = 0; current < 3; current++)
			co_switch(&main_sp, co_sp[current]);
	printf("%ld\n", total);
	return 0;
}
