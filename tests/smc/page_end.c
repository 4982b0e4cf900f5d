/* SPDX-License-Identifier: MIT */
/* Where code ends. In a file that was cut off: SIGBUS at the instruction, as its page is not there; behind an instruction
 * that still runs; and gone on with where the file has its code back. In the middle of an instruction: the fault is
 * the next page's, not the instruction's. */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include "check.h"

static unsigned char *code;
static int fd, hits;

static void put(unsigned n)
{
	unsigned char b[6] = { 0xb8, 0, 0, 0, 0, 0xc3 }; /* mov $n, %eax; ret */

	memcpy(b + 1, &n, 4);
	CHECK_EQ(pwrite(fd, b, 6, 4096), 6);
}

static void on_bus(int signo, siginfo_t *si, void *p)
{
	greg_t *g = ((ucontext_t *)p)->uc_mcontext.gregs;

	hits++;
	CHECK_EQ(si->si_code, BUS_ADRERR);
	CHECK_EQ(si->si_addr, code + 4096);
	CHECK_EQ(g[REG_RIP], code + 4096);
	CHECK_EQ(g[REG_TRAPNO], 14);
	CHECK_EQ(g[REG_ERR], 0x14);
	put(hits + 40);
}

static int cut_hits, cut_code;

static void on_segv(int signo, siginfo_t *si, void *p)
{
	greg_t *g = ((ucontext_t *)p)->uc_mcontext.gregs;

	cut_hits++;
	CHECK_EQ(si->si_code, cut_code);
	CHECK_EQ(si->si_addr, code + 4096);
	CHECK_EQ(g[REG_RIP], code + 4096 - 3);
	CHECK_EQ(g[REG_TRAPNO], 14);
	CHECK_EQ(g[REG_ERR] | (cut_code == SEGV_ACCERR), cut_code == SEGV_MAPERR ? 0x14 : 0x15); /* present or not */
	CHECK(mmap(code + 4096, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == code + 4096);
	memcpy(code + 4096, (unsigned char[]){ 0, 0, 0xc3 }, 3);
	mprotect(code + 4096, 4096, PROT_READ | PROT_EXEC);
}

/* mov $0x..., %eax with its last two bytes and the ret in the next page */
static void cut_off(void)
{
	struct sigaction sa = { .sa_sigaction = on_segv, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &sa, NULL);
	code = mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 6; i++) {
		memset(code + 4000, 0x90, 93);
		memcpy(code + 4093, (unsigned char[]){ 0xb8, (unsigned char)i, 1 }, 3);
		cut_code = i & 1 ? SEGV_MAPERR : SEGV_ACCERR;
		if (i & 1)
			munmap(code + 4096, 4096);
		else
			mprotect(code + 4096, 4096, i & 2 ? PROT_NONE : PROT_READ | PROT_WRITE);
		CHECK_EQ(((int (*)(void))(code + (i < 4 ? 4000 : 4093)))(), 256 + i);
		CHECK_EQ(cut_hits, i + 1);
	}
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO };
	unsigned char nops[4096];

	sigaction(SIGBUS, &sa, NULL);
	fd = memfd_create("code", 0);
	memset(nops, 0x90, sizeof(nops));
	CHECK_EQ(write(fd, nops, sizeof(nops)), sizeof(nops));
	CHECK_EQ(ftruncate(fd, 8192), 0);
	code = mmap(NULL, 8192, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	put(7);
	CHECK_EQ(((int (*)(void))(code + 4096))(), 7);
	for (int i = 1; i < 5; i++) {
		munmap(code, 8192);
		CHECK(mmap(code, 8192, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, fd, 0) == code);
		CHECK_EQ(ftruncate(fd, 4096), 0);
		CHECK_EQ(((int (*)(void))(code + (i & 1 ? 4096 : 4000)))(), 40 + i);
		CHECK_EQ(hits, i);
	}
	cut_off();
	return check_done();
}
