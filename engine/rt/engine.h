/* SPDX-License-Identifier: MIT */
/*
 * Facts about this process that several floors need. Written by start/ and load/ before the first guest
 * instruction runs; afterwards only by the owner named at the field. No pointers into the guest.
 */
#ifndef GNOMON_RT_ENGINE_H
#define GNOMON_RT_ENGINE_H

#include "gnomon/board.h"
#include "rt/types.h"

#define ENG_AUXV_MAX 64 /* pairs; the kernel gives about 24 */

struct engine {
	struct gn_board *board;
	struct gn_settings set;   /* copy; board->set never changes */
	int fd_base;              /* N of board.h; load/replace.c may move the block down */

	/* the program */
	char exe[GN_PATH_MAX];    /* what readlink("/proc/self/exe") must say */
	char execfn[GN_PATH_MAX]; /* AT_EXECFN */
	char comm[16];            /* as set at exec */
	u32 depth;                /* #! lines that led here */

	/* its image; addresses as in struct mm of the kernel */
	gaddr_t prog_entry;       /* AT_ENTRY: the program's own */
	gaddr_t watch_entry;      /* cpu_up.at_entry is to be told of this address; 0: none */
	gaddr_t entry;            /* where the guest starts: interpreter's entry or the program's own */
	gaddr_t start_code, end_code, start_data, end_data;
	gaddr_t brk_start;        /* initial program break, page aligned */
	bool brk_emulated;        /* false: the host's brk(2) is the guest's; true: kern/ must emulate it */
	bool mm_told;             /* the host kernel knows all of this (PR_SET_MM_MAP): /proc/self/stat, auxv are right */

	/* the initial stack */
	gaddr_t start_stack;      /* RSP at the first instruction */
	gaddr_t stack_lo, stack_hi; /* the [stack] mapping at start; it grows downwards */
	bool stack_exec;          /* PT_GNU_STACK asks for it: the guest's view of [stack] is rwx */
	gaddr_t arg_start, arg_end, env_start, env_end; /* the strings; 0 if /proc/self/stat did not say */
	gaddr_t auxv_at;          /* where the guest's auxv stands */
	u64 auxv[2 * ENG_AUXV_MAX]; /* contents of /proc/self/auxv, AT_NULL included */
	u32 auxv_size;            /* bytes */

	bool vsyscall;            /* the host has that page, and emulates its calls */
	gaddr_t vdso_lo, vdso_hi; /* 0 if the host has none */
	struct {                  /* critical sections of its robust unlock functions (load/vdso.c) */
		gaddr_t start, end;
		u32 slot_size;
	} unlock[2];
	gaddr_t unlock_lo, unlock_hi; /* where those functions lie */
	bool unlock_used;         /* cpu/run.c: they have been translated */
	gaddr_t engine_lo, engine_hi; /* the engine's own image */
	bool no_randomize;        /* personality ADDR_NO_RANDOMIZE */
};

extern struct engine eng;

/* translated code writes nothing that is the engine's: `protect --seal`, or the test mode */
static inline bool eng_sealed(void)
{
	return eng.set.flags & (GN_OPT_SEAL | GN_OPT_CHAOS_SEAL);
}

/* a descriptor of the engine's, which the guest must neither see nor touch */
static inline bool eng_owns_fd(int fd)
{
	return fd >= eng.fd_base && fd < eng.fd_base + GN_FD_COUNT;
}

#endif
