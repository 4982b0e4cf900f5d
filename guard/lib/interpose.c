/* SPDX-License-Identifier: MIT */
/*
 * The calls that end or replace mappings. Each scans first and then does what it always did: the function behind
 * ours, which may be another library's. The result and errno are those of that function.
 *
 * Not seen: libc's calls of its own functions (a large free(), a thread's stack, dlclose) and system calls made
 * without libc. docs/robust.md says what covers those.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#include "guard.h"

extern long guard_raw_syscall(long nr, ...);

size_t guard_page = 4096;

/* until interpose_init(), which runs before other libraries' constructors, there is one thread and nothing to do */
static void *(*next_mmap)(void *, size_t, int, int, int, off_t);
static void *(*next_mmap64)(void *, size_t, int, int, int, off64_t);
static int (*next_munmap)(void *, size_t);
static void *(*next_mremap)(void *, size_t, size_t, int, ...);
static int (*next_remap_file_pages)(void *, size_t, int, size_t, int);
static void *(*next_shmat)(int, const void *, int);
static int (*next_shmdt)(const void *);
static int (*next_brk)(void *);
static void *(*next_sbrk)(intptr_t);
/* syscall.S goes through it */
__attribute__((visibility("hidden"))) long (*guard_next_syscall)(long nr, ...) = guard_raw_syscall;

#define FIND(f) (*(void **)&next_##f = dlsym(RTLD_NEXT, #f))
/* someone called before our constructor: other libraries' own, or ld.so's order was changed */
#define NEXT(f) (next_##f ? next_##f : (FIND(f), next_##f))

/* musl has had no mmap64 to be found since 1.2.4; its mmap takes 64-bit offsets everywhere */
static void find_mmap64(void)
{
	FIND(mmap64);
	if (!next_mmap64)
		*(void **)&next_mmap64 = dlsym(RTLD_NEXT, "mmap");
}

void interpose_init(void)
{
	void *p = dlsym(RTLD_NEXT, "syscall");

	guard_page = (size_t)getpagesize();
	FIND(mmap);
	find_mmap64();
	FIND(munmap);
	FIND(mremap);
	FIND(remap_file_pages);
	FIND(shmat);
	FIND(shmdt);
	FIND(brk);
	FIND(sbrk);
	if (p)
		*(void **)&guard_next_syscall = p;
}

/* what guard_raw_syscall() ends with */
__attribute__((visibility("hidden"))) long guard_result(long r)
{
	if (r >= 0 || r < -4095)
		return r;
	errno = (int)-r;
	return -1;
}

/* empty where the call is refused: an address inside a page, an end beyond the address space */
static struct range range(const void *start, size_t len)
{
	uintptr_t a = (uintptr_t)start, page = guard_page - 1, size = (len + page) & ~page;

	return (struct range){ .start = a, .end = a & page || a + size < a ? a : a + size, .fd = -1 };
}

static void before_fixed(const void *addr, size_t len, int flags, int fd, uint64_t off)
{
	struct range r = range(addr, len);

	r.goes = goes_fixed;
	r.fd = flags & MAP_ANONYMOUS ? -1 : fd;
	r.shared = (flags & MAP_TYPE) != MAP_PRIVATE;
	r.offset = off;
	guard_scan(&r);
}

/* the other flag wins */
static bool replaces(int flags)
{
	return flags & MAP_FIXED && !(flags & MAP_FIXED_NOREPLACE);
}

API void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	if (replaces(flags))
		before_fixed(addr, len, flags, fd, (uint64_t)(intmax_t)off);
	return NEXT(mmap)(addr, len, prot, flags, fd, off);
}

API void *mmap64(void *addr, size_t len, int prot, int flags, int fd, off64_t off)
{
	if (replaces(flags))
		before_fixed(addr, len, flags, fd, (uint64_t)off);
	if (!next_mmap64)
		find_mmap64();
	return next_mmap64(addr, len, prot, flags, fd, off);
}

static void before_end(const void *addr, size_t len)
{
	struct range r = range(addr, len);

	guard_scan(&r);
}

API int munmap(void *addr, size_t len)
{
	before_end(addr, len);
	return NEXT(munmap)(addr, len);
}

/*
 * Before mremap ends mappings: what a fixed target replaces, what moves away, what shrinking cuts off. Whether one that
 * grows will move is not known: where that matters (true) it is asked to grow in place first.
 */
static bool before_mremap(const void *old, size_t old_len, size_t new_len, int flags, const void *target)
{
	struct range from = range(old, old_len), to = range(target, new_len);

	if (flags & MREMAP_FIXED)
		guard_scan(&to);
	if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) {
		if (old_len) /* 0 makes a second mapping */
			guard_scan(&from);
	} else if (new_len < old_len) {
		from.start = range(old, new_len).end;
		guard_scan(&from);
	} else {
		return old_len && flags & MREMAP_MAYMOVE && guard_touches(&from);
	}
	return false;
}

API void *mremap(void *old, size_t old_len, size_t new_len, int flags, ...)
{
	void *target = NULL, *p;
	va_list ap;

	if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) {
		va_start(ap, flags);
		target = va_arg(ap, void *);
		va_end(ap);
	}
	if (before_mremap(old, old_len, new_len, flags, target)) {
		p = NEXT(mremap)(old, old_len, new_len, flags & ~MREMAP_MAYMOVE);
		if (p != MAP_FAILED || errno != ENOMEM)
			return p;
		before_end(old, old_len);
	}
	return NEXT(mremap)(old, old_len, new_len, flags, target);
}

static void before_pages(const void *addr, size_t len, size_t page)
{
	struct range r = range(addr, len);

	r.goes = goes_pages;
	r.offset = (uint64_t)page * guard_page;
	guard_scan(&r);
}

API int remap_file_pages(void *addr, size_t len, int prot, size_t page, int flags)
{
	before_pages(addr, len, page);
	return NEXT(remap_file_pages)(addr, len, prot, page, flags);
}

static void before_shmat(int id, const void *addr, int flags)
{
	struct shmid_ds ds;

	if (flags & SHM_REMAP && addr && !shmctl(id, IPC_STAT, &ds)) {
		uintptr_t at = (uintptr_t)addr & ~(flags & SHM_RND ? guard_page - 1 : 0);
		struct range r = range((void *)at, ds.shm_segsz);

		guard_scan(&r);
	}
}

API void *shmat(int id, const void *addr, int flags)
{
	before_shmat(id, addr, flags);
	return NEXT(shmat)(id, addr, flags);
}

static void before_shmdt(const void *addr)
{
	struct range r = { .start = (uintptr_t)addr, .end = UINTPTR_MAX, .goes = goes_shmdt };

	guard_scan(&r);
}

API int shmdt(const void *addr)
{
	before_shmdt(addr);
	return NEXT(shmdt)(addr);
}

static void before_brk(uintptr_t end)
{
	uintptr_t now = (uintptr_t)NEXT(sbrk)(0);

	if (end && end < now) {
		struct range r = { .start = range((void *)0, end).end, .end = range((void *)0, now).end };

		guard_scan(&r);
	}
}

API int brk(void *end)
{
	before_brk((uintptr_t)end);
	return NEXT(brk)(end);
}

API void *sbrk(intptr_t by)
{
	if (by < 0)
		before_brk((uintptr_t)NEXT(sbrk)(0) + (uintptr_t)by);
	return NEXT(sbrk)(by);
}

/* syscall(2): syscall.S sends the numbers below here, all others straight on. [variadic: unused ones are noise] */
__attribute__((visibility("hidden"))) long guard_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	long r;

	switch (nr) {
	case NR_MMAP:
		if (replaces((int)d))
			before_fixed((void *)a, (size_t)b, (int)d, (int)e, (uint64_t)(unsigned long)f << NR_MMAP_SHIFT);
		break;
	case __NR_munmap:
		before_end((void *)a, (size_t)b);
		break;
	case __NR_mremap:
		if (!before_mremap((void *)a, (size_t)b, (size_t)c, (int)d, (void *)e))
			break;
		r = guard_next_syscall(nr, a, b, c, d & ~MREMAP_MAYMOVE, e);
		if (r != -1 || errno != ENOMEM)
			return r;
		before_end((void *)a, (size_t)b);
		break;
	case __NR_remap_file_pages:
		before_pages((void *)a, (size_t)b, (size_t)d);
		break;
	case __NR_shmat:
		before_shmat((int)a, (void *)b, (int)c);
		break;
	case __NR_shmdt:
		before_shmdt((void *)a);
		break;
	case __NR_brk:
		before_brk((uintptr_t)a);
		break;
	}
	r = guard_next_syscall(nr, a, b, c, d, e, f);
	if (nr == __NR_set_robust_list && !r)
		heads_replaced((uintptr_t)a);
	return r;
}
