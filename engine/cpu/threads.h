/* SPDX-License-Identifier: MIT */
/*
 * Guest threads as host threads: every clone, fork and vfork goes through cpu_clone().
 */
#ifndef GNOMON_CPU_THREADS_H
#define GNOMON_CPU_THREADS_H

#include "cpu/vcpu.h"

/* the kernel's struct clone_args (clone3), 88 bytes */
struct kclone_args {
	u64 flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size,
		cgroup;
};

/* list by ->next. Who walks it holds this lock, or cache_lock; it comes before cache_lock, and guest memory may be
 * touched with it held */
extern struct vcpu *cpu_threads;
void cpu_threads_lock(void);
void cpu_threads_unlock(void);
/* of this memory, other processes' included; no lock needed to be told that there is only the caller */
u32 cpu_thread_count(void);

/* Every other thread stays outside the cache, its guest state exact or its system call under way, until they are
 * released; for ever where this thread's next step ends the process. With no lock held */
void cpu_hold_others(struct vcpu *v);
void cpu_release_others(void);

/* first thread of the process; makes it current (GS base). NULL if the host refuses memory */
struct vcpu *cpu_first_thread(void);

/*
 * Clone in every form. v->rip and v->gregs are the guest's as after the SYSCALL; arguments are already
 * checked for shape only. Returns in the parent: child's id or -errno. The child never returns from here: it
 * starts at the guest instruction behind the SYSCALL with rax = 0, rsp = ca->stack + ca->stack_size (if stack)
 * and its own vcpu (CLONE_VM) or its copy of the parent's. A thread in a new vcpu runs `child_init(v, arg)`
 * on its own engine stack first.
 */
long cpu_clone(struct vcpu *v, const struct kclone_args *ca, size_t size);
extern void (*cpu_child_init)(struct vcpu *v, bool shares_vm);

/* the guest's trap flag; by the thread itself. [as-safe] */
void step_set(struct vcpu *v, bool on);
/* what PEND_STEP must be, by the guest's trap flag and by its tracer. [as-safe] */
void step_arm(struct vcpu *v);

/* Takes the calling thread off the list: it will run no guest code any more. True if it was the last one of its
 * process. */
bool cpu_thread_leave(struct vcpu *v);
/* ends the calling thread, which has left, with the host's exit(2), freeing what is its own */
void __noreturn cpu_thread_exit(struct vcpu *v, int status);

/* rseq.c: the thread's area; none (any more). The host has been told, or will be */
void rseq_registered(struct vcpu *v, gaddr_t area, u32 sig);
void rseq_forget(struct vcpu *v);
bool rseq_has_area(const struct vcpu *v);
/* [holds: cache_lock] does any thread have its area in this page? */
bool rseq_in_page(gaddr_t page);
/* The guest is interrupted at v->rip, which goes to the abort handler of a critical section it is in. False: the kernel would
 * end the process, with SIGSEGV */
bool rseq_interrupt(struct vcpu *v) __must_check;

/* what a BUG block and --stats say about where the guest was */
void cpu_describe(struct vcpu *v);
/* the counters of --stats, to the engine's channel */
void cpu_stats(struct vcpu *v);

/* enter the guest at the state in v; never returns */
void __noreturn cpu_run(struct vcpu *v);

/* executable contents of [start, end) are about to change or vanish (munmap, mprotect, mmap over it, a store
 * to a guarded page): sever every block there. Call before the change. */
void cpu_invalidate(struct vcpu *v, gaddr_t start, gaddr_t end);

/* the engine's own shadow stack for a new program image: fresh and empty. 0 or -errno */
long shstk_first(struct vcpu *v, u64 size) __must_check;
/* SSP goes to the top of [lo, lo+size), which the guest has as a shadow stack: its own from now on */
void shstk_adopt(struct vcpu *v, gaddr_t lo, u64 size);
/* back to the engine's own, empty */
long ssp_home(struct vcpu *v) __must_check;

#endif
