/* SPDX-License-Identifier: MIT */
/* Two tracees stop, and the SIGCHLDs are one, which tells of the first. The second has been looked at before that signal is
 * taken, as debuggers do with their new threads: its stop must be told of all the same, and once. So must the
 * last stop of one that is killed in another. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <time.h>
#include "tracer.h"

#define PATIENCE 2000 /* * 5 ms, where the signal does not come */

static volatile int chld;
static sigset_t only_chld;

static void on(int signo)
{
	chld += signo == SIGCHLD;
}

static void first(void)
{
	raise(SIGUSR1);
	for (;;)
		pause();
}

static void second(void)
{
	raise(SIGUSR2);
	_exit(3);
}

/* ---- how it is looked at: true where it stands ---- */

static int by_request(pid_t pid)
{
	errno = 0;
	TRACE(PTRACE_PEEKUSER, pid, offsetof(struct user_regs_struct, rip), 0);
	return !errno;
}

static int by_entry(pid_t pid)
{
	char path[64], text[512], *at;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	fd = open(path, O_RDONLY);
	text[read(fd, text, sizeof(text) - 1)] = 0;
	close(fd);
	at = strstr(text, "State:\t");
	return at && at[7] == 't';
}

static int by_wait(pid_t pid)
{
	siginfo_t si = { 0 };

	CHECK(waitid(P_PID, (id_t)pid, &si, WSTOPPED | WNOWAIT | WNOHANG | __WALL) == 0);
	return si.si_pid == pid;
}

/* ---- how the signal is taken ---- */

static int by_handler(void)
{
	sigprocmask(SIG_UNBLOCK, &only_chld, NULL);
	for (int i = 0; i < PATIENCE && !chld; i++)
		usleep(5000);
	return chld;
}

static int by_sigwait(void)
{
	const struct timespec long_enough = { PATIENCE / 200, 0 };
	siginfo_t si;
	int n = 0;

	while (sigtimedwait(&only_chld, &si, n ? &(struct timespec){ 0 } : &long_enough) == SIGCHLD)
		n++;
	return n;
}

static int by_sigsuspend(void)
{
	sigset_t none;

	sigemptyset(&none);
	alarm(PATIENCE / 200);
	sigsuspend(&none);
	alarm(0);
	return chld;
}

static void test(int (*looks)(pid_t), int (*takes)(void))
{
	pid_t a = traced_child(first), b = traced_child(second);

	sigprocmask(SIG_BLOCK, &only_chld, NULL);
	CHECK(is_stop(go(PTRACE_CONT, a, 0), SIGUSR1)); /* its SIGCHLD waits */
	CHECK(TRACE(PTRACE_CONT, a, 0, 0) == 0);
	CHECK(TRACE(PTRACE_CONT, b, 0, 0) == 0);
	while (!looks(b))
		usleep(1000);
	chld = 0;
	CHECK(takes() == 1);
	sigprocmask(SIG_UNBLOCK, &only_chld, NULL);
	CHECK(is_stop(wait_status(b), SIGUSR2));
	CHECK(go(PTRACE_CONT, b, 0) == 3 << 8);
	end(a);
}

static void test_killed(void)
{
	pid_t pid = traced_child(first);

	CHECK(TRACE(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEEXIT) == 0);
	chld = 0;
	CHECK(TRACE(PTRACE_CONT, pid, 0, 0) == 0);
	CHECK(by_handler() == 1);
	CHECK(is_stop(wait_status(pid), SIGUSR1));
	chld = 0;
	kill(pid, SIGKILL);
	CHECK(by_handler() == 1);
	CHECK(is_stop(wait_status(pid), PTRACE_EVENT_EXIT << 8 | SIGTRAP));
	CHECK(go(PTRACE_CONT, pid, 0) == SIGKILL);
}

int main(void)
{
	int (*const looks[])(pid_t) = { by_request, by_entry, by_wait };
	int (*const takes[])(void) = { by_handler, by_sigwait, by_sigsuspend };
	struct sigaction sa = { .sa_handler = on };

	setvbuf(stdout, NULL, _IOLBF, 0);
	sigaction(SIGCHLD, &sa, NULL);
	sigaction(SIGALRM, &sa, NULL);
	sigemptyset(&only_chld);
	sigaddset(&only_chld, SIGCHLD);
	for (unsigned i = 0; i < 3; i++)
		for (unsigned j = 0; j < 3; j++)
			test(looks[i], takes[j]);
	test_killed();
	return check_done();
}
