/* SPDX-License-Identifier: MIT */
/*
 * The three calls of the vsyscall page, which static programs of before 2012 make: as arch/x86/entry/vsyscall has
 * them. The return is the kernel's doing, so the word that the program's call left on its shadow stack stays there.
 * Called by the dispatcher, with v->rip in that page.
 */
#include <linux/signal.h>
#include "kern/kern.h"

#define TRAP_PF 14
#define PF_FETCH 0x15 /* error code: protection, user, instruction */

static bool fail(struct vcpu *v)
{
	cpu_up.fault(v, SIGSEGV, 0x80 /* SI_KERNEL */, 0, TRAP_PF, PF_FETCH);
	return true;
}

bool kern_vsyscall(struct vcpu *v)
{
	static const u32 numbers[4] = { __NR_gettimeofday, __NR_time, __NR_getcpu, 0 };
	u32 nr = numbers[v->rip >> 10 & 3];
	u64 caller, rax = v->gregs[RAX];

	if (!nr || v->rip & 0x3ff || rt_copy_from_guest(&caller, v->gregs[RSP], 8))
		return fail(v);
	v->gregs[RAX] = nr;
	kern_syscall(v);
	if (v->gregs[RAX] == (u64)-EFAULT) {
		v->gregs[RAX] = rax;
		return fail(v);
	}
	v->rip = caller;
	v->gregs[RSP] += 8;
	return true;
}
