/* SPDX-License-Identifier: MIT */
/*
 * What tracer and tracee know of each other: docs/ptrace.md. One of these is in each vcpu. While the tracee stands in a stop
 * of its own making it belongs to the tracer, another process with the same engine, which finds it by the tracee's GS base
 * and reads and writes it there; at all other times it is the thread's own.
 */
#ifndef GNOMON_CPU_TRACED_H
#define GNOMON_CPU_TRACED_H

#include "rt/types.h"

#define TRACED_CODE (-0x7470)   /* si_code of the signals that carry the protocol */
#define TRACED_MAGIC 0x74726163u /* upper half of their value */
#define TRACED_RANGES 16

/* where a thread stands for its tracer */
enum traced_where {
	TRACED_RUNS,
	TRACED_SIGNAL, /* a signal is about to be delivered */
	TRACED_ENTRY,  /* a system call is about to be made, */
	TRACED_EXIT,   /* has been made */
	TRACED_GROUP,  /* stopped by a stop signal */
	TRACED_EVENT,
};

/* what a tracer tells a thread that is not in a stop: the low half of the value of a signal */
enum traced_word {
	TRACED_SAY_ATTACH = 1 << 16, /* from now on you are traced; and a SIGSTOP is for you (the low half: its si_code) */
	TRACED_SAY_STOP = 2 << 16,   /* the same without the first */
	TRACED_SAY_SEIZE = 3 << 16,
	TRACED_SAY_INTERRUPT = 4 << 16,
	TRACED_SAY_GROUP = 5 << 16,  /* one of your process' threads stopped by this signal */
};

/* what the tracer has the tracee do, which then stops again */
enum traced_request {
	TRACED_NOTHING,
	TRACED_FORGET, /* code in `ranges` has changed */
	TRACED_SSP,    /* SSP is to be value[0] */
	TRACED_PRCTL,  /* arch_prctl of the shadow stack's family: code, argument */
	TRACED_POKE,   /* value[1] to the address value[0] */
};

struct traced {
	bool on;
	bool seized;
	bool attend;       /* something was said; under PEND_SIGNAL */
	bool interrupt, install;
	bool step;         /* one guest instruction, then a trap */
	u32 options;       /* PTRACE_O_* */
	u32 mode;          /* the request that made it run last */
	u32 where;         /* enum traced_where */
	int tid;           /* whose this is; a forked child's copy still has its parent's */
	int tracer;
	int status;        /* what wait shows: signal and event */
	int signo;         /* in a stop: what to go on with */
	u32 fork_event;    /* the fork under way: PTRACE_EVENT_* that the engine itself will stop for; 0: none */
	u32 child_event;   /* the clone under way: the child is traced, too */
	int group;         /* the stop signal of a stop of the whole process that this thread is to take part in */
	u64 orig_rax;
	u64 message;       /* PTRACE_GETEVENTMSG */
	u8 info[128];
	u32 request;       /* enum traced_request */
	u32 nranges;
	u64 value[2];
	s64 result;
	gaddr_t ranges[TRACED_RANGES][2];
};

#endif
