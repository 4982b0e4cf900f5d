/* SPDX-License-Identifier: MIT */
/*
 * The guest context of one thread. GS base points at it for as long as the thread lives, in the cache
 * and in the engine; the cache addresses it as gs:[offset] with the offsets of xlate/slots.h.
 */
#ifndef GNOMON_CPU_VCPU_H
#define GNOMON_CPU_VCPU_H

#include "cpu/traced.h"
#include "rt/types.h"
#include "xlate/slots.h"

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

#define ENGINE_STACK (64ul << 10)
#define CPU_SIG_ROOM (64ul << 10)

struct sigctx;   /* sig/: per-thread signal state */
struct kthread;  /* kern/: per-thread kernel personality state */

/* one shadow stack the thread can stand on (see docs/architecture.md, "three mappings") */
struct shstk {
	gaddr_t lo, hi;     /* guest-visible range, read-only to the guest's stores */
	u64 alias;          /* engine's writable view of `lo` */
	u64 twin;           /* twin of `lo` = alias + SHSTK_TWIN_DELTA; records at twin + SHSTK_REC_DELTA */
};

/* indirect entries, by the bits of the target that the mask names (cpu/tables.c) */
struct itable {
	u64 mask;
	u64 *at;
	u64 miss;  /* what an entry is that nobody entered */
	u32 bits;  /* log2 of the entries */
	u32 clashes;
};

/* what switcher_find() found for a RET behind a call, as long as no code changed: those who switch do so often */
#define SWITCH_MEMOS 61
struct switch_memo {
	gaddr_t newest, ret;
	u64 epoch;
	gaddr_t pc, target;
	bool returns;
};

struct vcpu {
	struct vcpu *self;       /* SLOT_SELF */
	u64 twin_sp;             /* SLOT_TSP: twin pointer of the live SSP while r11 is at home */
	u64 target;              /* SLOT_TARGET: guest target of the indirect branch under way */
	u64 spill;               /* SLOT_SPILL: rcx inside flag-free compares */
	u64 engine_sp;           /* SLOT_ENGINE_SP: top of the engine stack of this thread */
	u64 guest_gs;            /* SLOT_GUEST_GS: the GS base the guest believes it has */
	u64 tmp;                 /* SLOT_TMP */
	u32 exit_id;             /* SLOT_EXIT: exit under way */
	u64 gregs[16];           /* SLOT_GREGS: guest registers; r10/r11 are valid here while borrowed */
	gaddr_t rip;             /* SLOT_RIP */
	u64 rflags;              /* SLOT_RFLAGS */
	u64 resume;              /* SLOT_RESUME: host address entered by cpu_enter */
	u32 outside;             /* SLOT_OUTSIDE: nonzero while the thread holds nothing of the cache (cpu/stop.h) */
	u32 pending;             /* something to do before guest code goes on: PEND_* */
	u64 sample;              /* SLOT_SAMPLE */
	u64 resume_r11;          /* SLOT_R11 */
	struct itable jumps, calls; /* SLOT_JMASK, SLOT_CMASK: their masks */
	gaddr_t switch_pc;       /* SLOT_SWITCH: the last instruction that loaded RSP from elsewhere, */
	u64 switch_from, switch_to; /* and RSP around it */
	gaddr_t slice_pc;        /* SLOT_SLICE: the last one that added a register to RSP */
	u64 rseq_field, rseq_used, rseq_none; /* SLOT_RSEQ and the two behind it */
	u32 left;                /* SLOT_LEFT: the thread has ended, its kit is free (cpu/kit.c) */
	u64 switch_twin;         /* SLOT_SWITCH_TWIN: twin_sp at the load of RSP, or behind what was dropped since */
	int tid, pid;            /* host ids, cached; refreshed by fork and clone */
	struct shstk ss;         /* current shadow stack */
	struct shstk home;       /* the engine's own for this thread; none: hi == 0 */
	bool guest_ss;           /* the current one is the guest's memory, seen through a window (cpu/window.h) */
	bool shstk_on;           /* checks are enforced / reported for this thread */
	bool wrss_on;
	u64 shstk_features, shstk_locked; /* arch_prctl masks */
	u64 own_lo, own_size;    /* the kernel's shstk.base/size: freed at thread exit */
	struct kthread *k;
	struct sigctx *sig;
	struct vcpu *next, *prev; /* all threads */
	gaddr_t store_at;        /* instruction whose store opened the page of code it stands in */
	bool vfork_child;        /* its memory and SSP are its parent's until it execs or ends */
	u64 stale_lo, stale_hi;  /* PEND_STALE: host addresses the dead blocks lie in; under cache_lock */
	bool stranger;           /* made without CLONE_THREAD: perhaps of another process than most */
	bool gone;               /* its process was killed while it shared this memory */
	bool owes_ack;           /* kicked while inside: somebody may wait for it to go outside */
	volatile bool kicked;    /* a kick is on its way; set under cache_lock */
	struct rt_catch *catch;  /* the translator reads guest code; faults there end the translation */
	struct {
		gaddr_t at;
		int signo;
	} fetch;                 /* why the last block could not be built: the byte, and what reading it raised */
	u16 guest_gs_sel;        /* the gs selector the guest believes it has */
	void *sig_room;          /* CPU_SIG_ROOM bytes for sig/, in the same reservation as this */
	struct shstk kit_stack;  /* made for this kit; not in use by a vfork child, which has its parent's */
	bool foreign_stack;      /* it is the parent's process': shared memory goes through a fork */
	struct sealed *sealed;   /* what sealed.c keeps; stays with the kit */
	u64 tables_epoch;        /* on no list: the cache_epoch that its tables are right for */
	u64 birth;               /* clone flags it was made with */
	gaddr_t clear_tid;       /* set_tid_address: the kernel writes there when the thread ends */
	struct cpu_fault {
		int signo, code, trapno;
		u64 addr, err;
		u32 pkey;
	} fault;                 /* from the host handler to cpu_on_fault(), or to whoever made a copy fail */
	u64 stat_flush, stat_jmiss, stat_cmiss;
	u64 stat_syscalls, stat_dispatch, stat_blocks, stat_viol, stat_build;
	gaddr_t trace[16];       /* last dispatcher entries, for BUG blocks */
	u32 trace_at;
	struct switch_memo switches[SWITCH_MEMOS];
	struct seccomp_filter *seccomp; /* kern/seccomp.c: the newest of the thread's filters */
	bool seccomp_strict;
	bool tf;                 /* the guest's trap flag; set by step_set() */
	struct stepping {        /* an instruction runs alone for it (step.c) */
		gaddr_t rip, next;
		bool on;
		bool diverted;       /* a handler of the guest's is to run instead */
		bool addr32, quiet;  /* counts with ECX; the trap behind it is lost */
		u8 rep, opcode;      /* the prefix that repeats it */
		const u8 *code;      /* 32 bytes to translate in place of its own */
	} step;
	struct mem_run {             /* memory without a gap, as far as known (stacks.c) */
		gaddr_t lo, end;
	} runs[4];
	u32 next_run;
	struct traced traced;    /* by ptrace */
	u64 more, more_id;       /* where the stack that was come back to goes on in the table of parked.c; 0: nowhere */
	u64 more_at;             /* the twin behind the last frame that is back */
	u64 back_twin;           /* where twin_sp was when frames came back from the table last */
	u64 base_at;             /* where twin_sp was when the last stack was left: frames below are the present one's; 0: none was */
	gaddr_t base_pc;         /* and who left it */
	u32 chaos;
	u32 rseq_sig;            /* what stands in front of abort handlers */
	u32 pkru;                /* bits of the guest's PKRU that are not in the CPU's: those of rt_pkey.kept */
	u64 rseq_seen;           /* the last descriptor that rseq_learn() looked at */
};

#define PEND_SIGNAL 1  /* sig/ has something to deliver */
#define PEND_STALE 2   /* blocks died: twins may lead into them, and so may the address to resume at */
#define PEND_FLUSH 4   /* everything was flushed: tables and twins are stale from end to end */
#define PEND_STEP 8    /* the trap flag is set, or a tracer single-steps: one instruction at a time */

static inline struct vcpu *vcpu_self(void)
{
	struct vcpu *v;

	__asm__("mov %%gs:0, %0" : "=r"(v));
	return v;
}

/* the guest's SSP as RDSSP shows it; only in the engine, where twin_sp is up to date */
static inline gaddr_t vcpu_ssp(const struct vcpu *v)
{
	return v->twin_sp - v->ss.twin + v->ss.lo;
}

/* a failed return check, in raw addresses; class is enum gn_class of gnomon/board.h */
#define VIOL_FRAMES 8
struct violation {
	u32 class;
	u32 depth;         /* unwind: shadow frames skipped; never called, overwritten: where the word stands, pushed at another RSP */
	u32 nframes;
	gaddr_t ret, expected, actual, call, switcher, rsp, ssp;
	gaddr_t frames[VIOL_FRAMES];
};

/*
 * What the floors above do for the CPU. Filled in by start/ before the first guest instruction; no
 * function of cpu/, xlate/ or cache/ calls upwards in any other way.
 */
struct cpu_upcalls {
	/* a guest SYSCALL: number and arguments in v->gregs, v->rip is the instruction behind it.
	 * Sets gregs[RAX] (rcx, r11 are set by the caller) or any other state. */
	void (*syscall)(struct vcpu *v);
	/* [holds: cache_lock] code at eng.watch_entry is translated, to be run next */
	void (*at_entry)(struct vcpu *v);
	/* --ibt: is the code at `at` of a file that is marked for it? */
	bool (*wants_endbr)(gaddr_t at);
	/* a 32-bit system call by int $0x80: its result */
	long (*int80)(struct vcpu *v, u32 nr);
	/* v->rip is in the vsyscall page: what the kernel does there, or false if it is a page like others. NULL until
	 * the host is known to have one */
	bool (*vsyscall)(struct vcpu *v);
	/* deliver what is pending; may change any guest state */
	void (*deliver)(struct vcpu *v);
	/* a synchronous fault at v->rip; guest state is exact. signo, si_code, si_addr, trapno, err as Linux
	 * puts them into the frame. Sets up the guest handler's frame or ends the process. */
	void (*fault)(struct vcpu *v, int signo, int code, u64 addr, int trapno, u64 err);
	/* guest protection of the page at `page`: PROT_* bits, -1 if not mapped; *end = end of that run */
	int (*prot)(gaddr_t page, gaddr_t *end);
	/* Is `at` in a shadow stack of the guest's? Then *ret is it, as far as it lies in one window, which is made where there
	 * was none. */
	bool (*shadow)(gaddr_t at, struct shstk *ret);
	/* a thread or process with its shadow stack in the guest's memory: 0 or -errno */
	long (*shadow_new)(struct vcpu *v, u64 size);
	/* translated code now exists in this page: make guest stores to it fault. Returns 0, or 1 if the
	 * page changes too often to protect (its blocks then check themselves) */
	int (*guard_code)(gaddr_t page);
	/* a guest store hit the host's write protection at addr: true = it was a guard, lifted now */
	bool (*write_fault)(struct vcpu *v, gaddr_t addr);
	/* threads: memory for the new one (in its parent; 0 or -errno), first thing on it, last thing on it */
	long (*thread_new)(struct vcpu *v, struct vcpu *parent, u64 clone_flags);
	void (*thread_start)(struct vcpu *v);
	void (*thread_end)(struct vcpu *v);
	/* count and record a violation. Guest state is exact and is not changed. */
	void (*report)(struct vcpu *v, const struct violation *viol);
	/* This thread's next step ends all others: what they are in the middle of; true if they wait, with cache_lock held,
	 * until it did not, after all: alive() */
	bool (*dying)(struct vcpu *v);
	void (*alive)(struct vcpu *v);
	/* [holds: cache_lock] the vDSO's robust unlock is translated for the first time */
	void (*unlock_used)(struct vcpu *v);
	/* The thread, the caller or one that waits, is taken away from where it is. Guest state is exact */
	void (*interrupted)(struct vcpu *v);
	/* a pending slot that the kernel could not have cleared: a registration that it is of is dropped */
	void (*slot_lost)(struct vcpu *v, gaddr_t slot);
	/* Around a clone of any kind: no host handler runs meanwhile. What the guest does not handle stays open, if `all` is
	 * false: a blocked SIGCHLD would be kept, and wake other threads, even if nobody wants it. For a new thread of
	 * this process it is all of them, as libcs have it, too: another thread could install a handler just then.
	 * Released by the parent and by the child. */
	void (*hold_signals)(struct vcpu *v, bool all);
	void (*release_signals)(struct vcpu *v);
	/* around a host fork that copies memory: 0 before it (takes the locks of kern/; cache_lock is taken
	 * earlier; -ENOMEM: none are held), 1 behind it in the parent, 2 in the child */
	long (*fork)(int phase);
};
extern struct cpu_upcalls cpu_up;

#endif
