/* SPDX-License-Identifier: MIT */
/* A tracee's rights to memory with protection keys: what its tracer reads in PKRU and writes there. */
#define _GNU_SOURCE
#include <elf.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "pku.h"

static const u32 has = 0x5554aaa8, gets[] = { 0xffffff54, 0x00000008, 0 };

static int child(void)
{
	int bad = 0;

	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	for (int i = 0; i < 3; i++) {
		wrpkru(has);
		raise(SIGSTOP);
		bad += rdpkru() != gets[i];
	}
	return bad;
}

static char x[16384] __attribute__((aligned(64)));

int main(void)
{
	u32 pkru, at = pkru_offset();
	unsigned long bv;
	int status;
	pid_t pid;

	pid = fork();
	if (!pid)
		_exit(child());
	for (int i = 0; i < 3; i++) {
		struct iovec io = { x, sizeof(x) };

		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK(WIFSTOPPED(status));
		CHECK_EQ(ptrace(PTRACE_GETREGSET, pid, NT_X86_XSTATE, &io), 0);
		memcpy(&pkru, x + at, 4);
		CHECK_EQ(pkru, has);
		memcpy(&bv, x + XSTATE_BV, 8);
		bv |= PKRU_BIT;
		if (i == 2) /* none: that is 0 */
			bv &= ~PKRU_BIT;
		memcpy(x + XSTATE_BV, &bv, 8);
		memcpy(x + at, &gets[i], 4);
		CHECK_EQ(ptrace(PTRACE_SETREGSET, pid, NT_X86_XSTATE, &io), 0);
		ptrace(PTRACE_CONT, pid, NULL, NULL);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	return check_done();
}
