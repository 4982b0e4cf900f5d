/* SPDX-License-Identifier: MIT */
/* The vDSO's functions and their system calls agree; sleeping takes its time. */
#define _GNU_SOURCE
#include <sched.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include "check.h"

static double now(clockid_t c)
{
	struct timespec t;

	clock_gettime(c, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(void)
{
	struct timespec t, u;
	struct timeval tv;
	double a, b;
	unsigned cpu = ~0u;

	for (int i = 0; i < 1000; i++) {
		clock_gettime(CLOCK_MONOTONIC, &t);
		syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &u);
		CHECK(u.tv_sec > t.tv_sec || (u.tv_sec == t.tv_sec && u.tv_nsec >= t.tv_nsec));
		CHECK(u.tv_sec - t.tv_sec < 2);
	}
	a = now(CLOCK_REALTIME);
	gettimeofday(&tv, NULL);
	CHECK((double)tv.tv_sec - a < 2 && time(NULL) - (time_t)a < 2);
	CHECK_EQ(getcpu(&cpu, NULL), 0);
	CHECK(cpu < 4096);
	CHECK(sched_getcpu() >= 0);
	a = now(CLOCK_MONOTONIC);
	usleep(20000);
	b = now(CLOCK_MONOTONIC);
	CHECK(b - a >= 0.02);
	CHECK(now(CLOCK_PROCESS_CPUTIME_ID) > 0 && now(CLOCK_THREAD_CPUTIME_ID) > 0);
	CHECK(clock() != (clock_t)-1);
	CHECK_EQ(clock_gettime(4711, &t), -1);
	return check_done();
}
