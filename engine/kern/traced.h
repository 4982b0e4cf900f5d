/* SPDX-License-Identifier: MIT */
/*
 * The tracee's half of ptrace, as far as it is about system calls, exec and new threads (docs/ptrace.md).
 */
#ifndef GNOMON_KERN_TRACED_H
#define GNOMON_KERN_TRACED_H

#include "gnomon/board.h"
#include "kern/kern.h"

/* PTRACE_TRACEME */
long traced_me(struct vcpu *v);
/* a new thread or process, on its own: is it traced from its birth? */
void traced_child(struct vcpu *v);
/* through exec: into the record, and in the new image, before its first instruction */
void traced_leave_image(const struct vcpu *v, struct gn_exec *rec);
void traced_enter_image(struct vcpu *v, const struct gn_exec *rec);
void traced_init(void);
/* SECCOMP_RET_TRACE: the tracer has looked at the call, and v->traced.orig_rax is its number now. False: nobody wants to */
bool traced_seccomp(struct vcpu *v, u32 data);

/* sys_arch_prctl.c: arch_prctl of the shadow stack's family, asked by a tracer */
long traced_prctl(struct vcpu *v, u32 code, u64 arg);

#endif
