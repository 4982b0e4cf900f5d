/* SPDX-License-Identifier: MIT */
/*
 * What the files of sig/ share: per-thread state, the kernel's frame layouts.
 */
#ifndef GNOMON_SIG_CTX_H
#define GNOMON_SIG_CTX_H

#include "cpu/cpu.h"
#include "sig/sig.h"

#define XSTATE_MAX (16ul << 10)
#define HOST_ALTSTACK (32ul << 10)
#define BIT(n) (1ul << ((n) - 1))

/* signals the CPU itself causes: never blocked at the host, always ours */
#define SYNC_SIGNALS (BIT(4) | BIT(5) | BIT(7) | BIT(8) | BIT(11)) /* ILL TRAP BUS FPE SEGV */
#define INFO_PKEY 32 /* offset of si_pkey */
#define UNBLOCKABLE (BIT(9) | BIT(19))
#define DEFAULT_STOPS (BIT(19) | BIT(20) | BIT(21) | BIT(22)) /* STOP TSTP TTIN TTOU */
#define DEFAULT_IGNORES (BIT(17) | BIT(18) | BIT(23) | BIT(28)) /* CHLD CONT URG WINCH */

/* kstack.flags */
#define SIG_ONSTACK 1
#define SIG_DISABLE 2
#define SIG_AUTODISARM (1u << 31)

#define SA_NOCLDSTOP_ 1ul
#define SA_NOCLDWAIT_ 2ul
#define SA_SIGINFO_ 4ul
#define SA_RESTORER_ 0x04000000ul
#define SA_ONSTACK_ 0x08000000ul
#define SA_RESTART_ 0x10000000ul
#define SA_NODEFER_ 0x40000000ul
#define SA_RESETHAND_ 0x80000000ul
#define SA_KNOWN (SA_NOCLDSTOP_ | SA_NOCLDWAIT_ | SA_SIGINFO_ | 0x800 /* EXPOSE_TAGBITS */ | SA_RESTORER_ | SA_ONSTACK_ | \
		  SA_RESTART_ | SA_NODEFER_ | SA_RESETHAND_ | SIG_IA32)

struct sigacts {
	u32 refs;
	struct rt_lock lock;
	struct ksigaction a[GSIG_MAX + 1];
};

struct sigctx {
	u8 xsave[XSTATE_MAX] __attribute__((aligned(64)));
	u8 info[GSIG_MAX + 1][128]; /* of queued signals */
	u64 queued;         /* one that is not blocked, as the kernel holds others back (deliver.c); and, blocked or not,
			     * those of faults that somebody sent */
	u64 mask;           /* the guest's */
	u64 saved_mask;     /* sigsuspend and its kind: what the next frame brings back */
	bool restore_mask;
	u64 trapno, trap_err, cr2; /* of the last fault that was a signal: every frame shows them */
	bool frozen;        /* freeze.c: xsave is complete, and this */
	u64 frozen_fs;
	bool looked;        /* the SIGCHLD in `queued` has been found to be for the guest */
	bool stepping;      /* TF set by us to leave code without recipe */
	struct kstack alt;  /* the guest's */
	struct sigacts *acts;
	u8 host_alt[HOST_ALTSTACK];
};
_Static_assert(sizeof(struct sigctx) <= CPU_SIG_ROOM, "CPU_SIG_ROOM");

/* struct sigcontext_64 in its ucontext, asm/sigcontext.h */
struct kucontext {
	u64 flags, link;
	struct kstack stack;
	u64 r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
	u16 cs, gs, fs, ss;
	u64 err, trapno, oldmask, cr2, fpstate;
	u64 reserved[8];
	u64 sigmask;
};
struct ksigframe {
	u64 pretcode;
	struct kucontext uc;
	u8 info[128];
};

/* frame.c: a guest frame for `signo`; false when the stack cannot take it */
bool frame_build(struct vcpu *v, int signo, const struct ksigaction *act, u64 mask, const u8 *info, u64 err,
		 u64 trapno, u64 cr2);
u64 frame_xstate_size(void);
u64 frame_xfeatures(void);
/* the CPU's to v->sig->xsave */
void frame_save_xstate(struct vcpu *v);

/* action.c */
void action_host(int signo, const struct ksigaction *act);
/* info: what came with it; NULL: nothing */
void __noreturn action_die(struct vcpu *v, int signo, const u8 *info);
void action_stop(struct vcpu *v, int signo);

/* action.c: see sig_watch_children(). False: this SIGCHLD is not for the guest */
extern bool (*action_look)(struct vcpu *v, const u8 info[128]);
bool action_wants_child(struct vcpu *v, const u8 info[128]);

/* deliver.c */
void host_mask_update(struct vcpu *v);

/* host.c, syscall.S */
void sig_host_handler(int signo, u8 *info, struct kucontext *uc);
void sig_host_entry(void);
void sig_host_restorer(void);
long sig_syscall_raw(long nr, const u64 *args, u32 *pending, bool *began, bool own);
extern const u8 sig_syscall_begin[], sig_syscall_insn[], sig_syscall_interrupted[];

#endif
