/* SPDX-License-Identifier: MIT */
/* libs: -pthread
 * also: preempt=2
 * timeout: 60
 * verdict: clean unwinds
 * How processes with many threads end: exit_group from all of them at once, the first thread first, exec and fatal
 * signals in the middle of others' code that changes, and who gets a signal while threads come and go. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "check.h"

static pthread_barrier_t start;

static long __attribute__((noinline)) fib(long n)
{
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

/* code that changes: faults all the time */
static void *rewrites(void *arg)
{
	unsigned char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (arg)
		pthread_barrier_wait(&start);
	for (unsigned i = 0;; i++) {
		p[0] = 0xb8;
		memcpy(p + 1, &i, 4);
		p[5] = 0xc3;
		if (((unsigned (*)(void))p)() != i)
			_exit(99);
	}
	return NULL;
}

static void *computes(void *arg)
{
	if (arg)
		pthread_barrier_wait(&start);
	for (;;)
		if (fib(12) != 144)
			_exit(98);
	return NULL;
}

static void *leaves(void *p)
{
	pthread_barrier_wait(&start);
	_exit((int)(long)p);
}

static void *execs(void *p)
{
	pthread_barrier_wait(&start);
	execl("/nowhere/at/all", "x", NULL);
	execl("/bin/sh", "sh", "-c", "exit 44", NULL);
	_exit(97);
}

static void *aborts(void *p)
{
	pthread_barrier_wait(&start);
	abort();
}

static void *faults(void *p)
{
	pthread_barrier_wait(&start);
	*(volatile int *)16 = 1;
	return NULL;
}

/* in a child: two that compute, two that rewrite code, and f in a thread or, if `here`, in the first one */
static int ending(void *(*f)(void *), void *arg, int here)
{
	static void *(*const busy[4])(void *) = { computes, rewrites, computes, rewrites };
	pthread_t t;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		pthread_barrier_init(&start, NULL, here ? 5 : 6);
		for (int i = 0; i < 4; i++)
			pthread_create(&t, NULL, busy[i], &start);
		if (here)
			f(arg);
		pthread_create(&t, NULL, f, arg);
		pthread_barrier_wait(&start);
		computes(NULL);
	}
	waitpid(pid, &status, 0);
	return status;
}

static int all_leave(void)
{
	pthread_t t;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		pthread_barrier_init(&start, NULL, 8);
		for (long i = 1; i < 8; i++)
			pthread_create(&t, NULL, leaves, (void *)(40 + i));
		leaves((void *)40);
	}
	waitpid(pid, &status, 0);
	return status;
}

/* the kernel clears it when the first thread has ended */
static int first;

static void *late(void *p)
{
	int tid;

	while ((tid = __atomic_load_n(&first, __ATOMIC_ACQUIRE)))
		syscall(SYS_futex, &first, FUTEX_WAIT, tid, NULL);
	syscall(SYS_futex, &first, FUTEX_WAKE, 1); /* the kernel wakes one */
	syscall(SYS_exit, 9);
	return NULL;
}

static int first_leaves(void)
{
	pthread_t t;
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		first = (int)syscall(SYS_set_tid_address, &first);
		for (int i = 0; i < 3; i++)
			pthread_create(&t, NULL, late, NULL);
		syscall(SYS_exit, 6);
	}
	waitpid(pid, &status, 0);
	return status;
}

/* process-directed signals against threads that come and go: none is lost, none comes twice */
static _Atomic long got, wrong;

static void on_rt(int signo, siginfo_t *si, void *p)
{
	if (si->si_code != SI_QUEUE)
		wrong++;
	got++;
}

static void *comes_and_goes(void *p)
{
	return (void *)fib(8);
}

static void signals_and_exits(void)
{
	struct sigaction sa = { .sa_sigaction = on_rt, .sa_flags = SA_SIGINFO | SA_RESTART };
	long sent = 0;
	pthread_t t[4];
	int status, fd[2];
	pid_t pid;
	char c;

	sigaction(SIGRTMIN + 1, &sa, NULL);
	sigaction(SIGRTMIN + 2, &sa, NULL);
	CHECK(pipe(fd) == 0);
	pid = fork();
	if (pid == 0) {
		union sigval v;

		for (v.sival_int = 0; v.sival_int < 1500; v.sival_int++)
			while (sigqueue(getppid(), SIGRTMIN + 1 + (v.sival_int & 1), v))
				if (errno != EAGAIN)
					_exit(1);
		_exit(0);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		for (int i = 0; i < 4; i++)
			if (pthread_create(&t[i], NULL, comes_and_goes, NULL))
				CHECK(0);
		for (int i = 0; i < 4; i++)
			pthread_join(t[i], NULL);
	}
	CHECK_EQ(status, 0);
	while (got < 1500)
		usleep(1000);
	usleep(10000);
	CHECK_EQ(got, 1500);
	CHECK_EQ(wrong, 0);
}

int main(void)
{
	for (int i = 0; i < 4; i++) {
		int s = all_leave();

		CHECK(WIFEXITED(s) && WEXITSTATUS(s) >= 40 && WEXITSTATUS(s) < 48);
		printf("%x\n", (unsigned)first_leaves()); /* its own or the last one's: the kernel's to say */
		CHECK_EQ(ending(leaves, (void *)33, i & 1), 33 << 8);
		CHECK_EQ(ending(execs, NULL, i & 1), 44 << 8);
		CHECK_EQ(ending(aborts, NULL, i & 1), SIGABRT);
		CHECK_EQ(ending(faults, NULL, i & 1), SIGSEGV);
	}
	signals_and_exits();
	return check_done();
}
