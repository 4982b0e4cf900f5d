/* SPDX-License-Identifier: MIT */
/*
 * `run --enable=marked`, `permissive`, `always` and `--deny-list`: what a C library built for shadow stacks decides by the
 * marks of files (.note.gnu.property), done for those that are not.
 */
#ifndef GNOMON_KERN_MARKS_H
#define GNOMON_KERN_MARKS_H

#include "cpu/vcpu.h"

/* before the first guest instruction; the program is loaded */
long marks_start(struct vcpu *v) __must_check;
/* cpu_up.at_entry: about to run the program's own first instruction */
void marks_at_entry(struct vcpu *v);
/* The guest maps code of this file. 0, or the error that mmap gives */
long marks_on_map(struct vcpu *v, int fd) __must_check;
extern bool marks_matter; /* else marks_at_entry() and marks_on_map() have nothing to do */
/* is its code to be entered at ENDBR64 only? */
bool marks_ibt(int fd);
/* cpu_up.wants_endbr */
bool marks_wants_endbr(gaddr_t at);

#endif
