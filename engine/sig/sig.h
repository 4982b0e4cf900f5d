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
#define SIG_IA32 0x02000000u /* in flags, within the engine: installed by a 32-bit call */
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
/* where it stands, in the memory of the process that the sigctx is of */
gaddr_t sig_mask_at(const struct sigctx *s);
/* SIGKILL/SIGSTOP removed; pending ones looked at. False: a signal came first that is blocked in `mask`, and nothing has
 * changed: its handler is to run, then the call to be made again (SIG_RESTART) */
bool sig_set_mask(struct vcpu *v, u64 mask) __must_check;
long sig_altstack(struct vcpu *v, const struct kstack *ss, struct kstack *old);
/* 0: the guest has another state now; SIG_RESTART */
long sig_return(struct vcpu *v) __must_check;
/* execveat at the host, with the mask and the dispositions that the new program must inherit. Comes back if it fails, or
 * with SIG_RESTART if a handler must run first. v is NULL before there are threads */
long sig_exec(struct vcpu *v, int dirfd, const char *path, char *const *argv, char *const *envp, int flags);
/* The thread is about to end: no asynchronous signal will be taken any more. False: one has come that was to be handled
 * first, and nothing is changed */
bool sig_quit(struct vcpu *v);

/* Before a thread is seen by anybody: the slot is cleared for who stands in the vDSO's unlock window. v's guest state is
 * exact: its own thread, or one that is outside (window.c) */
void sig_finish_window(struct vcpu *v);
/* The window is in use from now on: signals whose default action ends the process come to the engine first. [as-safe] */
void sig_watch_deaths(struct vcpu *v);
/* All signals come to the engine first from now on: the process is traced */
void sig_watch_all(struct vcpu *v);
/* SIGCHLD comes to the engine first, whatever the guest's action is, and `look` decides whether it is for the guest: this
 * process traces others */
void sig_watch_children(struct vcpu *v, bool (*look)(struct vcpu *v, const u8 info[128]));
/* does the host end the process by this signal, if nobody blocks it, without asking the engine? Not SIGKILL */
bool sig_host_kills(struct vcpu *v, int signo);

/* deliver now what is pending and not blocked; guest state in v is exact */
void sig_deliver(struct vcpu *v);
/* puts a signal into the thread's own queue, as if it had just come */
void sig_queue(struct vcpu *v, int signo, const u8 info[128]);
/* forced synchronous signal */
void sig_fault(struct vcpu *v, int signo, int code, u64 addr, int trapno, u64 err);

/* SIGSYS by a seccomp filter, forced; and the end of the process by a signal */
void sig_sys(struct vcpu *v, int reason, int nr);
void __noreturn sig_die(struct vcpu *v, int signo);

/*
 * Blocking host system call with the guest's arguments, interruptible without a lost wakeup: if a signal
 * the guest wants is pending before the call starts, or interrupts it, returns -EINTR-like restart
 * decisions already made: on -ERESTARTSYS-class results the caller just returns SIG_RESTART.
 */
#define SIG_RESTART (-512L) /* dispatcher: rewind v->rip to the SYSCALL and restore rax */
long sig_safe_syscall(struct vcpu *v, long nr, const u64 args[6]);
/* one whose results go to the engine's memory: as it is, the kernel may not write there */
long sig_safe_syscall_own(struct vcpu *v, long nr, const u64 args[6]);

/* What an interrupted call would have returned inside the kernel: decides, with the handler that is about to
 * run, between SIG_RESTART and -EINTR. Asked by sig_safe_syscall; set by kern_init (the classes are data of kern/) */
enum sig_restart {
	RESTART_NEVER,  /* EINTR */
	RESTART_SYS,    /* ERESTARTSYS: again if no handler runs, or the first one has SA_RESTART */
	RESTART_NOHAND, /* ERESTARTNOHAND: again only if no handler runs */
	RESTART_BLOCK,  /* ERESTART_RESTARTBLOCK: the same */
	RESTART_ALWAYS, /* ERESTARTNOINTR */
};
extern enum sig_restart (*sig_restart_of)(long nr, const u64 args[6]);

/* sig_safe_syscall with the guest's mask replaced by *mask for as long as the call sleeps (ppoll and its kind). A handler
 * that the new mask lets in runs with it, and its frame brings the old mask back. Arguments lead to *mask, which becomes
 * the host's. */
long sig_safe_syscall_mask(struct vcpu *v, long nr, const u64 args[6], u64 *mask);
/* signals that are pending for this thread or its process and blocked */
u64 sig_pending(struct vcpu *v);
/* rt_sigtimedwait: takes one signal of `set` off the queues. Its number with *info filled in, -EAGAIN, -EINTR.
 * timeout NULL: for ever; { 0, 0 }: only look. Already checked. */
long sig_timedwait(struct vcpu *v, u64 set, u8 info[128], const s64 timeout[2]);
/* rt_sigsuspend and pause: sleeps with `mask` until a handler runs: -EINTR, or SIG_RESTART if there was none */
long sig_suspend(struct vcpu *v, u64 mask);

#endif
