/* SPDX-License-Identifier: MIT */
/* A tracer that waits for something else than its tracee, which runs on all the same: code that rewrites itself, faults that
 * are the program's own business, many threads; and how often the tracer is told by SIGCHLD. */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include "tracer.h"

static int out[2];
static volatile int chld;

static void on_chld(int signo)
{
	chld++;
}

/* code is written and run, again and again */
static void rewrites(void)
{
	unsigned char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long sum = 0;

	for (int i = 0; i < 200; i++) {
		static const unsigned char ret[6] = { 0xb8, 0, 0, 0, 0, 0xc3 };

		memcpy(code + i % 3 * 16, ret, 6);
		code[i % 3 * 16 + 1] = (unsigned char)i;
		sum += ((int (*)(void))(uintptr_t)(code + i % 3 * 16))();
	}
	write(out[1], &sum, 8);
	for (;;)
		pause();
}

static void *spin(void *arg)
{
	unsigned char *code = arg;
	long sum = 0;

	for (int i = 0; i < 2000; i++)
		sum += ((int (*)(void))(uintptr_t)code)();
	return (void *)sum;
}

static void threads(void)
{
	unsigned char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_t t[3];
	long sum = 0;

	memcpy(code, "\xb8\x01\x00\x00\x00\xc3", 6);
	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, spin, code);
	for (int i = 0; i < 100; i++)
		code[64 + i]++; /* the page, not what runs */
	for (int i = 0; i < 3; i++) {
		void *ret;

		pthread_join(t[i], &ret);
		sum += (long)ret;
	}
	write(out[1], &sum, 8);
	for (;;)
		pause();
}

static void test(void (*fn)(void), int how)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct pollfd p;
	long sum = 0, r = 0;
	pid_t pid;
	int ep = epoll_create1(0);

	CHECK(pipe(out) == 0);
	p = (struct pollfd){ out[0], POLLIN, 0 };
	epoll_ctl(ep, EPOLL_CTL_ADD, out[0], &ev);
	pid = traced_child(fn);
	chld = 0;
	CHECK(TRACE(PTRACE_CONT, pid, 0, 0) == 0);
	switch (how) {
	case 1: r = poll(&p, 1, -1); break;
	case 2: r = epoll_wait(ep, &ev, 1, -1); break;
	}
	if (how)
		CHECK(r == 1);
	CHECK(read(out[0], &sum, 8) == 8);
	printf("sum %ld, SIGCHLD %d\n", sum, chld);
	kill(pid, SIGUSR1);
	CHECK(is_stop(wait_status(pid), SIGUSR1));
	printf("SIGCHLD %d\n", chld);
	end(pid);
	close(out[0]);
	close(out[1]);
	close(ep);
}

int main(void)
{
	struct sigaction sa = { .sa_handler = on_chld };

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int how = 0; how < 3; how++)
		test(rewrites, how);
	test(threads, 0);
	sigaction(SIGCHLD, &sa, NULL);
	for (int how = 0; how < 3; how++)
		test(rewrites, how);
	sa.sa_flags = SA_NOCLDSTOP;
	sigaction(SIGCHLD, &sa, NULL);
	test(rewrites, 1);
	return check_done();
}
