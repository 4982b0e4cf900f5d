/* SPDX-License-Identifier: MIT */
/*
 * SIGCHLD of a process with tracees: what is between the engines is settled here, and none of the guest's business. Called
 * by sig/ on the thread that took the signal.
 */
#include "kern/tracee.h"

/* Is there an end to be waited for, of one task or of any? A stop, which the host tells of unasked, may hide others' */
static bool has_ended(int tid)
{
	s32 info[32] = { 0 };

	return !sys5(__NR_waitid, tid ? 1 /* P_PID */ : 0 /* P_ALL */, tid, info, 4 | 1 | 0x01000000 | WALL
		     /* EXITED NOHANG NOWAIT */, 0) && info[0] && info[2] < CLD_TRAPPED_;
}

/* a child or tracee has ended, and its SIGCHLD may be this one */
static bool anybody_ended(void)
{
	bool ended = has_ended(0);
	struct tracee t;

	for (u32 i = 0; !ended && tracee_nth(i, &t); i++)
		ended = t.tid && has_ended(t.tid);
	return ended;
}

/* a SIGCHLD for this one: is there a stop that the guest may see, and has not been told of? */
static bool news_of(struct tracee *t)
{
	if (!tracee_look(t) || t->told)
		return false;
	t->told = true;
	tracee_put(t);
	return true;
}

/*
 * SIGCHLD: a tracee of ours may have stopped for nobody but its engine, while its tracer waits for something else. It is
 * passed on; and the signal is none of the guest's business. Several of them are one signal.
 */
bool tracee_news(struct vcpu *v, const u8 info[128])
{
	bool wanted = false;
	struct tracee t;
	s32 code, tid;

	memcpy(&code, info + 8, 4);
	memcpy(&tid, info + 16, 4);
	if (code != CLD_TRAPPED_ || !tracee_get(tid, &t) || !t.engine || t.owner != v->tid || news_of(&t))
		wanted = true;
	for (u32 i = 0; tracee_nth(i, &t); i++)
		if (t.tid && t.engine && t.owner == v->tid && t.stop == TRACEE_RUNS)
			wanted |= news_of(&t);
	return wanted || anybody_ended();
}
