/* SPDX-License-Identifier: MIT */
/* Protection keys (SDM vol. 3, 4.6.2): the register, and whether there is one. */
#ifndef PKU_H
#define PKU_H

#include "check.h"

#define PKRU_BIT (1ul << 9) /* its component in XSTATE_BV */
#define XSTATE_BV 512

typedef unsigned int u32;

static inline u32 rdpkru(void)
{
	u32 a, d;

	__asm__ volatile("rdpkru" : "=a"(a), "=d"(d) : "c"(0));
	return a;
}

static inline void wrpkru(u32 v)
{
	__asm__ volatile("wrpkru" : : "a"(v), "c"(0), "d"(0) : "memory");
}

/* where PKRU lies in what XSAVE stores; skips the test where there are no keys */
static inline u32 pkru_offset(void)
{
	u32 a = 7, b, c = 0, d;

	__asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	if (!(c & 1u << 4))
		SKIP("no protection keys");
	a = 13, c = 9;
	__asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return b;
}

#endif
