/* SPDX-License-Identifier: MIT */
/* variant: dynamic:dynamic */
/* variant: static:static */
/* makecontext and swapcontext: the C library gives each context a shadow stack and switches by RSTORSSP. */
#include <setjmp.h>
#include <string.h>
#include <ucontext.h>
#include "cet.h"
#include "check.h"

#define CONTEXTS 20

static ucontext_t home, ctx[CONTEXTS];
static char stacks[CONTEXTS][65536];
static int sum, finished;

static int __attribute__((noinline)) work(int n)
{
	return n ? n + work(n - 1) : 0;
}

static void body(int id)
{
	for (int i = 0; i < 50; i++) {
		sum += work(id);
		swapcontext(&ctx[id], &ctx[(id + 1) % CONTEXTS]);
	}
	finished++;
}

static void chain(int id)
{
	sum += id;
	if (id % 3)
		setcontext(&home);
}

int main(void)
{
	volatile int returned = 0;

	for (int i = 0; i < CONTEXTS; i++) {
		getcontext(&ctx[i]);
		ctx[i].uc_stack.ss_sp = stacks[i];
		ctx[i].uc_stack.ss_size = sizeof(stacks[i]);
		ctx[i].uc_link = i + 1 < CONTEXTS ? &ctx[i + 1] : &home;
		makecontext(&ctx[i], (void (*)(void))body, 1, i);
	}
	swapcontext(&home, &ctx[0]);
	CHECK_EQ(finished, CONTEXTS);
	CHECK_EQ(sum, 50 * 1330);
	for (int i = 0; i < 200; i++) { /* a context that is left for good, or returns through its link */
		unsigned long before = rdssp();

		getcontext(&ctx[0]);
		ctx[0].uc_stack.ss_sp = stacks[0];
		ctx[0].uc_stack.ss_size = sizeof(stacks[0]);
		ctx[0].uc_link = &home;
		makecontext(&ctx[0], (void (*)(void))chain, 1, i);
		swapcontext(&home, &ctx[0]);
		CHECK_EQ(rdssp(), before);
		returned++;
	}
	CHECK_EQ(returned, 200);
	return check_done();
}
