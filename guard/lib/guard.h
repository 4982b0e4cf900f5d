/* SPDX-License-Identifier: MIT */
/*
 * libgnomon-guard.so: before a mapping ends, no thread's list_op_pending may name a lock word in it that the thread
 * has let go. What the files of the library share. docs/robust.md has the argument.
 *
 * Nothing here uses libc but to find the functions it stands before: the code runs inside other people's mmap and
 * munmap, in signal handlers, after vfork and under seccomp filters. It makes no system call that an ordinary
 * program would not make.
 */
#ifndef GUARD_GUARD_H
#define GUARD_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "arch.h"

#define API __attribute__((visibility("default")))

/* the kernel's struct robust_list_head, in the words of this architecture */
struct robust_head {
	uintptr_t next;
	intptr_t futex_offset;
	uintptr_t pending;
};

static inline long sys4(long nr, long a, long b, long c, long d)
{
	return sys6(nr, a, b, c, d, 0, 0);
}

/* sys.c: [as-safe], errno stays as it is */
long guard_futex(uint32_t *word, int op, uint32_t value);
int guard_word_is(const uint32_t *word, uint32_t value); /* 1 or 0; -1: it cannot be read */
uint64_t guard_block(void); /* all signals; the mask before */
void guard_unblock(uint64_t mask);
bool guard_read(void *to, uintptr_t from, size_t n);  /* false: unmapped, or no descriptors left */
bool guard_write(uintptr_t to, const void *from, size_t n);

/* heads.c: who has a head */
enum slot_state {
	SLOT_FREE,
	SLOT_TAKEN, /* its thread does not run yet */
	SLOT_LIVE,  /* the head is in memory that stays as long as the state does: read as it is */
	SLOT_LOOSE, /* the head's memory may vanish: read through the kernel */
};
struct slot {
	uint32_t state;
	pid_t tid;
	bool awaited; /* somebody waits for its end */
	struct robust_head *head;
	void *(*start)(void *);
	void *arg;
};
void heads_init(void);
struct slot *heads_reserve(void); /* before a thread is made; NULL: no memory */
void heads_cancel(struct slot *s); /* it was not made */
void heads_enter(struct slot *s);  /* the calling thread's, at its start */
void heads_leave(struct slot *s);  /* the same, at its end */
void heads_joining(uintptr_t thread); /* before somebody waits for it */
void heads_joined(uintptr_t thread);  /* with success */
void heads_replaced(uintptr_t head); /* the calling thread registered another */

struct heads_lock {
	uint64_t mask;
	pid_t me;
	bool held;
};
bool heads_quiet(void); /* one thread, nothing pending: there is nothing to look for */
bool heads_alive(const struct slot *s);
/* between these the memory of SLOT_LIVE heads stays; [as-safe] */
void heads_lock(struct heads_lock *l);
void heads_unlock(struct heads_lock *l);
/* calls f for every thread whose pending slot is not empty, until it returns true */
bool heads_pending(bool (*f)(struct slot *s, const struct robust_head *copy, void *arg), void *arg);
void heads_clear(struct slot *s, uintptr_t was); /* that slot, if it still holds `was` */

/* scan.c */
struct range {
	uintptr_t start, end;
	/* does the word's mapping really go? NULL: yes. Asked only about words in the range */
	bool (*goes)(const struct range *r, uintptr_t word);
	/* for `goes`: what is mapped instead */
	int fd;
	bool shared;
	uint64_t offset;
};
void guard_scan(const struct range *r);  /* before the call that ends the range */
bool guard_touches(const struct range *r); /* would guard_scan() find something? */

/* maps.c: what is mapped where, from /proc/self/maps */
struct map_line {
	uintptr_t start, end;
	uint64_t offset, ino;
	unsigned major, minor;
	bool shared, sysv;
};
bool maps_find(uintptr_t at, struct map_line *m);
bool goes_fixed(const struct range *r, uintptr_t word);  /* replaced by fd at offset */
bool goes_pages(const struct range *r, uintptr_t word);  /* by another part of the same file */
bool goes_shmdt(const struct range *r, uintptr_t word);

extern size_t guard_page;

/* interpose.c and threads.c: the functions behind ours, found before main() */
void interpose_init(void);
void threads_init(void);

#endif
