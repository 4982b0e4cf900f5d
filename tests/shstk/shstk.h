/* SPDX-License-Identifier: MIT */
/*
 * For programs that use the kernel's shadow-stack ABI by themselves. Each case runs in a child of its own, because the
 * function that enables a shadow stack must not return; what it found out stands in memory shared with its parent.
 * A program begins with needs_shstk(), which skips it where the machine has none.
 */
#ifndef SHSTK_H
#define SHSTK_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>
#include "check.h"

typedef unsigned long ul;

#define ENABLE 0x5001
#define DISABLE 0x5002
#define LOCK 0x5003
#define UNLOCK 0x5004
#define STATUS 0x5005
#define SHSTK 1ul
#define WRSS 2ul
#define SET_TOKEN 1
#define INLINE static inline __attribute__((always_inline))

INLINE long sc6(long n, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long r;

	__asm__ volatile("syscall" : "=a"(r) : "0"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return r;
}
#define SC_(n, a, b, c, d, e, f, ...) sc6(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define sc(n, ...) SC_(n __VA_OPT__(,) __VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define prctl_(code, arg) sc(SYS_arch_prctl, code, arg)
#define map_ss(addr, size, flags) sc(453, addr, size, flags)
#define quit(status) (sc(SYS_exit_group, status), __builtin_unreachable())

INLINE ul rdssp(void)
{
	ul r = 0;

	__asm__ volatile("rdsspq %0" : "+r"(r));
	return r;
}
INLINE void incssp(ul n) { __asm__ volatile("incsspq %0" : : "r"(n) : "memory"); }
INLINE void wrss(ul at, ul value) { __asm__ volatile("wrssq %1, (%0)" : : "r"(at), "r"(value) : "memory"); }
INLINE void rstorssp(ul at) { __asm__ volatile("rstorssp (%0)" : : "r"(at) : "memory", "cc"); }
INLINE void saveprevssp(void) { __asm__ volatile("saveprevssp" : : : "memory"); }

INLINE ul status(void)
{
	ul v = 99;

	return prctl_(STATUS, &v) ? 98 : v;
}

/* what a child leaves for its parent */
static volatile struct {
	long v[16];
	struct fault {
		long signo, code, trapno, err;
		ul addr, rip, ssp;
	} fault;
} *out;

#define EXIT_FAULT 77

static void on_fault(int s, siginfo_t *info, void *uc)
{
	greg_t *g = ((ucontext_t *)uc)->uc_mcontext.gregs;

	out->fault = (struct fault){ s, info->si_code, g[REG_TRAPNO], g[REG_ERR], (ul)info->si_addr, (ul)g[REG_RIP], rdssp() };
	quit(EXIT_FAULT);
}

static void catch_faults(void)
{
	static char stack[65536];
	static const int signals[] = { SIGSEGV, SIGILL, SIGBUS, SIGTRAP };
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };

	sigaltstack(&ss, NULL);
	for (int i = 0; i < 4; i++)
		sigaction(signals[i], &sa, NULL);
}

/* ends the child unless the call succeeds; in the same function as what needs the shadow stack */
#define must(call)                  \
	do {                        \
		if ((call) != 0)    \
			quit(90);   \
	} while (0)
#define enable() must(prctl_(ENABLE, SHSTK))
#define enable_wrss() must(prctl_(ENABLE, WRSS))

/* the wait status of a child that runs f */
static int child(void (*f)(void))
{
	int st = -1;
	pid_t p;

	memset((void *)out, 0, sizeof(*out));
	p = fork();
	if (!p) {
		alarm(30);
		f();
		quit(89);
	}
	while (waitpid(p, &st, 0) < 0)
		;
	return st;
}

#define CHECK_ENDS(f, want) CHECK_EQ(child(f), (want) << 8)
#define CHECK_KILLED(f, signo) CHECK_EQ(child(f) & 0x7f, signo)
#define CHECK_FAULT(f, s, c, t, e)                        \
	do {                                              \
		CHECK_ENDS(f, EXIT_FAULT);                \
		CHECK_EQ(out->fault.signo, s);            \
		CHECK_EQ(out->fault.code, c);             \
		CHECK_EQ(out->fault.trapno, t);           \
		CHECK_EQ(out->fault.err, e);              \
	} while (0)
#define CHECK_CP(f, e) CHECK_FAULT(f, SIGSEGV, 10, 21, e)
#define CHECK_GP(f) CHECK_FAULT(f, SIGSEGV, 0x80, 13, 0)
#define CHECK_UD(f) CHECK_FAULT(f, SIGILL, 2, 6, 0)

static void try_enable(void)
{
	quit(prctl_(ENABLE, SHSTK) ? 1 : 0);
}

static void needs_shstk(void)
{
	out = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (child(try_enable))
		SKIP("no shadow stacks here");
}

#endif
