/* SPDX-License-Identifier: MIT */
/* flags: -mshstk */
#define _GNU_SOURCE
/* Shadow stacks of threads, forked and vforked children: which they get, how large, when they go. */
#include <sched.h>
#include <sys/uio.h>
#include "shstk.h"

#define THREAD (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID)

static char stack[262144] __attribute__((aligned(64)));
static volatile int tid;
static volatile ul ssp_in, status_in, size_in;
static volatile int depth = 1000, measure;

static void __attribute__((noinline)) nested(int n)
{
	if (n)
		nested(n - 1);
	__asm__ volatile("" : : : "memory");
}

/* the shadow stack that ends at `end` */
static ul size_of(ul end)
{
	FILE *f = fopen("/proc/thread-self/smaps", "r");
	char line[512];
	ul lo, hi, size = 0;

	while (f && fgets(line, sizeof(line), f)) {
		int n = sscanf(line, "%lx-%lx ", &lo, &hi) == 2 && strchr(line, '-') && hi == end;

		if (n)
			size = hi - lo;
	}
	if (f)
		fclose(f);
	return size;
}

static void __attribute__((noinline)) in_child(void)
{
	ssp_in = rdssp() + 8; /* the call of this function */
	status_in = status();
	nested(depth);
	if (measure)
		size_in = size_of(ssp_in);
}

/* the child comes with an empty shadow stack: it can only call */
#define CLONE_AND_CALL(nr, a, b, c, d)                                                                                  \
	({                                                                                                              \
		long r_;                                                                                                \
		register long r10_ __asm__("r10") = (long)(d);                                                         \
		register long r8_ __asm__("r8") = 0;                                                                    \
		__asm__ volatile("syscall; test %%rax, %%rax; jnz 1f; xor %%ebp, %%ebp; call *%[fn]; mov $60, %%eax;"   \
				 "xor %%edi, %%edi; syscall; 1:"                                                        \
				 : "=a"(r_), "+r"(r10_), "+r"(r8_)                                                      \
				 : "0"((long)(nr)), "D"((long)(a)), "S"((long)(b)), "d"((long)(c)), [fn] "b"(in_child)  \
				 : "rcx", "r11", "memory");                                                             \
		r_;                                                                                                     \
	})

INLINE void wait_for_thread(void)
{
	struct { long s, ns; } t = { 0, 1000000 };

	while (tid)
		sc(SYS_nanosleep, &t, 0);
}

INLINE long readable(ul at)
{
	ul w;
	struct iovec l = { &w, 8 }, r = { (void *)at, 8 };

	return sc(SYS_process_vm_readv, sc(SYS_getpid), &l, 1, &r, 1, 0);
}

static struct { ul flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, more[3]; } c3;

static void thread(void)
{
	ul before;

	catch_faults();
	enable();
	before = rdssp();
	prctl_(LOCK, WRSS);
	tid = 1;
	out->v[0] = CLONE_AND_CALL(SYS_clone, THREAD, stack + sizeof(stack) - 64, 0, &tid) > 0;
	wait_for_thread();
	out->v[1] = ssp_in != before && ssp_in != 0;
	out->v[2] = (long)status_in;
	out->v[3] = readable(ssp_in - 8);
	tid = 1;
	c3.flags = THREAD;
	c3.child_tid = (ul)&tid;
	c3.stack = (ul)stack;
	c3.stack_size = sizeof(stack) - 64;
	out->v[4] = CLONE_AND_CALL(SYS_clone3, &c3, 88, 0, 0) > 0;
	wait_for_thread();
	out->v[5] = (long)status_in;
	out->v[6] = rdssp() == before;
	nested(100);
	quit(0);
}

static void not_on(void)
{
	tid = 1;
	out->v[0] = CLONE_AND_CALL(SYS_clone, THREAD, stack + sizeof(stack) - 64, 0, &tid) > 0;
	wait_for_thread();
	out->v[1] = (long)status_in;
	out->v[2] = (long)ssp_in; /* 0 + 8 */
	quit(0);
}

static void other_process(void)
{
	ul before;
	long p;

	enable();
	before = rdssp();
	p = CLONE_AND_CALL(SYS_clone, CLONE_VM | SIGCHLD, stack + sizeof(stack) - 64, 0, 0);
	sc(SYS_wait4, p, 0, 0, 0);
	out->v[0] = p > 0 && ssp_in != before && ssp_in;
	quit(0);
}

static void sizes(void)
{
	static const ul want[] = { 0x6000, 0x40000 };
	struct { ul cur, max; } lim = { 0x30001, 0x30001 };

	enable();
	depth = 10;
	measure = 1;
	for (int i = 0; i < 2; i++) {
		tid = 1;
		c3.flags = THREAD;
		c3.child_tid = (ul)&tid;
		c3.stack = (ul)stack;
		c3.stack_size = want[i] - 16;
		out->v[2 * i] = CLONE_AND_CALL(SYS_clone3, &c3, 88, 0, 0) > 0;
		wait_for_thread();
		out->v[2 * i + 1] = size_in == want[i];
	}
	sc(SYS_prlimit64, 0, 3, &lim, NULL);
	tid = 1;
	out->v[4] = CLONE_AND_CALL(SYS_clone, THREAD, stack + sizeof(stack) - 64, 0, &tid) > 0;
	wait_for_thread();
	out->v[5] = size_in == 0x31000;
	quit(0);
}

static void forks(void)
{
	ul before;
	int st = -1;
	long p;

	enable();
	before = rdssp();
	for (int i = 0; i < 10; i++) {
		p = sc(SYS_fork);
		if (!p) {
			nested(300);
			quit(rdssp() == before && status() == 1 ? 3 : 4);
		}
		nested(200);
		sc(SYS_wait4, p, &st, 0, 0);
		out->v[0] += st == 3 << 8;
	}
	quit(0);
}

/* a forked child has its own copy of what its parent wrote, of stacks that nobody stands on, too */
static void forked_memory(void)
{
	ul p, q;
	int st = -1;
	long pid;

	enable();
	enable_wrss();
	p = map_ss(0, 0x3000, 0);
	q = map_ss(0, 0x1000, 1);
	wrss(p + 0x1000, 11);
	pid = sc(SYS_fork);
	if (!pid) {
		int good = *(ul *)(p + 0x1000) == 11 && *(ul *)(q + 0xff8) == ((q + 0x1000) | 1);

		wrss(p + 0x1000, 12);
		rstorssp(q + 0xff8);
		nested(50);
		pid = sc(SYS_fork); /* and the child's child */
		if (!pid)
			quit(*(ul *)(p + 0x1000) == 12 && rdssp() == q + 0xff8 ? 6 : 7);
		sc(SYS_wait4, pid, &st, 0, 0);
		quit(good && st == 6 << 8 ? 5 : 4);
	}
	sc(SYS_wait4, pid, &st, 0, 0);
	out->v[0] = st;
	out->v[1] = (long)*(ul *)(p + 0x1000);
	out->v[2] = *(ul *)(q + 0xff8) == ((q + 0x1000) | 1);
	quit(0);
}

static void vforks(void)
{
	ul before;
	int st = -1;
	long p;

	enable();
	before = rdssp();
	p = sc(SYS_vfork);
	if (!p) {
		out->v[0] = rdssp() == before && status() == 1;
		nested(100);
		out->v[1] = prctl_(DISABLE, SHSTK);
		out->v[2] = (long)status();
		nested(100);
		sc(SYS_exit, 5);
	}
	sc(SYS_wait4, p, &st, 0, 0);
	out->v[3] = st;
	out->v[4] = rdssp() == before && status() == 1;
	nested(100);
	quit(0);
}

int main(void)
{
	needs_shstk();
	CHECK_ENDS(thread, 0);
	CHECK_EQ(out->v[0], 1);
	CHECK_EQ(out->v[1], 1);
	CHECK_EQ(out->v[2], 1);
	CHECK_EQ(out->v[3], -EFAULT);
	CHECK_EQ(out->v[4], 1);
	CHECK_EQ(out->v[5], 1);
	CHECK_EQ(out->v[6], 1);
	CHECK_ENDS(not_on, 0);
	CHECK_EQ(out->v[0], 1);
	CHECK_EQ(out->v[1], 0);
	CHECK_EQ(out->v[2], 8);
	CHECK_ENDS(other_process, 0);
	CHECK_EQ(out->v[0], 1);
	CHECK_ENDS(sizes, 0);
	for (int i = 0; i < 6; i++)
		CHECK_EQ(out->v[i], 1);
	CHECK_ENDS(forks, 0);
	CHECK_EQ(out->v[0], 10);
	CHECK_ENDS(forked_memory, 0);
	CHECK_EQ(out->v[0], 5 << 8);
	CHECK_EQ(out->v[1], 11);
	CHECK_EQ(out->v[2], 1);
	CHECK_ENDS(vforks, 0);
	CHECK_EQ(out->v[0], 1);
	CHECK_EQ(out->v[1], 0);
	CHECK_EQ(out->v[2], 0);
	CHECK_EQ(out->v[3], 5 << 8);
	CHECK_EQ(out->v[4], 1);
	return check_done();
}
