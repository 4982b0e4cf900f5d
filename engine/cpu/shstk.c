/* SPDX-License-Identifier: MIT */
/*
 * A thread's shadow stack: the guest's read-only view, the engine's writable view of the same pages, the twins
 * (host return points) and the records (guest RSP at each call), at fixed distances from each other. Called on
 * engine stacks by the thread that owns the stack, or for one that does not run.
 */
#include <linux/mman.h>
#include "cpu/cpu.h"
#include "gnomon/board.h"
#include "rt/engine.h"

#define GUARD PAGE_SIZE /* above the top: a return on an empty stack reads zeroes there, and goes the slow way */

static long map_at(u64 addr, u64 size, int prot, int flags)
{
	return sys_6(__NR_mmap, addr, size, prot, flags, -1, 0);
}

struct span {
	u64 lo, hi;
};

/* whole pages around one of the parallel areas, with a guard's worth of memory on both sides. Only below the alias is it
 * a guard: a call writes there first */
static struct span area(u64 base, u64 size)
{
	return (struct span){ PAGE_DOWN(base) - GUARD, PAGE_UP(base + size) + GUARD };
}

static struct span twins(const struct shstk *s)
{
	return area(s->twin, s->hi - s->lo);
}

static struct span records(const struct shstk *s)
{
	return area(s->twin + SHSTK_REC_DELTA, s->hi - s->lo);
}

static struct span aliases(const struct shstk *s)
{
	return area(s->alias, s->hi - s->lo);
}

static void unmap(struct span a)
{
	rt_disown_range((void *)a.lo, a.hi - a.lo);
	sys2(__NR_munmap, a.lo, a.hi - a.lo);
}

static long map_span(struct span a, int prot)
{
	long p = map_at(a.lo, a.hi - a.lo, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED);

	rt_own_range((void *)a.lo, a.hi - a.lo);
	if (!sys_failed(p))
		rt_pkey_seal((void *)a.lo, a.hi - a.lo, prot);
	return p;
}

/* inside one reservation whose gaps are given back */
long shstk_areas(struct shstk *s, int alias_prot)
{
	u64 size = s->hi - s->lo, span = PAGE_UP(SHSTK_TWIN_DELTA + SHSTK_REC_DELTA + size + 4 * PAGE_SIZE);
	long r = map_at(0, span, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE), p;

	if (sys_failed(r))
		return r;
	s->alias = (u64)r + GUARD;
	s->twin = s->alias + SHSTK_TWIN_DELTA;
	p = map_span(aliases(s), alias_prot);
	if (!sys_failed(p))
		p = map_span(twins(s), PROT_READ | PROT_WRITE);
	if (!sys_failed(p))
		p = map_span(records(s), PROT_READ | PROT_WRITE);
	/* what lies between goes back only now: another thread would map into the holes */
	sys2(__NR_munmap, aliases(s).hi, twins(s).lo - aliases(s).hi);
	sys2(__NR_munmap, twins(s).hi, records(s).lo - twins(s).hi);
	if ((u64)r + span > records(s).hi)
		sys2(__NR_munmap, records(s).hi, (u64)r + span - records(s).hi);
	if (!sys_failed(p))
		return 0;
	unmap(aliases(s));
	unmap(twins(s));
	unmap(records(s));
	return p;
}

/* the alias of a stack that is the engine's own */
static long fill_alias(const struct shstk *s)
{
	u64 size = s->hi - s->lo;
	long p = sys5(__NR_mremap, s->lo, 0, size, MREMAP_MAYMOVE | MREMAP_FIXED, s->alias);

	if (!sys_failed(p))
		rt_pkey_seal((void *)s->alias, size, PROT_READ | PROT_WRITE);
	return sys_failed(p) ? p : sys3(__NR_mprotect, s->alias - GUARD, GUARD, PROT_NONE);
}

u64 shstk_size(u64 size)
{
	return min(PAGE_UP(size), (u64)SHSTK_SIZE_MAX & PAGE_MASK);
}

void shstk_use(struct vcpu *v, const struct shstk *s)
{
	v->ss = v->home = *s;
	v->guest_ss = false;
	v->twin_sp = shstk_top(v);
}

long shstk_create(struct vcpu *v, u64 size)
{
	struct shstk s = { 0 };
	long p, ret;

	size = shstk_size(size);
	if (!size)
		return -EINVAL;
	p = map_at(0, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE);
	if (sys_failed(p))
		return p;
	s.lo = (u64)p;
	s.hi = s.lo + size;
	ret = shstk_areas(&s, PROT_READ | PROT_WRITE);
	if (!ret)
		ret = fill_alias(&s);
	if (ret) {
		sys2(__NR_munmap, p, size);
		return ret;
	}
	sys3(__NR_mprotect, p, size, PROT_READ);
	rt_own_range((void *)p, size);
	shstk_use(v, &s);
	for (u64 t = v->twin_sp; t < v->twin_sp + GUARD / 2; t += 8)
		*(u64 *)t = (u64)cpu_ret_miss;
	return 0;
}

long shstk_first(struct vcpu *v, u64 size)
{
	return kit_stack(v, size);
}

void shstk_unmap(const struct shstk *s)
{
	unmap((struct span){ s->lo, s->hi });
	unmap(aliases(s));
	unmap(twins(s));
	unmap(records(s));
}

bool shstk_push(struct vcpu *v, u64 word, u64 rsp)
{
	if (v->twin_sp - 8 < v->ss.twin && !shstk_prune(v))
		return false;
	v->twin_sp -= 8;
	*shstk_slot(v->twin_sp) = word;
	*shstk_rec(v->twin_sp) = rsp;
	*(u64 *)v->twin_sp = (u64)cpu_ret_miss;
	return true;
}

void shstk_forget_dead(struct vcpu *v, u64 lo, u64 hi)
{
	for (u64 t = v->twin_sp; t < shstk_top(v); t += 8) {
		u64 h = *(u64 *)t;
		struct block *b = h >= lo && h < hi ? cache_find_host(h) : NULL;

		if (b && b->flags & BLOCK_DEAD)
			*(u64 *)t = (u64)cpu_ret_miss;
	}
}

void shstk_forget_all(struct vcpu *v)
{
	for (u64 t = v->twin_sp; t < shstk_top(v); t += 8)
		*(u64 *)t = (u64)cpu_ret_miss;
}

/*
 * The engine's shadow stack is shared memory, which fork does not copy: the parent makes a second one with the live part
 * before, the child moves it over both of its views before it runs. The guest's own are kern/shadow_fork.c's.
 */
long shstk_fork_prepare(struct vcpu *v, struct shstk_copy *c)
{
	/* of one that was left nobody knows how much lives */
	u64 used = v->guest_ss ? 0 : v->twin_sp - v->ss.twin;
	long p;

	c->size = v->home.hi - v->home.lo;
	c->map = 0;
	if (!c->size || (v->guest_ss && eng.set.mode == GN_MODE_RUN))
		return 0;
	p = map_at(0, c->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE);
	if (sys_failed(p))
		return p;
	c->map = (u64)p;
	used = used >= 512 ? used - 512 : 0; /* a little of the dead part, too */
	memcpy((void *)(c->map + used), (void *)(v->home.alias + used), c->size - used);
	return 0;
}

void shstk_fork_parent(struct shstk_copy *c)
{
	if (c->map)
		sys2(__NR_munmap, c->map, c->size);
}

void shstk_fork_child(struct vcpu *v, struct shstk_copy *c)
{
	const int fixed = MREMAP_MAYMOVE | MREMAP_FIXED;
	long p;

	if (!c->map) { /* the parent's */
		kit_drop_stack(v);
		return;
	}
	p = sys5(__NR_mremap, c->map, 0, c->size, fixed, v->home.alias);
	BUG_ON((u64)p != v->home.alias);
	rt_pkey_seal((void *)v->home.alias, c->size, PROT_READ | PROT_WRITE);
	p = sys5(__NR_mremap, c->map, c->size, c->size, fixed, v->home.lo);
	BUG_ON((u64)p != v->home.lo);
	sys3(__NR_mprotect, v->home.lo, c->size, PROT_READ);
}
