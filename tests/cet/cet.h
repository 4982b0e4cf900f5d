/* SPDX-License-Identifier: MIT */
/* What the C library's own use of shadow stacks left behind: STATUS, and SSP. */
#ifndef CET_H
#define CET_H

#include <sys/syscall.h>
#include <unistd.h>

static inline unsigned long shstk_status(void)
{
	unsigned long status = 0;

	return syscall(SYS_arch_prctl, 0x5005, &status) ? 0 : status;
}

static inline unsigned long rdssp(void)
{
	unsigned long ssp = 0;

	__asm__ volatile("rdsspq %0" : "+r"(ssp));
	return ssp;
}

#endif
