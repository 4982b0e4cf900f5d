/* SPDX-License-Identifier: MIT */
/* flags: -mshstk -static -no-pie */
/* timeout: 60 */
#define _GNU_SOURCE
/*
 * Random sequences of what can be done with shadow stacks, by calls and instructions, most of it allowed. Each case prints
 * how far it came, what it saw on the way, and how it ended; random.truth has what Linux 7.2 on an emulated CPU printed.
 */
#include "shstk.h"

#define CASES 400
#define STEPS 80
#define AREA 0x230000000000ul
#define PAGES 8

static unsigned seed;

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

static volatile ul seen;
INLINE void note(ul x)
{
	seen = (seen ^ x) * 0x100000001b3ul;
}

static void on_usr(int s)
{
	ul ssp = rdssp();

	note(*(ul *)(ssp + 8) - ssp);
	nested(3);
}

static void on_fault_too(int s, siginfo_t *info, void *uc)
{
	out->v[1] = (long)seen;
	on_fault(s, info, uc);
}

INLINE ul place(void)
{
	return AREA + rnd(PAGES) * 0x1000ul + 0x800 + rnd(16) * 8;
}

INLINE void change(void)
{
	ul at = AREA + rnd(PAGES) * 0x1000ul, len = (1 + rnd(2)) * 0x1000ul, to = AREA + (rnd(PAGES) + 16) * 0x1000ul;
	static const int prots[] = { 0, 1, 3, 3, 3, 3 };
	static int forked; /* what a page made read-only after a fork still allows is another matter (docs/deviations.md) */
	int st = 0, prot;
	long r = 0;

	switch (rnd(10)) {
	case 0: r = sc(SYS_munmap, at, len); break;
	case 1:
	case 2:
		prot = prots[rnd(6)];
		r = sc(SYS_mprotect, at, len, forked && prot == 1 ? 0 : prot);
		break;
	case 3: r = sc(SYS_madvise, at, len, 4); break;
	case 4: r = sc(SYS_mremap, at, len, len, 3, to); break;
	case 5: r = sc(SYS_mremap, to, len, len, 3, at); break;
	case 6:
	case 7: r = map_ss(at, len, rnd(2)); break;
	case 8:
		forked = 1;
		r = sc(SYS_fork);
		if (!r) {
			nested(5);
			wrss(AREA + 0x10, 1);
			quit(7);
		}
		sc(SYS_wait4, r, &st, 0, 0);
		r = st;
		break;
	default: r = sc(SYS_tgkill, sc(SYS_getpid), sc(SYS_gettid), SIGUSR1);
	}
	note((ul)r);
}

INLINE void use(void)
{
	ul at = place(), old = rdssp();

	switch (rnd(8)) {
	case 0: wrss(at, rnd(1000)); note(*(ul *)at); break;
	case 1:
	case 2: wrss(at, (at + 8) | 1); rstorssp(at); note(*(ul *)at - old); break;
	case 3:
	case 4:
		wrss(at, (at + 8) | 1);
		rstorssp(at);
		saveprevssp();
		note(rdssp() - AREA);
		note(*(ul *)(old - 8) - old);
		break;
	case 5: nested(1 + (int)rnd(60)); break;
	case 6: nested(1 + (int)rnd(400)); break;
	default: incssp(rnd(3)); note(rdssp() - AREA);
	}
}

static void random_case(void)
{
	struct sigaction sa = { .sa_handler = on_usr };

	catch_faults();
	sigaction(SIGUSR1, &sa, NULL);
	sa = (struct sigaction){ .sa_sigaction = on_fault_too, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	sigaction(SIGSEGV, &sa, NULL);
	enable();
	enable_wrss();
	map_ss(AREA, PAGES * 0x1000, 1);
	wrss(AREA + PAGES * 0x1000 - 0x800, (AREA + PAGES * 0x1000 - 0x800 + 8) | 1);
	rstorssp(AREA + PAGES * 0x1000 - 0x800);
	for (int i = 0; i < STEPS; i++) {
		out->v[0] = i;
		if (rnd(4))
			use();
		else
			change();
	}
	out->v[1] = (long)seen;
	quit(0);
}

int main(void)
{
	needs_shstk();
	for (unsigned i = 0; i < CASES; i++) {
		int st;

		seed = 5000 + i;
		seen = 0;
		st = child(random_case);
		printf("case %u: %ld steps, status %x, seen %lx, fault %ld %ld %lx\n", i, out->v[0], st, out->v[1],
		       out->fault.code, out->fault.trapno, out->fault.err);
		fflush(stdout);
	}
	return 0;
}
