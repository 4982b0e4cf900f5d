/* SPDX-License-Identifier: MIT */
/*
 * rseq(2): the guest's area is the host's business (docs/rseq.md); here only the note of where it is.
 */
#include "cpu/threads.h"
#include "kern/kern.h"
#include "kern/vma.h"

#define RSEQ_FLAG_UNREGISTER 1
#define AREA 32 /* at least */

static long register_area(struct vcpu *v, const u64 a[6])
{
	long r;

	/* from here on nobody guards this page (guard.c), so that the kernel can write there */
	rseq_registered(v, a[0], (u32)a[3]);
	vma_unguard(v, a[0], a[0] + max((u64)AREA, (u64)(u32)a[1]));
	r = rt_syscall_for_guest(__NR_rseq, a);
	if (r)
		rseq_forget(v);
	return r;
}

SYSCALL(rseq)
{
	bool ends = (u32)a[2] & RSEQ_FLAG_UNREGISTER;
	long r;

	if (unlikely(eng_sealed())) /* blocks of critical sections write to the vcpu, and so does the host's kernel */
		return -ENOSYS;
	if (!ends && !rseq_has_area(v))
		return register_area(v, a);
	r = rt_syscall_for_guest(__NR_rseq, a);
	if (ends && !r)
		rseq_forget(v);
	return r;
}
