/* SPDX-License-Identifier: MIT */
/*
 * The few system calls of the library. In memory that may be unmapped a word is compared by futex(2), and more is read
 * and written through a pipe: unlike process_vm_readv(2) that is nothing a seccomp filter forbids, and it is done only
 * when a pending slot was found to be set.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>

#include "guard.h"

long guard_futex(uint32_t *word, int op, uint32_t value)
{
	return sys4(__NR_futex, (long)word, op, (long)value, 0);
}

/* moving none of the waiters, if the word is `value`: EAGAIN says that it is not */
int guard_word_is(const uint32_t *word, uint32_t value)
{
	long r = sys6(__NR_futex, (long)word, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE_FLAG, 0, 0, (long)word, (long)value);

	return r == -EAGAIN ? 0 : r < 0 ? -1 : 1;
}

uint64_t guard_block(void)
{
	uint64_t all = ~0ull, old = 0;

	sys4(__NR_rt_sigprocmask, SIG_BLOCK, (long)&all, (long)&old, 8);
	return old;
}

void guard_unblock(uint64_t mask)
{
	sys4(__NR_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0, 8);
}

static bool through_pipe(const void *from, void *to, size_t n)
{
	int p[2] = { -1, -1 };
	bool good;

	if (sys4(__NR_pipe2, (long)p, O_CLOEXEC | O_NONBLOCK, 0, 0) < 0)
		return false;
	good = sys4(__NR_write, p[1], (long)from, (long)n, 0) == (long)n &&
	       sys4(__NR_read, p[0], (long)to, (long)n, 0) == (long)n;
	sys4(__NR_close, p[0], 0, 0, 0);
	sys4(__NR_close, p[1], 0, 0, 0);
	return good;
}

bool guard_read(void *to, uintptr_t from, size_t n)
{
	return through_pipe((const void *)from, to, n);
}

bool guard_write(uintptr_t to, const void *from, size_t n)
{
	return through_pipe(from, (void *)to, n);
}
