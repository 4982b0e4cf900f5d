/* SPDX-License-Identifier: MIT */
/*
 * The engine's view of shadow stacks that are the guest's own memory. Guest addresses are seen in blocks; a window is
 * made of one block's three areas, laid out like those of any shadow stack (cpu/shstk.c): the alias, through which the
 * engine writes, the twins and the records. What of the block is a shadow stack is there in the alias; all else of it
 * faults. Windows stay as long as the process.
 *
 * All but win_forget_all() and win_nowhere(): [holds: vma_lock], kern/shadow.c, which knows what is mapped.
 */
#ifndef GNOMON_CPU_WINDOW_H
#define GNOMON_CPU_WINDOW_H

#include "cpu/vcpu.h"

#define WIN_BLOCK (64ul << 20)

/* the window of at's block as a shadow stack of the whole block; false if there is none */
bool win_view(gaddr_t at, struct shstk *ret);
/* makes it, with nothing in its alias; 0 or -errno */
long win_make(gaddr_t at) __must_check;
/* The guest's [lo, hi), one shared mapping, is writable in the aliases of those of its blocks that have a window */
long win_attach(gaddr_t lo, gaddr_t hi) __must_check;
/* protection of what is attached */
void win_protect(gaddr_t lo, gaddr_t hi, int prot);
/* the words of [lo, hi) are zero */
void win_zero(gaddr_t lo, gaddr_t hi);
/* not there any more */
void win_detach(gaddr_t lo, gaddr_t hi);
/*
 * Nobody's frames are there any more: twins and records of [lo, hi) are zero. Not while another thread may stand there: a
 * RET under way has its block's id below the twins in use. Such a thread meets the alias first, or words that do not match.
 */
void win_forget(gaddr_t lo, gaddr_t hi);
/* an SSP with no shadow stack around it: every access faults, in the alias of this one */
void win_nowhere(gaddr_t ssp, struct shstk *ret);
/* [holds: cache_lock, nobody else inside] no twin leads anywhere any more */
void win_forget_all(void);
void win_after_fork(void);

#endif
