/* SPDX-License-Identifier: MIT */
/*
 * Telling the command what happened, through the board (gnomon/board.h). Everything is a no-op without one,
 * but for report_native() and report_note(), which then go to the log channel.
 */
#ifndef GNOMON_KERN_REPORT_H
#define GNOMON_KERN_REPORT_H

#include "cpu/vcpu.h"

/* cpu_up.report: counts; the first time at a site also records. Guest state is exact; other threads run. A
 * site this process has seen costs a probe and two atomic additions, no system call. */
void report_violation(struct vcpu *v, const struct violation *x);

/* Addresses in [start, end) are about to mean other code (munmap, mmap over it, mremap): what was learnt about
 * them is dropped. Cheap when no violation was ever seen. exec needs no call: the new image starts empty. */
void report_forget(gaddr_t start, gaddr_t end);

/* in the only thread of a forked child */
void report_after_fork(void);

/* a program starts under the engine in this process */
void report_exec(const char *path);
/* it ends in an orderly way: exit status, or -signal; an exec that replaces it counts as exit with 0 */
void report_exit(int status);
/* PATH is about to run without the engine, and why */
void report_native(const char *path, const char *reason);
/* The engine is about to stop with a BUG block: the verdict must not say "clean". One atomic addition, for
 * rt_bug_hook; counted in class_count[0]. */
void report_bug(void);
/* for the user, once where it matters */
void report_note(const char *fmt, ...) __printf(1, 2);

#endif
