/* SPDX-License-Identifier: MIT */
/* libs: -pthread -lm
 * also: preempt=7
 * A profiler's timer, 10 000 times a second, in a program that computes: the same results, and each expiry is told of, by a
 * signal or as an overrun, in the thread and in the process. */
#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>
#include "check.h"

#define EVERY 100000 /* ns */
#define ROUNDS 25

static volatile sig_atomic_t handled, strange;
static volatile long expiries;

static void on_prof(int signo, siginfo_t *si, void *p)
{
	ucontext_t *uc = p;
	unsigned long rip = (unsigned long)uc->uc_mcontext.gregs[REG_RIP], rsp = (unsigned long)uc->uc_mcontext.gregs[REG_RSP];

	handled++;
	expiries += 1 + si->si_overrun;
	strange += si->si_code != SI_TIMER || si->si_value.sival_int != 77 || rip < 4096 || rsp < 4096 ||
		   rsp < (unsigned long)__builtin_frame_address(0);
}

static long __attribute__((noinline)) fib(long n)
{
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static int by_value(const void *a, const void *b)
{
	return *(const int *)a < *(const int *)b ? -1 : *(const int *)a > *(const int *)b;
}

/* recursion, indirect calls, vectors, a switch: something of each */
static unsigned long compute(void)
{
	static int v[3000];
	unsigned long h = 1469598103934665603ul;
	double d = 0;

	for (int i = 0; i < 3000; i++)
		v[i] = (int)(((unsigned)i * 2654435761u) >> 8);
	qsort(v, 3000, sizeof(v[0]), by_value);
	for (int i = 0; i < 3000; i++) {
		switch (v[i] % 5) {
		case 0: h ^= (unsigned long)v[i]; break;
		case 1: h += (unsigned long)v[i] * 3; break;
		case 2: h = h << 7 | h >> 57; break;
		case 3: d += sqrt(v[i]); break;
		case 4: h *= 1099511628211ul; break;
		}
	}
	return h ^ (unsigned long)d ^ (unsigned long)fib(18);
}

static long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000l + t.tv_nsec;
}

static void profiled(int notify)
{
	struct sigevent ev = { .sigev_notify = notify, .sigev_signo = SIGPROF, .sigev_value = { .sival_int = 77 } };
	struct itimerspec its = { { 0, EVERY }, { 0, EVERY } };
	unsigned long want = compute();
	sigset_t prof, old;
	long begin, end, ran;
	timer_t t;

	if (notify == SIGEV_THREAD_ID)
		ev._sigev_un._tid = gettid();
	handled = strange = 0;
	expiries = 0;
	CHECK_EQ(timer_create(CLOCK_MONOTONIC, &ev, &t), 0);
	begin = now();
	CHECK_EQ(timer_settime(t, 0, &its, NULL), 0);
	for (int i = 0; i < ROUNDS; i++)
		CHECK(compute() == want);
	sigemptyset(&prof);
	sigaddset(&prof, SIGPROF);
	sigprocmask(SIG_BLOCK, &prof, &old);
	end = now();
	sigprocmask(SIG_SETMASK, &old, NULL);
	ran = expiries; /* with those up to `end`, and what came while it was unblocked */
	CHECK_EQ(timer_delete(t), 0);
	CHECK(handled > 0);
	CHECK_EQ(strange, 0);
	if (ran < (end - begin) / EVERY - 2)
		printf("%ld of %ld\n", ran, (end - begin) / EVERY);
	CHECK(ran >= (end - begin) / EVERY - 2);
}

static void *in_thread(void *p)
{
	profiled(SIGEV_THREAD_ID);
	return p;
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_prof, .sa_flags = SA_SIGINFO | SA_RESTART };
	pthread_t t;

	sigaction(SIGPROF, &sa, NULL);
	profiled(SIGEV_SIGNAL);
	pthread_create(&t, NULL, in_thread, NULL);
	pthread_join(t, NULL);
	return check_done();
}
