/* SPDX-License-Identifier: MIT */
/* One tracer of many: every thread of a process, a thread that is born traced, children that asked for it. With the argument
 * "scarce" (tests/badinput/test_limits.py) there is no memory for any more at some point: then PTRACE_SEIZE says so, a birth
 * fails, who asks is killed, and whoever is traced is traced as always. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include "tracer.h"

#define THREADS 40
#define ASKED 20

static volatile struct shared {
	word threads, ready, birth, ask, born, refused;
	pid_t tid[THREADS];
} *shared;
static int scarce, refused, killed;
static pid_t many_of, asked[ASKED], traced[THREADS];
static int nasked, ntraced;

static void *wait_here(void *at)
{
	*(volatile pid_t *)at = (pid_t)syscall(SYS_gettid);
	for (;;)
		pause();
	return NULL;
}

static void *be_born(void *arg)
{
	shared->born = 1;
	return arg;
}

static int begin(void *(*fn)(void *), void *arg)
{
	pthread_attr_t a;
	pthread_t t;
	int r;

	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, 64 << 10);
	r = pthread_create(&t, &a, fn, arg);
	if (!r && fn == be_born)
		pthread_join(t, NULL);
	return r;
}

/* many threads; then, when told to, one more */
static void many(void)
{
	int n = 0;

	while (n < THREADS && !begin(wait_here, (void *)&shared->tid[n])) {
		while (!shared->tid[n])
			sched_yield();
		n++;
	}
	shared->threads = (word)n;
	shared->ready = 1;
	while (!shared->birth)
		sched_yield();
	shared->refused = (word)begin(be_born, NULL);
	_exit(3);
}

static void ask(void)
{
	while (!shared->ask)
		usleep(1000);
	if (ptrace(PTRACE_TRACEME, 0, 0, 0))
		_exit(9);
	raise(SIGSTOP);
	_exit(5);
}

static pid_t start(void (*fn)(void))
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid) {
		CHECK(pid > 0 || scarce);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fn();
	return 0;
}

/* true: it is traced. Else there was no memory for it */
static int seize(pid_t tid, int options)
{
	if (TRACE(PTRACE_SEIZE, tid, 0, options) == 0)
		return 1;
	CHECK(scarce && errno == ENOMEM);
	refused++;
	return 0;
}

static void interrupt(pid_t tid)
{
	CHECK(TRACE(PTRACE_INTERRUPT, tid, 0, 0) == 0);
	CHECK(is_stop(wait_status(tid), PTRACE_EVENT_STOP << 8 | SIGTRAP));
	CHECK(regs_of(tid).rip != 0);
}

/* true: the process is traced, and so is each thread that it makes */
static int seize_them(void)
{
	int all = seize(many_of, PTRACE_O_TRACECLONE);

	for (word i = 0; i < shared->threads; i++)
		if (seize(shared->tid[i], 0))
			traced[ntraced++] = shared->tid[i];
	for (int i = 0; i < ntraced; i++) {
		interrupt(traced[i]);
		CHECK(TRACE(PTRACE_CONT, traced[i], 0, 0) == 0);
	}
	return all;
}

/* its threads end first */
static void ends(void)
{
	for (int i = 0; i < ntraced; i++)
		CHECK(wait_status(traced[i]) == 3 << 8);
	CHECK(wait_status(many_of) == 3 << 8);
}

static void test_birth(void)
{
	word msg = 0;
	pid_t tid;
	siginfo_t si;

	interrupt(many_of);
	shared->birth = 1;
	CHECK(TRACE(PTRACE_CONT, many_of, 0, 0) == 0);
	waitid(P_ALL, 0, &si, WSTOPPED | WEXITED | WNOWAIT | __WALL);
	if (si.si_pid != many_of || si.si_code != CLD_TRAPPED) {
		CHECK(scarce && shared->refused);
		refused++;
		ends();
		return;
	}
	CHECK(is_stop(wait_status(many_of), PTRACE_EVENT_CLONE << 8 | SIGTRAP));
	CHECK(TRACE(PTRACE_GETEVENTMSG, many_of, 0, &msg) == 0);
	tid = (pid_t)msg;
	CHECK(is_stop(wait_status(tid), PTRACE_EVENT_STOP << 8 | SIGTRAP));
	CHECK(!shared->born);
	CHECK(TRACE(PTRACE_CONT, tid, 0, 0) == 0);
	CHECK(wait_status(tid) == 0);
	CHECK(shared->born);
	CHECK(TRACE(PTRACE_CONT, many_of, 0, 0) == 0);
	ends();
}

/* they are there all at once */
static void test_asked(void)
{
	int there = 0;

	shared->ask = 1;
	for (int i = 0; i < nasked; i++) {
		int s = wait_status(asked[i]);

		CHECK(is_stop(s, SIGSTOP) || (scarce && s == SIGKILL));
		if (is_stop(s, SIGSTOP))
			asked[there++] = asked[i];
	}
	killed = nasked - there;
	for (int i = 0; i < there; i++)
		CHECK(regs_of(asked[i]).rip != 0);
	for (int i = 0; i < there; i++)
		CHECK(go(PTRACE_CONT, asked[i], 0) == 5 << 8);
}

int main(int argc, char **argv)
{
	struct rlimit none = { 0, RLIM_INFINITY };

	setvbuf(stdout, NULL, _IOLBF, 0);
	scarce = argc > 1 && !strcmp(argv[1], "scarce");
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	many_of = start(many);
	while (nasked < ASKED && (asked[nasked] = start(ask)) > 0)
		nasked++;
	while (many_of > 0 && !shared->ready)
		usleep(1000);
	CHECK(scarce || shared->threads == THREADS);
	if (scarce)
		setrlimit(RLIMIT_AS, &none);
	if (many_of > 0 && seize_them())
		test_birth();
	test_asked();
	if (scarce)
		printf("# of %d: %d refused, %d killed\n", THREADS + 2 + ASKED, refused, killed);
	return check_done();
}
