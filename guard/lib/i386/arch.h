/* SPDX-License-Identifier: MIT */
/* Raw system calls, i386. */
#ifndef GUARD_ARCH_H
#define GUARD_ARCH_H

#include <asm/unistd.h>

#define NR_MMAP __NR_mmap2
#define NR_MMAP_SHIFT 12

#define GUARD_PAGE 4096

static inline long sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	long r;

	/* the sixth goes in ebp, which may be what the operands are reached by */
	__asm__ volatile("pushl %[f]\n\tpushl %%ebp\n\tmovl 4(%%esp), %%ebp\n\tint $0x80\n\tpopl %%ebp\n\taddl $4, %%esp"
			 : "=a"(r)
			 : "0"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e), [f] "m"(f)
			 : "memory", "cc");
	return r;
}

#endif
