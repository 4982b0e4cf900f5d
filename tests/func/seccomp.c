/* SPDX-License-Identifier: MIT */
/* libs: -pthread
 * Filters see the guest's numbers, arguments and instruction pointer and decide: allow, errno, trap, kill; the strictest
 * counts; they are inherited by threads, children and through exec, synchronised to other threads; what the kernel does
 * not accept is not accepted; strict mode. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>
#include "check.h"

#define NR BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define ARG(n) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[n]))
#define RET(what) BPF_STMT(BPF_RET | BPF_K, what)
#define IF(k, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, yes, no)

static long install(struct sock_filter *f, size_t n, unsigned flags)
{
	struct sock_fprog p = { .len = (unsigned short)n, .filter = f };

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &p);
}
#define INSTALL(flags, ...) \
	({ struct sock_filter f_[] = { __VA_ARGS__ }; install(f_, sizeof(f_) / sizeof(*f_), flags); })
#define DENY(nr, what) INSTALL(0, NR, IF(nr, 0, 1), RET(what), RET(SECCOMP_RET_ALLOW))

/* the status of a child that does this */
#define IN_CHILD(what) \
	({ fflush(stdout); pid_t p_ = fork(); int s_; if (!p_) { what; _exit(99); } waitpid(p_, &s_, 0); s_; })

static volatile int traps;
static volatile long trap_nr, trap_errno, trap_ok;

static void on_sys(int signo, siginfo_t *si, void *p)
{
	greg_t *g = ((ucontext_t *)p)->uc_mcontext.gregs;

	traps++;
	trap_nr = si->si_syscall;
	trap_errno = si->si_errno;
	trap_ok = si->si_code == 1 && si->si_arch == AUDIT_ARCH_X86_64 && (greg_t)(uintptr_t)si->si_call_addr == g[REG_RIP] &&
		  g[REG_RAX] == si->si_syscall;
	g[REG_RAX] = 4711;
}

static void refusals(void)
{
	struct sock_fprog none = { 0 };
	unsigned action = SECCOMP_RET_ERRNO, unknown = 0x12340000;
	struct sock_filter big[4096];

	CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &none) == -1 && errno == EINVAL);
	CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, 8) == -1 && errno == EFAULT);
	CHECK(syscall(SYS_seccomp, 77, 0, NULL) == -1 && errno == EINVAL);
	CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, NULL) == -1 && errno == EINVAL);
	CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 1u << 20, &none) == -1 && errno == EINVAL);
	CHECK(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0);
	CHECK(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &unknown) == -1 && errno == EOPNOTSUPP);
	/* no end; a jump out of it; an odd load; a division by zero; memory that was never stored; an unknown code */
	CHECK(INSTALL(0, NR) == -1 && errno == EINVAL);
	CHECK(INSTALL(0, NR, IF(1, 5, 0), RET(0)) == -1 && errno == EINVAL);
	CHECK(INSTALL(0, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2), RET(0)) == -1 && errno == EINVAL);
	CHECK(INSTALL(0, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), RET(0)) == -1 && errno == EINVAL);
	CHECK(INSTALL(0, BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), RET(0)) == -1 && errno == EINVAL);
	CHECK(INSTALL(0, BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32), RET(0)) == -1 && errno == EINVAL);
	CHECK(INSTALL(0, BPF_STMT(BPF_LD | BPF_MEM, 3), RET(0)) == -1 && errno == EINVAL);
	CHECK(INSTALL(0, BPF_STMT(BPF_ST, 16), RET(0)) == -1 && errno == EINVAL);
	CHECK(INSTALL(0, BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), RET(0)) == -1 && errno == EINVAL);
	CHECK(INSTALL(0, NR, IF(1, 0, 1), BPF_STMT(BPF_ST, 2), BPF_STMT(BPF_LD | BPF_MEM, 2), RET(0)) == -1 && errno == EINVAL);
	/* too long a chain */
	for (int i = 0; i < 4096; i++)
		big[i] = (struct sock_filter)RET(SECCOMP_RET_ALLOW);
	CHECK_EQ(IN_CHILD({
		int n = 0;

		while (!install(big, 4096, 0))
			n++;
		_exit(n == 3 && errno == ENOMEM ? 1 : 100 + n);
	}), 1 << 8);
}

/* every operation, compared with what C makes of it: the filter returns errno = result & 0xfff of arguments 0 and 1 */
static void operations(void)
{
	static const struct { unsigned op; int div; } ops[] = {
		{ BPF_ADD, 0 }, { BPF_SUB, 0 }, { BPF_MUL, 0 }, { BPF_DIV, 1 }, { BPF_AND, 0 }, { BPF_OR, 0 }, { BPF_XOR, 0 },
		{ BPF_LSH, 0 }, { BPF_RSH, 0 },
	};

	for (unsigned i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
		unsigned a = 1234567, b = i >= 7 ? 5 : 89, want = 0;
		int s;

		switch (ops[i].op) {
		case BPF_ADD: want = a + b; break;
		case BPF_SUB: want = a - b; break;
		case BPF_MUL: want = a * b; break;
		case BPF_DIV: want = a / b; break;
		case BPF_AND: want = a & b; break;
		case BPF_OR: want = a | b; break;
		case BPF_XOR: want = a ^ b; break;
		case BPF_LSH: want = a << b; break;
		case BPF_RSH: want = a >> b; break;
		}
		want = want % 2048;
		s = IN_CHILD({
			if (INSTALL(0, NR, IF(SYS_getpriority, 1, 0), RET(SECCOMP_RET_ALLOW), ARG(1), BPF_STMT(BPF_MISC | BPF_TAX, 0),
				    BPF_STMT(BPF_STX, 3), ARG(0), BPF_STMT(BPF_LDX | BPF_MEM, 3),
				    BPF_STMT(BPF_ALU | ops[i].op | BPF_X, 0), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 2047),
				    BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO), BPF_STMT(BPF_RET | BPF_A, 0)))
				_exit(98);
			syscall(SYS_getpriority, a, b);
			_exit(errno == (int)want || (!want && !errno) ? 1 : 2);
		});
		CHECK_EQ(s, 1 << 8);
	}
}

static void *in_thread(void *p)
{
	return (void *)(syscall(SYS_getpgid, 0) == -1 ? (long)errno : 0);
}

static _Atomic int go_on;

static void *synced(void *p)
{
	while (!go_on)
		sched_yield();
	return (void *)(syscall(SYS_getsid, 0) == -1 ? (long)errno : 0);
}

extern char rip_here[];

static void inherit(void)
{
	pthread_t t;
	void *r;

	CHECK_EQ(DENY(SYS_getpgid, SECCOMP_RET_ERRNO | 77), 0);
	CHECK(syscall(SYS_getpgid, 0) == -1 && errno == 77);
	CHECK_EQ(prctl(PR_GET_SECCOMP), 2);
	pthread_create(&t, NULL, in_thread, NULL);
	pthread_join(t, &r);
	CHECK_EQ((long)r, 77);
	CHECK_EQ(IN_CHILD(_exit(syscall(SYS_getpgid, 0) == -1 && errno == 77 ? 1 : 2)), 1 << 8);
	CHECK_EQ(IN_CHILD(execl("/proc/self/exe", "seccomp", "after-exec", NULL)), 1 << 8);
	/* the strictest counts, wherever it stands; errno is capped; 0 is success */
	CHECK_EQ(DENY(SYS_getpgid, SECCOMP_RET_LOG), 0);
	CHECK(syscall(SYS_getpgid, 0) == -1 && errno == 77);
	CHECK_EQ(DENY(SYS_getppid, SECCOMP_RET_ERRNO | 0xffff), 0);
	CHECK(syscall(SYS_getppid) == -1 && errno == 4095);
	CHECK_EQ(DENY(SYS_getuid, SECCOMP_RET_ERRNO), 0);
	CHECK_EQ(syscall(SYS_getuid), 0);
	CHECK_EQ(DENY(SYS_getgid, SECCOMP_RET_TRACE), 0);
	CHECK(syscall(SYS_getgid) == -1 && errno == ENOSYS);
	/* numbers that no kernel has */
	CHECK_EQ(DENY(2000, SECCOMP_RET_ERRNO | 5), 0);
	CHECK(syscall(2000) == -1 && errno == 5);
	/* to other threads */
	pthread_create(&t, NULL, synced, NULL);
	CHECK_EQ(INSTALL(SECCOMP_FILTER_FLAG_TSYNC, NR, IF(SYS_getsid, 0, 1), RET(SECCOMP_RET_ERRNO | 9), RET(SECCOMP_RET_ALLOW)), 0);
	go_on = 1;
	pthread_join(t, &r);
	CHECK_EQ((long)r, 9);
}

static void signals(void)
{
	struct sigaction sa = { .sa_sigaction = on_sys, .sa_flags = SA_SIGINFO };

	sigaction(SIGSYS, &sa, NULL);
	CHECK_EQ(DENY(SYS_getpriority, SECCOMP_RET_TRAP | 33), 0);
	CHECK_EQ(syscall(SYS_getpriority, 0, 0), 4711);
	CHECK_EQ(traps, 1);
	CHECK_EQ(trap_nr, SYS_getpriority);
	CHECK_EQ(trap_errno, 33);
	CHECK_EQ(trap_ok, 1);
	CHECK_EQ(IN_CHILD({ signal(SIGSYS, SIG_IGN); syscall(SYS_getpriority, 0, 0); }) & 0x7f, SIGSYS);
	CHECK_EQ(IN_CHILD({ DENY(SYS_getpriority, SECCOMP_RET_KILL_PROCESS); syscall(SYS_getpriority, 0, 0); }) & 0x7f, SIGSYS);
	CHECK_EQ(IN_CHILD({ DENY(SYS_getpriority, SECCOMP_RET_KILL_THREAD); syscall(SYS_getpriority, 0, 0); }) & 0x7f, SIGSYS);
	/* where the call stands: only this one may */
	uint32_t lo = (uint32_t)(uintptr_t)rip_here;
	long one, other;

	CHECK_EQ(INSTALL(0, NR, IF(SYS_getegid, 0, 3), BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer)),
			 IF(lo, 1, 0), RET(SECCOMP_RET_ERRNO | 44), RET(SECCOMP_RET_ALLOW)), 0);
	__asm__ volatile("syscall\n.globl rip_here\nrip_here:" : "=a"(one) : "0"(SYS_getegid) : "rcx", "r11", "memory");
	__asm__ volatile("nop; syscall" : "=a"(other) : "0"(SYS_getegid) : "rcx", "r11", "memory");
	CHECK(one >= 0);
	CHECK_EQ(other, -44);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		_exit(syscall(SYS_getpgid, 0) == -1 && errno == 77 && prctl(PR_GET_SECCOMP) == 2 ? 1 : 2);
	if (geteuid()) /* without rights, and not yet no_new_privs */
		CHECK(DENY(SYS_getpgid, SECCOMP_RET_ALLOW) == -1 && errno == EACCES);
	CHECK_EQ(prctl(PR_GET_SECCOMP), 0);
	CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	refusals();
	operations();
	CHECK_EQ(IN_CHILD({
		prctl(PR_SET_SECCOMP, 1);
		if (write(1, "", 0) == 0)
			syscall(SYS_exit, 3);
	}), 3 << 8);
	CHECK_EQ(IN_CHILD({ prctl(PR_SET_SECCOMP, 1); syscall(SYS_getpid); }) & 0x7f, SIGKILL);
	inherit();
	signals();
	return check_done();
}
