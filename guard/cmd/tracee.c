/* SPDX-License-Identifier: MIT */
/*
 * A stopped thread: registers, memory, robust list. 32-bit threads have another register set and another list, which
 * only a 32-bit system call tells about; int $0x80 makes one, and where there are 32-bit threads it exists.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <unistd.h>

#include "tracee.h"

struct regs32 {
	uint32_t bx, cx, dx, si, di, bp, ax, ds, es, fs, gs, orig_ax, ip, cs, flags, sp, ss;
};

bool tracee_regs(pid_t tid, struct regs *r)
{
	union {
		struct user_regs_struct r64;
		struct regs32 r32;
	} u;
	struct iovec v = { &u, sizeof(u) };

	if (ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &v) < 0)
		return false;
	if (v.iov_len == sizeof(u.r32))
		*r = (struct regs){ u.r32.ip, u.r32.flags,
				    { u.r32.ax, u.r32.cx, u.r32.dx, u.r32.bx, u.r32.sp, u.r32.bp, u.r32.si, u.r32.di },
				    32, (int32_t)u.r32.orig_ax >= 0 };
	else
		*r = (struct regs){ u.r64.rip, u.r64.eflags,
				    { u.r64.rax, u.r64.rcx, u.r64.rdx, u.r64.rbx, u.r64.rsp, u.r64.rbp, u.r64.rsi, u.r64.rdi,
				      u.r64.r8, u.r64.r9, u.r64.r10, u.r64.r11, u.r64.r12, u.r64.r13, u.r64.r14, u.r64.r15 },
				    64, (int64_t)u.r64.orig_rax >= 0 };
	return true;
}

bool tracee_read(pid_t tid, uint64_t at, void *to, size_t n)
{
	struct iovec here = { to, n }, there = { (void *)at, n };

	return process_vm_readv(tid, &here, 1, &there, 1, 0) == (ssize_t)n;
}

/* with ptrace, which the tracer may use in any case; whole words */
bool tracee_write(pid_t tid, uint64_t at, const void *from, size_t n)
{
	struct iovec here = { (void *)from, n }, there = { (void *)at, n };

	return process_vm_writev(tid, &here, 1, &there, 1, 0) == (ssize_t)n;
}

/* the last number behind `key` in /proc/TID/status */
static pid_t status_field(pid_t tid, const char *key)
{
	char path[64], line[512];
	pid_t found = tid;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		char *p, *end;

		if (strncmp(line, key, strlen(key)))
			continue;
		for (p = line + strlen(key); *p; p = end) {
			long v = strtol(p, &end, 10);

			if (end == p)
				break;
			found = (pid_t)v;
		}
		break;
	}
	if (f)
		fclose(f);
	return found;
}

pid_t tracee_own_tid(pid_t tid)
{
	return status_field(tid, "NSpid:");
}

pid_t tracee_group(pid_t tid)
{
	return status_field(tid, "Tgid:");
}

/* ---- the list -------------------------------------------------------------------------------------------------- */

static bool head_native(pid_t tid, uint64_t *head)
{
	void *h = NULL;
	size_t len;

	if (syscall(SYS_get_robust_list, tid, &h, &len) < 0)
		return false;
	*head = (uint64_t)h;
	return h;
}

static bool head_compat(pid_t tid, uint64_t *head)
{
	static uint32_t *low; /* where a 32-bit call can write */
	long r;

	if (!low) {
		low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
		if (low == MAP_FAILED) {
			low = NULL;
			return false;
		}
	}
	__asm__ volatile("int $0x80"
			 : "=a"(r)
			 : "0"(312L), "b"((long)tid), "c"(low), "d"(low + 1)
			 : "r8", "r9", "r10", "r11", "memory");
	*head = low[0];
	return (int)r == 0 && low[0];
}

bool robust_get(pid_t tid, unsigned bits, struct robust *r)
{
	uint64_t h64[3];
	uint32_t h32[3];

	memset(r, 0, sizeof(*r));
	if (bits == 64) {
		if (!head_native(tid, &r->head) || !tracee_read(tid, r->head, h64, sizeof(h64)))
			return false;
		r->next = h64[0];
		r->offset = (int64_t)h64[1];
		r->pending = h64[2];
	} else {
		if (!head_compat(tid, &r->head) || !tracee_read(tid, r->head, h32, sizeof(h32)))
			return false;
		r->next = h32[0];
		r->offset = (int32_t)h32[1];
		r->pending = h32[2];
	}
	r->size = bits / 8;
	r->slot = r->head + 2 * r->size;
	r->pi = r->pending & 1;
	r->entry = r->pending & ~1ull;
	r->word = r->entry + (uint64_t)r->offset;
	if (bits == 32)
		r->word &= 0xffffffff;
	return true;
}

bool robust_listed(pid_t tid, const struct robust *r)
{
	uint64_t e = r->next & ~1ull;

	for (int i = 0; i < LIST_LIMIT && e != r->head; i++) {
		uint64_t next = 0;

		if (e == r->entry)
			return true;
		if (!tracee_read(tid, e, &next, r->size))
			return false;
		e = next & ~1ull;
	}
	return false;
}

bool robust_clear(pid_t tid, const struct robust *r)
{
	static const uint64_t none;

	return tracee_write(tid, r->slot, &none, r->size);
}
