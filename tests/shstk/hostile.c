/* SPDX-License-Identifier: MIT */
/* flags: -mshstk -pthread */
/* timeout: 60 */
#define _GNU_SOURCE
/*
 * Shadow stacks taken away, moved and protected under those who stand on them, tokens that lie, SSP anywhere: each case
 * ends in one of the ways the kernel allows. Random cases come from a seed: the first argument, or 1.
 */
#include <sched.h>
#include "shstk.h"

#define CASES 150
#define AREA 0x230000000000ul
#define PAGES 8
#ifndef MANY
#define MANY 30000 /* a million takes half a minute */
#endif

static unsigned seed = 1;

INLINE unsigned rnd(unsigned n)
{
	seed = seed * 1664525u + 1013904223u;
	return (unsigned)((unsigned long)(seed >> 8) * n >> 24);
}

static void __attribute__((noinline)) nested(int n)
{
	if (n)
		nested(n - 1);
	__asm__ volatile("" : : : "memory");
}

static volatile int hits;
static void on_usr(int s)
{
	hits += s;
	nested(3);
}

/* a random change of the area; SSP may stand in it */
INLINE void change(void)
{
	ul at = AREA + rnd(PAGES) * 0x1000ul, len = (1 + rnd(3)) * 0x1000ul, to = AREA + (rnd(PAGES) + 16) * 0x1000ul;
	static const int prots[] = { 0, 1, 3, 3, 3 };
	long r;

	switch (rnd(13)) {
	case 11: r = sc(SYS_mremap, at, 0x2000, 0x1000, 0); break;
	case 0: r = sc(SYS_munmap, at, len); break;
	case 1: r = sc(SYS_mprotect, at, len, prots[rnd(5)]); break;
	case 2: r = sc(SYS_madvise, at, len, 4); break;
	case 3: r = sc(SYS_mremap, at, len, len, 3, to); break;
	case 4: r = sc(SYS_mremap, at, 0x1000, 0x2000, 1); break;
	case 5: r = sc(SYS_mmap, at, len, 3, 0x32, -1, 0); break;
	case 6: r = map_ss(at, len, rnd(2)); break;
	case 7: r = sc(SYS_mremap, to, len, len, 3, at); break;
	case 8:
		r = sc(SYS_fork);
		if (!r) {
			nested(5);
			quit(0);
		}
		if (r > 0)
			sc(SYS_wait4, r, 0, 0, 0);
		break;
	case 9: r = sc(SYS_tgkill, sc(SYS_getpid), sc(SYS_gettid), SIGUSR1); break;
	case 10: r = sc(SYS_mremap, at, len, len, 5, 0); break;
	default: r = map_ss(0, 0x1000, 1);
	}
	(void)r;
}

/* a random use of shadow stacks */
INLINE void use(void)
{
	ul at = AREA + rnd(PAGES * 512) * 8ul, token = rnd(3) ? at + 8 : at + rnd(64);

	switch (rnd(9)) {
	case 0: wrss(at, token | 1); break;
	case 1: wrss(at, token | 1); rstorssp(at); break;
	case 2: wrss(at, token | 1); rstorssp(at); saveprevssp(); break;
	case 3: nested(1 + (int)rnd(700)); break;
	case 4: incssp(rnd(5)); break;
	case 5: rstorssp((at & ~0xffful) | 0xff8); break;
	case 6: wrss(at, rdssp()); break;
	case 7: __asm__ volatile("incsspd %0" : : "r"(rnd(4))); break;
	default: saveprevssp();
	}
}

static void random_case(void)
{
	struct sigaction sa = { .sa_handler = on_usr };

	catch_faults();
	sigaction(SIGUSR1, &sa, NULL);
	enable();
	enable_wrss();
	map_ss(AREA, PAGES * 0x1000, 1);
	for (int i = 0; i < 60; i++) {
		if (rnd(3))
			use();
		else
			change();
	}
	quit(0);
}

/* threads on slices of a mapping that others change */
static volatile int stop;
static volatile ul loops;
static char stacks[4][65536] __attribute__((aligned(64)));
static volatile ul slices[4];

static void __attribute__((noinline)) worker(void)
{
	while (!stop) {
		nested(60);
		loops++;
	}
}

INLINE void wait_loops(ul until)
{
	struct { long s, ns; } t = { 0, 1000000 };

	while (loops < until)
		sc(SYS_nanosleep, &t, 0);
}

#define THREAD_ON(slice, stack)                                                                                         \
	({                                                                                                              \
		long r_;                                                                                                \
		__asm__ volatile("syscall; test %%rax, %%rax; jnz 1f; rstorssp (%[ss]); incsspq %[one]; call *%[fn];"     \
				 "mov $60, %%eax; xor %%edi, %%edi; syscall; 1:"                                        \
				 : "=a"(r_) : "0"(56l), "D"(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |         \
				   CLONE_THREAD | CLONE_SYSVSEM), "S"((ul)(stack)), [ss] "r"((ul)(slice)),              \
				   [one] "r"(1ul), [fn] "b"(worker), "d"(0l)                                            \
				 : "rcx", "r11", "r10", "r8", "memory", "cc");                                          \
		r_;                                                                                                     \
	})

/* several shadow stacks in one mapping, side by side: nothing lies between them */
static void slices_run(void)
{
	ul p;

	enable();
	enable_wrss();
	p = map_ss(AREA, 0x4000, 0);
	for (int i = 0; i < 4; i++) {
		slices[i] = p + (i + 1) * 0x400 - 8;
		wrss(slices[i], (slices[i] + 8) | 1);
	}
	for (int i = 0; i < 4; i++)
		(void)THREAD_ON(slices[i], stacks[i] + sizeof(stacks[i]));
	wait_loops(1000);
	quit(0);
}

static void pulled_away(void)
{
	ul p;

	enable();
	enable_wrss();
	p = map_ss(AREA, 0x4000, 1);
	(void)THREAD_ON(p + 0x3ff8, stacks[0] + sizeof(stacks[0]));
	wait_loops(10);
	sc(SYS_munmap, p, 0x4000);
	wait_loops(~0ul); /* for the signal that ends us */
	quit(0);
}

static void zeroed(void)
{
	ul p;

	enable();
	p = map_ss(AREA, 0x4000, 1);
	(void)THREAD_ON(p + 0x3ff8, stacks[0] + sizeof(stacks[0]));
	wait_loops(10);
	for (;;)
		sc(SYS_madvise, p, 0x4000, 4);
}

/* a thread runs on it meanwhile */
#define UNDER_A_THREAD(name, change)                                               \
	static void name(void)                                                     \
	{                                                                          \
		ul p;                                                              \
                                                                                   \
		enable();                                                          \
		p = map_ss(AREA, 0x4000, 1);                                       \
		(void)THREAD_ON(p + 0x3ff8, stacks[0] + sizeof(stacks[0]));        \
		wait_loops(10);                                                    \
		if (change)                                                        \
			quit(1);                                                   \
		wait_loops(~0ul); /* for the signal that ends us */                \
		quit(0);                                                           \
	}
UNDER_A_THREAD(moved_away, sc(SYS_mremap, p, 0x4000, 0x4000, 3, p + 0x100000) != (long)p + 0x100000)
UNDER_A_THREAD(cut_off, sc(SYS_munmap, p + 0x3000, 0x1000))
UNDER_A_THREAD(forbidden, sc(SYS_mprotect, p, 0x4000, PROT_NONE))
UNDER_A_THREAD(replaced, sc(SYS_mmap, p, 0x4000, 3, 0x32, -1, 0) != (long)p)

/* to the other stack, leaving a token on this one; back the next time. Signals come at any place of it */
#define PIVOT(other)                       \
	do {                               \
		ul here_ = rdssp() - 8;    \
		rstorssp(other);           \
		saveprevssp();             \
		(other) = here_;           \
	} while (0)

static void pivot_storm(void)
{
	struct sigaction sa = { .sa_handler = on_usr };
	struct { long every[2], first[2]; } often = { { 0, 100 }, { 0, 100 } };
	ul other;
	int st;

	catch_faults();
	sigaction(SIGALRM, &sa, NULL);
	enable();
	other = map_ss(0, 0x4000, 1) + 0x3ff8;
	sc(SYS_setitimer, 0, &often, 0);
	for (int i = 0; i < 20000; i++) {
		long child;

		PIVOT(other);
		nested(5);
		if (i % 100)
			continue;
		child = sc(SYS_fork);
		if (!child) {
			for (int n = 0; n < 20; n++) {
				PIVOT(other);
				nested(3);
				sc(SYS_tgkill, sc(SYS_getpid), sc(SYS_gettid), SIGALRM);
			}
			quit(5);
		}
		while (sc(SYS_wait4, child, &st, 0, 0) == -EINTR)
			;
		if (st != 5 << 8)
			quit(6);
	}
	out->v[0] = hits > 0;
	quit(0);
}

/* made and ended, one after the other */
static void one_by_one(void)
{
	for (int i = 0; i < MANY; i++) {
		long p = map_ss(0, 0x1000, 1);

		if (p < 0 || sc(SYS_munmap, p, 0x1000))
			quit(1);
	}
	quit(0);
}

/* until there are no more; and all of them away again */
static void many(void)
{
	static ul at[40000];
	int n = 0;

	while (n < 40000) {
		long p = map_ss(0, 0x1000, 1);

		if (p < 0 && p > -4096) {
			out->v[1] = p;
			break;
		}
		at[n++] = (ul)p;
	}
	out->v[0] = n;
	for (int i = 0; i < n; i++)
		if (sc(SYS_munmap, at[i], 0x1000))
			quit(1);
	quit(0);
}

int main(int argc, char **argv)
{
	unsigned first = argc > 1 ? (unsigned)atoi(argv[1]) : 1;

	needs_shstk();
	for (unsigned i = 0; i < CASES; i++) {
		int st;

		seed = first * 1000 + i;
		st = child(random_case);
		CHECK(st == 0 || st == EXIT_FAULT << 8 || (st & 0x7f) == SIGSEGV);
		if (argc > 1)
			printf("%u %x %ld %ld %lx\n", first * 1000 + i, st, out->fault.code, out->fault.trapno, out->fault.err);
	}
	CHECK_ENDS(slices_run, 0);
	CHECK_KILLED(pulled_away, SIGSEGV);
	CHECK_KILLED(zeroed, SIGSEGV);
	CHECK_KILLED(moved_away, SIGSEGV);
	CHECK_KILLED(cut_off, SIGSEGV);
	CHECK_KILLED(forbidden, SIGSEGV);
	CHECK_KILLED(replaced, SIGSEGV);
	CHECK_ENDS(pivot_storm, 0);
	CHECK(out->v[0]);
	CHECK_ENDS(one_by_one, 0);
	CHECK_ENDS(many, 0);
	CHECK(out->v[0] > 10000);
	return check_done();
}
