/* SPDX-License-Identifier: MIT */
/* libs: -pthread
 * timeout: 60
 * verdict: clean unwinds
 * Whoever wants to stop the other threads must not wait for those that sleep in the kernel, fork, vfork, come and go,
 * or whose process was killed where it stood: every kind of waiting, forking and dying beside threads that run
 * much code. What sleeps goes on as if nothing had been. (DynamoRIO 5903, FEX 2664) */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include "check.h"

static volatile int done;
static int pipes[2], others[2];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static sem_t asleep;

static unsigned long __attribute__((noinline)) fib(unsigned n)
{
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static int by_value(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static unsigned long much(void)
{
	char text[400];
	int v[50];
	unsigned long sum = 0;

	for (int i = 0; i < 50; i++)
		v[i] = i * 7919 % 53;
	qsort(v, 50, sizeof(v[0]), by_value);
	for (int i = 0; i < 50; i++)
		sum += (unsigned long)snprintf(text, sizeof(text), "%d %5.2f %s %lx", v[i], v[i] / 3.0, "x", fib(6));
	return sum + strtoul("123", NULL, 10) + strlen(text);
}

static void *busy(void *p)
{
	unsigned long want = much(), bad = 0, n = 0;

	while (!done || n < 5)
		bad += much() != want, n++;
	return (void *)bad;
}

static void *in_read(void *p)
{
	char c = 0;
	long r;

	sem_post(&asleep);
	r = read(pipes[0], &c, 1);
	return (void *)(r == 1 && c == 'x' ? 0ul : 1ul);
}

static void *in_cond(void *p)
{
	pthread_mutex_lock(&lock);
	sem_post(&asleep);
	while (!done)
		pthread_cond_wait(&cond, &lock);
	pthread_mutex_unlock(&lock);
	return NULL;
}

static void *in_sigwait(void *p)
{
	sigset_t set;
	int signo = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sem_post(&asleep);
	return (void *)(sigwait(&set, &signo) == 0 && signo == SIGUSR2 ? 0ul : 1ul);
}

static void *in_epoll(void *p)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int e = epoll_create1(EPOLL_CLOEXEC);
	long r;

	epoll_ctl(e, EPOLL_CTL_ADD, others[0], &ev);
	sem_post(&asleep);
	r = epoll_wait(e, &ev, 1, -1);
	close(e);
	return (void *)(r == 1 ? 0ul : 1ul);
}

static void *in_nanosleep(void *p)
{
	struct timespec a, b, t = { 0, 300000000 };
	long r, ms;

	sem_post(&asleep);
	clock_gettime(CLOCK_MONOTONIC, &a);
	r = nanosleep(&t, NULL);
	clock_gettime(CLOCK_MONOTONIC, &b);
	ms = (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
	return (void *)(r == 0 && ms >= 299 ? 0ul : 1ul);
}

static void *forker(void *p)
{
	unsigned long bad = 0;

	for (int i = 0; i < 15; i++) {
		int status = -1;
		pid_t pid = fork();

		if (pid == 0)
			_exit(fib(10) == 55 ? 9 : 1);
		bad += waitpid(pid, &status, 0) != pid || status != 9 << 8;
	}
	return (void *)bad;
}

static void *spawner(void *p)
{
	static char *const argv[] = { "sh", "-c", "exit 6", NULL };
	unsigned long bad = 0;

	for (int i = 0; i < 6; i++) {
		int status = -1;
		pid_t pid;

		bad += posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, NULL) != 0;
		bad += waitpid(pid, &status, 0) != pid || status != 6 << 8;
	}
	return (void *)bad;
}

static _Atomic int there;
static int spins(void *p)
{
	there = 1;
	for (;;)
		fib(5);
}

/* a process that shares the memory is killed in the middle of its code */
static void *killer(void *p)
{
	char *stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	unsigned long bad = 0;

	for (int i = 0; i < 8; i++) {
		int status = -1, pid;

		there = 0;
		pid = clone(spins, stack + 65536, CLONE_VM | SIGCHLD, NULL);
		while (!there)
			;
		fib(12);
		kill(pid, SIGKILL);
		if (i & 1)
			fib(15); /* a zombie for a while */
		bad += waitpid(pid, &status, 0) != pid || status != SIGKILL;
	}
	munmap(stack, 65536);
	return (void *)bad;
}

int main(void)
{
	static void *(*const sleepers[])(void *) = { in_read, in_cond, in_sigwait, in_epoll, in_nanosleep };
	static void *(*const doers[])(void *) = { busy, busy, forker, spawner, killer };
	pthread_t s[5], d[5];
	sigset_t set;
	void *bad;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sem_init(&asleep, 0, 0);
	CHECK(pipe(pipes) == 0 && pipe(others) == 0);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(pthread_create(&s[i], NULL, sleepers[i], NULL), 0);
	for (int i = 0; i < 5; i++)
		sem_wait(&asleep);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(pthread_create(&d[i], NULL, doers[i], NULL), 0);
	for (int i = 2; i < 5; i++) {
		pthread_join(d[i], &bad);
		CHECK_EQ(bad, 0);
	}
	pthread_mutex_lock(&lock);
	done = 1;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&lock);
	CHECK_EQ(write(pipes[1], "x", 1), 1);
	CHECK_EQ(write(others[1], "x", 1), 1);
	pthread_kill(s[2], SIGUSR2);
	for (int i = 0; i < 5; i++) {
		pthread_join(s[i], &bad);
		CHECK_EQ((unsigned long)bad * 16 + i, i);
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(d[i], &bad);
		CHECK_EQ(bad, 0);
	}
	return check_done();
}
