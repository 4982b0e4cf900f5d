/* SPDX-License-Identifier: MIT */
/* verdict: clean unwinds */
/*
 * Code in places a multiple of 4 GiB apart: whatever names code by half an address takes one for the other. Chains of
 * calls in both, returned from one by one and left from their middle.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <string.h>
#include <sys/mman.h>
#include "check.h"

#define CHAIN 200
#define STEP 16

/* f[i]: nops; inc r12d; call f[i+1]; ret.  f[CHAIN]: call *rdi where there is one; ret */
static unsigned char *make_chain(unsigned long at, int nops)
{
	unsigned char *p = mmap((void *)at, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	const unsigned char link[] = { 0x41, 0xff, 0xc4, 0xe8, (unsigned char)(STEP - 8 - nops), 0, 0, 0, 0xc3 },
				  last[] = { 0x48, 0x85, 0xff, 0x74, 2, 0xff, 0xd7, 0xc3 };

	if (p != (void *)at)
		return NULL;
	memset(p, 0x90, 4096);
	for (int i = 0; i < CHAIN; i++)
		memcpy(p + i * STEP + nops, link, sizeof(link));
	memcpy(p + CHAIN * STEP, last, sizeof(last));
	return p;
}

static int run(const unsigned char *f, void (*leaf)(void))
{
	register long n __asm__("r12") = 0;

	__asm__ volatile("sub $128, %%rsp; call *%2; add $128, %%rsp"
			 : "+r"(n), "+D"(leaf) : "r"(f)
			 : "rax", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "memory", "cc");
	return (int)n;
}

static unsigned char *code[4];
static int level, depth;
static jmp_buf place;

/* through all four places, `depth` calls in each */
static void further(void)
{
	const unsigned char *f = code[level % 4] + (CHAIN - depth) * STEP;

	if (++level == 8)
		return;
	CHECK_EQ(run(f, further), depth);
}

static void leave(void)
{
	longjmp(place, 1);
}

static int __attribute__((noinline)) run_and_leave(const unsigned char *f)
{
	if (setjmp(place))
		return 1;
	run(f, leave);
	return 0;
}

int main(void)
{
	for (unsigned long i = 0; i < 4; i++) {
		code[i] = make_chain(0x1230000000 + (i << 32), (int)i);
		CHECK(code[i] != NULL);
		if (!code[i])
			return check_done();
	}
	for (int round = 0; round < 40; round++) {
		depth = 1 + round;
		level = 0;
		further();
		CHECK_EQ(run_and_leave(code[round % 4] + round * STEP), 1);
	}
	return check_done();
}
