/* SPDX-License-Identifier: MIT */
/*
 * Bump arenas: address space reserved once, memory committed in steps, given back all at once. The caller
 * holds the lock that owns the arena. [no-fp]
 */
#include <linux/mman.h>
#include "rt/rt.h"

#define COMMIT_STEP (256ul << 10)

long rt_arena_init(struct rt_arena *a, size_t reserve)
{
	long p;

	reserve = PAGE_UP(reserve);
	if (rt_fail_now())
		return -ENOMEM;
	p = sys_6(__NR_mmap, NULL, reserve, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (sys_failed(p))
		return -ENOMEM;
	rt_own_range((void *)p, reserve);
	rt_pkey_tag((void *)p, reserve, PROT_NONE);
	a->base = a->next = a->committed = (u8 *)p;
	a->end = a->base + reserve;
	return 0;
}

static long commit(struct rt_arena *a, u8 *upto)
{
	size_t n = ((size_t)(upto - a->committed) + COMMIT_STEP - 1) & ~(COMMIT_STEP - 1);
	long r;

	n = min(n, (size_t)(a->end - a->committed));
	if (rt_fail_now())
		return -ENOMEM;
	r = sys3(__NR_mprotect, a->committed, n, PROT_READ | PROT_WRITE);
	if (r)
		return r;
	a->committed += n;
	return 0;
}

void *rt_arena_alloc(struct rt_arena *a, size_t size)
{
	u8 *p = a->next;

	if (size > (size_t)(a->end - p))
		return NULL;
	size = (size + 7) & ~7ul;
	if (size > (size_t)(a->end - p))
		return NULL;
	if (p + size > a->committed && commit(a, p + size))
		return NULL;
	a->next = p + size;
	return p;
}

void rt_arena_reset(struct rt_arena *a)
{
	/* only what was handed out can be dirty; the kernel gives zeroes again on the next touch */
	size_t used = PAGE_UP((size_t)(a->next - a->base));

	if (used)
		BUG_ON(sys3(__NR_madvise, a->base, used, MADV_DONTNEED));
	a->next = a->base;
}
