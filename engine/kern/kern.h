/* SPDX-License-Identifier: MIT */
/*
 * What Linux does for a process: the table of system calls and what its files share. The table's source is
 * syscalls.tbl; tools/gen_syscalls.py makes syscalls_gen.c and docs/syscalls.md from it.
 *
 * A handler has one shape, SYSCALL(name): it gets the six arguments as 64-bit values and gives the kernel's
 * result, SIG_RESTART from sig_safe_syscall() as it is, or KERN_NO_RESULT when it has set the guest's registers
 * itself. It runs on the thread's engine stack with no lock held and touches guest memory by rt_copy_* only.
 */
#ifndef GNOMON_KERN_KERN_H
#define GNOMON_KERN_KERN_H

#include "cpu/vcpu.h"
#include "rt/engine.h"
#include "rt/rt.h"
#include "sig/sig.h"

#define KERN_NO_RESULT (-4096L) /* no system call returns this */

#define SYSCALL(name) long sys_##name(struct vcpu *v, const u64 a[6])

/* the table */
enum sys_class {
	SYS_NONE,   /* no such call in Linux 7.2 */
	SYS_PASS,   /* the host's, as it is */
	SYS_OUT,    /* the host's; it writes guest memory that may lie in guarded pages */
	SYS_WRAP,   /* the host's, with something before or behind it */
	SYS_EMUL,   /* done here */
	SYS_REFUSE, /* answered with an error that Linux could give */
};

/* sysent.flags */
#define SYSF_HANDLER 0x01 /* has a handler */
#define SYSF_SLEEP 0x02   /* may sleep interruptibly: through sig_safe_syscall */
#define SYSF_OUT 0x04     /* `outs` says where it writes */
#define SYSF_FD 0x08      /* the first argument is a descriptor, and never AT_FDCWD */
#define SYSF_DFD 0x10     /* it is one where the path, the second, is relative */

/* how to find the length of an output area */
enum sysout_kind { OUT_FIXED, OUT_BYTES, OUT_ITEMS, OUT_IOV, OUT_MSG, OUT_MMSG, OUT_IOCTL };
struct sysout {
	u8 arg, kind, len_arg; /* arguments count from 0 */
	u32 size;              /* FIXED: bytes; ITEMS: bytes of one */
};

struct sysent {
	long (*fn)(struct vcpu *v, const u64 a[6]);
	u8 class, flags, restart /* enum sig_restart */, nouts;
	u32 outs; /* index into kern_outs */
};
extern const struct sysent kern_syscalls[];
extern const u32 kern_nr_syscalls;
extern const struct sysout kern_outs[];
extern const char *const kern_syscall_names[]; /* "" where there is none */

SYSCALL(exit);

/* dispatch.c */
/* fills in this floor's upcalls; the first thread exists. 0 or -ENOMEM */
long kern_init(struct vcpu *v) __must_check;
void kern_syscall(struct vcpu *v);      /* cpu_up.syscall */
bool kern_vsyscall(struct vcpu *v);     /* cpu_up.vsyscall (vsyscall.c) */
long kern_int80(struct vcpu *v, u32 nr); /* cpu_up.int80 (sys_int80.c) */
/* the host's call of a handler's own number: sleeps interruptibly where the table says so */
long kern_host(struct vcpu *v, long nr, const u64 a[6]);
/* a result into guest memory */
static inline long kern_put(gaddr_t to, const void *from, size_t n)
{
	return to ? rt_copy_to_guest(to, from, n) : 0;
}

/* kthread.c: per-thread state of this floor */
struct kthread {
	u32 spurious;       /* write faults in a row that no guard explains */
	gaddr_t fault_page; /* where */
	gaddr_t robust;     /* robust list head, as set_robust_list got it; robust.c */
	struct kthread *next_free;
};
struct kthread *kthread_get(struct vcpu *v); /* makes it; NULL when memory is out */
extern int kern_pid;    /* of the process whose memory this is: a vfork child's v->pid differs */
void kern_child_init(struct vcpu *v, bool shares_vm);
/* around a fork that copies memory: cpu_up.fork */
long kern_fork(int phase);

/* sys_mm.c, sys_madvise.c: to be called for a part of a range, too */
SYSCALL(munmap);
SYSCALL(mprotect);
SYSCALL(mremap);
SYSCALL(pkey_mprotect);
SYSCALL(pkey_free);
SYSCALL(madvise);
SYSCALL(arch_prctl);

/* restart.c */
void kern_restart_init(void);

/* sys_mm.c: the guest's program break; 0 = the host keeps it */
gaddr_t mm_brk(void);
extern bool mm_read_implies_exec; /* personality(2), kept from the host */

/* sys_fd.c: the block of engine descriptors may move (dup2 onto one of them); this lock keeps it still */
void fd_lock(void);
void fd_unlock(void);
void fd_lock_after_fork(void);

#endif
