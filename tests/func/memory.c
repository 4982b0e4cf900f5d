/* SPDX-License-Identifier: MIT */
/* verdict: clean unwinds
 * brk, mmap in its forms and errors, mprotect, mremap, madvise, mincore, stack growth, what lies at fixed addresses. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include "check.h"

static sigjmp_buf jump;
static void on_fault(int signo)
{
	siglongjmp(jump, signo);
}

/* which signal an access raises; 0 none */
static int touch(volatile char *p, int write)
{
	int s = sigsetjmp(jump, 1);

	if (s)
		return s;
	if (write)
		*p = 1;
	else
		(void)*p;
	return 0;
}

static int __attribute__((noinline)) grow(int n)
{
	volatile char pad[16384];

	pad[0] = 1;
	pad[16383] = (char)n;
	return n ? grow(n - 1) + pad[0] : 0;
}

int main(void)
{
	struct sigaction sa = { .sa_handler = on_fault };
	char *p, *q, *start;
	unsigned char vec[4];

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	/* brk */
	start = sbrk(0);
	CHECK(sbrk(1 << 20) == start);
	memset(start, 7, 1 << 20);
	CHECK(sbrk(0) == start + (1 << 20));
	CHECK(sbrk(-(1 << 20)) == start + (1 << 20));
	CHECK_EQ(touch(start + (1 << 19), 0), SIGSEGV);
	CHECK(sbrk(1 << 20) == start);
	CHECK_EQ(start[1 << 19], 0);
	CHECK(syscall(SYS_brk, 4096) == (long)(start + (1 << 20)));
	sbrk(-(1 << 20));
	/* mmap */
	p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED && ((uintptr_t)p & 4095) == 0);
	CHECK_EQ(p[1000], 0);
	CHECK_EQ(mprotect(p + 4096, 4096, PROT_READ), 0);
	CHECK_EQ(touch(p + 4096, 0), 0);
	CHECK_EQ(touch(p + 4096, 1), SIGSEGV);
	CHECK_EQ(touch(p + 8191, 1), SIGSEGV);
	CHECK_EQ(touch(p + 8192, 1), 0);
	CHECK_EQ(mprotect(p + 8192, 4096, PROT_NONE), 0);
	CHECK_EQ(touch(p + 8192, 0), SIGSEGV);
	CHECK_EQ(munmap(p + 12288, 4096), 0);
	CHECK_EQ(touch(p + 12288, 0), SIGSEGV);
	CHECK_EQ(mprotect(p, 65536, PROT_READ), -1);
	CHECK_EQ(errno, ENOMEM);
	CHECK(mmap(p + 12288, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == p + 12288);
	CHECK(mmap(p + 12288, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED);
	CHECK_EQ(errno, EEXIST);
	CHECK(mmap(p, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
	CHECK_EQ(errno, EINVAL);
	CHECK(mmap(p + 1, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED);
	CHECK_EQ(errno, EINVAL);
	CHECK(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 77, 0) == MAP_FAILED);
	CHECK_EQ(errno, EBADF);
	CHECK(mmap(NULL, 1ul << 47, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
	CHECK_EQ(errno, ENOMEM);
	CHECK_EQ(munmap(p + 1, 4096), -1);
	CHECK_EQ(errno, EINVAL);
	CHECK_EQ(munmap((void *)0x7ffffffff000, 4096), -1);
	CHECK_EQ(errno, EINVAL);
	/* hints are taken where free */
	q = mmap((void *)0x10000000, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(q == (void *)0x10000000);
	munmap(q, 8192);
	q = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	CHECK(q != MAP_FAILED && (uintptr_t)q < 1ul << 31);
	/* not executable */
	{
		int s = sigsetjmp(jump, 1);

		p[8192 * 3] = (char)0xc3;
		if (!s)
			((void (*)(void))(p + 8192 * 3))();
		CHECK_EQ(s, SIGSEGV);
	}
	{
		int s = sigsetjmp(jump, 1);

		if (!s)
			((void (*)(void))8)();
		CHECK_EQ(s, SIGSEGV);
	}
	{
		int s = sigsetjmp(jump, 1);

		if (!s)
			((void (*)(void))0x1234567812345678)();
		CHECK_EQ(s, SIGSEGV);
	}
	/* mremap */
	q = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(q, 3, 8192);
	q = mremap(q, 8192, 1 << 22, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED && q[8191] == 3 && q[8192] == 0);
	CHECK(mremap(q, 1 << 22, 4096, 0) == q);
	CHECK_EQ(touch(q + 4096, 0), SIGSEGV);
	/* madvise, mincore, msync */
	CHECK_EQ(madvise(q, 4096, MADV_DONTNEED), 0);
	CHECK_EQ(q[5], 0);
	CHECK_EQ(mincore(q, 4096, vec), 0);
	CHECK_EQ(vec[0] & 1, 1);
	munmap(q, 4096);
	CHECK_EQ(mincore(q, 4096, vec), -1);
	CHECK_EQ(errno, ENOMEM);
	CHECK_EQ(msync(p, 4096, MS_SYNC), 0);
	/* files: private and shared, behind the end */
	{
		int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0644);
		char c;

		CHECK(ftruncate(fd, 5000) == 0);
		p = mmap(NULL, 12288, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		q = mmap(NULL, 12288, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
		p[4999] = 'x';
		CHECK_EQ(q[4999], 'x');
		q[4999] = 'y';
		CHECK_EQ(pread(fd, &c, 1, 4999), 1);
		CHECK_EQ(c, 'x');
		CHECK_EQ(touch(p + 8192, 0), SIGBUS);
		CHECK_EQ(touch(p + 8191, 0), 0);
		close(fd);
	}
	/* the kernel's own looks at bad pointers */
	CHECK_EQ(write(1, (void *)8, 5), -1);
	CHECK_EQ(errno, EFAULT);
	CHECK_EQ(write(1, (void *)-4096, 5), -1);
	CHECK_EQ(errno, EFAULT);
	CHECK_EQ(open((char *)8, O_RDONLY), -1);
	CHECK_EQ(errno, EFAULT);
	CHECK_EQ(syscall(SYS_rt_sigaction, SIGUSR1, 8, 0, 8), -1);
	CHECK_EQ(errno, EFAULT);
	CHECK_EQ(syscall(SYS_rt_sigaction, SIGUSR1, 0, 0, 4), -1);
	CHECK_EQ(errno, EINVAL);
	/* the stack grows by itself */
	CHECK_EQ(grow(200), 200);
	return check_done();
}
