/* SPDX-License-Identifier: MIT */
/*
 * wait4 and waitid. The host's, but for what is only between the engines of tracer and tracee: such stops are passed on
 * here, and the call goes on sleeping. A process that traces nobody pays a look at the result.
 */
#include "kern/tracee.h"

#define STOPPED(sig) ((sig) << 8 | 0x7f)

struct rusage_bytes {
	u8 b[144];
};

/* true: to be told the guest */
static bool seen(struct vcpu *v, int tid, int *status, bool stays)
{
	if ((*status & 0xff) == 0x7f) {
		if (!tracee_stopped(v, tid, status))
			return false;
		if (tracee_any && !stays)
			tracee_reported(tid);
		return true;
	}
	if (tracee_any && *status != 0xffff)
		tracee_drop(tid);
	return true;
}

SYSCALL(wait4)
{
	struct rusage_bytes ru;
	int status = 0;
	const u64 b[6] = { a[0], (u64)&status, a[2], a[3] ? (u64)&ru : 0 };
	long r;

	do
		r = sig_safe_syscall_own(v, __NR_wait4, b);
	while (r > 0 && !seen(v, (int)r, &status, false));
	if (r > 0 && (kern_put(a[1], &status, 4) || kern_put(a[3], &ru, sizeof(ru))))
		return -EFAULT;
	return r;
}

SYSCALL(waitid)
{
	struct rusage_bytes ru;
	s32 info[32];
	const u64 b[6] = { a[0], a[1], (u64)info, a[3], a[4] ? (u64)&ru : 0 };
	int status;
	long r;

	do {
		memset(info, 0, sizeof(info));
		r = sig_safe_syscall_own(v, __NR_waitid, b);
		if (r || !info[0])
			break;
		status = info[2] == CLD_TRAPPED_ ? STOPPED(info[6]) : info[2] <= 3 ? 0 : 0xffff;
		if (status == 0 && a[3] & 0x01000000) /* WNOWAIT: it is still there */
			break;
	} while (!seen(v, info[4], &status, a[3] & 0x01000000));
	if (r)
		return r;
	if (info[0] && info[2] == CLD_TRAPPED_)
		info[6] = status >> 8;
	if (kern_put(a[4], &ru, a[4] && info[0] ? sizeof(ru) : 0))
		return -EFAULT;
	return kern_put(a[2], info, 28); /* as far as the kernel fills it in */
}
