/* SPDX-License-Identifier: MIT */
/* verdict: unwinds clean */
/* Births, exec and ends under trace: what the PTRACE_O_* options report, in which order for each task, and what children
 * are traced from their first instruction on. Without options: a SIGTRAP behind exec, nothing else. Printed and compared
 * with native. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include "tracer.h"

static char *self;

/* the tasks of one run, in the order in which they were first heard of; each has lines of its own */
static struct task {
	pid_t pid;
	int n;
	char lines[4000];
} tasks[16];
static int ntasks;
static int left; /* that have not ended: a child may be heard of, and end, before its parent's event arrives */
static int hide; /* the status of a thread that ends, which may be its process', if that is ending */

static struct task *task_of(pid_t pid)
{
	for (int i = 0; i < ntasks; i++)
		if (tasks[i].pid == pid)
			return &tasks[i];
	tasks[ntasks].pid = pid;
	tasks[ntasks].n = 0;
	tasks[ntasks].lines[0] = 0;
	left++;
	return &tasks[ntasks++];
}

static const char *event_name(int event)
{
	static const char *const names[] = { "none", "fork", "vfork", "clone", "exec", "vforkdone", "exit", "seccomp" };

	return event == 128 ? "stop" : names[event & 7];
}

static void line(struct task *t, const char *fmt, long a, const char *b, long c, long d)
{
	t->n += snprintf(t->lines + t->n, sizeof(t->lines) - (size_t)t->n, fmt, a, b, c, d);
}

/* runs them all to their ends */
static void follow(pid_t pid, int options, int request, int first)
{
	int s = first, sig, event;
	struct user_regs_struct r;
	struct task *t;
	word msg;

	hide = 0;
	ntasks = left = 0;
	task_of(pid);
	if (options >= 0)
		CHECK(TRACE(PTRACE_SETOPTIONS, pid, 0, options) == 0);
	CHECK(TRACE(request, pid, 0, 0) == 0);
	while (left && (pid = waitpid(-1, &s, __WALL)) > 0) {
		t = task_of(pid);
		if (!WIFSTOPPED(s)) {
			line(t, "  gone %lx%s\n", hide && t != tasks ? 0 : s, "", 0, 0);
			left--;
			continue;
		}
		event = s >> 16;
		sig = WSTOPSIG(s);
		msg = 0;
		if (event)
			CHECK(TRACE(PTRACE_GETEVENTMSG, pid, 0, &msg) == 0);
		r = regs_of(pid);
		if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE) {
			hide |= event == PTRACE_EVENT_CLONE;
			task_of((pid_t)msg);
			msg = 1;
		} else if (event == PTRACE_EVENT_VFORK_DONE) {
			msg = msg == (word)tasks[1].pid;
		} else if (event == PTRACE_EVENT_EXEC) {
			msg = msg == (word)pid;
		}
		if (!(event == 0 && sig == SIGCHLD) && !(event == 0 && (sig & 0x80)))
			line(t, "  sig %ld event %s msg %lx rax %ld", sig, event_name(event), (long)msg, (long)r.rax);
		if (!(event == 0 && sig == SIGCHLD) && !(event == 0 && (sig & 0x80)))
			line(t, " nr %ld%s\n", (long)r.orig_rax, "", 0, 0);
		if (event || sig & 0x80 || sig == SIGTRAP || sig == SIGSTOP)
			sig = 0;
		TRACE(request, pid, 0, sig);
	}
	for (int i = 0; i < ntasks; i++)
		printf(" task %d\n%s", i, tasks[i].lines);
	if (pid <= 0)
		printf(" lost\n");
}

static void forks(void)
{
	int s;
	pid_t pid = fork();

	if (!pid)
		_exit(11);
	waitpid(pid, &s, 0);
	_exit(s == 11 << 8 ? 12 : 13);
}

static void grandchildren(void)
{
	int s;
	pid_t pid = fork();

	if (!pid)
		forks();
	waitpid(pid, &s, 0);
	_exit(s == 12 << 8 ? 14 : 15);
}

static void vforks(void)
{
	int s;
	pid_t pid = vfork();

	if (!pid) {
		execl(self, self, "exit", "21", NULL);
		_exit(1);
	}
	waitpid(pid, &s, 0);
	_exit(s == 21 << 8 ? 22 : 23);
}

static void *thread(void *arg)
{
	return (void *)((uintptr_t)arg + 1);
}

static void threads(void)
{
	pthread_t t;
	void *ret;

	for (uintptr_t i = 1; i <= 3; i++) {
		if (pthread_create(&t, NULL, thread, (void *)i))
			_exit(1);
		pthread_join(t, &ret);
		if (ret != (void *)(i + 1))
			_exit(2);
	}
	_exit(31);
}

static void execs(void)
{
	execl("/nonexistent", "x", NULL);
	execl(self, self, "exit", "41", NULL);
	_exit(1);
}

static void dies(void)
{
	kill(getpid(), SIGTERM);
	_exit(1);
}

static void run(const char *what, void (*fn)(void), int options, int request)
{
	printf("%s, options %x%s\n", what, options, request == PTRACE_SYSCALL ? ", calls" : "");
	follow(traced_child(fn), options, request, 0);
}

/* a debugger's: TRACEME, then exec, without a stop of its own */
static void test_exec_only(void)
{
	pid_t pid;
	int s;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		execl(self, self, "exit", "51", NULL);
		_exit(1);
	}
	s = wait_status(pid);
	CHECK(is_stop(s, SIGTRAP));
	CHECK((long)regs_of(pid).orig_rax == SYS_execve && regs_of(pid).rax == 0 && regs_of(pid).rdi == 0);
	CHECK((TRACE(PTRACE_PEEKDATA, pid, regs_of(pid).rsp, 0) & 0xffffffff) == 3); /* argc */
	s = go(PTRACE_CONT, pid, 0);
	CHECK(WIFEXITED(s) && WEXITSTATUS(s) == 51);
}

#define ALL (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | \
	     PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACEEXIT)

int main(int argc, char **argv)
{
	if (argc > 2)
		return atoi(argv[2]);
	self = argv[0];
	setvbuf(stdout, NULL, _IOLBF, 0);
	test_exec_only();
	for (int calls = 0; calls < 2; calls++) {
		int request = calls ? PTRACE_SYSCALL : PTRACE_CONT;

		run("fork", forks, calls ? PTRACE_O_TRACESYSGOOD : 0, request);
		run("fork", forks, ALL, request);
		run("fork twice", grandchildren, ALL, request);
		run("vfork", vforks, PTRACE_O_TRACEVFORK | PTRACE_O_TRACESYSGOOD, request);
		run("vfork", vforks, ALL, request);
		run("threads", threads, ALL, request);
		run("exec", execs, calls ? PTRACE_O_TRACESYSGOOD : 0, request);
		run("exec", execs, ALL, request);
		run("signal", dies, ALL, request);
	}
	return check_done();
}
