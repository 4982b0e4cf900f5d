/* SPDX-License-Identifier: MIT */
/*
 * kern/vma against a model with one entry per page, and kern/guard against real protections: random changes, then
 * every page is asked about.
 *
 * Hosted build:
 *   gcc -std=gnu11 -g -O1 -fsanitize=address,undefined -fno-builtin -Iengine -Iinclude -Itests/lib \
 *     tests/unit/vma_test.c engine/kern/{vma,guard,alias}.c engine/rt/{bug,engine,fmt,lock,log,map,pkey}.c
 * Usage: vma_test [ROUNDS [SEED]]. TAP on stdout.
 * fuzz: 1000000 @SEED@
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "check.h"
#include "cpu/threads.h"
#include "kern/kern.h"
#include "kern/vma.h"

#define PAGES 200
#define BASE 0x300000000000ul

static struct { int prot; u32 flags; } model[PAGES];
static u32 seed = 1;
static int invalidated[PAGES];

struct kthread *kthread_get(struct vcpu *v)
{
	static struct kthread k;

	(void)v;
	return &k;
}

/* while code of a page that is about to be opened is severed, another thread may translate it again */
static int rebuild;

bool rseq_in_page(gaddr_t page) { (void)page; return false; }
void cpu_invalidate(struct vcpu *v, gaddr_t start, gaddr_t end)
{
	(void)v;
	for (gaddr_t p = start; p < end; p += PAGE_SIZE)
		if (p >= BASE && p < BASE + PAGES * PAGE_SIZE)
			invalidated[(p - BASE) / PAGE_SIZE]++;
	if (rebuild > 0) {
		rebuild--;
		vma_guard_code(start);
	}
}

static u32 rnd(u32 n)
{
	seed = seed * 1664525u + 1013904223u;
	return (u32)((u64)(seed >> 8) * n >> 24);
}

static gaddr_t addr(u32 page)
{
	return BASE + page * PAGE_SIZE;
}

static bool compare(void)
{
	struct vma prev = { .start = 0 }, a;

	for (u32 i = 0; i < PAGES; i++) {
		gaddr_t end;
		int prot = vma_prot(addr(i) + rnd(PAGE_SIZE), &end);

		if (prot != model[i].prot || end <= addr(i) || (end & ~PAGE_MASK))
			return false;
		for (u32 k = i; k < PAGES && addr(k) < end; k++)
			if (model[k].prot != prot)
				return false;
		if (prot >= 0 && (!vma_find(addr(i), &a) || a.start > addr(i) || a.flags != model[i].flags))
			return false;
	}
	/* disjoint, sorted, merged */
	for (gaddr_t at = 0; vma_find(at, &a); at = a.end) {
		if (a.start >= a.end || a.start < prev.end ||
		    (prev.end && prev.end == a.start && prev.prot == a.prot && prev.flags == a.flags &&
		     !(a.flags & VMA_SHM)))
			return false;
		prev = a;
	}
	return true;
}

static void change(void)
{
	u32 from = rnd(PAGES), n = 1 + rnd(rnd(4) ? 8 : PAGES - from), to = min(from + n, (u32)PAGES);
	int op = (int)rnd(8), prot = (int)rnd(8);
	u32 flags = rnd(4) ? 0 : rnd(2) ? VMA_SHARED : VMA_SHM;

	if (op < 4)
		vma_set_flags(addr(from), addr(to), prot, flags);
	else if (op < 6)
		vma_clear(addr(from), addr(to));
	vma_lock();
	if (op == 6)
		vma_protect_locked(addr(from), addr(to), prot);
	else if (op == 7)
		vma_flag_locked(addr(from), addr(to), VMA_SEALED);
	vma_unlock();
	for (u32 i = from; i < to; i++) {
		if (op < 4) {
			model[i].prot = prot;
			model[i].flags = flags;
		} else if (op < 6) {
			model[i].prot = -1;
		} else if (op == 6 && model[i].prot >= 0) {
			model[i].prot = prot;
		} else if (op == 7 && model[i].prot >= 0) {
			model[i].flags |= VMA_SEALED;
		}
	}
}

/* the host lets nobody write here */
static bool host_read_only(gaddr_t page)
{
	u64 iov[2] = { page, 1 };
	int fds[2];
	long r;

	/* reading one byte into the page tells without a signal */
	if (sys2(__NR_pipe2, fds, 0) || sys3(__NR_write, fds[1], "x", 1) != 1)
		abort();
	r = sys3(__NR_readv, fds[0], iov, 1);
	sys1(__NR_close, fds[0]);
	sys1(__NR_close, fds[1]);
	return r == -EFAULT;
}

static void guards(void)
{
	gaddr_t p = addr(3), q = addr(4);

	vma_clear(addr(0), addr(PAGES));
	if (mmap((void *)BASE, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		 0) == MAP_FAILED)
		abort();
	vma_set(addr(0), addr(10), PROT_READ | PROT_WRITE | PROT_EXEC);
	vma_set(addr(10), addr(12), PROT_READ | PROT_EXEC);
	CHECK_EQ(vma_guard_code(addr(10)), 0);
	CHECK_EQ(vma_nguarded, 0);
	CHECK(!vma_write_fault(NULL, addr(10)));
	CHECK(!vma_write_fault(NULL, addr(20)));

	CHECK_EQ(vma_guard_code(p + 5), 0);
	CHECK_EQ(vma_guard_code(q), 0);
	CHECK_EQ(vma_guard_code(q), 0);
	CHECK_EQ(vma_nguarded, 2);
	CHECK(host_read_only(p) && host_read_only(q) && !host_read_only(addr(5)));
	CHECK(vma_write_fault(NULL, p + 17));
	CHECK_EQ(vma_nguarded, 1);
	CHECK_EQ(invalidated[3], 1);
	CHECK(!host_read_only(p) && host_read_only(q));
	/* the other thread that faulted there */
	CHECK(vma_write_fault(NULL, p));
	CHECK_EQ(invalidated[3], 1);

	/* translated again while it is being opened */
	rebuild = 3;
	CHECK(vma_write_fault(NULL, q));
	CHECK_EQ(invalidated[4], 4);
	CHECK_EQ(vma_nguarded, 0);
	CHECK(!host_read_only(q));

	/* the kernel is about to write over a range */
	CHECK(!vma_unguard(NULL, addr(0), addr(10)));
	for (u32 i = 0; i < 10; i += 2)
		CHECK_EQ(vma_guard_code(addr(i)), 0);
	CHECK(vma_unguard(NULL, addr(2) + 1, addr(5)));
	CHECK_EQ(vma_nguarded, 3);
	CHECK(vma_unguard(NULL, 0, ~0ul));
	CHECK_EQ(vma_nguarded, 0);
	CHECK(!host_read_only(addr(8)));

	/* however often it is written */
	for (u32 i = 0; i < 100; i++) {
		CHECK_EQ(vma_guard_code(p), 0);
		CHECK(vma_write_fault(NULL, p));
	}
	vma_lock();
	guard_drop_locked(p, q, true); /* something else is mapped there */
	vma_unlock();

	/* a thread that never stops translating it again */
	CHECK_EQ(vma_guard_code(p), 0);
	rebuild = 100;
	CHECK(vma_write_fault(NULL, p));
	CHECK(rebuild > 80);
	rebuild = 0;
	vma_unguard(NULL, p, q);
	CHECK_EQ(vma_nguarded, 0);

	/* sealed: nothing can be promised */
	vma_lock();
	vma_flag_locked(addr(6), addr(7), VMA_SEALED);
	vma_unlock();
	CHECK_EQ(vma_guard_code(addr(6)), 1);

	/* more pages than the first table holds */
	vma_set(addr(0), addr(PAGES), 7);
	for (u32 round = 0; round < 20; round++) {
		for (u32 i = 0; i < PAGES; i++)
			CHECK_EQ(vma_guard_code(addr(i)), 0);
		vma_lock();
		guard_drop_locked(addr(0), addr(PAGES / 2), true);
		vma_unlock();
		CHECK_EQ(vma_nguarded, PAGES / 2);
		vma_unguard(NULL, BASE - PAGE_SIZE, BASE + (1ul << 40));
		CHECK_EQ(vma_nguarded, 0);
	}
}

int main(int argc, char **argv)
{
	u32 rounds = argc > 1 ? (u32)atoi(argv[1]) : 20000;

	if (argc > 2)
		seed = (u32)atoi(argv[2]);
	CHECK_EQ(vma_init(), 0);
	for (u32 i = 0; i < PAGES; i++)
		model[i].prot = -1;
	for (u32 i = 0; i < rounds && !check_failed; i++) {
		change();
		if (i % 16 == 0)
			CHECK(compare());
	}
	guards();
	return check_done();
}
