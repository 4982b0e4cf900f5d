/* SPDX-License-Identifier: MIT */
/*
 * The supervisor: traces a process and all it makes for the end of threads, which is told before the kernel looks at
 * the robust list, whatever the thread dies of, and for signals on their way, because a handler may be where a thread
 * ends. Everything else is handed on at once. It is a
 * process without ties to what it watches: own session, nobody's child, no descriptor but the one for messages. If
 * it dies the watched go on untraced.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tracee.h"

#define OPTIONS (PTRACE_O_TRACEEXIT | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK)

static void stopped(pid_t tid, int status)
{
	int sig = WSTOPSIG(status), event = status >> 16;

	switch (event) {
	case 0: /* a signal on its way */
		rule_signal(tid);
		ptrace(PTRACE_CONT, tid, 0, sig);
		return;
	case PTRACE_EVENT_EXIT:
		rule_death(tid);
		break;
	case PTRACE_EVENT_STOP:
		if (sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU) {
			ptrace(PTRACE_LISTEN, tid, 0, 0);
			return;
		}
		break;
	}
	ptrace(PTRACE_CONT, tid, 0, 0);
}

void supervise(pid_t pid, int report)
{
	sigset_t all;
	int status, e;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	prctl(PR_SET_NAME, "gnomon-superv");
	e = ptrace(PTRACE_SEIZE, pid, 0, OPTIONS) < 0 ? errno : 0;
	if (write(report, &e, sizeof(e)) < 0 || e)
		_exit(1);
	close(report);
	for (;;) {
		pid_t tid = waitpid(-1, &status, __WALL);

		if (tid < 0 && errno == ECHILD)
			_exit(0);
		if (tid > 0 && WIFSTOPPED(status))
			stopped(tid, status);
	}
}
