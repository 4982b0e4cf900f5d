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
#include "check.h"

#define XSTATE_BV 512
#define PKRU_BIT (1ul << 9)

typedef unsigned int u32;

static u32 rdpkru(void)
{
	u32 a, d;

	__asm__ volatile("rdpkru" : "=a"(a), "=d"(d) : "c"(0));
	return a;
}

static void wrpkru(u32 v)
{
	__asm__ volatile("wrpkru" : : "a"(v), "c"(0), "d"(0) : "memory");
}

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
	u32 a = 7, b, c = 0, d, pkru, at;
	unsigned long bv;
	int status;
	pid_t pid;

	__asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	if (!(c & 1u << 4))
		SKIP("no protection keys");
	a = 13, c = 9;
	__asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	at = b;
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
