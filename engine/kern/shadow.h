/* SPDX-License-Identifier: MIT */
/*
 * Shadow stacks that are the guest's memory. For the host each is shared memory that only the engine may write
 * (cpu/window.h); for the guest it is private memory of its own kind: VMA_SHSTK in the map. Below each lies a page that
 * is kept free (VMA_GAP), as the kernel does, until the guest asks for that very place.
 *
 * shadow.c makes and ends them, shadow_mm.c does what the memory calls do to them, shadow_fork.c copies them.
 */
#ifndef GNOMON_KERN_SHADOW_H
#define GNOMON_KERN_SHADOW_H

#include "cpu/vcpu.h"
#include "kern/mm.h"

/* there has been one in this process: all the rest need not be asked before */
extern bool shadow_any;
/* does one of them lie in the range? */
bool shadow_touches(gaddr_t start, gaddr_t end);

/* the first page of the range that is kept free below one, which is nobody's memory; false: there is none */
bool shadow_gap_in(gaddr_t start, gaddr_t end, gaddr_t *gap);
bool shadow_gap_in_locked(gaddr_t start, gaddr_t end, gaddr_t *gap); /* [holds: vma_lock] */

/* at `addr`, where nothing may be, or anywhere (0); its address or -errno */
long shadow_map(struct vcpu *v, gaddr_t addr, u64 size) __must_check;
/* map_shadow_stack(2) of a 32-bit caller */
long shadow_create32(struct vcpu *v, gaddr_t addr, u64 size, u32 flags) __must_check;
/* what munmap would do */
void shadow_unmap(struct vcpu *v, gaddr_t addr, u64 size);
/* v ends, and so does its own shadow stack, which the kernel gave it */
void shadow_end(struct vcpu *v);
/* cpu_up.shadow, cpu_up.shadow_new */
bool shadow_at(gaddr_t at, struct shstk *ret);
long shadow_new(struct vcpu *v, u64 size);
/* bytes that are written whatever their protection: /proc/self/mem. 0 or -EFAULT */
long shadow_poke(gaddr_t at, const void *from, size_t n);

/* All below: [holds: vma_lock] */
/* The host has unmapped the range or put something else there, and the map does not say so yet */
void shadow_gone_locked(gaddr_t start, gaddr_t end);
/* gaps in the range are given up: something is to go there */
void shadow_yield_locked(gaddr_t start, gaddr_t end);
/* the engine's view of what lies in the range is as the map says */
long shadow_sync_locked(gaddr_t start, gaddr_t end) __must_check;
/* shared memory at a place of the guest's; MAP_FIXED or MAP_FIXED_NOREPLACE */
long shadow_host_map(gaddr_t at, u64 size, int how) __must_check;
/* an address with a gap of a page below: reserved, the gap, too. where: 0 or MAP_32BIT */
long shadow_place(u64 size, int where) __must_check;

/* shadow_mm.c: the calls, where shadow_touches(their range) */
long shadow_mprotect(struct vcpu *v, long nr, const u64 a[6]);
long shadow_madvise(struct vcpu *v, gaddr_t start, gaddr_t end, int advice);
long shadow_mremap(struct vcpu *v, const u64 a[6]);

/* shadow_fork.c: in front of a fork and behind it */
long shadow_fork_prepare_locked(void) __must_check;
void shadow_fork_parent_locked(void);
void shadow_fork_child_locked(void);

#endif
