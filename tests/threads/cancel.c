/* SPDX-License-Identifier: MIT */
/* libs: -pthread
 * timeout: 60
 * verdict: clean unwinds
 * also: preempt=3
 * Cancellation: deferred in every kind of waiting, asynchronous in loops, with handlers that run in order, in threads that
 * hold mutexes and wait for conditions; none is lost, and what is not cancelled goes on. Then mutexes that inherit
 * priority, and are robust. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "check.h"

static int fds[2], never[2];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static sem_t sem;
static _Atomic int started, cleaned, order_wrong;

static void clean(void *p)
{
	static _Thread_local int last = 0;

	if ((long)p <= last)
		order_wrong++;
	last = (int)(long)p;
	cleaned++;
}

static void unlock(void *p)
{
	cleaned++;
	pthread_mutex_unlock(p);
}

static void wait_somehow(int how)
{
	char c;
	struct pollfd p = { never[0], POLLIN, 0 };
	struct timespec hour = { 3600, 0 };
	fd_set set;

	switch (how) {
	case 0: (void)!read(never[0], &c, 1); break;
	case 1: poll(&p, 1, -1); break;
	case 2: FD_ZERO(&set); FD_SET(never[0], &set); select(never[0] + 1, &set, NULL, NULL, NULL); break;
	case 3: nanosleep(&hour, NULL); break;
	case 4: sem_wait(&sem); break;
	case 5: pause(); break;
	case 6: recv(fds[0], &c, 1, 0); break;
	case 7: sigwaitinfo(&(sigset_t){ 0 }, NULL); break;
	case 8: clock_nanosleep(CLOCK_MONOTONIC, 0, &hour, NULL); break;
	case 9: for (;;) pthread_testcancel(); break;
	case 10: sleep(3600); break;
	}
}

#define WAYS 11

static void *deferred(void *arg)
{
	pthread_cleanup_push(clean, (void *)3);
	pthread_cleanup_push(clean, (void *)2);
	pthread_cleanup_push(clean, (void *)1);
	started++;
	wait_somehow((int)(long)arg);
	pthread_cleanup_pop(0);
	pthread_cleanup_pop(0);
	pthread_cleanup_pop(0);
	return NULL;
}

static void *in_condition(void *arg)
{
	pthread_mutex_lock(&lock);
	pthread_cleanup_push(unlock, &lock);
	started++;
	for (;;)
		pthread_cond_wait(&cond, &lock);
	pthread_cleanup_pop(0);
	return arg;
}

static int __attribute__((noinline)) fib(int n)
{
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static void *asynchronous(void *arg)
{
	volatile long n = 0;

	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	pthread_cleanup_push(clean, (void *)1);
	started++;
	for (;;)
		n += fib(12);
	pthread_cleanup_pop(0);
	return arg;
}

/* not while it is disabled; then at once */
static void *disabled(void *arg)
{
	int old;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
	started++;
	while (!*(_Atomic int *)arg)
		usleep(1000);
	cleaned++;
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	pthread_testcancel();
	cleaned = -1000;
	return NULL;
}

static void cancel_all(pthread_t *t, int n)
{
	void *r;

	while (started < n)
		sched_yield();
	for (int i = 0; i < n; i++)
		CHECK_EQ(pthread_cancel(t[i]), 0);
	for (int i = 0; i < n; i++) {
		CHECK_EQ(pthread_join(t[i], &r), 0);
		CHECK(r == PTHREAD_CANCELED);
	}
	started = 0;
}

static pthread_mutex_t pi;
static int count;

static void *adder(void *arg)
{
	for (int i = 0; i < 2000; i++) {
		int r = pthread_mutex_lock(&pi);

		if (r == EOWNERDEAD)
			pthread_mutex_consistent(&pi);
		else if (r)
			return (void *)(long)r;
		count++;
		pthread_mutex_unlock(&pi);
	}
	return NULL;
}

static void *dies_with_it(void *arg)
{
	pthread_mutex_lock(&pi);
	return NULL;
}

static void priority(int robust)
{
	pthread_mutexattr_t a;
	pthread_t t[6];
	void *r;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT);
	if (robust)
		pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	CHECK_EQ(pthread_mutex_init(&pi, &a), 0);
	count = 0;
	if (robust) {
		pthread_create(&t[0], NULL, dies_with_it, NULL);
		pthread_join(t[0], NULL);
	}
	for (int i = 0; i < 6; i++)
		pthread_create(&t[i], NULL, adder, NULL);
	for (int i = 0; i < 6; i++) {
		pthread_join(t[i], &r);
		CHECK(r == NULL);
	}
	CHECK_EQ(count, 12000);
	pthread_mutex_destroy(&pi);
}

int main(void)
{
	static _Atomic int go_on;
	pthread_t t[2 * WAYS];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0 && pipe(never) == 0);
	sem_init(&sem, 0, 0);
	for (int round = 0; round < 5; round++) {
		cleaned = 0;
		for (int i = 0; i < 2 * WAYS; i++)
			pthread_create(&t[i], NULL, deferred, (void *)(long)(i % WAYS));
		cancel_all(t, 2 * WAYS);
		CHECK_EQ(cleaned, 6 * WAYS);
		cleaned = 0;
		for (int i = 0; i < 8; i++)
			pthread_create(&t[i], NULL, in_condition, NULL);
		cancel_all(t, 8);
		CHECK_EQ(cleaned, 8);
		CHECK_EQ(pthread_mutex_trylock(&lock), 0);
		pthread_mutex_unlock(&lock);
		cleaned = 0;
		for (int i = 0; i < 6; i++)
			pthread_create(&t[i], NULL, asynchronous, NULL);
		cancel_all(t, 6);
		CHECK_EQ(cleaned, 6);
	}
	cleaned = 0;
	pthread_create(&t[0], NULL, disabled, &go_on);
	while (!started)
		sched_yield();
	pthread_cancel(t[0]);
	usleep(10000);
	CHECK_EQ(cleaned, 0);
	go_on = 1;
	pthread_join(t[0], NULL);
	CHECK_EQ(cleaned, 1);
	CHECK_EQ(order_wrong, 0);
	priority(0);
	priority(1);
	return check_done();
}
