/* SPDX-License-Identifier: MIT */
/*
 * Writes a report as an engine would, through engine/kern/report.c itself: violations of every class at places
 * of this program, of generated code and of unmapped memory, from several threads and a forked child.
 * Built hosted, with engine/rt. usage: fabricate FILE clean|unwind|all|hammer|many|bug|bench
 * Named gnomon-engine beside gnomon it is also a stand-in for the engine, which plays the scenario of $FAKE.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv);

#include "kern/report.h"
#include "rt/engine.h"

struct cpu_upcalls cpu_up;
static struct vcpu self;

/* mapped or not, by asking the kernel; everything below is in this program's map */
static int prot(gaddr_t page, gaddr_t *end)
{
	unsigned char v;

	*end = page + PAGE_SIZE;
	if (mincore((void *)page, PAGE_SIZE, &v) < 0)
		return -1;
	return page == ((gaddr_t)__builtin_frame_address(0) & PAGE_MASK) ? PROT_READ | PROT_WRITE :
									    PROT_READ | PROT_EXEC;
}

__attribute__((noinline)) int victim(int n)
{
	return n * 3 + getpid();
}

__attribute__((noinline)) int caller(int n)
{
	return victim(n) + 1;
}

static struct violation make(u32 class, u64 at)
{
	struct violation x = {
		.class = class,
		.ret = at,
		.expected = (u64)caller + 9,
		.actual = 0x4141414141414141,
		.call = (u64)caller + 4,
		.rsp = (u64)__builtin_frame_address(0) + 24,
		.ssp = 0x7f0000001000,
		.nframes = 3,
		.frames = { (u64)caller + 9, (u64)main + 5, (u64)getpid + 3 },
	};

	return x;
}

static void report(u32 class, u64 at)
{
	struct violation x = make(class, at);

	if (class == GN_UNWIND) {
		x.actual = (u64)main + 5;
		x.depth = 2;
	}
	if (class == GN_STACK_SWITCH)
		x.switcher = (u64)victim + 2;
	report_violation(&self, &x);
}

#define HAMMERS 100000
static void *hammer(void *arg)
{
	for (int i = 0; i < HAMMERS; i++) {
		report(GN_UNWIND, (u64)victim);
		report(GN_NEVER_CALLED, (u64)victim + (i & 15));
		if (i % 1000 == 0)
			report_forget((u64)victim, (u64)victim + 8);
	}
	return NULL;
}

static void all(void)
{
	char *jit = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	report(GN_UNWIND, (u64)victim + 1);
	report(GN_STACK_SWITCH, (u64)caller + 3);
	for (int i = 0; i < 3; i++)
		report(GN_OVERWRITTEN, (u64)victim + 4);
	report(GN_NEVER_CALLED, (u64)jit + 16);
	report(GN_NEVER_CALLED, (u64)jit + PAGE_SIZE + 16);
	pid = fork();
	if (pid == 0) {
		report_after_fork();
		report_exec("/bin/\"quoted\\path\x01\xff\xc3\xa9");
		report(GN_OVERWRITTEN, (u64)victim + 4);
		report_exit(3);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	report(GN_CP_OTHER, (u64)getpid + 2);
	report_native("/usr/bin/thirtytwo", "32-bit program");
	report_note("note %d <&>", 7);
}

static void many(void)
{
	for (u64 i = 0; i < GN_SITES + 500; i++)
		report(GN_NEVER_CALLED, (u64)victim + i);
	for (int i = 0; i < 800000; i++) /* more than the log holds */
		report_note("flood %d", i);
}

static void bench(void)
{
	struct timespec a, b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < 1000000; i++)
		report(GN_UNWIND, (u64)victim + 1);
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("%.1f ns each\n", (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6);
}

static void scenario(const char *what)
{
	struct violation x = make(GN_NEVER_CALLED, (u64)victim + 2);
	pthread_t t[4];

	if (!strcmp(what, "unwind")) {
		report(GN_UNWIND, (u64)victim + 1);
	} else if (!strcmp(what, "moved")) {
		x.depth = 2;
		x.actual = (u64)main + 5;
		report_violation(&self, &x);
	} else if (!strcmp(what, "all")) {
		all();
	} else if (!strcmp(what, "many")) {
		many();
	} else if (!strcmp(what, "bug")) {
		report_bug();
	} else if (!strcmp(what, "bench")) {
		bench();
	} else if (!strcmp(what, "hammer")) {
		for (int i = 0; i < 4; i++)
			pthread_create(&t[i], NULL, hammer, NULL);
		for (int i = 0; i < 4; i++)
			pthread_join(t[i], NULL);
	}
}

static struct gn_board *map_board(int fd)
{
	void *p = mmap(NULL, sizeof(struct gn_board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		exit(2);
	return p;
}

/* started by gnomon: checks what board.h promises, plays $FAKE, becomes the program */
static int as_engine(int n, char **argv)
{
	struct gn_exec x;

	eng.board = map_board(n + GN_FD_BOARD);
	if (pread(n + GN_FD_EXEC, &x, sizeof(x), 0) != sizeof(x) || x.magic != GN_BOARD_MAGIC ||
	    !(x.flags & GN_EXEC_RAW) || strcmp(x.file, x.execfn) || eng.board->magic != GN_BOARD_MAGIC ||
	    eng.board->size != sizeof(struct gn_board))
		return 3;
	if (getenv("FAKE_SHOW"))
		dprintf(n + GN_FD_LOG, "base=%d file=%s comm=%s mode=%u flags=%x fault=%u flush=%u\n", n, x.file, x.comm,
			eng.board->set.mode, eng.board->set.flags, eng.board->set.fault_nth, eng.board->set.flush_every);
	for (int i = 0; i < GN_FD_PROG; i++)
		close(n + i);
	report_exec(x.file);
	if (getenv("FAKE"))
		scenario(getenv("FAKE"));
	report_exit(0);
	execv(x.file, argv);
	return 4;
}

int main(int argc, char **argv)
{
	const char *execfn = (const char *)getauxval(AT_EXECFN);
	int fd;

	cpu_up.prot = prot;
	if (!strncmp(execfn, "/dev/fd/", 8))
		return as_engine(atoi(execfn + 8), argv);
	if (argc != 3)
		return 2;
	fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0644);
	if (fd < 0 || ftruncate(fd, sizeof(struct gn_board)) < 0)
		return 2;
	eng.board = map_board(fd);
	eng.board->magic = GN_BOARD_MAGIC;
	eng.board->version = GN_BOARD_VERSION;
	eng.board->size = sizeof(struct gn_board);
	eng.board->set.mode = GN_MODE_CHECK;
	report_exec("/usr/bin/fabricated");
	scenario(argv[2]);
	report_exit(0);
	return ftruncate(fd, (long)(offsetof(struct gn_board, log) + min(eng.board->log_used, (u64)GN_LOG_BYTES)));
}
