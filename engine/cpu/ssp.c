/* SPDX-License-Identifier: MIT */
/*
 * SSP where the shadow stack is the guest's own memory: accesses at any address as the CPU makes them, and moving to any.
 * Translated code works on v->ss, a run of shadow-stack memory in one window; whatever leaves that comes here. An
 * SSP with no such memory around stands in the window of nowhere, where each access faults and is executed here, too.
 *
 * Twins: a slot's twin is the translation of its word or nothing, so whoever stores a word here clears the twin. Twins of
 * live frames are told when code dies (shstk_forget_dead()), those of other frames are not: where SSP moves to other
 * frames than it leaves, their twins are only good if no code died since they were left, which the tag behind the
 * restore token says. Called on engine stacks with exact guest state.
 */
#include "cpu/emul.h"
#include "cpu/window.h"
#include "gnomon/board.h"
#include "rt/engine.h"

#define EACH (64ul << 10) /* twins that are looked at one by one; the rest goes page-wise */
#define PARKED_TAG 0x5afeul

static bool holds(const struct shstk *s, gaddr_t at, u32 size)
{
	return at >= s->lo && at <= s->hi - size;
}

/* the engine's own stack of this thread, which the guest sees in all modes but run */
static bool is_home(const struct vcpu *v, gaddr_t at, u32 size)
{
	return v->home.hi && eng.set.mode != GN_MODE_RUN && holds(&v->home, at, size);
}

static bool find(struct vcpu *v, gaddr_t at, u32 size, struct shstk *ret)
{
	if (is_home(v, at, size)) {
		*ret = v->home;
		return true;
	}
	return cpu_up.shadow(at, ret) && holds(ret, at, size);
}

static u64 twin_of(const struct shstk *s, gaddr_t at)
{
	return s->twin + (at - s->lo);
}

/* 4 or 8 bytes that lie in one run; false if they cannot be had */
static bool load_piece(struct vcpu *v, gaddr_t at, void *to, u32 size)
{
	struct shstk s;

	if (holds(&v->ss, at, size) && !rt_copy_from_guest(to, v->ss.alias + (at - v->ss.lo), size))
		return true;
	return find(v, at, size, &s) && !rt_copy_from_guest(to, s.alias + (at - s.lo), size);
}

static bool store_piece(struct vcpu *v, gaddr_t at, const void *from, u32 size)
{
	struct shstk s = v->ss;

	if (!holds(&s, at, size) || rt_copy_to_guest(s.alias + (at - s.lo), from, size))
		if (!find(v, at, size, &s) || rt_copy_to_guest(s.alias + (at - s.lo), from, size))
			return false;
	*(u64 *)twin_of(&s, at & ~7ul) = (u64)cpu_ret_miss;
	return true;
}

bool ssp_load(struct vcpu *v, gaddr_t at, u64 *word)
{
	if (likely(!(at & 7)))
		return load_piece(v, at, word, 8);
	return load_piece(v, at, word, 4) && load_piece(v, at + 4, (u32 *)word + 1, 4);
}

bool ssp_store(struct vcpu *v, gaddr_t at, u64 word)
{
	if (likely(!(at & 7)))
		return store_piece(v, at, &word, 8);
	return store_piece(v, at, &word, 4) && store_piece(v, at + 4, (u32 *)&word + 1, 4);
}

bool ssp_load32(struct vcpu *v, gaddr_t at, u32 *word)
{
	return load_piece(v, at, word, 4);
}

bool ssp_store32(struct vcpu *v, gaddr_t at, u32 word)
{
	return store_piece(v, at, &word, 4);
}

/* 1: exchanged, 0: another word stands there, -EFAULT */
long ssp_exchange(struct vcpu *v, gaddr_t at, u64 old, u64 new)
{
	struct shstk s;
	long r;

	if (!find(v, at, 8, &s))
		return -EFAULT;
	r = rt_cas64_guest(s.alias + (at - s.lo), old, new);
	if (r == 1)
		*(u64 *)twin_of(&s, at) = (u64)cpu_ret_miss;
	return r;
}

static u64 tag(void)
{
	return PARKED_TAG << 48 | (cache_epoch & 0xfffffffffffful);
}

/* twins of [t, top) lead nowhere */
static void forget(u64 t, u64 top)
{
	u64 each = min(t + EACH, top), page;

	for (; t < each; t += 8)
		if (*(u64 *)t)
			*(u64 *)t = (u64)cpu_ret_miss;
	for (page = PAGE_UP(t); t < min(page, top); t += 8)
		*(u64 *)t = 0;
	if (PAGE_DOWN(top) > t)
		sys3(__NR_madvise, t, PAGE_DOWN(top) - t, 4 /* MADV_DONTNEED */);
	for (t = max(t, PAGE_DOWN(top)); t < top; t += 8)
		*(u64 *)t = 0;
}

void ssp_leave(struct vcpu *v)
{
	*shstk_rec(v->twin_sp - 8) = tag();
}

/* the stack for pushes from ssp on, if there is one, else for pops */
static void seat(struct vcpu *v, gaddr_t ssp)
{
	if (ssp & 7 || (!find(v, ssp - 8, 8, &v->ss) && !find(v, ssp, 8, &v->ss)))
		win_nowhere(ssp, &v->ss);
	v->guest_ss = v->ss.twin != v->home.twin;
	v->twin_sp = twin_of(&v->ss, ssp);
}

void ssp_enter(struct vcpu *v, gaddr_t ssp)
{
	seat(v, ssp);
	if (*shstk_rec(v->twin_sp) != tag())
		forget(v->twin_sp, shstk_top(v));
}

void ssp_advance(struct vcpu *v, u64 bytes)
{
	gaddr_t ssp = vcpu_ssp(v) + bytes;

	if (!(ssp & 7) && ssp <= v->ss.hi && !((ssp - bytes) & 7))
		v->twin_sp += bytes;
	else
		ssp_enter(v, ssp);
}

bool ssp_push(struct vcpu *v, u64 word, u64 rsp)
{
	gaddr_t ssp = vcpu_ssp(v) - 8;

	if (!v->guest_ss)
		return shstk_push(v, word, rsp);
	if (!ssp_store(v, ssp, word))
		return false;
	if (ssp >= v->ss.lo && !(ssp & 7))
		v->twin_sp -= 8;
	else
		seat(v, ssp);
	*shstk_rec(v->twin_sp) = rsp;
	return true;
}

void shstk_adopt(struct vcpu *v, gaddr_t lo, u64 size)
{
	v->own_lo = lo;
	v->own_size = size;
	seat(v, lo + size);
}

long ssp_home(struct vcpu *v)
{
	if (!v->home.hi) {
		long r = kit_stack(v, v->own_size ? v->own_size : PAGE_SIZE);

		if (r)
			return r;
	}
	v->ss = v->home;
	v->guest_ss = false;
	v->twin_sp = shstk_top(v);
	return 0;
}

/* the page has been touched; one of a shadow stack that has not is not there whatever its protection */
static u64 present(gaddr_t at)
{
	u8 vec = 0;

	return !sys3(__NR_mincore, PAGE_DOWN(at), PAGE_SIZE, &vec) && vec & 1;
}

u64 ssp_present_bit(gaddr_t at)
{
	struct shstk s;

	return cpu_up.shadow(at, &s) && present(at);
}

void ssp_fault(struct vcpu *v, gaddr_t at, bool write)
{
	u64 err = write ? 0x46 : 0x44;
	struct shstk s;
	int prot;

	if (!cpu_is_canonical(at)) {
		emul_gp(v, 0);
		return;
	}
	prot = cpu_up.prot(PAGE_DOWN(at), NULL);
	if (at >> 47 || (prot > 0 && (!cpu_up.shadow(at, &s) || prot == 1 /* PROT_READ */) && present(at)))
		err |= 1;
	cpu_up.fault(v, 11 /* SIGSEGV */, prot < 0 ? 1 : 2, at, 14, err);
}
