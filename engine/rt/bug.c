/* SPDX-License-Identifier: MIT */
/*
 * The end of an engine that found itself wrong. Runs on whatever stack and in whatever state the bug was
 * noticed; a second bug on the way out ends the process at once. [as-safe] [no-fp]
 */
#include "gnomon/exit.h"
#include "rt/rt.h"

void (*rt_bug_hook)(void);

void __noreturn rt_bug(const char *file, int line, const char *cond)
{
	static int owner; /* thread that prints; written once */
	int tid = (int)sys0(__NR_gettid), none = 0;

	if (__atomic_compare_exchange_n(&owner, &none, tid, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		rt_log("BUG %s:%d: %s", file, line, cond);
		if (rt_bug_hook)
			rt_bug_hook();
	} else if (none != tid && sys3(__NR_tgkill, sys0(__NR_getpid), none, 0) == 0) {
		for (;;) /* another thread of this process is printing: it takes us along */
			sys0(__NR_pause);
	}
	for (;;)
		sys1(__NR_exit_group, GN_EXIT_BUG);
}
