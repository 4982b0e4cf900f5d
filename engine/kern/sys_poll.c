/* SPDX-License-Identifier: MIT */
/*
 * Calls that sleep with another signal mask. The mask is the guest's: sig/ makes the host's of it.
 */
#include "kern/kern.h"

/* the call with the mask at guest address `at`; argument number `arg` carried it, by way of a pair if it is the last */
static long masked(struct vcpu *v, const u64 a[6], int arg, gaddr_t at, u64 size)
{
	long nr = (long)(u32)v->gregs[RAX];
	u64 b[6], mask, pair[2] = { (u64)&mask, 8 };

	if (!at)
		return sig_safe_syscall(v, nr, a);
	if (size != 8)
		return -EINVAL;
	if (rt_copy_from_guest(&mask, at, sizeof(mask)))
		return -EFAULT;
	memcpy(b, a, sizeof(b));
	b[arg] = (u64)(arg == 5 ? pair : &mask);
	return sig_safe_syscall_mask(v, nr, b, &mask);
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
