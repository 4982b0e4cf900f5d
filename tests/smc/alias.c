/* SPDX-License-Identifier: MIT */
/* libs: -pthread
 * also: preempt=2
 * timeout: 60
 * Code of shared memory that is written through another mapping of it: before and after it ran, by a mapping that is
 * made later, grows, moves or changes its rights, by the kernel, by another thread, through a copy by mremap, System V
 * and anonymous shared memory, a private mapping of a file that is written by a shared one. (.NET, libffi and others
 * keep code this way.) */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/uio.h>
#include "check.h"

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define RX (PROT_READ | PROT_EXEC)

typedef unsigned (*fn)(void);

static void put(unsigned char *p, unsigned value)
{
	p[0] = 0xb8; /* mov $value, %eax; ret */
	memcpy(p + 1, &value, 4);
	p[5] = 0xc3;
}

static unsigned run(void *p)
{
	return ((fn)p)();
}

static int fd;

static unsigned char *view(size_t len, int prot, off_t off)
{
	unsigned char *p = mmap(NULL, len, prot, MAP_SHARED, fd, off);

	CHECK(p != MAP_FAILED);
	return p;
}

static void both_ways(void)
{
	unsigned char *w = view(4 * PAGE, RW, 0), *x = view(4 * PAGE, RX, 0);

	for (unsigned i = 0; i < 500; i++) {
		unsigned at = i * 1300 % (4 * PAGE - 8); /* also across pages */

		put(w + at, i);
		CHECK_EQ(run(x + at), i);
		w[at + 1] = (unsigned char)(i + 1);
		CHECK_EQ(run(x + at) & 255, (i + 1) & 255);
	}
	munmap(w, 4 * PAGE);
	/* what is left of it runs on; a new view, of a part, at another offset, writes to it */
	put(w = view(PAGE, RW, 2 * PAGE), 77);
	CHECK_EQ(run(x + 2 * PAGE), 77);
	put(w, 78);
	CHECK_EQ(run(x + 2 * PAGE), 78);
	/* rights come and go */
	mprotect(w, PAGE, PROT_READ);
	CHECK_EQ(run(x + 2 * PAGE), 78);
	mprotect(w, PAGE, RW);
	put(w, 79);
	CHECK_EQ(run(x + 2 * PAGE), 79);
	/* the writable view moves */
	unsigned char *to = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(mremap(w, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	put(to, 80);
	CHECK_EQ(run(x + 2 * PAGE), 80);
	/* it grows over code that ran */
	put(to, 81);
	CHECK_EQ(run(x + 2 * PAGE), 81);
	to = mremap(to, PAGE, 2 * PAGE, MREMAP_MAYMOVE);
	CHECK(to != MAP_FAILED);
	put(to + PAGE, 82);
	CHECK_EQ(run(x + 3 * PAGE), 82);
	put(to + PAGE, 83);
	CHECK_EQ(run(x + 3 * PAGE), 83);
	/* the kernel writes through it */
	int pipes[2];
	unsigned char buf[6];

	CHECK(pipe(pipes) == 0);
	for (unsigned i = 0; i < 50; i++) {
		struct iovec v = { to + PAGE, 6 };

		put(buf, i);
		CHECK_EQ(write(pipes[1], buf, 6), 6);
		CHECK_EQ(i & 1 ? read(pipes[0], to + PAGE, 6) : readv(pipes[0], &v, 1), 6);
		CHECK_EQ(run(x + 3 * PAGE), i);
	}
	munmap(to, 2 * PAGE);
	munmap(x, 4 * PAGE);
}

/* as runtimes do that never have a page writable and executable: a view for each piece of code written */
static void for_each_write(void)
{
	unsigned char *x = view(16 * PAGE, RX, 0);

	for (unsigned i = 0; i < 300; i++) {
		unsigned at = i * 37 % 16 * PAGE + i % 50 * 64;
		unsigned char *w = view(PAGE, RW, at / PAGE * PAGE);

		put(w + at % PAGE, i);
		munmap(w, PAGE);
		CHECK_EQ(run(x + at), i);
	}
	munmap(x, 16 * PAGE);
}

static void two_writers_two_readers(void)
{
	unsigned char *w[2] = { view(PAGE, RW, 0), view(PAGE, RW | PROT_EXEC, 0) };
	unsigned char *x[2] = { view(PAGE, RX, 0), w[1] };

	for (unsigned i = 0; i < 400; i++) {
		put(w[i & 1], i);
		CHECK_EQ(run(x[i >> 1 & 1]), i);
		put(w[i >> 1 & 1], i + 1);
		CHECK_EQ(run(x[0]), i + 1);
		CHECK_EQ(run(x[1]), i + 1);
	}
	munmap(w[0], PAGE);
	munmap(w[1], PAGE);
	munmap(x[0], PAGE);
}

static void without_a_file(void)
{
	unsigned char *x = mmap(NULL, 2 * PAGE, RW | PROT_EXEC, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned char *w = mremap(x, 0, 2 * PAGE, MREMAP_MAYMOVE);
	int id = shmget(IPC_PRIVATE, 2 * PAGE, IPC_CREAT | 0700);

	CHECK(w != MAP_FAILED);
	for (unsigned i = 0; i < 100; i++) {
		put(w + PAGE, i);
		CHECK_EQ(run(x + PAGE), i);
	}
	x = shmat(id, NULL, SHM_EXEC | SHM_RDONLY);
	w = shmat(id, NULL, 0);
	CHECK(x != (void *)-1 && w != (void *)-1);
	shmctl(id, IPC_RMID, NULL);
	for (unsigned i = 0; i < 100; i++) {
		put(w + PAGE, i);
		CHECK_EQ(run(x + PAGE), i);
	}
	shmdt(w);
	CHECK_EQ(run(x + PAGE), 99);
	shmdt(x);
}

static void private_code(void)
{
	unsigned char *w = view(PAGE, RW, PAGE), *x = mmap(NULL, PAGE, RX, MAP_PRIVATE, fd, PAGE);

	for (unsigned i = 0; i < 100; i++) {
		put(w, i);
		CHECK_EQ(run(x), i);
	}
	munmap(w, PAGE);
	munmap(x, PAGE);
}

static unsigned char *shared_x, *shared_w;
static _Atomic unsigned turn, answer;

static void *runner(void *p)
{
	for (unsigned want = 1; want < 1000; want += 2) {
		while (turn != want)
			sched_yield();
		answer = run(shared_x + want % 7 * 600);
		turn = want + 1;
	}
	return NULL;
}

/* one writes, another runs; and a third maps and unmaps views of the same memory all the time */
static _Atomic int stop;

static void *mapper(void *p)
{
	while (!stop) {
		unsigned char *w = view(2 * PAGE, RW, 0);

		w[PAGE - 1] = 1;
		munmap(w, 2 * PAGE);
		sched_yield();
	}
	return NULL;
}

static void threads(void)
{
	pthread_t t, m;

	shared_x = view(2 * PAGE, RX, 0);
	shared_w = view(2 * PAGE, RW, 0);
	pthread_create(&t, NULL, runner, NULL);
	pthread_create(&m, NULL, mapper, NULL);
	for (unsigned i = 1; i < 1000; i += 2) {
		put(shared_w + i % 7 * 600, i);
		turn = i;
		while (turn != i + 1)
			sched_yield();
		CHECK_EQ(answer, i);
	}
	stop = 1;
	pthread_join(t, NULL);
	pthread_join(m, NULL);
}

int main(void)
{
	fd = memfd_create("code", 0);
	CHECK(ftruncate(fd, 16 * PAGE) == 0);
	both_ways();
	for_each_write();
	two_writers_two_readers();
	without_a_file();
	private_code();
	threads();
	return check_done();
}
