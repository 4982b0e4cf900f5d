/* SPDX-License-Identifier: MIT */
/*
 * Descriptors for exec, which needs none natively: the engine's numbers may lie above the guest's limit, and where all
 * below are in use a few more are needed for a moment. So the limit is raised meanwhile, as far as it can be; what was
 * opened stays open. Called by open.c and replace.c on engine stacks.
 */
#include <linux/resource.h>
#include "load/load.h"
#include "rt/engine.h"

#define MORE 8 /* at most four are needed at a time */

/* One exec of a process at a time may rearrange the descriptors and their limit. Held by thread id: an owner that is no
 * thread of this process was a vforked child, which has descriptors of its own and may be gone. */
static int exec_owner;

void exec_enter(void)
{
	struct { long sec, nsec; } ms = { 0, 1000000 };
	int me = (int)sys0(__NR_gettid), pid = (int)sys0(__NR_getpid), who = 0;

	while (!__atomic_compare_exchange_n(&exec_owner, &who, me, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
		if (who != me && sys3(__NR_tgkill, pid, who, 0) == 0) {
			sys2(__NR_nanosleep, &ms, NULL);
			who = 0;
		} /* else take it from exactly that owner */
	}
}

void exec_leave(void)
{
	int me = (int)sys0(__NR_gettid);

	__atomic_compare_exchange_n(&exec_owner, &me, 0, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

/* the hard limit too, where that is allowed */
static void raise(struct fd_room *r, u64 least)
{
	u64 wide[2] = { least, max(r->was[1], least) };

	if (r->cur >= least)
		return;
	if (sys4(__NR_prlimit64, 0, RLIMIT_NOFILE, wide, NULL)) {
		wide[0] = min(least, r->was[1]);
		wide[1] = r->was[1];
		if (wide[0] <= r->cur || sys4(__NR_prlimit64, 0, RLIMIT_NOFILE, wide, NULL))
			return;
	}
	r->cur = wide[0];
}

void fd_room_begin(struct fd_room *r, u64 least)
{
	*r = (struct fd_room){ 0 };
	sys4(__NR_prlimit64, 0, RLIMIT_NOFILE, NULL, r->was);
	r->cur = r->was[0];
	raise(r, least);
}

bool fd_room_more(struct fd_room *r)
{
	u64 before = r->cur;

	raise(r, before + MORE);
	return r->cur > before;
}

void fd_room_end(struct fd_room *r)
{
	if (r->cur != r->was[0])
		sys4(__NR_prlimit64, 0, RLIMIT_NOFILE, r->was, NULL);
	r->cur = r->was[0];
}
