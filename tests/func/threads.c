/* SPDX-License-Identifier: MIT */
/* libs: -pthread
 * timeout: 60
 * verdict: clean unwinds
 * Threads: create, join, mutexes, condition variables, thread-local storage, cancellation, exec and exit from a thread. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "check.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static long counter, turn;
static __thread long mine = 5;
static _Atomic long atomic;

static long __attribute__((noinline)) fib(long n)
{
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static void *work(void *p)
{
	long id = (long)p;

	for (int i = 0; i < 2000; i++) {
		pthread_mutex_lock(&lock);
		counter++;
		pthread_mutex_unlock(&lock);
		atomic++;
		mine += id;
	}
	return (void *)(fib(18) + mine);
}

static void *turns(void *p)
{
	long id = (long)p;

	for (int i = 0; i < 50; i++) {
		pthread_mutex_lock(&lock);
		while (turn % 4 != id)
			pthread_cond_wait(&cond, &lock);
		turn++;
		pthread_cond_broadcast(&cond);
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

static void *short_one(void *p)
{
	return (void *)((long)p + syscall(SYS_gettid) * 0);
}

static int cleaned;
static void clean(void *p)
{
	cleaned++;
}

static void *wait_for_cancel(void *p)
{
	pthread_cleanup_push(clean, NULL);
	sem_post(p);
	for (;;)
		pause();
	pthread_cleanup_pop(0);
	return NULL;
}

static void *forks(void *p)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit((int)(fib(10) + mine));
	waitpid(pid, &status, 0);
	return (void *)(long)status;
}

static void *leaves(void *p)
{
	usleep(1000);
	_exit(33);
}

static void *execs(void *p)
{
	execl("/bin/sh", "sh", "-c", "exit 44", NULL);
	return NULL;
}

static void *main_gone(void *p)
{
	usleep(20000);
	_exit((int)fib(9));
}

static void *ends(void *p)
{
	pthread_exit((void *)77);
}

static void in_child(void *(*f)(void *), int want, int leave)
{
	int status;
	pthread_t t;
	pid_t pid = fork();

	if (pid == 0) {
		pthread_create(&t, NULL, f, NULL);
		if (leave)
			pthread_exit(NULL);
		for (;;)
			fib(15);
	}
	waitpid(pid, &status, 0);
	CHECK_EQ(status, want << 8);
}

int main(void)
{
	pthread_t t[8];
	void *r;
	sem_t sem;

	for (long i = 0; i < 8; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, work, (void *)i), 0);
	for (long i = 0; i < 8; i++) {
		pthread_join(t[i], &r);
		CHECK_EQ(r, 2584 + 5 + 2000 * i);
	}
	CHECK_EQ(counter, 16000);
	CHECK_EQ(atomic, 16000);
	CHECK_EQ(mine, 5);
	for (long i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, turns, (void *)i);
	for (long i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	CHECK_EQ(turn, 200);
	for (long i = 0; i < 300; i++) {
		CHECK_EQ(pthread_create(&t[0], NULL, short_one, (void *)i), 0);
		pthread_join(t[0], &r);
		CHECK_EQ(r, i);
	}
	{
		pthread_attr_t a;

		pthread_attr_init(&a);
		pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
		pthread_attr_setstacksize(&a, 65536);
		for (long i = 0; i < 50; i++)
			CHECK_EQ(pthread_create(&t[0], &a, short_one, NULL), 0);
	}
	pthread_create(&t[0], NULL, ends, NULL);
	pthread_join(t[0], &r);
	CHECK_EQ(r, 77);
	sem_init(&sem, 0, 0);
	pthread_create(&t[0], NULL, wait_for_cancel, &sem);
	sem_wait(&sem);
	pthread_cancel(t[0]);
	pthread_join(t[0], &r);
	CHECK_EQ(r, PTHREAD_CANCELED);
	CHECK_EQ(cleaned, 1);
	for (long i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, forks, NULL);
	for (long i = 0; i < 4; i++) {
		pthread_join(t[i], &r);
		CHECK_EQ(r, 60 << 8);
	}
	for (int i = 0; i < 5; i++) {
		in_child(leaves, 33, 0);
		in_child(execs, 44, 0);
		in_child(main_gone, 34, 1);
	}
	return check_done();
}
