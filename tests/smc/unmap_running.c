/* SPDX-License-Identifier: MIT */
/* libs: -pthread
 * timeout: 60
 * verdict: clean unwinds
 * Code that loses its mapping, its right to run, or its place while another thread runs there: when the call has
 * returned nobody executes it any more; the other thread gets its SIGSEGV there; other code at the same
 * address is what runs next. */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include "check.h"

#define ROUNDS 150

static unsigned char *page;
static volatile long counter;
static volatile int running, stop_it;
static __thread sigjmp_buf out;
static volatile int bad_addr;

/* 1: incq (%rdi); cmpl $0, (%rsi); je 1b; mov $value, %eax; ret */
static void place(unsigned char *p, unsigned value)
{
	static const unsigned char loop[] = { 0x48, 0xff, 0x07, 0x83, 0x3e, 0x00, 0x74, 0xf8, 0xb8 };

	memcpy(p, loop, sizeof(loop));
	memcpy(p + sizeof(loop), &value, 4);
	p[sizeof(loop) + 4] = 0xc3;
}

static void on_segv(int signo, siginfo_t *si, void *p)
{
	unsigned char *rip = (unsigned char *)((ucontext_t *)p)->uc_mcontext.gregs[REG_RIP];

	if ((unsigned char *)si->si_addr != rip || rip < page || rip >= page + 4096)
		bad_addr++;
	siglongjmp(out, 1);
}

static void *run(void *p)
{
	if (sigsetjmp(out, 1))
		return (void *)1ul;
	running = 1;
	return (void *)(2ul + ((unsigned (*)(volatile long *, volatile int *))page)(&counter, &stop_it));
}

static void start(pthread_t *t)
{
	long before = counter;

	running = stop_it = 0;
	pthread_create(t, NULL, run, NULL);
	while (!running || counter == before)
		;
}

static void still(void)
{
	long now = counter;

	for (volatile int i = 0; i < 20000; i++)
		;
	CHECK_EQ(counter, now);
}

static void *fresh(void *at, int prot)
{
	return mmap(at, 4096, prot, MAP_PRIVATE | MAP_ANONYMOUS | (at ? MAP_FIXED : 0), -1, 0);
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_segv, .sa_flags = SA_SIGINFO };
	pthread_t t;
	void *got;

	sigaction(SIGSEGV, &sa, NULL);
	page = fresh(NULL, PROT_READ | PROT_WRITE | PROT_EXEC);
	for (unsigned i = 0; i < ROUNDS; i++) {
		place(page, 7);
		start(&t);
		switch (i % 5) {
		case 0:
			munmap(page, 4096);
			break;
		case 1:
			mprotect(page, 4096, PROT_READ | PROT_WRITE);
			break;
		case 2:
			mprotect(page, 4096, PROT_NONE);
			break;
		case 3:
			fresh(page, PROT_NONE);
			break;
		case 4: {
			void *q = fresh(NULL, PROT_NONE);

			mremap(page, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, q);
			munmap(q, 4096);
			break;
		}
		}
		still();
		pthread_join(t, &got);
		CHECK_EQ(got, 1);
		CHECK(fresh(page, PROT_READ | PROT_WRITE | PROT_EXEC) == page);
	}
	/* other code takes its place at once: the loop goes on in it and ends there */
	for (unsigned i = 0; i < ROUNDS; i++) {
		void *q = fresh(NULL, PROT_READ | PROT_WRITE | PROT_EXEC);

		place(page, 7);
		start(&t);
		place(q, 100 + i);
		mremap(q, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, page);
		stop_it = 1;
		pthread_join(t, &got);
		CHECK_EQ(got, 102 + i);
	}
	CHECK_EQ(bad_addr, 0);
	return check_done();
}
