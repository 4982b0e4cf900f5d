/* SPDX-License-Identifier: MIT */
/*
 * Birth and end of threads and processes. Here only the shape of the arguments, as kernel/fork.c checks it; cpu_clone
 * does the rest, and the child never comes back through here.
 */
#include <asm/signal.h>
#include <linux/sched.h>
#include "cpu/threads.h"
#include "kern/kern.h"
#include "kern/report.h"
#include "kern/robust.h"
#include "kern/vma.h"

#define CLONE_ARGS_VER0 64
#define TASK_TOP 0x7ffffffff000ul
#define MAX_SET_TID 32 /* MAX_PID_NS_LEVEL */

/* cpu_clone() speaks clone3, which refuses what clone ignores: CLONE_DETACHED, an exit signal that nobody will get */
static u64 exit_signal(u64 flags)
{
	u64 signo = flags & CSIGNAL;

	return flags & (CLONE_THREAD | CLONE_PARENT) || signo > GSIG_MAX ? 0 : signo;
}

SYSCALL(clone)
{
	struct kclone_args ca = {
		.flags = (u32)a[0] & ~(u64)(CSIGNAL | CLONE_DETACHED),
		.pidfd = a[2],
		.child_tid = a[3],
		.parent_tid = a[2],
		.exit_signal = exit_signal(a[0]),
		.stack = a[1],
		.tls = a[4],
	};

	/* one pointer for two results; a bit that may mean something else one day */
	if ((ca.flags & CLONE_PIDFD) && (ca.flags & CLONE_PARENT_SETTID || a[0] & CLONE_DETACHED))
		return -EINVAL;
	return cpu_clone(v, &ca, sizeof(ca));
}

SYSCALL(fork)
{
	struct kclone_args ca = { .exit_signal = SIGCHLD };

	(void)a;
	return cpu_clone(v, &ca, sizeof(ca));
}

SYSCALL(vfork)
{
	struct kclone_args ca = { .flags = CLONE_VFORK | CLONE_VM, .exit_signal = SIGCHLD };

	(void)a;
	return cpu_clone(v, &ca, sizeof(ca));
}

/* copy_struct_from_user(): a longer structure than we know is fine as long as the rest is zero */
static long copy_args(struct kclone_args *ca, gaddr_t at, u64 size)
{
	u8 rest[64];

	memset(ca, 0, sizeof(*ca));
	if (size > PAGE_SIZE)
		return -E2BIG;
	if (size < CLONE_ARGS_VER0)
		return -EINVAL;
	for (u64 off = sizeof(*ca); off < size;) {
		u64 n = min(size - off, (u64)sizeof(rest));

		if (rt_copy_from_guest(rest, at + off, n))
			return -EFAULT;
		for (u64 i = 0; i < n; i++)
			if (rest[i])
				return -E2BIG;
		off += n;
	}
	return rt_copy_from_guest(ca, at, min(size, (u64)sizeof(*ca)));
}

static bool args_ok(const struct kclone_args *ca)
{
	const u64 known = 0xffffffffull | 1ull << 32 /* CLEAR_SIGHAND */ | 1ull << 33 /* INTO_CGROUP */;

	if ((!ca->set_tid && ca->set_tid_size) || (ca->set_tid && !ca->set_tid_size) ||
	    ca->set_tid_size > MAX_SET_TID)
		return false;
	if ((ca->exit_signal & ~(u64)CSIGNAL) || ca->exit_signal > GSIG_MAX)
		return false;
	if ((ca->flags & ~known) || (ca->flags & (CLONE_DETACHED | (CSIGNAL & ~CLONE_NEWTIME))))
		return false;
	if ((ca->flags & CLONE_SIGHAND) && (ca->flags & CLONE_CLEAR_SIGHAND))
		return false;
	if ((ca->flags & (CLONE_THREAD | CLONE_PARENT)) && ca->exit_signal)
		return false;
	if (!ca->stack != !ca->stack_size)
		return false;
	return !ca->stack || (ca->stack < TASK_TOP && ca->stack_size <= TASK_TOP - ca->stack);
}

SYSCALL(clone3)
{
	struct kclone_args ca;
	long r = copy_args(&ca, a[0], a[1]);

	if (r)
		return r;
	if (!args_ok(&ca))
		return -EINVAL;
	return cpu_clone(v, &ca, min(a[1], (u64)sizeof(ca)));
}

SYSCALL(set_tid_address)
{
	v->clear_tid = a[0];
	return sys1(__NR_set_tid_address, a[0]);
}

/* a child that shares our memory (vfork) ends without the program image ending */
static bool is_guest_of_memory(const struct vcpu *v)
{
	return v->pid != kern_pid;
}

SYSCALL(exit)
{
	int status = (int)a[0];

	if (!sig_quit(v))
		return SIG_RESTART;
	if (v->clear_tid) /* the kernel cannot write where code is guarded */
		vma_unguard(v, v->clear_tid, v->clear_tid + 4);
	robust_exit(v); /* as long as its head can be found by others */
	if (cpu_thread_leave(v) && !is_guest_of_memory(v)) {
		cpu_stats(v);
		report_exit(status & 0xff);
	}
	cpu_thread_exit(v, status); /* which thread's status is the group's, the host knows */
}

SYSCALL(exit_group)
{
	int status = (int)a[0];

	if (is_guest_of_memory(v)) {
		robust_exit(v);
		if (cpu_thread_leave(v))
			cpu_thread_exit(v, status);
	} else {
		cpu_stats(v);
		report_exit(status & 0xff);
		robust_hold(v);
	}
	for (;;)
		sys1(__NR_exit_group, status);
}
