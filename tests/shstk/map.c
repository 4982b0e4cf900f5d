/* SPDX-License-Identifier: MIT */
/* flags: -mshstk */
#define _GNU_SOURCE
/* map_shadow_stack: the order of its errors, its token, where it goes; what the memory calls do to a shadow stack. */
#include <stdbool.h>
#include <stdlib.h>
#include <sys/uio.h>
#include "shstk.h"

#define AT 0x200000000000ul /* nothing of anybody's is there */

static void errors(void)
{
	CHECK_EQ(map_ss(0, 0, 0), -EINVAL);
	CHECK_EQ(map_ss(0, 0, 1), -ENOSPC);
	CHECK_EQ(map_ss(0, 7, 1), -ENOSPC);
	CHECK_EQ(map_ss(0, 0x1000, 2), -EINVAL);
	CHECK_EQ(map_ss(8, 0x1000, 2), -EINVAL);
	CHECK_EQ(map_ss(0, 0x1001, 1), -EINVAL);
	CHECK_EQ(map_ss(0x1000, 0x1000, 0), -ERANGE);
	CHECK_EQ(map_ss(0x1000, 7, 1), -ENOSPC);
	CHECK_EQ(map_ss(0xffffffff, 0, 0), -ERANGE);
	CHECK_EQ(map_ss(0, ~0ul, 1), -EOVERFLOW);
	CHECK_EQ(map_ss(0, -4096ul, 0), -ENOMEM);
	CHECK_EQ(map_ss(AT + 8, 0x1000, 1), -EINVAL);
	CHECK_EQ(map_ss(0x7ffffffff000, 0x1000, 0), -ENOMEM);
	CHECK_EQ(map_ss(1ul << 63, 0x1000, 0), -ENOMEM);
	CHECK_EQ(map_ss(AT, 0x1000, 0), AT);
	CHECK_EQ(map_ss(AT, 0x1000, 0), -EEXIST);
	CHECK_EQ(munmap((void *)AT, 0x1000), 0);
}

static void tokens(void)
{
	static const ul sizes[] = { 8, 0x1000, 0x1008, 0x1ff8, 0x10000 };

	for (int i = 0; i < 5; i++) {
		long p = map_ss(0, sizes[i], SET_TOKEN);

		CHECK(p > 0 && (ul)p > 0xffffffff);
		CHECK_EQ(*(ul *)(p + sizes[i] - 8), (p + sizes[i]) | 1);
		CHECK_EQ(munmap((void *)p, sizes[i]), 0);
	}
}

/* a page below each stays free, unless it is asked for by name */
static void gaps(void)
{
	ul a = (ul)map_ss(0, 0x1000, 0), b = (ul)map_ss(0, 0x1000, 0), m, n;

	CHECK(b <= a - 0x2000 || b >= a + 0x2000);
	m = (ul)mmap(NULL, 0x1000, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(m != a - 0x1000 && m != b - 0x1000);
	CHECK_EQ(map_ss(AT, 0x1000, 0), AT);
	CHECK_EQ(map_ss(AT - 0x1000, 0x1000, 0), AT - 0x1000);
	n = (ul)mmap((void *)(AT - 0x2000), 0x1000, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	CHECK_EQ(n, AT - 0x2000);
	CHECK_EQ(munmap((void *)(AT - 0x2000), 0x3000), 0);
	munmap((void *)m, 0x1000);
	munmap((void *)a, 0x1000);
	munmap((void *)b, 0x1000);
}

/* nobody writes there but the CPU */
static void copies(void)
{
	ul p = (ul)map_ss(0, 0x2000, SET_TOKEN), word = 0x1122;
	struct iovec l = { &word, 8 }, r = { (void *)p, 8 };
	int fd[2], mem = open("/proc/self/mem", O_RDWR);

	CHECK_EQ(pipe(fd), 0);
	CHECK_EQ(write(fd[1], (void *)(p + 0x1ff8), 8), 8);
	CHECK_EQ(sc(SYS_read, fd[0], p, 8), -EFAULT);
	CHECK_EQ(sc(SYS_process_vm_writev, getpid(), &l, 1, &r, 1, 0), -EFAULT);
	CHECK_EQ(sc(SYS_futex, p, 0, 5, 0, 0, 0), -EFAULT);
	CHECK_EQ(sc(SYS_futex, p, 128, 5, 0, 0, 0), -EAGAIN);
	CHECK_EQ(sc(SYS_clock_gettime, 0, p), -EFAULT);
	CHECK_EQ(sc(SYS_pwrite64, mem, &word, 8, p + 0xffc), 8); /* forced, over two pages */
	CHECK_EQ(*(ul *)(p + 0xffc), 0x1122);
	CHECK_EQ(*(ul *)(p + 0x1ff8), (p + 0x2000) | 1);
	close(mem);
	close(fd[0]);
	close(fd[1]);
	munmap((void *)p, 0x2000);
}

/* the line of maps for `at`, without addresses; its VmFlags */
static void area(ul at, char perms[8], char flags[64], ul *size)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	char line[512];
	ul lo, hi;
	int in = 0, n;

	*size = perms[0] = flags[0] = 0;
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx %n", &lo, &hi, &n) == 2 && strchr(line, '-') && lo < hi) {
			in = at >= lo && at < hi;
			if (in) {
				*size = hi - lo;
				snprintf(perms, 8, "%.4s", line + n);
			}
		} else if (in && !strncmp(line, "VmFlags:", 8)) {
			snprintf(flags, 64, "%.60s", line + 8);
		}
	}
	if (f)
		fclose(f);
}

static void check_area(ul at, const char *perms, ul size)
{
	char have[8], flags[64];
	ul n;

	area(at, have, flags, &n);
	CHECK(!strcmp(have, perms));
	CHECK(strstr(flags, " ss ") != NULL);
	CHECK(!strstr(flags, " sh "));
	CHECK_EQ(n, size);
}

static void protections(void)
{
	ul p = (ul)map_ss(AT, 0x4000, SET_TOKEN);

	CHECK_EQ(p, AT);
	check_area(p, "rw-p", 0x4000);
	CHECK_EQ(mprotect((void *)p, 0x1000, PROT_READ), 0);
	check_area(p, "r--p", 0x1000);
	check_area(p + 0x1000, "rw-p", 0x3000);
	CHECK_EQ(mprotect((void *)p, 0x1000, PROT_NONE), 0);
	check_area(p, "---p", 0x1000);
	CHECK_EQ(mprotect((void *)p, 0x1000, PROT_READ | PROT_WRITE), 0);
	check_area(p, "rw-p", 0x4000);
	CHECK_EQ(*(ul *)(p + 0x3ff8), (p + 0x4000) | 1);
	CHECK_EQ(madvise((void *)(p + 0x3000), 0x1000, MADV_DONTNEED), 0);
	CHECK_EQ(*(ul *)(p + 0x3ff8), 0);
	CHECK_EQ(sc(SYS_madvise, p, 0x1000, 23 /* POPULATE_WRITE */), -EINVAL);
	CHECK_EQ(sc(SYS_madvise, p, 0x1000, 18 /* WIPEONFORK */), 0);
	CHECK_EQ(munmap((void *)(p + 0x1000), 0x1000), 0);
	check_area(p, "rw-p", 0x1000);
	check_area(p + 0x2000, "rw-p", 0x2000);
	CHECK_EQ(munmap((void *)p, 0x4000), 0);
}

static void moves(void)
{
	ul p = (ul)map_ss(AT, 0x4000, SET_TOKEN), q;

	CHECK_EQ(sc(SYS_mremap, p, 0, 0x4000, MREMAP_MAYMOVE), -EINVAL); /* private */
	CHECK_EQ(sc(SYS_mremap, p, 0x4000, 0x2000, 0), p);
	CHECK_EQ(sc(SYS_mremap, p, 0x2000, 0x4000, 0), p); /* back, empty */
	CHECK_EQ(*(ul *)(p + 0x3ff8), 0);
	check_area(p, "rw-p", 0x4000);
	munmap((void *)p, 0x4000);
	p = (ul)map_ss(AT, 0x4000, SET_TOKEN);
	q = (ul)sc(SYS_mremap, p, 0x4000, 0x8000, MREMAP_MAYMOVE | MREMAP_FIXED, AT + 0x100000);
	CHECK_EQ(q, AT + 0x100000);
	CHECK_EQ(*(ul *)(q + 0x3ff8), (p + 0x4000) | 1);
	CHECK_EQ(*(ul *)(q + 0x7ff8), 0);
	check_area(q, "rw-p", 0x8000);
	CHECK_EQ(sc(SYS_madvise, p, 0x4000, MADV_NORMAL), -ENOMEM);
	p = (ul)sc(SYS_mremap, q, 0x8000, 0x8000, MREMAP_MAYMOVE | 4 /* DONTUNMAP */, 0);
	CHECK_EQ(*(ul *)(p + 0x3ff8), (AT + 0x4000) | 1);
	CHECK_EQ(*(ul *)(q + 0x3ff8), 0);
	check_area(p, "rw-p", 0x8000);
	munmap((void *)p, 0x8000);
	munmap((void *)q, 0x8000);
}

static void forked(void)
{
	ul p = (ul)map_ss(AT, 0x4000, SET_TOKEN);
	int st = -1;
	pid_t pid;

	CHECK_EQ(mprotect((void *)p, 0x1000, PROT_NONE), 0);
	pid = fork();
	if (!pid) {
		int good = *(ul *)(p + 0x3ff8) == ((p + 0x4000) | 1);

		madvise((void *)p, 0x4000, MADV_DONTNEED);
		good &= mprotect((void *)p, 0x1000, PROT_READ) == 0 && *(ul *)p == 0;
		_exit(good ? 3 : 4);
	}
	waitpid(pid, &st, 0);
	CHECK_EQ(st, 3 << 8);
	CHECK_EQ(*(ul *)(p + 0x3ff8), (p + 0x4000) | 1);
	munmap((void *)p, 0x4000);
}

/* the page below a shadow stack is kept free, and is nobody's */
static void gap_is_nothing(void)
{
	unsigned char in;

	CHECK_EQ(map_ss(AT, 0x2000, 1), AT);
	CHECK_EQ(sc(SYS_mprotect, AT - 0x1000, 0x1000, PROT_READ), -ENOMEM);
	CHECK_EQ(sc(SYS_mprotect, AT - 0x1000, 0x2000, PROT_READ), -ENOMEM);
	CHECK_EQ(sc(SYS_madvise, AT - 0x1000, 0x1000, MADV_DONTNEED), -ENOMEM);
	CHECK_EQ(sc(SYS_madvise, AT - 0x1000, 0x1000, MADV_WILLNEED), -ENOMEM);
	CHECK_EQ(sc(SYS_mincore, AT - 0x1000, 0x1000, &in), -ENOMEM);
	CHECK_EQ(sc(SYS_mlock, AT - 0x1000, 0x1000), -ENOMEM);
	CHECK_EQ(sc(SYS_munlock, AT - 0x1000, 0x1000), -ENOMEM);
	CHECK_EQ(sc(SYS_msync, AT - 0x1000, 0x1000, MS_ASYNC), -ENOMEM);
	CHECK_EQ(sc(SYS_mremap, AT - 0x1000, 0x1000, 0x1000, 1), -EFAULT);
	CHECK_EQ(sc(SYS_munmap, AT - 0x1000, 0x1000), 0);
	CHECK_EQ(sc(SYS_mmap, AT - 0x2000, 0x1000, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), AT - 0x2000);
	CHECK_EQ(sc(SYS_mprotect, AT - 0x2000, 0x2000, PROT_READ), -ENOMEM);
	CHECK_EQ(sc(SYS_mprotect, AT - 0x2000, 0x3000, PROT_READ), -ENOMEM);
	CHECK_EQ(sc(SYS_madvise, AT - 0x2000, 0x2000, MADV_DONTNEED), -ENOMEM);
	CHECK_EQ(sc(SYS_munmap, AT - 0x2000, 0x4000), 0);
}

/* a write that the kernel forces, in several pieces */
static void forced_vectors(void)
{
	ul p = (ul)map_ss(0, 0x3000, 0), one[3] = { 1, 2, 3 }, two[512];
	struct iovec io[2] = { { one, sizeof(one) }, { two, sizeof(two) } };
	int fd = open("/proc/self/mem", O_RDWR);

	for (int i = 0; i < 512; i++)
		two[i] = i;
	CHECK_EQ(pwritev(fd, io, 2, (off_t)p), sizeof(one) + sizeof(two));
	CHECK_EQ(((ul *)p)[2], 3);
	CHECK_EQ(((ul *)p)[3 + 511], 511);
	CHECK_EQ(lseek(fd, (off_t)p + 0x1000, SEEK_SET) == (off_t)p + 0x1000, 1);
	CHECK_EQ(writev(fd, io, 2), sizeof(one) + sizeof(two));
	CHECK_EQ(lseek(fd, 0, SEEK_CUR) - (long)p, 0x1000 + sizeof(one) + sizeof(two));
	CHECK_EQ(((ul *)p)[512 + 3 + 511], 511);
	CHECK_EQ(pwritev2(fd, io, 1, (off_t)p + 0x2000, 0), sizeof(one));
	CHECK_EQ(((ul *)(p + 0x2000))[2], 3);
	munmap((void *)p + 0x2000, 0x1000); /* what is behind is nothing */
	CHECK_EQ(pwritev(fd, io, 2, (off_t)p + 0x2000 - 32), 32);
	CHECK_EQ(pwritev(fd, io, 2, (off_t)p + 0x2000), -1);
	CHECK_EQ(errno, EIO);
	close(fd);
	munmap((void *)p, 0x2000);
}

/* KiB that smaps says of the mapping at `at` */
static long smaps_kb(ul at, const char *key)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	char line[512];
	bool here = false;
	long kb = -1;
	ul lo, hi;

	while (f && kb < 0 && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &lo, &hi) == 2)
			here = lo == at;
		else if (here && !strncmp(line, key, strlen(key)))
			kb = atol(line + strlen(key));
	}
	fclose(f);
	return kb;
}

static void counted(void)
{
	ul p = (ul)map_ss(0, 0x10000, 1);

	for (int i = 0; i < 2; i++) {
		CHECK_EQ(smaps_kb(p, "Size:"), 64);
		CHECK_EQ(smaps_kb(p, "Rss:"), 4 + 4 * i);
		CHECK_EQ(smaps_kb(p, "Private_Dirty:"), 4 + 4 * i);
		CHECK_EQ(smaps_kb(p, "Anonymous:"), 4 + 4 * i);
		CHECK_EQ(smaps_kb(p, "Shared_Dirty:"), 0);
		CHECK_EQ(smaps_kb(p, "Shared_Clean:"), 0);
		CHECK_EQ(smaps_kb(p, "Private_Clean:"), 0);
		if (!i) {
			int fd = open("/proc/self/mem", O_RDWR);

			CHECK_EQ(pwrite(fd, &p, 8, (off_t)p + 0x2000), 8);
			close(fd);
		}
	}
	munmap((void *)p, 0x10000);
}

int main(void)
{
	needs_shstk();
	counted();
	gap_is_nothing();
	forced_vectors();
	errors();
	tokens();
	gaps();
	copies();
	protections();
	moves();
	forked();
	return check_done();
}
