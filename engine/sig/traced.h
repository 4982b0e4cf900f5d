/* SPDX-License-Identifier: MIT */
/*
 * The tracee's half of ptrace, as far as it is about stops and signals (docs/ptrace.md).
 */
#ifndef GNOMON_SIG_TRACED_H
#define GNOMON_SIG_TRACED_H

#include "sig/sig.h"

#define EVENT_STOP 128 /* PTRACE_EVENT_STOP */

/* The thread stops for its tracer, guest state exact in v, no lock held; comes back when it is to go on. `status` is
 * what wait shows, above its low byte. info NULL: of a system call or an event */
void traced_stop(struct vcpu *v, enum traced_where where, int status, const u8 *info);
/* the thread is traced from now on */
void traced_begin(struct vcpu *v, bool seized);
/* A signal is about to be delivered: the one that the tracer wants in its place, 0 for none. info may change */
int traced_signal(struct vcpu *v, int signo, u8 info[128]);
/* The thread leaves the system call `orig_rax`: what it stops for from now on until it runs shows that number */
void traced_called(struct vcpu *v, u64 orig_rax);
/* a stop signal is acted upon */
void traced_group_stop(struct vcpu *v, int signo);
/* A handler is about to run, or none will: what becomes of the call that was interrupted */
void traced_end_call(struct vcpu *v, const struct ksigaction *act);
/* a handler's frame has been built while the tracer single-steps */
void traced_handler(struct vcpu *v);
/* [holds: the lock of the threads' list] tells t to stand still: sig/freeze.h */
void traced_freeze(struct vcpu *t);
/* the registers of a thread whose call was interrupted, as inside the kernel, for good */
void traced_show_interrupted(struct vcpu *v);
/* what was said meanwhile */
void traced_attend(struct vcpu *v);
/* Is this signal the protocol's? [as-safe] */
bool traced_is_word(struct vcpu *v, int signo, const u8 *info, u8 real[128], int *queue);

/* what kern/ does for the tracer, and where the first thread begins to be traced */
extern void (*traced_serve)(struct vcpu *v);
extern void (*traced_wire)(void);

#endif
