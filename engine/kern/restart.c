/* SPDX-License-Identifier: MIT */
/*
 * Restart classes: what an interrupted call of the host would have returned inside the kernel. The table says it
 * per number; here are the calls where it also depends on the arguments. Asked only when a call was interrupted.
 */
#include <linux/futex.h>
#include <linux/time.h>
#include "kern/kern.h"

#define SOL_SOCKET 1
#define SO_RCVTIMEO 20
#define SO_SNDTIMEO 21

/* sock_intr_errno(): a socket with a timeout does not restart. Other descriptors: the table is right */
static enum sig_restart by_timeout(int fd, int option)
{
	s64 tv[2] = { 0, 0 };
	u32 len = sizeof(tv);

	if (sys5(__NR_getsockopt, fd, SOL_SOCKET, option, tv, &len) == 0 && (tv[0] || tv[1]))
		return RESTART_NEVER;
	return RESTART_SYS;
}

static enum sig_restart futex(const u64 *a)
{
	switch ((int)a[1] & FUTEX_CMD_MASK) {
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET:
		return a[3] ? RESTART_BLOCK : RESTART_SYS;
	case FUTEX_WAIT_REQUEUE_PI: /* EWOULDBLOCK or restart by the kernel itself, never seen as EINTR */
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
		return RESTART_ALWAYS;
	}
	return RESTART_SYS;
}

static enum sig_restart restart_of(long nr, const u64 a[6])
{
	switch (nr) {
	case __NR_futex:
		return futex(a);
	case 449: /* futex_waitv: timeout is argument 4; futex_wait: argument 5 */
		return a[3] ? RESTART_BLOCK : RESTART_SYS;
	case 455:
		return a[4] ? RESTART_BLOCK : RESTART_SYS;
	case __NR_clock_nanosleep:
		return a[1] & TIMER_ABSTIME ? RESTART_NOHAND : RESTART_BLOCK;
	case __NR_read:
	case __NR_readv:
	case __NR_recvfrom:
	case __NR_recvmsg:
	case __NR_recvmmsg:
	case __NR_accept:
	case __NR_accept4:
		return by_timeout((int)a[0], SO_RCVTIMEO);
	case __NR_write:
	case __NR_writev:
	case __NR_sendto:
	case __NR_sendmsg:
	case __NR_sendmmsg:
	case __NR_connect:
		return by_timeout((int)a[0], SO_SNDTIMEO);
	}
	return nr >= 0 && nr < (long)kern_nr_syscalls ? kern_syscalls[nr].restart : RESTART_NEVER;
}

void kern_restart_init(void)
{
	sig_restart_of = restart_of;
}
