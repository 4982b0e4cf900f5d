/* SPDX-License-Identifier: MIT */
/* variant: dynamic:dynamic */
/* variant: static:static */
/* libs: -lpthread */
/* Threads with shadow stacks of their own, as large as their stacks; gone when they are. Signals and jumps in them. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include "cet.h"
#include "check.h"

static __thread jmp_buf env;
static volatile int hits;

static void __attribute__((noinline)) deep(int n)
{
	volatile int keep = n;

	if (!n)
		longjmp(env, 1);
	deep(n - 1);
	hits += keep;
}

static void on_signal(int s)
{
	(void)s;
	__atomic_fetch_add(&hits, 1, __ATOMIC_SEQ_CST);
}

static void *work(void *arg)
{
	long id = (long)arg;
	unsigned long before = rdssp();

	for (int i = 0; i < 50; i++) {
		if (!setjmp(env))
			deep(100);
		if (rdssp() != before)
			return NULL;
	}
	pthread_kill(pthread_self(), SIGUSR1);
	return (void *)(before ? shstk_status() & 1 ? id + 1 : 0 : id + 1);
}

/* shadow stacks in the map */
static int stacks(void)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	char line[256];
	int n = 0;

	while (f && fgets(line, sizeof(line), f))
		n += !strncmp(line, "VmFlags:", 8) && strstr(line, " ss ");
	if (f)
		fclose(f);
	return n;
}

int main(void)
{
	pthread_t t[8];
	int before = stacks();

	if (before)
		CHECK_EQ(shstk_status() & 1, 1);
	signal(SIGUSR1, on_signal);
	for (int round = 0; round < 20; round++) {
		for (long i = 0; i < 8; i++)
			CHECK_EQ(pthread_create(&t[i], NULL, work, (void *)i), 0);
		for (long i = 0; i < 8; i++) {
			void *r;

			pthread_join(t[i], &r);
			CHECK_EQ((long)r, i + 1);
		}
	}
	CHECK_EQ(hits, 160);
	CHECK_EQ(stacks(), before);
	return check_done();
}
