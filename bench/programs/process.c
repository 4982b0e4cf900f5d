/* SPDX-License-Identifier: MIT */
/*
 * process WHAT COUNT: nanoseconds of wall time for one of the things that the kernel does for a process.
 *   syscall  getppid                            signal   a signal to the thread itself and its handler
 *   thread   pthread_create and pthread_join    fork     fork and wait
 *   fault    first touch of a page              mmap     mmap, touch and munmap of a page
 *   mprotect of a page, there and back          pipe     a byte to another thread and back
 *   one      COUNT calls by one thread          two      COUNT calls by each of two threads at once
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096ul

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void handler(int sig)
{
}

static void *nothing(void *arg)
{
	return NULL;
}

static void do_syscall(int count)
{
	while (count--)
		syscall(SYS_getppid);
}

static void do_signal(int count)
{
	signal(SIGUSR1, handler);
	while (count--)
		raise(SIGUSR1);
}

static void do_thread(int count)
{
	pthread_t t;

	while (count--) {
		pthread_create(&t, NULL, nothing, NULL);
		pthread_join(t, NULL);
	}
}

static void do_fork(int count)
{
	while (count--) {
		if (!fork())
			_exit(0);
		wait(NULL);
	}
}

static void *map(unsigned long size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void do_fault(int count)
{
	char *p = map((unsigned long)count * PAGE);

	madvise(p, (unsigned long)count * PAGE, MADV_NOHUGEPAGE);
	for (int i = 0; i < count; i++)
		((volatile char *)p)[i * (long)PAGE] = 1;
}

static void do_mmap(int count)
{
	while (count--) {
		volatile char *p = map(PAGE);

		*p = 1;
		munmap((void *)p, PAGE);
	}
}

static void do_mprotect(int count)
{
	char *p = map(PAGE);

	while (count--) {
		mprotect(p, PAGE, PROT_READ);
		mprotect(p, PAGE, PROT_READ | PROT_WRITE);
	}
}

static int there[2], back[2];

static void *echo(void *arg)
{
	char c;

	while (read(there[0], &c, 1) == 1 && write(back[1], &c, 1) == 1)
		;
	return NULL;
}

static void do_pipe(int count)
{
	pthread_t t;
	char c = 0;

	if (pipe(there) || pipe(back))
		exit(1);
	pthread_create(&t, NULL, echo, NULL);
	while (count--)
		if (write(there[1], &c, 1) != 1 || read(back[0], &c, 1) != 1)
			exit(1);
	close(there[1]);
	pthread_join(t, NULL);
}

static int __attribute__((noinline)) leaf(int n)
{
	__asm__ volatile("" : "+r"(n));
	return n + 1;
}

static void *call(void *arg)
{
	int (*volatile f)(int) = leaf;

	for (int i = *(int *)arg, n = 0; i > 0; i--)
		n = f(leaf(n));
	return NULL;
}

static void do_one(int count)
{
	call(&count);
}

static void do_two(int count)
{
	pthread_t t;

	pthread_create(&t, NULL, call, &count);
	call(&count);
	pthread_join(t, NULL);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(int count);
	} all[] = {
		{ "syscall", do_syscall }, { "signal", do_signal },	{ "thread", do_thread }, { "fork", do_fork },
		{ "fault", do_fault },	   { "mmap", do_mmap },		{ "mprotect", do_mprotect },
		{ "pipe", do_pipe },	   { "one", do_one },		{ "two", do_two },
	};
	int count = argc > 2 ? atoi(argv[2]) : 1000;

	for (unsigned i = 0; argc > 1 && i < sizeof(all) / sizeof(*all); i++)
		if (!strcmp(argv[1], all[i].name)) {
			double t;

			all[i].run(count / 20 + 1);
			t = now();
			all[i].run(count);
			printf("%.2f\n", (now() - t) / count);
			return 0;
		}
	return 2;
}
