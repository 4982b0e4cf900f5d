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

/* traced.said: what the tracer, or another thread, has left for a thread that is not in a stop; TRACED_BELL tells it */
#define TRACED_SAID_SEIZE 1u
#define TRACED_SAID_INTERRUPT 2u
#define TRACED_SAID_GROUP 4u    /* traced.group says by which signal */
#define TRACED_SAID_FREEZE 8u   /* sig/freeze.c */
#define TRACED_BELL 4           /* SIGILL: the host never blocks it */

/* what a TRACED_BELL of the tracer's carries in place of a SIGSTOP; the low half is that one's si_code */
#define TRACED_WORD_NONE 0u
#define TRACED_WORD_STOP (1u << 16)
#define TRACED_WORD_ATTACH (2u << 16) /* and it is traced from now on */

/* what the tracer has the tracee do, which then stops again */
enum traced_request {
	TRACED_NOTHING,
	TRACED_FORGET, /* code in `ranges` has changed */
	TRACED_SSP,    /* SSP is to be value[0] */
	TRACED_PRCTL,  /* arch_prctl of the shadow stack's family: code, argument */
	TRACED_POKE,   /* value[1] to the address value[0] */
	TRACED_OPEN,   /* the text of a /proc entry of its own (enum proc_file) for thread value[1]: a descriptor, */
	TRACED_CLOSE,  /* and its end */
	TRACED_PROGRAM, /* the descriptor of the program's file */
};

struct traced {
	bool on;
	bool seized;
	bool attached;     /* on, but nothing is prepared for it yet */
	bool frozen_call;  /* stands still for a core, behind the interrupted call orig_rax */
	bool calling;      /* a system call is being made: it has no result yet */
	bool barren;       /* its tracer has no memory for a child of its, until its next stop */
	bool step;         /* one guest instruction, then a trap */
	u32 said;          /* TRACED_SAID_*, looked at under PEND_SIGNAL */
	u32 options;       /* PTRACE_O_* */
	u32 mode;          /* the request that made it run last */
	u32 where;         /* enum traced_where */
	int tid;           /* whose this is; a forked child's copy still has its parent's */
	int tracer;
	int status;        /* what wait shows: signal and event */
	int signo;         /* in a stop: what to go on with */
	u32 fork_event;    /* the fork under way: PTRACE_EVENT_* that the engine itself will stop for; 0: none */
	u32 child_event;   /* the clone under way: the child is traced, too */
	int group;         /* the stop signal of TRACED_SAID_GROUP */
	gaddr_t again;     /* an interrupted call is to be made again here, unless a handler decides otherwise; 0: none */
	u32 again_class;   /* enum sig_restart */
	u64 shown;         /* what RAX looks like meanwhile */
	gaddr_t resumed;   /* the call here goes on with the time that is left: the kernel shows restart_syscall */
	u64 orig_rax;      /* the call the thread is in, or on its way out of (until guest code has run: called), or ~0 */
	gaddr_t called;    /* where guest code goes on behind it */
	u64 message;       /* PTRACE_GETEVENTMSG */
	u8 info[128];
	u32 request;       /* enum traced_request */
	u32 nranges;
	u64 value[2];
	s64 result;
	gaddr_t ranges[TRACED_RANGES][2];
};

#endif
