/* SPDX-License-Identifier: MIT */
/*
 * Changes of the guest's memory map in the right order; see the head of sys_mm.c.
 */
#ifndef GNOMON_KERN_MM_H
#define GNOMON_KERN_MM_H

#include "kern/vma.h"

struct mm_change {
	struct vcpu *v;
	gaddr_t start, end;
	bool exec; /* code may lie there */
};

/* Takes vma_lock. False, without it: no memory for the tree */
bool mm_begin(struct vcpu *v, struct mm_change *c, gaddr_t start, gaddr_t end) __must_check;
/* gives it back */
void mm_end(struct mm_change *c);
/* the first part of [start, end) that is mapped for the host and not for the guest: what the engine has, and gaps */
bool mm_hole_in(gaddr_t start, gaddr_t end, struct rt_range *hole);
bool mm_hole_in_locked(gaddr_t start, gaddr_t end, struct rt_range *hole); /* [holds: vma_lock] */
/* page-aligned, not empty, below the end of user addresses: anything else the host refuses by itself */
bool mm_range_ok(gaddr_t start, u64 len);
/* The guest wants addresses the engine lives at: what it gets, once with a line. Natively they would have been free, so no
 * error is right; ENOMEM is one mmap may give. */
long mm_taken(const char *what, gaddr_t start, gaddr_t end);

#endif
