/* SPDX-License-Identifier: MIT */
/*
 * What a thread needs of memory: a region with its vcpu, tables, engine stack and room for sig/, and a shadow stack.
 * Making one takes some thirty system calls, so a thread that ends leaves its kit to the next one, tables filled as
 * they are. It goes by its own last instructions: the kit is free once `left` is set, behind which the thread
 * touches no memory any more.
 */
#include <linux/mman.h>
#include "cpu/cpu.h"
#include "gnomon/board.h"
#include "rt/engine.h"

#define STACK_AT VCPU_REGION
#define ROOM_AT (STACK_AT + ENGINE_STACK)
#define REGION (ROOM_AT + CPU_SIG_ROOM)
#define SPARE_MAX 4

static struct vcpu *spare; /* by ->next; under cache_lock */
static u32 nspare;

static void region_setup(struct vcpu *v)
{
	v->self = v;
	v->engine_sp = (u64)v + ROOM_AT - 64;
	v->sig_room = (u8 *)v + ROOM_AT;
	v->outside = 1;
	v->stale_lo = ~0ul;
	rseq_forget(v);
}

/* a region without a shadow stack */
static struct vcpu *region_new(void)
{
	struct vcpu *v = rt_map_shared(REGION);

	if (!v)
		return NULL;
	rt_pkey_seal(v, SLOT_OPEN, PROT_READ | PROT_WRITE);
	rt_pkey_seal((u8 *)v + VCPU_SIZE, REGION - VCPU_SIZE, PROT_READ | PROT_WRITE);
	region_setup(v);
	v->tables_epoch = cache_epoch;
	cpu_tables_init(v);
	return v;
}

/* [holds: cache_lock] Blocks may have died while v was on no list: none of its entries leads to one afterwards */
void kit_check_tables(struct vcpu *v)
{
	if (v->tables_epoch != cache_epoch)
		cpu_tables_reset(v);
	v->tables_epoch = cache_epoch;
}

static struct vcpu *take_spare(void)
{
	struct vcpu **p, *v;

	cache_lock();
	for (p = &spare; *p && !__atomic_load_n(&(*p)->left, __ATOMIC_ACQUIRE); p = &(*p)->next)
		;
	v = *p;
	if (v) {
		*p = v->next;
		nspare--;
	}
	cache_unlock();
	return v;
}

/* as new, but for what is worth keeping */
static void refresh(struct vcpu *v)
{
	struct itable jumps = v->jumps, calls = v->calls;
	struct shstk stack = v->kit_stack;
	struct sealed *sealed = v->sealed;
	u64 epoch = v->tables_epoch;

	memset(v, 0, sizeof(*v));
	region_setup(v);
	v->sample = 1;
	v->jumps = jumps;
	v->calls = calls;
	v->kit_stack = stack;
	v->sealed = sealed;
	v->tables_epoch = epoch;
}

void kit_drop_stack(struct vcpu *v)
{
	if (v->kit_stack.hi)
		shstk_unmap(&v->kit_stack);
	v->kit_stack = v->home = (struct shstk){ 0 };
}

struct vcpu *kit_get(void)
{
	struct vcpu *v = take_spare();
	bool foreign;

	if (!v)
		return region_new();
	foreign = v->foreign_stack;
	refresh(v);
	if (foreign)
		kit_drop_stack(v);
	return v;
}

long kit_stack(struct vcpu *v, u64 size)
{
	long r;

	if (v->kit_stack.hi - v->kit_stack.lo == shstk_size(size)) {
		shstk_use(v, &v->kit_stack);
		return 0;
	}
	kit_drop_stack(v);
	r = shstk_create(v, size);
	if (!r)
		v->kit_stack = v->home;
	return r;
}

/* is there a place for it among the spare ones? */
static bool keep(struct vcpu *v, u32 left)
{
	bool room;

	cache_lock();
	room = nspare < SPARE_MAX;
	if (room) {
		v->left = left;
		v->next = spare;
		spare = v;
		nspare++;
	}
	cache_unlock();
	return room;
}

void kit_put(struct vcpu *v)
{
	if (keep(v, 1))
		return;
	kit_drop_stack(v);
	sealed_free(v);
	rt_unmap(v, REGION);
}

void __noreturn kit_leave(struct vcpu *v, int status)
{
	if (keep(v, 0))
		cpu_leave_and_exit(status);
	kit_drop_stack(v);
	sealed_free(v);
	rt_disown_range(v, REGION);
	cpu_free_and_exit(v, REGION, status);
}

/* In a forked child the kits of its parent's other threads are spare, too; but all their shadow stacks, shared memory,
 * are still the parent's. */
void kit_after_fork(struct vcpu *self, struct vcpu *threads)
{
	struct vcpu *next;

	for (struct vcpu *t = threads; t; t = next) {
		next = t->next;
		if (t == self)
			continue;
		t->left = 1;
		t->tables_epoch = ~0ul;
		t->next = spare;
		spare = t;
		nspare++;
	}
	for (struct vcpu *t = spare; t; t = t->next)
		t->foreign_stack = true;
}
