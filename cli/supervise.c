/* SPDX-License-Identifier: MIT */
/*
 * Watching a guest: gnomon stands between the guest and whoever started gnomon, so it must not be noticed.
 * What a terminal sends reaches the guest by itself (same process group); what a process sends to gnomon's id is
 * handed on. The guest's stops are gnomon's stops, its end is gnomon's end.
 *
 * One thread. It sleeps on the board's sequence word; SIGCHLD wakes it by changing that word, so that a signal
 * between looking and sleeping is not lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

static struct sigaction saved[NSIG];
static bool changed[NSIG];
static sigset_t saved_mask;

static volatile pid_t guest_pid; /* 0: none to signal (yet, or any more) */
static volatile pid_t watcher;	 /* of the guest while both are stopped */
static uint32_t *wake_word;

static void on_child(int sig)
{
	if (wake_word)
		__atomic_add_fetch(wake_word, 1, __ATOMIC_RELAXED);
}

/* si_code > 0: by the kernel to the whole group (a terminal) or for gnomon's own timers, which a fork does not
 * take along: these the guest does not have itself. The watcher's SIGCONT is for us alone */
static void on_forward(int sig, siginfo_t *si, void *ctx)
{
	bool timer = sig == SIGALRM || sig == SIGVTALRM || sig == SIGPROF;
	int e = errno;

	if (guest_pid > 0 && (si->si_code <= 0 || timer) && !(watcher > 0 && si->si_pid == watcher))
		kill(guest_pid, sig);
	errno = e;
}

static void take(int sig, void (*handler)(int), void (*info)(int, siginfo_t *, void *))
{
	struct sigaction sa = { .sa_flags = SA_RESTART };

	sigaction(sig, NULL, &saved[sig]);
	/* ignored by whoever started us: stays so for both; a stopped guest is learnt from SIGCHLD in any case */
	if (saved[sig].sa_handler == SIG_IGN && sig != SIGCHLD)
		return;
	if (info) {
		sa.sa_sigaction = info;
		sa.sa_flags |= SA_SIGINFO;
	} else {
		sa.sa_handler = handler;
	}
	sigaction(sig, &sa, NULL);
	changed[sig] = true;
}

void signals_hold(void)
{
	static const int forward[] = { SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM,
				       SIGPROF, SIGWINCH, SIGIO, SIGPWR, SIGTSTP, SIGCONT };
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &saved_mask);
	for (size_t i = 0; i < sizeof(forward) / sizeof(*forward); i++)
		take(forward[i], NULL, on_forward);
	take(SIGCHLD, on_child, NULL);
	/* own writes to a terminal in the background, or to nobody */
	take(SIGTTOU, SIG_IGN, NULL);
	take(SIGTTIN, SIG_IGN, NULL);
	take(SIGPIPE, SIG_IGN, NULL);
	take(SIGXFSZ, SIG_IGN, NULL);
}

void signals_restore(void)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };

	for (int s = 1; s < NSIG; s++)
		if (changed[s])
			sigaction(s, saved[s].sa_handler == SIG_IGN ? &saved[s] : &dfl, NULL);
	sigprocmask(SIG_SETMASK, &saved_mask, NULL);
}

/* its letter in /proc; 0: there is none to read */
static char state_of(pid_t pid)
{
	char path[32], text[512], *p;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	p = strrchr(text, ')');
	return p && p[1] ? p[2] : 0;
}

/*
 * The guest may go on, or end, without us: then so must we. But a stopped process is not woken by SIGCHLD, and only a
 * parent is told: this child of ours looks, for as long as we are stopped, ten times a second. It takes no signals, so
 * that what is sent to our group is not handed on twice.
 */
static pid_t watch(pid_t guest)
{
	static const struct timespec tenth = { 0, 100000000 };
	sigset_t all, old;
	pid_t self = getpid(), pid;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	pid = fork();
	if (pid) {
		sigprocmask(SIG_SETMASK, &old, NULL);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getppid() == self) {
		char ours = state_of(self), its = state_of(guest);

		if (!ours)
			break;
		if (ours == 'T' && its && its != 'T' && its != 't')
			kill(self, SIGCONT);
		nanosleep(&tenth, NULL);
	}
	_exit(0);
}

/* the guest stopped: so do we, by the same signal; when we go on, it does, and the other way round */
static void stop_like(pid_t pid, int sig)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL }, old;
	siginfo_t si = { 0 };

	watcher = watch(pid);
	sigaction(sig, &dfl, &old);
	raise(sig);
	sigaction(sig, &old, NULL);
	if (watcher > 0) {
		kill(watcher, SIGKILL);
		while (waitpid(watcher, NULL, 0) < 0 && errno == EINTR)
			;
	}
	watcher = 0;
	/* whoever woke us by group woke the guest too */
	if (waitid(P_PID, (id_t)pid, &si, WCONTINUED | WNOHANG) == 0 && si.si_pid == 0)
		kill(pid, SIGCONT);
}

/* true when the guest is gone; *status as from wait(2) */
static bool reap(pid_t pid, int *status)
{
	for (;;) {
		siginfo_t si = { 0 };

		if (waitid(P_PID, (id_t)pid, &si, WEXITED | WSTOPPED | WNOHANG | WNOWAIT) < 0) {
			if (errno == EINTR)
				continue;
			/* cannot happen: nobody else waits for our child */
			die(GN_EXIT_USAGE, "waitid: %s", reason(errno));
		}
		if (si.si_pid == 0)
			return false;
		if (si.si_code == CLD_STOPPED || si.si_code == CLD_TRAPPED) {
			waitid(P_PID, (id_t)pid, &si, WSTOPPED | WNOHANG);
			stop_like(pid, si.si_status);
			continue;
		}
		guest_pid = 0; /* before its id can be given to another process */
		while (waitpid(pid, status, 0) < 0 && errno == EINTR)
			;
		return true;
	}
}

int guest_wait(struct guest *g, bool timer, void (*poll)(void *), void *arg)
{
	struct timespec tenth = { 0, 100000000 };
	int status = 0;
	sigset_t mask = saved_mask;

	guest_pid = g->pid;
	wake_word = &g->board->seq;
	for (int s = 1; s < NSIG; s++)
		if (changed[s] && saved[s].sa_handler != SIG_IGN)
			sigdelset(&mask, s);
	sigdelset(&mask, SIGCHLD);
	sigaddset(&mask, SIGXFSZ);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	for (;;) {
		uint32_t seq = __atomic_load_n(&g->board->seq, __ATOMIC_ACQUIRE);
		bool gone = reap(g->pid, &status);

		poll(arg);
		if (gone)
			break;
		/* exec, exit and unwind records wake nobody: who wants them at once looks ten times a second */
		syscall(SYS_futex, &g->board->seq, FUTEX_WAIT, seq, timer ? &tenth : NULL);
	}
	return status;
}

void exit_like(int st)
{
	fflush(stdout);
	if (WIFSIGNALED(st)) {
		struct sigaction dfl = { .sa_handler = SIG_DFL };
		struct rlimit none = { 0, 0 };
		sigset_t set;

		/* one core file is enough, and it is the guest's */
		setrlimit(RLIMIT_CORE, &none);
		prctl(PR_SET_DUMPABLE, 0);
		sigaction(WTERMSIG(st), &dfl, NULL);
		sigemptyset(&set);
		sigaddset(&set, WTERMSIG(st));
		sigprocmask(SIG_UNBLOCK, &set, NULL);
		raise(WTERMSIG(st));
		_exit(128 + WTERMSIG(st));
	}
	_exit(WEXITSTATUS(st));
}
