/* SPDX-License-Identifier: MIT */
/* Code that changes: rewritten in place, behind mprotect, through a second mapping, ahead of itself, by the kernel. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include "check.h"

typedef unsigned (*fn)(void);

static void put(unsigned char *p, unsigned value)
{
	p[0] = 0xb8; /* mov $value, %eax; ret */
	memcpy(p + 1, &value, 4);
	p[5] = 0xc3;
}

static unsigned char *rwx(size_t n)
{
	return mmap(NULL, n, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static unsigned __attribute__((noinline)) call_it(fn f)
{
	return f() + 1;
}

int main(void)
{
	unsigned char *p = rwx(16384);
	unsigned sum = 0;

	/* one page written and run in turn, often */
	for (unsigned i = 0; i < 2000; i++) {
		put(p, i);
		CHECK_EQ(((fn)p)(), i);
	}
	/* many functions in a page, one rewritten at a time */
	for (unsigned i = 0; i < 256; i++)
		put(p + 16 * i, i);
	for (unsigned i = 0; i < 600; i++) {
		put(p + 16 * (i * 7 % 256), 1000 + i);
		sum = 0;
		for (unsigned k = 0; k < 256; k += 5)
			sum += ((fn)(p + 16 * k))();
		sum += call_it((fn)(p + 16 * (i * 7 % 256)));
	}
	CHECK_EQ(((fn)(p + 16 * (599 * 7 % 256)))(), 1599);
	printf("%u\n", sum);

	/* a jump chain across pages; the last page changes */
	p[0] = 0xe9;
	*(int *)(p + 1) = 8192 - 5;
	p[8192] = 0xe9;
	*(int *)(p + 8193) = 4096 - 5;
	for (unsigned i = 0; i < 500; i++) {
		put(p + 12288, i);
		CHECK_EQ(((fn)p)(), i);
	}
	/* an instruction across a page boundary, changed in its second page only */
	for (unsigned i = 0; i < 300; i++) {
		put(p + 4096 - 3, 0x01000000 * (i & 127) + 5);
		CHECK_EQ(((fn)(p + 4096 - 3))(), 0x01000000 * (i & 127) + 5);
		p[4096 + 1] = (unsigned char)(i + 1);
		CHECK_EQ(((fn)(p + 4096 - 3))() >> 24, (i + 1) & 255);
	}

	/* code that rewrites the instruction behind itself: movb $n, 1(%rip) ; mov $0, %al ; ret */
	for (unsigned i = 0; i < 300; i++) {
		static const unsigned char self[] = { 0x40, 0x88, 0x3d, 1, 0, 0, 0, /* mov %dil, 1(%rip) */
						      0xb0, 0, 0x0f, 0xb6, 0xc0, 0xc3 };

		memcpy(p + 64, self, sizeof(self));
		CHECK_EQ(((unsigned (*)(unsigned))(p + 64))(i & 127), i & 127);
	}

	/* write, protect, run, unprotect */
	unsigned char *w = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (unsigned i = 0; i < 300; i++) {
		mprotect(w, 4096, PROT_READ | PROT_WRITE);
		put(w + (i & 3) * 32, i * 3);
		mprotect(w, 4096, PROT_READ | PROT_EXEC);
		CHECK_EQ(((fn)(w + (i & 3) * 32))(), i * 3);
	}

	/* two views of the same memory */
	int fd = memfd_create("code", 0);

	CHECK(ftruncate(fd, 4096) == 0);
	unsigned char *view = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	unsigned char *code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);

	for (unsigned i = 0; i < 300; i++) {
		put(view + (i & 7) * 64, i * 5);
		CHECK_EQ(((fn)(code + (i & 7) * 64))(), i * 5);
	}

	/* mapped over, moved, unmapped and mapped anew */
	for (unsigned i = 0; i < 200; i++) {
		unsigned char *q = mmap(p, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
					MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

		CHECK(q == p);
		put(p, i + 7);
		CHECK_EQ(((fn)p)(), i + 7);
		if (i % 10 == 3) {
			q = mremap(p, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, p + 4096);
			CHECK(q == p + 4096);
			CHECK_EQ(((fn)q)(), i + 7);
		}
		if (i % 10 == 7) {
			madvise(p, 4096, MADV_DONTNEED);
			CHECK_EQ(p[0], 0);
		}
	}

	/* the kernel writes the code: read(2), pread, readv */
	int pipes[2];
	unsigned char buf[6];

	CHECK(pipe(pipes) == 0);
	put(p, 1);
	CHECK_EQ(((fn)p)(), 1);
	for (unsigned i = 0; i < 100; i++) {
		struct iovec v = { p, 6 };

		put(buf, i * 11);
		CHECK_EQ(write(pipes[1], buf, 6), 6);
		CHECK_EQ(i & 1 ? read(pipes[0], p, 6) : readv(pipes[0], &v, 1), 6);
		CHECK_EQ(((fn)p)(), i * 11);
	}

	/* code on the stack's page, if the stack could run; and in malloc'ed memory made runnable */
	unsigned char *m = aligned_alloc(4096, 8192);

	CHECK(mprotect(m, 8192, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
	for (unsigned i = 0; i < 2000; i++) {
		m[4096] = (unsigned char)i; /* data beside code */
		put(m + 100, i);
		CHECK_EQ(((fn)(m + 100))(), i);
	}
	return check_done();
}
