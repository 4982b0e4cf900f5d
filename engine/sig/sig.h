/* SPDX-License-Identifier: MIT */
/*
 * Signals: host handlers, what is pending, guest frames. sig/ is the only writer of guest frames.
 * The guest's sigaction table, mask and alternate stack live here; kern/sys_signal.c only checks arguments.
 */
#ifndef GNOMON_SIG_SIG_H
#define GNOMON_SIG_SIG_H

#include "cpu/vcpu.h"

#define GSIG_MAX 64

/* the kernel's struct sigaction of x86-64 rt_sigaction (32 bytes) */
struct ksigaction {
	u64 handler, flags, restorer, mask;
};
struct kstack {
	u64 sp;
	s32 flags;
	u32 pad;
	u64 size;
};

/* once per process, before guest code: takes over what exec left ignored */
void sig_init(void);
/* once per thread, on that thread: engine's alternate stack, sigctx. parent NULL for the first thread */
long sig_thread_init(struct vcpu *v, struct vcpu *parent) __must_check;
void sig_thread_exit(struct vcpu *v);
/* in the only thread of a forked child */
void sig_after_fork(struct vcpu *v);

/* rt_sigaction/rt_sigprocmask/sigaltstack/rt_sigreturn/... of the guest; arguments are already host copies.
 * Results are the kernel's. */
long sig_action(struct vcpu *v, int signo, const struct ksigaction *act, struct ksigaction *old);
u64 sig_mask(struct vcpu *v);
void sig_set_mask(struct vcpu *v, u64 mask); /* SIGKILL/SIGSTOP removed; pending ones looked at */
long sig_altstack(struct vcpu *v, const struct kstack *ss, struct kstack *old);
long sig_return(struct vcpu *v);
/* all dispositions to default (CLONE_CLEAR_SIGHAND in the child) */
void sig_clear_handlers(void);
/* before execve: make the host's mask and dispositions what the new program must inherit; undo if exec fails */
void sig_prepare_exec(struct vcpu *v);
void sig_exec_failed(struct vcpu *v);

/* deliver now what is pending and not blocked; guest state in v is exact */
void sig_deliver(struct vcpu *v);
/* forced synchronous signal */
void sig_fault(struct vcpu *v, int signo, int code, u64 addr, int trapno, u64 err);

/*
 * Blocking host system call with the guest's arguments, interruptible without a lost wakeup: if a signal
 * the guest wants is pending before the call starts, or interrupts it, returns -EINTR-like restart
 * decisions already made: on -ERESTARTSYS-class results the caller just returns SIG_RESTART.
 */
#define SIG_RESTART (-512L) /* dispatcher: rewind v->rip to the SYSCALL and restore rax */
long sig_safe_syscall(struct vcpu *v, long nr, const u64 args[6]);

#endif
