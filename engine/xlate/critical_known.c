/* SPDX-License-Identifier: MIT */
/*
 * The table of known critical sections, by the page they begin in. Entries are never freed, only changed. Called with
 * cache_lock held, by the translator, by cpu/rseq.c and in front of signal frames.
 */
#include "xlate/critical.h"

#define ROOM (1ul << 20) /* for some thousand of them */
#define BUCKETS 256u
#define LEN_MAX (64ul << 10)
#define TASK_TOP 0x7ffffffff000ul

u32 critical_count;
gaddr_t critical_new_lo, critical_new_hi;
static struct critical *buckets[BUCKETS];
static struct rt_arena arena;

static struct critical **bucket_of(gaddr_t pc)
{
	return &buckets[(pc / PAGE_SIZE * 0x9e3779b97f4a7c15ull) >> 56];
}

struct critical *critical_at(gaddr_t pc)
{
	struct critical *c;

	if (likely(!critical_count))
		return NULL;
	for (c = *bucket_of(pc); c && c->start != pc; c = c->next)
		;
	return c;
}

gaddr_t critical_next(gaddr_t pc, gaddr_t end)
{
	if (likely(!critical_count))
		return end;
	for (struct critical *c = *bucket_of(pc); c; c = c->next)
		if (c->start >= pc && c->start < end)
			end = c->start;
	return end;
}

static struct critical *new_entry(gaddr_t start)
{
	struct critical *c;

	if (!arena.base && rt_arena_init(&arena, ROOM))
		return NULL;
	c = rt_arena_alloc(&arena, sizeof(*c) + 32);
	if (!c) {
		rt_log_once("too many critical sections (rseq): further ones are not protected");
		return NULL;
	}
	c = (struct critical *)(((u64)c + 31) & ~31ul);
	c->start = start;
	c->next = *bucket_of(start);
	*bucket_of(start) = c;
	critical_count++;
	return c;
}

static bool shape_ok(const struct rseq_cs *d)
{
	return !d->version && !d->flags && d->start && d->len && d->len <= LEN_MAX && d->start < TASK_TOP &&
	       d->abort >= 4 && d->abort < TASK_TOP && d->abort - d->start >= d->len;
}

static bool enter(gaddr_t desc, const struct rseq_cs *d, u32 sig)
{
	struct critical *c = critical_at(d->start);

	if (c && c->desc == desc && c->end == d->start + d->len && c->abort == d->abort && c->sig == sig)
		return true;
	if (!c)
		c = new_entry(d->start);
	if (!c)
		return false;
	c->end = d->start + d->len;
	c->abort = d->abort;
	c->desc = desc;
	c->sig = sig;
	critical_new_lo = critical_new_hi ? min(critical_new_lo, c->start) : c->start;
	critical_new_hi = max(critical_new_hi, c->end);
	return true;
}

/* a wrong signature is the kernel's business: it stands in front of the translation, too */
static bool read_desc(gaddr_t desc, struct rseq_cs *d, u32 *sig)
{
	return !rt_copy_from_guest(d, desc, sizeof(*d)) && shape_ok(d) && !rt_copy_from_guest(sig, d->abort - 4, 4);
}

bool critical_learn(gaddr_t desc)
{
	struct rseq_cs d;
	u32 sig;

	return read_desc(desc, &d, &sig) && enter(desc, &d, sig);
}

void critical_guess(gaddr_t pc, gaddr_t desc)
{
	struct rseq_cs d;
	u32 sig;

	if (!read_desc(desc, &d, &sig) || sig != CRITICAL_SIG || d.start - pc + PAGE_SIZE > 2 * PAGE_SIZE)
		return;
	enter(desc, &d, sig);
}

bool critical_confirm(struct critical *c)
{
	struct critical **p = bucket_of(c->start);
	struct rseq_cs d;
	u32 sig;

	if (read_desc(c->desc, &d, &sig) && d.start == c->start && d.start + d.len == c->end && d.abort == c->abort) {
		c->sig = sig;
		return true;
	}
	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	critical_count--;
	return false;
}
