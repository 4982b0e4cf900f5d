/* SPDX-License-Identifier: MIT */
/*
 * Getting the engine's protection key, and giving it to memory. Called at the start, by one thread; rt_pkey_tag() by
 * whoever maps memory. [no-fp]
 */
#include <linux/mman.h>
#include "gnomon/exit.h"
#include "rt/pkey.h"
#include "rt/pkey_asm.h"
#include "rt/rt.h"

#define OSPKE (1u << 4)
#define DENY_WRITE 2u

/* Out of the compiler's sight, which would take it for a constant here */
__asm__(".section .rodata\n\t"
	".globl rt_pkey\n\t"
	".hidden rt_pkey\n\t"
	".balign 16\n"
	"rt_pkey: .skip 20\n\t"
	".previous");
_Static_assert(sizeof(struct rt_pkey) == 20, "rt_pkey");
_Static_assert(offsetof(struct rt_pkey, kept) == RT_PKEY_KEPT && offsetof(struct rt_pkey, closed) == RT_PKEY_CLOSED,
	       "pkey_asm.h");

static bool cpu_has_keys(void)
{
	u32 a = 0, b, c = 0, d;

	__asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	if (a < 7)
		return false;
	a = 7;
	c = 0;
	__asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return c & OSPKE;
}

/* the last one there is, so that the guest's have the numbers they have natively; -errno if there is none */
static long last_key(void)
{
	long key = -ENOSPC, next = sys2(__NR_pkey_alloc, 0, 0);
	u32 others = 0;

	for (; next > 0; next = sys2(__NR_pkey_alloc, 0, 0)) {
		if (key > 0)
			others |= 1u << key;
		key = next;
	}
	for (long k = 1; others >> k; k++)
		if (others >> k & 1)
			sys1(__NR_pkey_free, k);
	return key;
}

void rt_pkey_init(bool seal)
{
	u8 *lo = (u8 *)PAGE_DOWN((u64)&rt_pkey), *hi = (u8 *)PAGE_UP((u64)(&rt_pkey + 1));
	struct rt_pkey *to = (struct rt_pkey *)&rt_pkey;
	struct rt_pkey p = { 0 };
	long key;

	if (!cpu_has_keys())
		return;
	p.start = rt_pkru();
	key = last_key();
	if (key <= 0)
		return;
	p.key = (int)key;
	p.kept = 3u << 2 * key | 3;
	p.closed = DENY_WRITE << 2 * key;
	p.sealed = seal;
	if (sys3(__NR_mprotect, lo, hi - lo, PROT_READ | PROT_WRITE)) {
		sys1(__NR_pkey_free, key);
		return;
	}
	rt_pkru_set(p.start & ~p.kept);
	*to = p;
	__asm__ volatile("" : : : "memory");
	sys3(__NR_mprotect, lo, hi - lo, PROT_READ);
}

void rt_pkey_tag(const void *p, size_t size, int prot)
{
	if (likely(!rt_pkey.kept) || !sys4(__NR_pkey_mprotect, p, size, prot, rt_pkey.key))
		return;
	/* for want of memory: the piece stays as it would be without keys, which is not what --seal promises */
	if (rt_pkey.sealed)
		rt_die(GN_EXIT_USAGE, "--seal: no memory to give %lu KiB the protection key", size >> 10);
}

void rt_pkey_seal(const void *p, size_t size, int prot)
{
	if (unlikely(rt_pkey.sealed))
		rt_pkey_tag(p, size, prot);
}

u32 rt_pkru_at(void)
{
	u32 a = 0xd, b, c = 9, d;

	__asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return b;
}
