/* SPDX-License-Identifier: MIT */
/* libs: -pthread
 * timeout: 60
 * A thousand threads alive at once, each calling deep and through pointers; then thousands that come and go, joined and
 * detached, while others run; then a fork among them, whose child makes threads of its own. */
#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <sys/wait.h>
#include "check.h"

#define MANY 1000

static pthread_barrier_t all_there;
static _Atomic long sum;
static sem_t done;

static long __attribute__((noinline)) deep(long n, long (*f)(long))
{
	return n ? deep(n - 1, f) + f(n) : 0;
}

static long same(long n)
{
	return n;
}

static long twice(long n)
{
	return 2 * n;
}

static void *one(void *p)
{
	long r = deep(100, (long)p & 1 ? twice : same);

	pthread_barrier_wait(&all_there);
	r += deep(50, same);
	sum += r;
	return (void *)r;
}

static void *brief(void *p)
{
	sum += deep(20, twice);
	return p;
}

static void *last(void *p)
{
	sum += deep(10, same);
	sem_post(&done);
	return NULL;
}

static void come_and_go(int n)
{
	pthread_attr_t detached;
	pthread_t t[4];
	void *r;

	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	for (int i = 0; i < n; i++) {
		for (long k = 0; k < 4; k++)
			CHECK_EQ(pthread_create(&t[k], NULL, brief, (void *)k), 0);
		for (long k = 0; k < 4; k++) {
			pthread_join(t[k], &r);
			CHECK_EQ(r, k);
		}
		CHECK_EQ(pthread_create(&t[0], &detached, last, NULL), 0);
		sem_wait(&done);
	}
}

int main(void)
{
	static pthread_t t[MANY];
	pthread_attr_t small;
	int status;
	pid_t pid;
	void *r;

	sem_init(&done, 0, 0);
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 65536);
	pthread_barrier_init(&all_there, NULL, MANY + 1);
	for (long i = 0; i < MANY; i++)
		CHECK_EQ(pthread_create(&t[i], &small, one, (void *)i), 0);
	pthread_barrier_wait(&all_there);
	for (long i = 0; i < MANY; i++) {
		pthread_join(t[i], &r);
		CHECK_EQ(r, 1275 + (i & 1 ? 10100 : 5050));
	}
	CHECK_EQ(sum, MANY / 2 * (1275 * 2 + 15150l));
	sum = 0;
	come_and_go(100);
	CHECK_EQ(sum, 100 * (4 * 420 + 55));
	pid = fork();
	if (pid == 0) {
		sum = 0;
		come_and_go(20);
		_exit(sum == 20 * (4 * 420 + 55) && !check_failed ? 3 : 4);
	}
	come_and_go(20);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 3 << 8);
	return check_done();
}
