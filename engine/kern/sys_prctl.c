/* SPDX-License-Identifier: MIT */
/*
 * prctl, and the calls the engine refuses because they would reach behind it. Each refusal says so once, on the
 * engine's channel, with what it means; the error is one Linux gives where the feature is not configured.
 */
#include <linux/prctl.h>
#include "kern/kern.h"
#include "kern/seccomp.h"

/* newer than the headers of Debian 12 */
#define PR_SET_MDWE_ 65
#define PR_GET_AUXV_ 0x41555856

static long get_auxv(const u64 a[6])
{
	if (a[3] || a[4])
		return -EINVAL;
	if (rt_copy_to_guest(a[1], eng.auxv, min(a[2], (u64)eng.auxv_size)))
		return -EFAULT;
	return (long)eng.auxv_size;
}

SYSCALL(prctl)
{
	(void)v;
	switch ((int)a[0]) {
	case PR_SET_SECCOMP:
		return seccomp_prctl(v, a[1], a[2]);
	case PR_GET_SECCOMP:
		return seccomp_mode(v, &(u32){ 0 });
	case PR_SET_SYSCALL_USER_DISPATCH:
		rt_log_once("prctl(PR_SET_SYSCALL_USER_DISPATCH) is not possible under gnomon: EINVAL");
		return -EINVAL;
	case PR_SET_MDWE_:
		rt_log_once("prctl(PR_SET_MDWE) is not possible under gnomon, whose code cache is writable: EINVAL");
		return -EINVAL;
	case PR_SET_MM: /* what an unprivileged process gets */
		return -EPERM;
	case PR_GET_AUXV_:
		if (!eng.mm_told)
			return get_auxv(a);
		break;
	}
	return rt_syscall_for_guest(__NR_prctl, a);
}

SYSCALL(io_uring_setup)
{
	(void)v, (void)a;
	rt_log_once("io_uring is refused under gnomon (ENOSYS): the kernel would write to pages of translated code");
	return -ENOSYS;
}
