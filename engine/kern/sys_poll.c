/* SPDX-License-Identifier: MIT */
/*
 * Calls that sleep with another signal mask. The mask is the guest's, so it is taken out of the arguments and sig/
 * puts it in force for as long as the call lasts.
 */
#include <asm/signal.h>
#include "kern/kern.h"

#define KILL_STOP (1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1))

/* the call with the mask at guest address `at`; argument number `arg` carried it */
static long masked(struct vcpu *v, const u64 a[6], int arg, gaddr_t at, u64 size)
{
	long nr = (long)(u32)v->gregs[RAX];
	u64 b[6], mask;

	if (!at)
		return sig_safe_syscall(v, nr, a);
	if (size != 8)
		return -EINVAL;
	if (rt_copy_from_guest(&mask, at, sizeof(mask)))
		return -EFAULT;
	memcpy(b, a, sizeof(b));
	b[arg] = 0;
	return sig_safe_syscall_mask(v, nr, b, mask & ~KILL_STOP);
}

SYSCALL(ppoll)
{
	return masked(v, a, 3, a[3], a[4]);
}

/* epoll_pwait and epoll_pwait2 */
SYSCALL(epoll_pwait)
{
	return masked(v, a, 4, a[4], a[5]);
}

/* the last argument points to { mask, size }, as six arguments were not enough */
static long indirect(struct vcpu *v, const u64 a[6])
{
	u64 arg[2];

	if (!a[5])
		return sig_safe_syscall(v, (long)(u32)v->gregs[RAX], a);
	if (rt_copy_from_guest(arg, a[5], sizeof(arg)))
		return -EFAULT;
	return masked(v, a, 5, arg[0], arg[1]);
}

SYSCALL(pselect6)
{
	return indirect(v, a);
}

SYSCALL(io_pgetevents)
{
	return indirect(v, a);
}
