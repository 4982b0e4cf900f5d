/* SPDX-License-Identifier: MIT */
/*
 * Robust lists of the guest's threads. The host's kernel walks them when a thread ends, for they are host threads and
 * guest addresses are host addresses; what is here keeps list_op_pending from naming memory that is no lock any more.
 * docs/robust.md has the argument, guard/lib/ the same for programs that are not translated.
 */
#ifndef GNOMON_KERN_ROBUST_H
#define GNOMON_KERN_ROBUST_H

#include "cpu/vcpu.h"
#include "rt/rt.h"

/* the kernel's struct robust_list_head */
struct robust_head {
	gaddr_t next;
	s64 futex_offset;
	gaddr_t pending;
};
#define ROBUST_PENDING offsetof(struct robust_head, pending)
#define FUTEX_TID 0x3fffffffu

/* memory that a call is about to end */
struct robust_range {
	gaddr_t start, end;
	/* does the word's mapping really go? NULL: yes. Asked only about words in the range */
	bool (*goes)(const struct robust_range *r, gaddr_t word);
	int fd;     /* robust_goes_fixed: what is mapped instead, */
	bool shared;
	u64 offset; /* and from where; robust_goes_pages: only this */
};

/* Clears the slots of all threads that name a word in the range which is not the thread's, after the wake the kernel
 * would have made. With no lock held. */
void robust_scan(const struct robust_range *r);
/* would it find one? */
bool robust_touches(const struct robust_range *r);
static inline void robust_scan_range(gaddr_t start, gaddr_t end)
{
	struct robust_range r = { .start = start, .end = end };

	if (start < end)
		robust_scan(&r);
}

/* the calling thread */
long robust_set(struct vcpu *v, gaddr_t head, u64 size);
void robust_drop(struct vcpu *v, gaddr_t slot); /* `slot` cannot be written: the kernel drops the registration it is of */
void robust_exit(struct vcpu *v);               /* it ends by its own system call */
void robust_after_fork(struct vcpu *v);         /* it is a copy */

/* A thread is to run a handler, from which it may not come back, or is held and to die: an unlock that is under way is
 * finished for it. cpu_up.interrupted */
void robust_interrupted(struct vcpu *t);

/* The calling thread's next step ends the whole process: what all others are in the middle of is brought to its end, and
 * they stay where they are, with cache_lock held: true. False: nobody had to be stopped. robust_release(): it did not end
 * after all (execve failed) */
bool robust_hold(struct vcpu *v);
void robust_release(struct vcpu *v);

/* robust_code.c: by the code that it runs next, has the thread let go of what its slot names? */
bool robust_let_go(const struct vcpu *t, gaddr_t head, const struct robust_head *h);

/* robust_maps.c */
bool robust_goes_fixed(const struct robust_range *r, gaddr_t word);
bool robust_goes_pages(const struct robust_range *r, gaddr_t word);
bool robust_goes_shmdt(const struct robust_range *r, gaddr_t word);

#endif
