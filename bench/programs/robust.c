/* SPDX-License-Identifier: MIT */
/*
 * robust WHAT THREADS COUNT: nanoseconds of CPU time for one of the things that a guard may make slower, with THREADS-1
 * other threads asleep.
 *   munmap   mmap and munmap of a page          lock     lock and unlock of a robust mutex
 *   hole     munmap where nothing is mapped: the call alone, so that a scan before it shows
 *   thread   pthread_create and pthread_join    signal   a signal to the thread itself
 *   fork     fork and wait                      unlock   try_unlock of the vDSO (Linux 7.2), or a copy of it
 */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void *asleep(void *arg)
{
	for (;;)
		pause();
	return NULL;
}

static void *nothing(void *arg)
{
	return NULL;
}

static void handler(int sig)
{
}

static double cpu(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

typedef uint32_t (*unlock64)(uint32_t *, uint32_t, uint64_t *);

/* the kernel's instructions, for a kernel that has them not: what a call of them costs */
static unlock64 find_unlock(void)
{
	static const unsigned char code[] = { 0x89, 0xf0, 0x31, 0xc9, 0xf0, 0x0f, 0xb1, 0x0f,
					      0x75, 0x03, 0x48, 0x89, 0x0a, 0xc3 };
	void *vdso = dlopen("linux-vdso.so.1", RTLD_NOW | RTLD_NOLOAD);
	void *f = vdso ? dlsym(vdso, "__vdso_futex_robust_list64_try_unlock") : NULL;

	if (!f) {
		f = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		memcpy(f, code, sizeof(code));
		mprotect(f, 4096, PROT_READ | PROT_EXEC);
	}
	return (unlock64)f;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "munmap";
	int threads = argc > 2 ? atoi(argv[2]) : 1, count = argc > 3 ? atoi(argv[3]) : 100000;
	clockid_t clock = CLOCK_THREAD_CPUTIME_ID;
	pthread_mutexattr_t a;
	pthread_mutex_t m;
	pthread_t t;
	double t0;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&m, &a);
	signal(SIGUSR1, handler);
	for (int i = 1; i < threads; i++)
		pthread_create(&t, NULL, asleep, NULL);
	t0 = cpu(clock);
	if (!strcmp(what, "munmap")) {
		for (int i = 0; i < count; i++)
			munmap(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 4096);
	} else if (!strcmp(what, "hole")) {
		char *p = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		munmap(p, 8192);
		for (int i = 0; i < count; i++)
			munmap(p, 4096);
	} else if (!strcmp(what, "lock")) {
		for (int i = 0; i < count; i++) {
			pthread_mutex_lock(&m);
			pthread_mutex_unlock(&m);
		}
	} else if (!strcmp(what, "thread")) {
		for (int i = 0; i < count; i++) {
			pthread_create(&t, NULL, nothing, NULL);
			pthread_join(t, NULL);
		}
	} else if (!strcmp(what, "signal")) {
		for (int i = 0; i < count; i++)
			raise(SIGUSR1);
	} else if (!strcmp(what, "fork")) {
		for (int i = 0; i < count; i++) {
			if (!fork())
				_exit(0);
			wait(NULL);
		}
	} else if (!strcmp(what, "unlock")) {
		unlock64 f = find_unlock();
		volatile uint32_t word = 0;
		uint64_t slot;

		for (int i = 0; i < count; i++) {
			word = 1;
			f((uint32_t *)&word, 1, &slot);
		}
	}
	printf("%.1f\n", (cpu(clock) - t0) / count);
	return 0;
}
