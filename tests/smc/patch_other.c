/* SPDX-License-Identifier: MIT */
/* libs: -pthread
 * also: preempt=2
 * timeout: 60
 * Code patched by another thread. A reader that has seen the version and then serialised (CPUID, as the manual asks)
 * runs code at least that new; a return goes back into code that was patched while the callee ran; what a thread
 * executes is always one of the versions, never a mixture. (chimera PR 63, DynamoRIO 3733) */
#define _GNU_SOURCE
#include <cpuid.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include "check.h"

typedef unsigned (*fn)(void);
typedef unsigned (*caller)(void (*)(void));

static unsigned char *code;
static _Atomic unsigned version, readers_done;
static _Atomic unsigned long bad_old, bad_mix, bad_return;

static void serialise(void)
{
	unsigned a, b, c, d;

	__cpuid(0, a, b, c, d);
}

/* mov $imm32, %eax at an address whose immediate is aligned: one store patches it */
static void place(unsigned char *p)
{
	p[3] = 0xb8;
	memset(p + 4, 0, 4);
	p[8] = 0xc3;
}

static void *reader(void *p)
{
	fn f = (fn)(code + 3 + 64 * (long)p);

	for (int i = 0; i < 3000; i++) {
		unsigned v = version, got;

		serialise();
		got = f();
		if (got < v)
			bad_old++;
		if (got > version + 1)
			bad_mix++;
	}
	readers_done++;
	return NULL;
}

static volatile int in_callee, patched;

static void callee(void)
{
	in_callee = 1;
	while (!patched)
		;
	serialise();
}

/* sub $8,%rsp; call *%rdi; add $8,%rsp; mov $imm,%eax; ret */
static void place_caller(unsigned char *p, unsigned value)
{
	static const unsigned char head[] = { 0x48, 0x83, 0xec, 8, 0xff, 0xd7, 0x48, 0x83, 0xc4, 8, 0xb8 };

	memcpy(p, head, sizeof(head));
	memcpy(p + sizeof(head), &value, 4);
	p[sizeof(head) + 4] = 0xc3;
}

static void *returner(void *p)
{
	return (void *)(unsigned long)((caller)p)(callee);
}

int main(void)
{
	pthread_t t[3];
	void *got;

	code = mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 3; i++)
		place(code + 64 * i);
	for (long i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, reader, (void *)i);
	while (readers_done < 3) {
		unsigned next = version + 1;

		for (int i = 0; i < 3; i++)
			*(volatile uint32_t *)(code + 64 * i + 4) = next;
		version = next;
	}
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	CHECK_EQ(bad_old, 0);
	CHECK_EQ(bad_mix, 0);

	/* the caller's code changes while the callee runs: its return finds the new code */
	for (unsigned i = 0; i < 200; i++) {
		unsigned char *p = code + 4096 + 64 * (i % 32);

		in_callee = patched = 0;
		place_caller(p, 2 * i);
		pthread_create(&t[0], NULL, returner, p);
		while (!in_callee)
			;
		*(volatile unsigned char *)(p + 11) = (unsigned char)(2 * i + 1);
		patched = 1;
		pthread_join(t[0], &got);
		CHECK_EQ(got, 2 * i + 1);
	}
	return check_done();
}
