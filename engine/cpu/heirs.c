/* SPDX-License-Identifier: MIT */
/*
 * What a child of fork translates is lost with it, and the next child needs the same again: a shell's or a server's
 * children all run code that it never runs itself. So children say in memory shared with their parent what they had to
 * translate, and before it forks again the parent does that once for all that follow. Called by the thread that forks,
 * and by cpu_build().
 *
 * What stands there are places to translate, nothing that must be true: a guest that wrote there would choose what is
 * translated, not what is run.
 */
#include <linux/mman.h>
#include "cpu/cpu.h"
#include "cpu/heirs.h"
#include "rt/engine.h"

#define PLACES 16383u
/* above any address that code can have: an exit of the block there that was linked, counted from 1; the entry in front of the
 * block; its residency */
#define EXIT_SHIFT 48
#define FRONT_SHIFT 56
#define RES_SHIFT 62
#define EXITS 0xffu
#define FRONTS 3u /* ENTRY_JUMP, ENTRY_CALL; else none */

struct will {
	u32 n; /* places noted; more than there are where it is full */
	u64 place[PLACES];
};

/* all under cache_lock */
static struct will *parents __forked; /* where this process notes what it translates */
static struct will *own __forked;     /* where its children do */
static u32 done __forked;             /* of own: looked at */
static bool forked __forked;

static void give_back(struct will *w)
{
	sys2(__NR_munmap, w, sizeof(*w));
	rt_disown_range(w, PAGE_UP(sizeof(*w)));
}

/* Who forks once has no use for it. */
static void make_own(void)
{
	long p;

	if (own || !forked) {
		forked = true;
		return;
	}
	p = sys_6(__NR_mmap, 0, sizeof(*own), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (sys_failed(p))
		return;
	own = (struct will *)p;
	done = 0;
	rt_own_range(own, PAGE_UP(sizeof(*own)));
	rt_pkey_tag(own, PAGE_UP(sizeof(*own)), PROT_READ | PROT_WRITE);
}

static void note(u64 place)
{
	u32 at;

	if (likely(!parents) || parents->n >= PLACES)
		return;
	at = __atomic_fetch_add(&parents->n, 1, __ATOMIC_RELAXED);
	if (at < PLACES)
		__atomic_store_n(&parents->place[at], place, __ATOMIC_RELAXED);
}

void heirs_note(const struct block *b, enum block_entry front)
{
	note(b->pc | (u64)min((u32)front, FRONTS) << FRONT_SHIFT | (u64)b->res << RES_SHIFT);
}

void heirs_note_link(const struct exit *x)
{
	const struct block *b = exit_block(x);

	note(b->pc | (x->index + 1ul) << EXIT_SHIFT | (u64)b->res << RES_SHIFT);
}

static void translate(struct vcpu *v, gaddr_t pc, u8 res, enum block_entry front)
{
	struct block *b;

	if (pc >= eng.unlock_lo && pc < eng.unlock_hi) /* that it runs there means something */
		return;
	if (pc && !cache_find(pc, res) && (res || !cache_find_inside(pc, &b)))
		(void)!cpu_build(v, pc, res, front);
}

static void link_exit(gaddr_t pc, u8 res, u32 exit)
{
	struct block *b = cache_find(pc, res);

	if (b && exit <= b->nexits)
		xlate_link(&block_exits(b)[exit - 1]);
}

/* one kind of what stands in own[done, n), until the cache is full */
static void inherit(struct vcpu *v, u32 n, bool links)
{
	u64 generation = cache_generation;

	for (u32 i = n; i-- > done && generation == cache_generation;) {
		u64 place = __atomic_load_n(&own->place[i], __ATOMIC_RELAXED);
		gaddr_t pc = place & ((1ul << EXIT_SHIFT) - 1);
		u32 front = place >> FRONT_SHIFT & FRONTS;
		u32 exit = place >> EXIT_SHIFT & EXITS;
		u8 res = (u8)(place >> RES_SHIFT);

		if (links && exit)
			link_exit(pc, res, exit);
		else if (!links && !exit)
			translate(v, pc, res, front <= ENTRY_CALL ? front : ENTRY_NONE);
	}
}

void heirs_before_fork(struct vcpu *v)
{
	u32 n;

	cpu_lock_cache(v);
	make_own();
	n = own && !xlate_opts.one_insn ? min(own->n, PLACES) : 0;
	if (n > done) {
		inherit(v, n, false); /* the newest first: what a block leads to is there when it is linked */
		inherit(v, n, true);
		done = n;
	}
	if (own && own->n >= PLACES) { /* what has been noted is done: room for those that come; who notes right now is lost */
		__atomic_store_n(&own->n, 0, __ATOMIC_RELAXED);
		done = 0;
	}
	cache_unlock();
}

void heirs_in_child(void)
{
	if (parents && own)
		give_back(parents);
	if (own)
		parents = own;
	own = NULL;
	forked = false;
}
