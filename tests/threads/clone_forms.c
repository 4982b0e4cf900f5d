/* SPDX-License-Identifier: MIT */
/* libs: -pthread
 * timeout: 30
 * verdict: clean unwinds
 * clone and clone3 as the C libraries and runtimes use them, and the forms hardly anybody uses: where the ids are written and
 * when, what is shared, whose signals they are, what the kernel clears in the end. (DynamoRIO 3171, 5903, 6514; FEX
 * PR 3310) */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "check.h"

#define STACK 65536

struct args3 {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

static char *stack_lo;
static volatile int tid_word, seen_tid, seen_parent, shared;
static volatile long seen_pid, value;
static volatile unsigned long seen_fs, seen_sp;

static long raw_gettid(void)
{
	long r;

	__asm__ volatile("syscall" : "=a"(r) : "0"(SYS_gettid) : "rcx", "r11", "memory");
	return r;
}

static void raw_exit(long status)
{
	__asm__ volatile("syscall" :: "a"(SYS_exit), "D"(status) : "rcx", "r11", "memory");
	__builtin_unreachable();
}

/* what the new one sees before it does anything; no libc: it may not have a thread pointer of its own */
static void __attribute__((noinline, used)) child_body(void)
{
	unsigned long fs;

	__asm__ volatile("rdfsbase %0" : "=r"(fs));
	seen_tid = tid_word;
	seen_fs = fs;
	seen_sp = (unsigned long)__builtin_frame_address(0);
	shared = 1;
	value = raw_gettid();
	raw_exit(5);
}

/* clone with every register checked behind it: only rax, rcx and r11 may differ (Go depends on it) */
static long __attribute__((noinline)) clone_raw(long nr, long a, long b, long c, long d, long e, int *kept)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r12 __asm__("r12") = 0x1212;
	register long r13 __asm__("r13") = 0x1313;
	long ret, di = a, si = b, dx = c;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "call child_body\n\t"
			 "1:"
			 : "=a"(ret), "+D"(di), "+S"(si), "+d"(dx), "+r"(r10), "+r"(r8), "+r"(r12), "+r"(r13)
			 : "0"(nr)
			 : "rcx", "r11", "memory", "cc");
	*kept = di == a && si == b && dx == c && r10 == d && r8 == e && r12 == 0x1212 && r13 == 0x1313;
	return ret;
}

/* the kernel clears the word and wakes */
static void wait_clear(volatile int *word)
{
	int now;

	while ((now = *word)) /* -1 until the child's own kernel side has set it, which wakes nobody */
		syscall(SYS_futex, word, now == -1 ? FUTEX_WAKE : FUTEX_WAIT, now, NULL, NULL, 0);
}

#define THREAD (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)

static void threads(void)
{
	static char tls[64] __attribute__((aligned(64)));
	unsigned long top = (unsigned long)stack_lo + STACK;
	volatile int parent_word;
	int kept;
	long tid;

	for (int i = 0; i < 20; i++) {
		struct args3 a = { .flags = THREAD | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID,
				   .child_tid = (uintptr_t)&tid_word, .parent_tid = (uintptr_t)&parent_word,
				   .stack = (uintptr_t)stack_lo, .stack_size = STACK, .tls = (uintptr_t)tls };

		tid_word = -1;
		parent_word = shared = 0;
		value = 0;
		if (i & 1)
			tid = clone_raw(SYS_clone3, (long)&a, i & 2 ? 64 : sizeof(a), 3, 4, 5, &kept);
		else
			tid = clone_raw(SYS_clone, (long)a.flags, (long)top, (long)&parent_word, (long)&tid_word, (long)tls, &kept);
		CHECK(tid > 0);
		CHECK(kept);
		CHECK_EQ(parent_word, tid);
		wait_clear(&tid_word);
		CHECK_EQ(value, tid);
		CHECK_EQ(seen_tid, tid); /* set before it runs */
		CHECK_EQ(seen_fs, tls);
		CHECK_EQ(seen_sp, top - 16); /* the return address and rbp below it */
		CHECK_EQ(shared, 1);
	}
}

static void processes(void)
{
	unsigned long top = (unsigned long)stack_lo + STACK;
	int kept, status, pidfd = -1;
	struct pollfd p;
	long pid;

	/* shares the memory, is no thread */
	shared = 0;
	pid = clone_raw(SYS_clone, CLONE_VM | SIGCHLD, (long)top, 0, 0, 0, &kept);
	CHECK(pid > 0 && kept);
	CHECK_EQ(waitpid((int)pid, &status, 0), pid);
	CHECK_EQ(status, 5 << 8);
	CHECK_EQ(shared, 1);
	/* no signal in the end: __WCLONE; the id cleared */
	shared = tid_word = 0;
	pid = clone_raw(SYS_clone, CLONE_VM | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID, (long)top, 0, (long)&tid_word, 0, &kept);
	CHECK_EQ(waitpid((int)pid, &status, __WCLONE), pid);
	CHECK_EQ(status, 5 << 8);
	CHECK_EQ(seen_tid, pid);
	CHECK_EQ(tid_word, 0);
	/* vfork with and without a stack of its own (Go) */
	shared = 0;
	pid = clone_raw(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, (long)top, 0, 0, 0, &kept);
	CHECK_EQ(shared, 1); /* it has ended by now */
	CHECK_EQ(waitpid((int)pid, &status, 0), pid);
	shared = 0;
	pid = clone_raw(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0, &kept);
	CHECK_EQ(shared, 1);
	CHECK_EQ(waitpid((int)pid, &status, 0), pid);
	CHECK_EQ(status, 5 << 8);
	/* fork with another stack; a descriptor for it */
	shared = 0;
	pid = clone_raw(SYS_clone, CLONE_PIDFD | SIGCHLD, (long)top, (long)&pidfd, 0, 0, &kept);
	CHECK(pid > 0 && pidfd >= 0);
	p = (struct pollfd){ .fd = pidfd, .events = POLLIN };
	CHECK_EQ(poll(&p, 1, -1), 1);
	CHECK_EQ(waitpid((int)pid, &status, 0), pid);
	CHECK_EQ(status, 5 << 8);
	CHECK_EQ(shared, 0);
	close(pidfd);
}

static volatile int hits;

static void count(int signo)
{
	hits++;
}

/* dispositions: copied, shared, or cleared */
static int by_signal(void *p)
{
	struct sigaction old;

	if (p) { /* shared: it changes them for its parent, too */
		signal(SIGUSR2, SIG_IGN);
		return 0;
	}
	sigaction(SIGUSR1, NULL, &old);
	return old.sa_handler == count ? 1 : old.sa_handler == SIG_DFL ? 2 : 3;
}

static int fork3(uint64_t flags)
{
	struct args3 a = { .flags = flags, .exit_signal = SIGCHLD };
	long pid = syscall(SYS_clone3, &a, sizeof(a));
	int status = -1;

	if (pid == 0) {
		struct sigaction ign;

		sigaction(SIGHUP, NULL, &ign);
		_exit(by_signal(NULL) + (ign.sa_handler == SIG_IGN ? 10 : 0));
	}
	waitpid((int)pid, &status, 0);
	return status >> 8;
}

static void dispositions(void)
{
	struct sigaction old;
	int status;
	pid_t pid;

	signal(SIGUSR1, count);
	signal(SIGUSR2, count);
	signal(SIGHUP, SIG_IGN);
	CHECK_EQ(fork3(0), 11);
	CHECK_EQ(fork3(1ull << 32 /* CLONE_CLEAR_SIGHAND */), 12);
	sigaction(SIGUSR1, NULL, &old);
	CHECK(old.sa_handler == count);
	raise(SIGUSR1);
	CHECK_EQ(hits, 1);
	pid = clone(by_signal, stack_lo + STACK, CLONE_VM | SIGCHLD, (void *)1);
	waitpid(pid, &status, 0);
	sigaction(SIGUSR2, NULL, &old);
	CHECK(old.sa_handler == count); /* its own table */
	pid = clone(by_signal, stack_lo + STACK, CLONE_VM | CLONE_SIGHAND | SIGCHLD, (void *)1);
	waitpid(pid, &status, 0);
	sigaction(SIGUSR2, NULL, &old);
	CHECK(old.sa_handler == SIG_IGN);
}

static void errors(void)
{
	struct args3 a = { .flags = CLONE_THREAD, .stack = (uintptr_t)stack_lo, .stack_size = STACK };

	CHECK_EQ(syscall(SYS_clone, CLONE_THREAD, 0, 0, 0, 0), -1);
	CHECK_EQ(errno, EINVAL);
	CHECK_EQ(syscall(SYS_clone3, &a, sizeof(a)), -1);
	CHECK_EQ(errno, EINVAL);
	a = (struct args3){ .flags = CLONE_SIGHAND | 1ull << 32 };
	CHECK_EQ(syscall(SYS_clone3, &a, sizeof(a)), -1);
	CHECK_EQ(errno, EINVAL);
	a = (struct args3){ .flags = CLONE_VM | CLONE_VFORK, .stack = (uintptr_t)stack_lo };
	CHECK_EQ(syscall(SYS_clone3, &a, sizeof(a)), -1);
	CHECK_EQ(errno, EINVAL);
	CHECK_EQ(syscall(SYS_clone3, &a, 8), -1);
	CHECK_EQ(errno, EINVAL);
	CHECK_EQ(syscall(SYS_clone3, 8, sizeof(a)), -1);
	CHECK_EQ(errno, EFAULT);
}

int main(void)
{
	stack_lo = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	threads();
	processes();
	dispositions();
	errors();
	return check_done();
}
