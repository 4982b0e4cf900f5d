/* SPDX-License-Identifier: MIT */
/*
 * Memory that /proc/self/maps does not show: natively there is none, and what gnomon has there cannot be stored to where the
 * CPU has protection keys, neither by an instruction nor by a system call, whatever the program does to PKRU. Near the
 * program that is all of it, the code cache; farther away what each thread's own code writes is left out. With an argument
 * every page is tried, and one may be stored to (`protect --seal`).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include "pku.h"

#define GIB (1ul << 30)
#define STEP (64ul << 10)
#define MOST 64 /* places of each kind that are tried */
#define PAGE 4096
#define ALL 65536 /* the same, where every page is */
#define MAPS 200
#define STACK_ROOM (64ul << 20)

static struct {
	unsigned long start, end;
} map[MAPS];
static int maps, fd[2], code;
static u32 pkru_at, how;

/* the stack comes down to meet whoever asks */
static void read_maps(void)
{
	unsigned long stack = (unsigned long)__builtin_frame_address(0);
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];

	while (f && maps < MAPS && fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx", &map[maps].start, &map[maps].end) == 2) {
			if (stack >= map[maps].start && stack < map[maps].end)
				map[maps].start -= STACK_ROOM;
			maps++;
		}
	fclose(f);
	CHECK(maps < MAPS);
}

static int shown(unsigned long at)
{
	for (int i = 0; i < maps; i++)
		if (at >= map[i].start && at < map[i].end)
			return 1;
	return 0;
}

static int readable(unsigned long at)
{
	char c;

	return write(fd[1], (void *)at, 1) == 1 && read(fd[0], &c, 1) == 1;
}

/* as many places in [from, to) as there are, or as fit */
static int hidden(unsigned long from, unsigned long to, char **found, int most)
{
	int n = 0;

	for (unsigned long at = from & ~(STEP - 1); at < to && n < most; at += STEP)
		if (!shown(at) && readable(at))
			found[n++] = (char *)at;
	return n;
}

static void handler(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	char *x = (char *)uc->uc_mcontext.fpregs;
	u32 open = 0;

	code = signo == SIGSEGV ? info->si_code : -1;
	if (signo == SIGSEGV)
		uc->uc_mcontext.gregs[REG_RIP] += 4;
	if (how)
		memcpy(x + pkru_at, &open, 4);
}

/* the byte that is there already, by an instruction. 0, or what the fault said */
static int store(char *p)
{
	code = 0;
	__asm__ volatile("lock orb $0, (%0)" : : "D"(p) : "memory");
	return code;
}

static void refused(long nr, long a, long b, long c, long d)
{
	long r = syscall(nr, a, b, c, d);

	if (r != -1 || errno != EFAULT)
		fprintf(stderr, "system call %ld\n", nr);
	CHECK_EQ(r, -1);
	CHECK_EQ(errno, EFAULT);
}

/* the same by system calls */
static void calls(char *p)
{
	struct iovec to = { p, 1 };
	char c = *p;

	CHECK_EQ(write(fd[1], p, 1), 1);
	CHECK_EQ(read(fd[0], p, 1), -1);
	CHECK_EQ(errno, EFAULT);
	CHECK_EQ(readv(fd[0], &to, 1), -1);
	CHECK_EQ(errno, EFAULT);
	CHECK_EQ(read(fd[0], &c, 1), 1);
	CHECK_EQ(syscall(SYS_clock_gettime, 1, p), -1);
	CHECK_EQ(errno, EFAULT);
	CHECK_EQ(syscall(SYS_rt_sigprocmask, 0, NULL, p, 8), -1);
	CHECK_EQ(errno, EFAULT);
	CHECK_EQ(syscall(SYS_arch_prctl, 0x1004 /* ARCH_GET_GS */, p), -1);
	CHECK_EQ(errno, EFAULT);
	refused(SYS_stat, (long)"/", (long)p, 0, 0);
	refused(SYS_newfstatat, AT_FDCWD, (long)"/", (long)p, 0);
	refused(SYS_readlink, (long)"/proc/self/exe", (long)p, 8, 0);
	refused(SYS_readlinkat, AT_FDCWD, (long)"/proc/self/fd/0", (long)p, 8);
	refused(SYS_uname, (long)p, 0, 0, 0);
	refused(SYS_getcwd, (long)p, 64, 0, 0);
	refused(SYS_prlimit64, 0, 3, 0, (long)p);
	refused(SYS_getrlimit, 3, (long)p, 0, 0);
	refused(SYS_sigaltstack, 0, (long)p, 0, 0);
	refused(SYS_rt_sigaction, SIGUSR1, 0, (long)p, 8);
	refused(SYS_pipe2, (long)p, 0, 0, 0);
	refused(SYS_prctl, 16 /* PR_GET_NAME */, (long)p, 0, 0);
	refused(SYS_getrandom, (long)p, 8, 0, 0);
	refused(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, (long)p);
	refused(SYS_getitimer, 0, (long)p, 0, 0);
	CHECK_EQ(mprotect((void *)((unsigned long)p & ~4095ul), 4096, PROT_READ | PROT_WRITE), -1);
	CHECK_EQ(errno, ENOMEM);
	CHECK_EQ(syscall(SYS_pkey_mprotect, (unsigned long)p & ~4095ul, 4096, PROT_READ | PROT_WRITE, 0), -1);
	CHECK_EQ(errno, ENOMEM);
}

static char image[8192] __attribute__((aligned(64)));

static void open_all(int by)
{
	how = 0;
	switch (by) {
	case 1:
		wrpkru(0);
		break;
	case 2:
		memset(image + 512, 0, 64);
		__asm__ volatile("xrstor64 %0" : : "m"(image), "a"(0x200), "d"(0) : "memory");
		break;
	case 3:
		how = 1;
		raise(SIGUSR1);
		break;
	case 4:
		for (int key = 1; key < 16; key++)
			CHECK_EQ(syscall(SYS_pkey_free, key), -1);
		while (syscall(SYS_pkey_alloc, 0, 0) > 0)
			;
	}
}

/* how many pages can be stored to, of those that are not shown within 4 GiB of `there` */
static int open_pages(unsigned long there)
{
	static char *found[ALL];
	int n = hidden(there - 4 * GIB, there + 4 * GIB, found, ALL), pages = 0, open = 0;

	CHECK(n < ALL);
	for (int i = 0; i < n; i++) {
		bool follows = i && found[i - 1] == found[i] - STEP;

		for (char *p = found[i] - (follows ? 0 : STEP - PAGE); p < found[i] + STEP; p += PAGE) {
			if (shown((unsigned long)p) || !readable((unsigned long)p))
				continue;
			open += !store(p);
			CHECK(!code || code == SEGV_MAPERR || code == SEGV_ACCERR); /* the engine's own code is read-only */
			pages++;
		}
	}
	fprintf(stderr, "%d pages, of which %d open\n", pages, open);
	return open;
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
	unsigned long here = (unsigned long)main, there;
	char *near[MOST], *far[MOST];
	int nnear, nfar, refused = 0;

	pkru_at = pkru_offset();
	CHECK_EQ(pipe(fd), 0);
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	there = (unsigned long)mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	read_maps();
	nnear = hidden(here > 2 * GIB ? here - 2 * GIB : STEP, here + 2 * GIB, near, MOST);
	nfar = hidden(there, there + 4 * GIB, far, MOST);
	for (int by = 0; by <= 4; by++) {
		open_all(by);
		for (int i = 0; i < nnear; i++)
			CHECK_EQ(store(near[i]), SEGV_MAPERR);
		wrpkru(rdpkru() & ~3u);
	}
	for (int i = 0; i < nnear; i++)
		calls(near[i]);
	for (int i = 0; i < nfar; i++)
		refused += store(far[i]) == SEGV_MAPERR;
	CHECK(!nfar || refused);
	if (argc > 1)
		CHECK_EQ(open_pages(there), 1);
	fprintf(stderr, "%d near, %d far, of which %d refused\n", nnear, nfar, refused);
	return check_done();
}
