/* SPDX-License-Identifier: MIT */
/* Tracers that come to a process that runs already: PTRACE_ATTACH and PTRACE_SEIZE, to one in a loop and to one asleep, to a
 * thread; PTRACE_INTERRUPT, stops of the whole process, PTRACE_LISTEN; leaving it again, with and without a signal; what
 * becomes of a tracee whose tracer ends. */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include "tracer.h"

#define EVENT(event, sig) ((event) << 8 | (sig))

static volatile struct shared {
	word turns, handled, ready, tid;
} *shared;

static void handler(int signo)
{
	shared->handled++;
}

static pid_t child(void (*fn)(void))
{
	pid_t pid;

	memset((void *)shared, 0, sizeof(*shared));
	fflush(stdout);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGUSR1, handler);
		fn();
		_exit(0);
	}
	while (!shared->ready)
		sched_yield();
	return pid;
}

static void loop(void)
{
	shared->ready = 1;
	for (;;)
		shared->turns++;
}

static void sleep_on(void)
{
	struct pollfd none = { -1, 0, 0 };

	shared->ready = 1;
	for (;;)
		if (poll(&none, 1, -1) < 0 && errno == EINTR)
			shared->turns++;
}

static void nap(long ms)
{
	struct timespec ts = { 0, ms * 1000000 };

	nanosleep(&ts, NULL);
}

static int runs(void)
{
	word before = shared->turns;

	for (int i = 0; i < 1000 && shared->turns == before; i++)
		nap(1);
	return shared->turns != before;
}

static void test_attach(void)
{
	pid_t pid = child(loop);
	struct user_regs_struct r;
	word before;
	int s;

	CHECK(TRACE(PTRACE_CONT, pid, 0, 0) == -1 && errno == ESRCH);
	CHECK(TRACE(PTRACE_ATTACH, pid, 0, 0) == 0);
	CHECK(TRACE(PTRACE_ATTACH, pid, 0, 0) == -1 && errno == EPERM);
	s = wait_status(pid);
	CHECK(is_stop(s, SIGSTOP));
	before = shared->turns;
	nap(5);
	CHECK(shared->turns == before);
	r = regs_of(pid);
	CHECK(r.rip > (word)loop - 4096 && r.rip < (word)loop + 4096);
	CHECK(TRACE(PTRACE_CONT, pid, 0, 0) == 0);
	CHECK(runs());
	CHECK(TRACE(PTRACE_GETREGS, pid, 0, &r) == -1 && errno == ESRCH); /* it runs */
	CHECK(TRACE(PTRACE_INTERRUPT, pid, 0, 0) == -1 && errno == EIO);
	kill(pid, SIGUSR1);
	CHECK(is_stop(wait_status(pid), SIGUSR1));
	CHECK(shared->handled == 0);
	CHECK(TRACE(PTRACE_DETACH, pid, 0, SIGUSR1) == 0);
	CHECK(runs());
	CHECK(shared->handled == 1);
	kill(pid, SIGUSR1); /* nobody stops it any more */
	while (shared->handled < 2)
		nap(1);
	/* once more; dead while it is traced */
	CHECK(TRACE(PTRACE_ATTACH, pid, 0, 0) == 0);
	CHECK(is_stop(wait_status(pid), SIGSTOP));
	kill(pid, SIGTERM);
	CHECK(is_stop(go(PTRACE_CONT, pid, 0), SIGTERM));
	CHECK(go(PTRACE_CONT, pid, SIGTERM) == SIGTERM);
}

static void test_attach_asleep(void)
{
	pid_t pid = child(sleep_on);
	int s, i;

	CHECK(TRACE(PTRACE_ATTACH, pid, 0, 0) == 0);
	CHECK(is_stop(wait_status(pid), SIGSTOP));
	CHECK(TRACE(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD) == 0);
	for (i = 0; i < 2; i++) { /* the call goes on, unseen by the program */
		s = go(PTRACE_SYSCALL, pid, 0);
		CHECK(is_stop(s, SIGTRAP | 0x80));
		if (regs_of(pid).rax == (word)-ENOSYS)
			break;
	}
	CHECK(regs_of(pid).orig_rax == SYS_poll || regs_of(pid).orig_rax == SYS_restart_syscall);
	CHECK(shared->turns == 0);
	CHECK(TRACE(PTRACE_CONT, pid, 0, 0) == 0);
	/* a signal that comes before the call has begun again does not interrupt it: there may be need of another */
	for (i = 0; i < 1000 && shared->turns == 0; i++) {
		nap(2);
		kill(pid, SIGUSR1);
		CHECK(is_stop(wait_status(pid), SIGUSR1));
		CHECK(TRACE(PTRACE_CONT, pid, 0, SIGUSR1) == 0);
	}
	CHECK(shared->turns != 0);
	kill(pid, SIGKILL);
	CHECK(wait_status(pid) == SIGKILL);
}

static void test_seize(void (*fn)(void))
{
	pid_t pid = child(fn);
	siginfo_t si;

	CHECK(TRACE(PTRACE_SEIZE, pid, 0, 0x10000000) == -1 && errno == EIO);
	CHECK(TRACE(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD) == 0);
	if (fn == loop)
		CHECK(runs());
	CHECK(TRACE(PTRACE_INTERRUPT, pid, 0, 0) == 0);
	CHECK(is_stop(wait_status(pid), EVENT(PTRACE_EVENT_STOP, SIGTRAP)));
	CHECK(TRACE(PTRACE_GETSIGINFO, pid, 0, &si) == 0 && si.si_code == EVENT(PTRACE_EVENT_STOP, SIGTRAP));
	CHECK(TRACE(PTRACE_CONT, pid, 0, 0) == 0);
	if (fn == loop)
		CHECK(runs());
	CHECK(TRACE(PTRACE_INTERRUPT, pid, 0, 0) == 0);
	CHECK(is_stop(wait_status(pid), EVENT(PTRACE_EVENT_STOP, SIGTRAP)));
	CHECK(TRACE(PTRACE_CONT, pid, 0, 0) == 0);
	kill(pid, SIGSTOP);
	CHECK(is_stop(wait_status(pid), SIGSTOP));
	CHECK(is_stop(go(PTRACE_CONT, pid, SIGSTOP), EVENT(PTRACE_EVENT_STOP, SIGSTOP)));
	CHECK(TRACE(PTRACE_LISTEN, pid, 0, 0) == 0);
	nap(5);
	CHECK(waitpid(pid, NULL, WNOHANG | __WALL) == 0);
	kill(pid, SIGCONT);
	CHECK(is_stop(wait_status(pid), EVENT(PTRACE_EVENT_STOP, SIGTRAP)));
	CHECK(is_stop(go(PTRACE_CONT, pid, 0), SIGCONT));
	CHECK(TRACE(PTRACE_CONT, pid, 0, 0) == 0);
	kill(pid, SIGUSR1);
	CHECK(is_stop(wait_status(pid), SIGUSR1));
	CHECK(TRACE(PTRACE_LISTEN, pid, 0, 0) == -1 && errno == EIO);
	CHECK(TRACE(PTRACE_DETACH, pid, 0, 0) == 0);
	CHECK(shared->handled == 0);
	kill(pid, SIGUSR1);
	while (!shared->handled)
		nap(1);
	kill(pid, SIGKILL);
	CHECK(wait_status(pid) == SIGKILL);
}

static void *spin(void *arg)
{
	shared->tid = (word)syscall(SYS_gettid);
	for (;;)
		shared->turns++;
	return NULL;
}

static void two_threads(void)
{
	pthread_t t;

	pthread_create(&t, NULL, spin, NULL);
	while (!shared->tid)
		sched_yield();
	shared->ready = 1;
	for (;;)
		pause();
}

/* one thread of two, then both; the process is killed under them */
static void test_thread(void)
{
	pid_t pid = child(two_threads), tid = (pid_t)shared->tid;
	struct user_regs_struct r;

	CHECK(TRACE(PTRACE_ATTACH, tid, 0, 0) == 0);
	CHECK(is_stop(wait_status(tid), SIGSTOP));
	r = regs_of(tid);
	CHECK(r.rip > (word)spin - 4096 && r.rip < (word)spin + 4096);
	CHECK(TRACE(PTRACE_SEIZE, pid, 0, 0) == 0);
	CHECK(TRACE(PTRACE_INTERRUPT, pid, 0, 0) == 0);
	CHECK(is_stop(wait_status(pid), EVENT(PTRACE_EVENT_STOP, SIGTRAP)));
	CHECK(TRACE(PTRACE_CONT, tid, 0, 0) == 0);
	CHECK(runs());
	CHECK(TRACE(PTRACE_CONT, pid, 0, 0) == 0);
	syscall(SYS_tgkill, pid, tid, SIGUSR1);
	CHECK(is_stop(wait_status(tid), SIGUSR1));
	kill(pid, SIGKILL);
	CHECK(wait_status(tid) == SIGKILL);
	CHECK(wait_status(pid) == SIGKILL);
}

/* the tracer is another process, which ends: the tracee goes on, or dies with it */
static void test_tracer_ends(int options, void (*fn)(void))
{
	pid_t pid = child(fn), tracer = fork();
	int s;

	if (!tracer) {
		if (TRACE(PTRACE_SEIZE, pid, 0, options))
			_exit(1);
		if (fn == loop && !runs())
			_exit(2);
		if (TRACE(PTRACE_INTERRUPT, pid, 0, 0) || !is_stop(wait_status(pid), EVENT(PTRACE_EVENT_STOP, SIGTRAP)))
			_exit(3);
		if (TRACE(PTRACE_CONT, pid, 0, 0))
			_exit(4);
		_exit(0);
	}
	CHECK(wait_status(tracer) == 0);
	if (options) {
		CHECK(wait_status(pid) == SIGKILL);
		return;
	}
	kill(pid, SIGUSR1);
	for (s = 0; s < 1000 && !shared->handled; s++)
		nap(1);
	CHECK(shared->handled == 1);
	if (fn == loop)
		CHECK(runs());
	kill(pid, SIGTERM);
	CHECK(wait_status(pid) == SIGTERM);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	test_attach();
	test_attach_asleep();
	test_seize(loop);
	test_seize(sleep_on);
	test_thread();
	test_tracer_ends(0, loop);
	test_tracer_ends(0, sleep_on);
	test_tracer_ends(PTRACE_O_EXITKILL, loop);
	return check_done();
}
