/* SPDX-License-Identifier: MIT */
/* What the tests of ptrace share: a traced child, waiting for it, saying what it stopped for. */
#ifndef TRACER_H
#define TRACER_H

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include "check.h"

typedef unsigned long word;

#define TRACE(request, pid, addr, data) ptrace(request, pid, (void *)(uintptr_t)(addr), (void *)(uintptr_t)(data))

/* the status of its next change of state */
static inline int wait_status(pid_t pid)
{
	int status = 0;

	if (waitpid(pid, &status, __WALL) != pid)
		return -1;
	return status;
}

static inline int go(int request, pid_t pid, int sig)
{
	CHECK(TRACE(request, pid, 0, sig) == 0);
	return wait_status(pid);
}

static inline int is_stop(int status, int sig)
{
	return status >= 0 && WIFSTOPPED(status) && status >> 8 == sig;
}

static inline struct user_regs_struct regs_of(pid_t pid)
{
	struct user_regs_struct r;

	memset(&r, 0, sizeof(r));
	CHECK(TRACE(PTRACE_GETREGS, pid, 0, &r) == 0);
	return r;
}

/* a child that has asked to be traced and stopped */
static inline pid_t traced_child(void (*fn)(void))
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		fn();
		_exit(0);
	}
	CHECK(is_stop(wait_status(pid), SIGSTOP));
	return pid;
}

static inline void end(pid_t pid)
{
	kill(pid, SIGKILL);
	CHECK(wait_status(pid) == SIGKILL);
}

#endif
