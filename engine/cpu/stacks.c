/* SPDX-License-Identifier: MIT */
/*
 * Which memory is one stack, and which is several: what a RET that does not match is judged by. Called by the thread whose
 * RET it is, on its engine stack.
 */
#include "cpu/cpu.h"
#include "rt/engine.h"

#define STACK_MAX (64ul << 20) /* two stacks without a guard between them are told apart by this at least */

void stacks_begin(struct vcpu *v)
{
	memset(v->runs, 0, sizeof(v->runs));
}

/* where the memory that `a` lies in ends; asked once for each piece of memory and violation, for tens of thousands of frames */
static gaddr_t run_end(struct vcpu *v, gaddr_t a)
{
	struct mem_run *r;
	gaddr_t end = 0;

	for (r = v->runs; r < v->runs + ARRAY_SIZE(v->runs); r++)
		if (a >= r->lo && a < r->end)
			return r->end;
	cpu_up.prot(PAGE_DOWN(a), &end);
	for (r = v->runs; r < v->runs + ARRAY_SIZE(v->runs); r++)
		if (r->end == end) { /* lower down in the same */
			r->lo = PAGE_DOWN(a);
			return end;
		}
	v->runs[v->next_run++ % ARRAY_SIZE(v->runs)] = (struct mem_run){ PAGE_DOWN(a), end };
	return end;
}

bool stacks_same(struct vcpu *v, u64 a, u64 b)
{
	u64 lo = min(a, b), hi = max(a, b);

	if (hi - lo < PAGE_SIZE)
		return true;
	return hi - lo < STACK_MAX && hi < run_end(v, lo);
}

/*
 * Memory that several stacks are pieces of, as goroutines' are, with nothing between them: a mapping is known once a switch
 * inside it has been seen, and so is the instruction that made it. A range is what has been asked for of one. Changed by
 * whoever finds something; who reads half of it is not sure yet.
 */
#define SHARED_MAX 16u
static struct range {
	u64 lo, hi;
} shared[SHARED_MAX];
static u64 shared_switchers[SHARED_MAX];

bool stacks_switcher(gaddr_t pc)
{
	for (u32 i = 0; i < SHARED_MAX && shared_switchers[i]; i++)
		if (shared_switchers[i] == pc)
			return true;
	return false;
}

bool stacks_shared(struct vcpu *v, u64 rsp)
{
	u32 i;

	for (i = 0; i < SHARED_MAX && shared[i].hi; i++)
		if (rsp >= shared[i].lo && rsp < shared[i].hi)
			return true;
	if (eng.set.mode == GN_MODE_PROTECT) /* what no switch was seen in is one stack */
		return false;
	for (i = 0; i < SHARED_MAX && shared[i].hi; i++)
		if (run_end(v, shared[i].lo) == run_end(v, rsp)) {
			shared[i].lo = min(shared[i].lo, rsp);
			shared[i].hi = max(shared[i].hi, rsp + PAGE_SIZE);
			return true;
		}
	return false;
}

gaddr_t stacks_first_switcher(void)
{
	return shared_switchers[0];
}

static void add_range(struct vcpu *v, u64 a, u64 b)
{
	u32 i;

	for (i = 0; i < SHARED_MAX - 1 && shared[i].hi && run_end(v, shared[i].lo) != run_end(v, a); i++)
		;
	shared[i].lo = shared[i].hi ? min(shared[i].lo, min(a, b)) : min(a, b);
	shared[i].hi = max(shared[i].hi, max(a, b) + PAGE_SIZE);
}

static void remember_switcher(gaddr_t pc)
{
	u32 i;

	for (i = 0; i < SHARED_MAX - 1 && shared_switchers[i] && shared_switchers[i] != pc; i++)
		;
	shared_switchers[i] = pc;
}

void stacks_share(struct vcpu *v, u64 a, u64 b, gaddr_t switcher)
{
	remember_switcher(switcher); /* first: a range has one */
	add_range(v, a, b);
}
