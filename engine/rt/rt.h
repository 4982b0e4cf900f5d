/* SPDX-License-Identifier: MIT */
/*
 * The ground floor: memory, formatting, the engine's own channel, locks, bug reports.
 * Knows nothing of guests. Every function here is callable from a host signal handler
 * unless its comment says otherwise.
 */
#ifndef GNOMON_RT_RT_H
#define GNOMON_RT_RT_H

#include <stdarg.h>
#include "rt/pkey.h"
#include "rt/types.h"
#include "rt/sys.h"

/* mem.c: the four functions gcc may call by itself, and strings */
void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);

/* fmt.c: %d %u %x %lx %ld %lu %llx %p %s %c %%, width, 0 and - flags, %.*s. Returns the bytes
 * written, without the terminator; output is cut at size-1. */
int rt_vsnprintf(char *buf, size_t size, const char *fmt, va_list ap);
int rt_snprintf(char *buf, size_t size, const char *fmt, ...) __printf(3, 4);
/* copies at most size-1 bytes, always terminates, returns bytes copied */
size_t rt_strlcpy(char *dst, const char *src, size_t size);
/* reads an unsigned number in base 10 or 16; *end is the first byte not used */
u64 rt_strtou(const char *s, int base, const char **end);

/* log.c: one line on the engine's channel, "gnomon[pid/tid]: " in front, newline behind */
extern int rt_log_fd;
void rt_log(const char *fmt, ...) __printf(1, 2);
void rt_log_write(const char *s, size_t n); /* bytes as they are */
/* the same, at most once per call site */
#define rt_log_once(...)                                                          \
	do {                                                                      \
		static int once_;                                                 \
		if (!__atomic_exchange_n(&once_, 1, __ATOMIC_RELAXED))            \
			rt_log(__VA_ARGS__);                                      \
	} while (0)

/* bug.c: the engine is wrong: prints what it knows (rt_bug_hook adds the guest's RIP, block bytes
 * and the last blocks entered), leaves the whole process with status 121. Always compiled in. */
extern void (*rt_bug_hook)(void);
void __noreturn rt_bug(const char *file, int line, const char *cond);
#define BUG_ON(c)                                              \
	do {                                                   \
		if (unlikely(c))                               \
			rt_bug(__FILE__, __LINE__, #c);        \
	} while (0)
#define BUG() rt_bug(__FILE__, __LINE__, "unreachable")
/* the user's mistake or a missing host feature: one line, whole process leaves with STATUS
 * (exit.h: 125, 126 or 127) */
void __noreturn rt_die(int status, const char *fmt, ...) __printf(2, 3);

/* lock.c: futex lock, not recursive. Signals must be blocked by the caller where a handler could
 * want the same lock. after_fork() makes it free in a child. */
struct rt_lock {
	u32 word;
};
/* true: its holder was killed, and what the lock guards may be half changed */
bool rt_lock(struct rt_lock *l);
void rt_unlock(struct rt_lock *l);
void rt_lock_after_fork(struct rt_lock *l);
/* the calling thread's id, once there are threads: set by cpu/ */
extern u32 (*rt_self)(void);
/* false: tid is no task, a dead one, or one with other memory */
bool rt_shares_memory(int tid);

/* arena.c: memory that is never given back one piece at a time. Not [as-safe]: callers hold the lock
 * that owns the arena. */
struct rt_arena {
	u8 *base, *next, *committed, *end;
};
/* reserves `reserve` bytes of address space, commits as needed. 0 or -ENOMEM */
long rt_arena_init(struct rt_arena *a, size_t reserve) __must_check;
/* zeroed, 8-aligned; NULL when the reserve or the memory is used up */
void *rt_arena_alloc(struct rt_arena *a, size_t size);
/* forget everything, give the memory back to the host */
void rt_arena_reset(struct rt_arena *a);

/* Anonymous host mapping for the engine's own use; noted in the engine-owned range list so that the
 * guest neither sees it in /proc nor can map over it (engine_ranges, read by kern/). NULL if none. What it maps has
 * the engine's protection key (rt/pkey.h). */
void *rt_map(size_t size);
/* the same without the key, for what translated code or the kernel writes while the guest runs */
void *rt_map_shared(size_t size);
void rt_unmap(void *p, size_t size);
/* faults in what will be written soon, in one go: cheaper than page by page. Only a hint */
void rt_populate(const void *p, size_t size);
/* the same as rt_map for a mapping made elsewhere */
void rt_own_range(const void *p, size_t size);
void rt_disown_range(const void *p, size_t size);
bool rt_owns(u64 start, u64 end);

/* sorted, disjoint, merged; used entries first */
#define RT_RANGES 16384 /* about six to a thread */
struct rt_range {
	u64 start, end; /* end == 0: free entry */
};
extern struct rt_range rt_ranges[RT_RANGES];
/* the first engine range that ends behind addr; false if there is none. Loop with addr = ret->end */
bool rt_range_after(u64 addr, struct rt_range *ret);
/* around fork(2), so that the child's copy of the table is whole; both run in parent and in child */
void rt_ranges_fork_begin(void);
void rt_ranges_fork_end(void);

/* fault injection (settings.fault_nth): true = this allocation is to fail */
extern u32 rt_fault_nth;
bool rt_fail_now(void);

/* fault.S: a system call that does not sleep and may write to guest memory: not to what has the engine's protection key */
long rt_syscall_for_guest(long nr, const u64 args[6]);

/* fault.S/fault.c: copies that survive a bad guest pointer. 0 or -EFAULT. The host SIGSEGV/SIGBUS
 * handler asks rt_fault_fixup(pc): nonzero = continue there. [as-safe] */
long rt_copy_from_guest(void *dst, gaddr_t src, size_t n) __must_check;
long rt_copy_to_guest(gaddr_t dst, const void *src, size_t n) __must_check;
/* bytes before the NUL, or -EFAULT, or -ENAMETOOLONG if none within size */
long rt_str_from_guest(char *dst, gaddr_t src, size_t size) __must_check;
/* one store, one locked compare-and-swap (1 = stored, 0 = something else was there) */
long rt_store32_guest(gaddr_t to, u32 value) __must_check;
long rt_cas64_guest(gaddr_t at, u64 old, u64 new) __must_check;
u64 rt_fault_fixup(u64 pc);

/* catch.S: longer work on guest memory that may vanish meanwhile. rt_catch() is false at first; a host fault at an
 * address in [lo, hi) by the thread whose catch this is makes it return once more, true, with `signo` set. Nothing
 * between may leave shared state half changed. */
struct rt_catch {
	u64 regs[8];
	gaddr_t lo, hi;
	int signo;
};
bool rt_catch(struct rt_catch *c) __attribute__((returns_twice));
void rt_catch_land(void);
/* *base: what the base becomes where this selector is loaded into a segment register whose base is *base. -EFAULT: the
 * CPU refuses it */
long rt_selector_base(u16 sel, u64 *base) __must_check;
/* -EFAULT: the CPU refuses this segment base */
long rt_base_check(u64 base) __must_check;
/* XRSTOR, XRSTOR64 if `wide`; *pkru: what the guest's PKRU is afterwards. -EFAULT: it faulted, nothing changed */
long rt_xrstor(gaddr_t image, u64 features, bool wide, u32 *pkru) __must_check;

#endif
