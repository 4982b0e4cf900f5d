/* SPDX-License-Identifier: MIT */
/* What the programs of this folder share: a lock in a file that two processes have mapped, and how to look at it. */
#ifndef ROBUST_H
#define ROBUST_H

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096
#define WORDS (PAGE / 4)
#define OWNER_DIED 0x40000000u
#define TID_MASK 0x3fffffffu

struct head {
	void *next;
	long offset;
	void *volatile pending;
};

static inline void need(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	_exit(2);
}

static inline void *page_of(int fd, void *at)
{
	void *p = mmap(at, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | (at ? MAP_FIXED : 0), fd, 0);

	need(p != MAP_FAILED, "mmap");
	return p;
}

static inline int file(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	need(fd >= 0 && !ftruncate(fd, PAGE), "memfd");
	return fd;
}

static inline void mutex_make(pthread_mutex_t *m)
{
	pthread_mutexattr_t a;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	need(!pthread_mutex_init(m, &a), "mutex");
}

/* of any thread of this process: where the kernel looks when it dies */
static inline struct head *head_of(pid_t tid)
{
	struct head *h = NULL;
	size_t len;

	return syscall(SYS_get_robust_list, tid, &h, &len) ? NULL : h;
}

/* glibc has the word first, musl the type */
static inline uint32_t *lock_of(pthread_mutex_t *m)
{
#ifdef __GLIBC__
	return (uint32_t *)m;
#else
	return (uint32_t *)m + 1;
#endif
}

static inline uint32_t word_of(pthread_mutex_t *m)
{
	return __atomic_load_n(lock_of(m), __ATOMIC_ACQUIRE);
}

static inline void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	need(!sched_setaffinity(0, sizeof(set), &set), "sched_setaffinity");
}

/* runs only while nobody else wants the CPU: whoever it wakes there goes first */
static inline void idle_priority(void)
{
	struct sched_param p = { 0 };

	need(!syscall(SYS_sched_setscheduler, 0, SCHED_IDLE, &p), "SCHED_IDLE"); /* musl has it not */
}

static inline double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* the first CPU this process may use, and the last */
static inline void cpus(int *first, int *last)
{
	cpu_set_t set;

	*first = *last = -1;
	sched_getaffinity(0, sizeof(set), &set);
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set)) {
			*first = *first < 0 ? i : *first;
			*last = i;
		}
}

#endif
