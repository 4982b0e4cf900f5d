/* SPDX-License-Identifier: MIT */
/*
 * The guest's memory map as the guest believes it is: protections with PROT_EXEC, which no host mapping of guest
 * memory has, and which pages are *guarded*: read-only for the host although the guest may write them, because
 * code was translated from them. Memory that is not in here is not the guest's.
 *
 * Locking: vma_lock() is a leaf but for rt/'s locks; it may be taken with cache_lock held, and cpu_invalidate() must
 * never be called with it held. A change of the map holds it from before the host's system call until the tree
 * agrees, as the kernel holds mmap_lock. No guest memory is touched while it is held (a fault would want it).
 *
 * Areas that show the same memory have the same object; code of one of them is guarded in all (alias.c). Not seen:
 * stores by another process that shares the memory, and write(2) to a file whose mapped code ran.
 */
#ifndef GNOMON_KERN_VMA_H
#define GNOMON_KERN_VMA_H

#include <linux/mman.h>
#include "rt/rt.h"

struct vcpu;

#define VMA_GAP 0x01       /* a shadow stack, and the page below is kept free for it */
#define VMA_WIPE 0x02      /* a shadow stack: MADV_WIPEONFORK, */
#define VMA_DONTFORK 0x04  /* MADV_DONTFORK */
#define VMA_CLEAN 0x100    /* a shadow stack that was read-only at a fork: its pages are copied before the CPU writes there */
#define VMA_IBT 0x200      /* code of a file marked for indirect branch tracking, with --ibt */
#define VMA_SHARED 0x08    /* MAP_SHARED */
#define VMA_SHSTK 0x10     /* a shadow stack: prot says W, ordinary stores fault; never merged (kern/shadow.h) */
#define VMA_GROWSDOWN 0x20 /* the kernel extends it downwards by itself */
#define VMA_SEALED 0x40    /* mseal(2): its protection cannot be changed, so its code cannot be guarded */
#define VMA_SHM 0x80       /* shmat(2); never merged with a neighbour */

struct vma {
	gaddr_t start, end;
	u8 prot;      /* PROT_* */
	u16 flags;    /* VMA_* */
	u32 object;   /* what memory it shows, as a hash; 0: nobody else does */
	gaddr_t base; /* where that object's first byte would be */
};

/* reserves the table. 0 or -ENOMEM */
long vma_init(void) __must_check;

/* [start, end) is now mapped, privately and with `prot` (guest's view), whatever was there before; ends are
 * page-aligned by the callee. Each takes the lock. */
void vma_set(gaddr_t start, gaddr_t end, int prot);
void vma_set_flags(gaddr_t start, gaddr_t end, int prot, u32 flags);
/* not mapped any more */
void vma_clear(gaddr_t start, gaddr_t end);

/* PROT_* of the guest at addr, -1 if not mapped; *end (may be NULL) = end of that run, mapped or not */
int vma_prot(gaddr_t addr, gaddr_t *end);
/* first area that ends behind addr; false if there is none */
bool vma_find(gaddr_t addr, struct vma *ret);
/* what the host must be told for a guest protection */
static inline int vma_host_prot(int prot)
{
	return prot & PROT_EXEC ? (prot & ~PROT_EXEC) | PROT_READ : prot;
}

/* code was translated from this page (cpu_up.guard_code): 0 = guest stores to it fault from now on (or cannot
 * happen), 1 = it cannot be protected (sealed, no memory): its blocks must check themselves */
int vma_guard_code(gaddr_t page);
/* host SIGSEGV with SEGV_ACCERR at addr, by guest code or by an rt_copy_to_guest: true = it was the guard, which is
 * lifted now: the instruction is to be run again. [as-safe] */
bool vma_write_fault(struct vcpu *v, gaddr_t addr);
/* lifts the guard from every page of a range that the host kernel is about to write to. True if there was one.
 * `vma_nguarded` is the number of guarded pages of the process: zero nearly always, test it first. */
bool vma_unguard(struct vcpu *v, gaddr_t start, gaddr_t end);
extern u32 vma_nguarded;

/* for a change in several steps: sys_mm.c, sys_shm.c. All below: [holds: vma_lock] */
void vma_lock(void);
/* room for n more areas; false when memory is out. Before the host's call, so that it can be refused */
bool vma_room_locked(u32 n) __must_check;
void vma_unlock(void);
void vma_lock_after_fork(void);
void vma_set_locked(gaddr_t start, gaddr_t end, int prot, u32 flags);
/* the same for an area of a->object */
void vma_set_area_locked(const struct vma *a);
void vma_clear_locked(gaddr_t start, gaddr_t end);
/* new protection for what is mapped in the range; flags stay */
void vma_protect_locked(gaddr_t start, gaddr_t end, int prot);
void vma_flag_locked(gaddr_t start, gaddr_t end, u32 set);
void vma_unflag_locked(gaddr_t start, gaddr_t end, u32 clear);
bool vma_find_locked(gaddr_t addr, struct vma *ret);
bool vma_any_exec_locked(gaddr_t start, gaddr_t end);
/* changes with every change of an area with an object, and with every guard that is lifted */
extern u64 vma_shared_changes;

/*
 * alias.c: memory that is mapped more than once. What a descriptor's, or a new piece of anonymous shared memory's object
 * is; of a System V segment.
 */
u32 alias_of_file(int fd);
u32 alias_of_nobody(void);
u32 alias_of_segment(int id);
/* an area was entered; can code of its object be written to by a mapping other than its own? [holds: vma_lock] */
void alias_note_locked(const struct vma *a);
bool alias_possible_locked(const struct vma *a);
/* The next part, from address `from` on, of an area that shows bytes of *piece; those of *piece itself come, too. False:
 * there is none. [holds: vma_lock] */
bool alias_next_locked(const struct vma *piece, gaddr_t from, struct vma *ret);
/* is there shared memory in the range that can be written to, and code of it elsewhere? [holds: vma_lock] */
bool alias_any_locked(gaddr_t start, gaddr_t end);
/* severs code of the memory of [start, end), wherever it is mapped. With no lock held */
void alias_invalidate(struct vcpu *v, gaddr_t start, gaddr_t end);

/* guard.c: forget the guards of a range; host_prot = true: also give the host protection back to the guest */
void guard_drop_locked(gaddr_t start, gaddr_t end, bool host_prot);

#endif
