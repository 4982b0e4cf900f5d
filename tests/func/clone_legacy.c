/* SPDX-License-Identifier: MIT */
/*
 * What clone(2) accepts and clone3(2) does not: CLONE_DETACHED, which musl gives every thread, and an exit signal for a
 * thread or for a child of one's parent. The other way round: two results for one pointer, CLONE_PIDFD with CLONE_DETACHED.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "check.h"

#define THREAD (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)

static char stack[65536] __attribute__((aligned(64)));
static volatile int tid, ran;

/* clone(flags) of a thread that stores 1 to `ran` and ends */
static long __attribute__((noinline)) thread(unsigned long flags)
{
	register long r10 __asm__("r10") = (long)&tid;
	long ret;

	ran = 0;
	tid = 1;
	__asm__ volatile("syscall\n\t"
			 "test %%eax, %%eax\n\t"
			 "jnz 1f\n\t"
			 "movl $1, ran(%%rip)\n\t"
			 "mov $60, %%eax\n\t"
			 "xor %%edi, %%edi\n\t"
			 "syscall\n"
			 "1:"
			 : "=a"(ret), "+r"(r10)
			 : "0"(SYS_clone), "D"(flags | CLONE_CHILD_CLEARTID), "S"(stack + sizeof(stack)), "d"(0)
			 : "rcx", "r11", "memory");
	for (int now; ret > 0 && (now = tid);)
		syscall(SYS_futex, &tid, FUTEX_WAIT, now, NULL, NULL, 0);
	return ret < 0 ? ret : ran;
}

/* clone(flags) of a process that ends with status 7; its status, or -errno */
static long process(unsigned long flags)
{
	int fd = -1, status = 0;
	long ret = syscall(SYS_clone, flags, 0, &fd, 0, 0);

	if (!ret)
		_exit(7);
	if (ret < 0)
		return -errno;
	if (waitpid((pid_t)ret, &status, __WALL) != ret)
		return -1000;
	return WEXITSTATUS(status);
}

int main(void)
{
	CHECK_EQ(thread(THREAD), 1);
	CHECK_EQ(thread(THREAD | CLONE_DETACHED), 1);
	CHECK_EQ(thread(THREAD | SIGCHLD), 1);
	CHECK_EQ(thread(THREAD | CLONE_DETACHED | SIGUSR1), 1);
	CHECK_EQ(thread(CLONE_VM | CLONE_THREAD), -EINVAL);
	CHECK_EQ(process(SIGCHLD), 7);
	CHECK_EQ(process(0), 7);
	CHECK_EQ(process(SIGCHLD | CLONE_DETACHED), 7);
	CHECK_EQ(process(SIGCHLD | CLONE_PIDFD), 7);
	CHECK_EQ(process(SIGCHLD | CLONE_PIDFD | CLONE_DETACHED), -EINVAL);
	CHECK_EQ(process(SIGCHLD | CLONE_PIDFD | CLONE_PARENT_SETTID), -EINVAL);
	CHECK_EQ(process(100), 7); /* no such signal: nobody is told */
	return check_done();
}
