/* SPDX-License-Identifier: MIT */
/*
 * The engine's protection key: memory that has it cannot be written while guest code runs (docs/threat-model.md). All
 * of it is idle where CPU or kernel has no keys. PKRU holds the rights of the guest's keys at all times, so that system
 * calls and copies find what they would natively; of the engine's key it is `closed` in the cache and 0 in the engine.
 */
#ifndef GNOMON_RT_PKEY_H
#define GNOMON_RT_PKEY_H

#include "rt/types.h"

#define SEGV_PKUERR_CODE 4 /* si_code of a store or load that a key forbids */

/* In read-only memory without the key: host handlers look here first, when the kernel has denied them all other keys.
 * pkey_asm.h knows the offsets of the first two. */
struct rt_pkey {
	u32 kept;   /* bits of PKRU that the guest cannot change: the engine's key and key 0, which translated code needs */
	u32 closed; /* what they are while guest code runs */
	u32 start;  /* PKRU where a program or a handler begins */
	int key;
	u32 sealed; /* memory that translated code writes, too, has the key: it is sealed code (docs/architecture.md) */
};
extern const struct rt_pkey rt_pkey; /* kept == 0: there are no keys */

/* in the first thread, before it maps anything. `seal`: where there are keys, rt_pkey_seal() gives them */
void rt_pkey_init(bool seal);
/* this memory, which has protection `prot`, is written by the engine alone. Ends the run if that cannot be and was asked for */
void rt_pkey_tag(const void *p, size_t size, int prot);
/* the same, and by translated code if that is not sealed */
void rt_pkey_seal(const void *p, size_t size, int prot);

/* where PKRU stands in what XSAVE stores, and the bit for it in the header there */
u32 rt_pkru_at(void);
#define XSTATE_BV 512
#define XSTATE_PKRU (1ul << 9)

static inline u32 rt_pkru(void)
{
	u32 a, d;

	__asm__ volatile("rdpkru" : "=a"(a), "=d"(d) : "c"(0));
	return a;
}

static inline void rt_pkru_set(u32 pkru)
{
	__asm__ volatile("wrpkru" : : "a"(pkru), "c"(0), "d"(0) : "memory");
}

/* Around what no key stops: instruction fetch, the kernel's work on signal frames. Not to be nested */
static inline u32 rt_pkey_ignore(void)
{
	u32 old;

	if (likely(!rt_pkey.kept))
		return 0;
	old = rt_pkru();
	rt_pkru_set(0);
	return old;
}

static inline void rt_pkey_heed(u32 old)
{
	if (unlikely(rt_pkey.kept))
		rt_pkru_set(old);
}

#endif
