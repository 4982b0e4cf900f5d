/* SPDX-License-Identifier: MIT */
/*
 * Frames of stacks that the thread has left and may come back to: fibers, coroutines. Where the stack pointer returns to
 * an older stack, the newer ones' frames leave the shadow stack and are kept here; where it comes back to one of them,
 * they return. Without that each return of a resumed fiber would be a violation of its own, and longjmp in it no
 * unwinding. Called by the thread they belong to, on its engine stack.
 */
#include "cpu/cpu.h"

#define MOST 16384u /* frames; the older half goes when it is full */
#define CHAINS 1024u
#define NONE 0xffffu

struct parked {
	u32 n;
	u16 chain[CHAINS]; /* the newest frame with this hash of its place */
	struct frame {
		u64 word, rsp; /* rsp 0: resumed, or the end of one parking */
		u16 next;
	} at[MOST];
};

static u32 hash_of(u64 rsp)
{
	return (u32)((rsp >> 3) * 0x9e3779b97f4a7c15ull >> 54);
}

static void chain_in(struct parked *p, u32 i)
{
	u16 *chain = &p->chain[hash_of(p->at[i].rsp)];

	p->at[i].next = *chain;
	*chain = (u16)i;
}

static void forget_older_half(struct parked *p)
{
	u32 n = 0;

	memset(p->chain, 0xff, sizeof(p->chain));
	for (u32 i = p->n - min(p->n, MOST / 2); i < p->n; i++) {
		p->at[n] = p->at[i];
		if (p->at[n].rsp)
			chain_in(p, n);
		n++;
	}
	p->n = n;
}

static struct parked *parked_of(struct vcpu *v)
{
	if (!v->parked) {
		v->parked = rt_map(sizeof(*v->parked));
		if (v->parked)
			memset(v->parked->chain, 0xff, sizeof(v->parked->chain));
	}
	return v->parked;
}

static void put(struct parked *p, u64 word, u64 rsp)
{
	if (p->n == MOST)
		forget_older_half(p);
	p->at[p->n] = (struct frame){ .word = word, .rsp = rsp };
	if (rsp)
		chain_in(p, p->n);
	p->n++;
}

void parked_put(struct vcpu *v, u64 until, u64 rsp)
{
	struct parked *p = until > v->twin_sp ? parked_of(v) : NULL;
	u64 oldest = min(until, v->twin_sp + 8 * (MOST / 4)), own_lo = rsp, own_hi = rsp;

	if (!p)
		return;
	for (u64 t = oldest; t > v->twin_sp;) {
		u64 at = *shstk_rec(t -= 8);

		if (at < own_lo || at > own_hi) {
			if (!cpu_same_stack(v, at, rsp)) {
				put(p, shstk_word(v, t), at);
				continue;
			}
			own_lo = min(own_lo, at);
			own_hi = max(own_hi, at);
		}
		/* left behind on the stack that goes on now: nobody returns there */
	}
	put(p, 0, 0);
}

static u32 find(struct parked *p, u64 rsp, u64 word)
{
	u32 i = p->chain[hash_of(rsp)];

	while (i != NONE && (p->at[i].rsp != rsp || p->at[i].word != word))
		i = p->at[i].next;
	return i;
}

bool parked_has(struct vcpu *v, u64 rsp, u64 word)
{
	return v->parked && find(v->parked, rsp, word) != NONE;
}

/* the oldest frame of the same stack as frame i, parked with it */
static u32 stack_start(struct vcpu *v, struct parked *p, u32 i)
{
	while (i && p->at[i - 1].rsp > p->at[i].rsp && cpu_same_stack(v, p->at[i - 1].rsp, p->at[i].rsp))
		i--;
	return i;
}

void parked_resume(struct vcpu *v, u64 rsp, u64 word)
{
	struct parked *p = v->parked;
	u32 top = find(p, rsp, word), i = stack_start(v, p, top);

	if (v->twin_sp - v->ss.twin < 8ul * (top - i))
		return;
	for (; i < top; i++) {
		(void)!ssp_push(v, p->at[i].word, p->at[i].rsp);
		p->at[i].rsp = 0;
	}
	/* the frame that returns now, and those that had left it when it was parked */
	for (; i < p->n && p->at[i].rsp && p->at[i].rsp <= rsp; i++)
		p->at[i].rsp = 0;
}

void parked_release(struct vcpu *v)
{
	if (v->parked)
		rt_unmap(v->parked, sizeof(*v->parked));
	v->parked = NULL;
}
