/* SPDX-License-Identifier: MIT */
/* Raw system calls, x86-64. */
#ifndef GUARD_ARCH_H
#define GUARD_ARCH_H

#include <asm/unistd.h>

#define NR_MMAP __NR_mmap
#define NR_MMAP_SHIFT 0

#define GUARD_PAGE 4096 /* largest page the machine can have */

static inline long sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return r;
}

#endif
