/* SPDX-License-Identifier: MIT */
/*
 * deny RULE... -- PROGRAM ARGUMENTS...: a machine that lacks something, for the program and all it starts.
 *   memfd_create=38      the system call fails with this errno (any of those in `calls` below)
 *   mmap/7=12            every 7th of them does
 *   mmap/7@2=12          every 7th from the second exec on; PROGRAM's own is the first
 *   fsgsbase@2           AT_HWCAP2 is without FSGSBASE from the second exec on
 * Status and signals are the program's. A seccomp filter denies; what it cannot decide by itself a tracer does.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define HWCAP2_FSGSBASE_ 2ul
#define RULES 8

static const struct {
	const char *name;
	int nr;
} calls[] = {
	{ "mmap", SYS_mmap }, { "memfd_create", SYS_memfd_create }, { "execveat", SYS_execveat }, { "munmap", SYS_munmap },
	{ "mprotect", SYS_mprotect }, { "clone", SYS_clone }, { "fcntl", SYS_fcntl }, { "prctl", SYS_prctl },
	{ "rseq", 334 }, { "faccessat2", 439 }, { "statx", SYS_statx }, { "getrandom", SYS_getrandom },
};

static struct rule {
	int nr, error;
	unsigned nth, seen; /* nth 0: always */
	int from; /* exec */
} rules[RULES];
static int nrules;
static int fsgsbase_from, execs; /* 0: stays */

static void die(const char *what)
{
	perror(what);
	_exit(99);
}

static int add_rule(const char *s)
{
	struct rule r = { 0 };
	char name[32];

	if (sscanf(s, "fsgsbase@%d", &fsgsbase_from) == 1)
		return 0;
	if (sscanf(s, "%31[^/=]/%u@%d=%d", name, &r.nth, &r.from, &r.error) != 4 &&
	    sscanf(s, "%31[^/=]/%u=%d", name, &r.nth, &r.error) != 3 && sscanf(s, "%31[^/=]=%d", name, &r.error) != 2)
		return -1;
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		if (!strcmp(calls[i].name, name) && nrules < RULES) {
			r.nr = calls[i].nr;
			rules[nrules++] = r;
			return 0;
		}
	return -1;
}

static void filter(void)
{
	struct sock_filter f[2 * RULES + 2];
	struct sock_fprog prog = { .filter = f };
	int n = 0;

	f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (int i = 0; i < nrules; i++) {
		unsigned act = rules[i].nth ? SECCOMP_RET_TRACE | (unsigned)i : SECCOMP_RET_ERRNO | (unsigned)rules[i].error;

		f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)rules[i].nr, 0, 1);
		f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, act);
	}
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	prog.len = (unsigned short)n;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		die("seccomp");
}

/* the auxiliary vector stands behind argv and envp on the stack of a program that has not run yet */
static void hide_fsgsbase(pid_t pid)
{
	struct user_regs_struct regs;
	unsigned long at, word;
	int nulls = 0;

	ptrace(PTRACE_GETREGS, pid, 0, &regs);
	for (at = regs.rsp + 8; nulls < 2; at += 8) {
		errno = 0;
		word = (unsigned long)ptrace(PTRACE_PEEKDATA, pid, at, 0);
		if (errno)
			die("peek");
		nulls += word == 0;
	}
	for (;; at += 16) {
		word = (unsigned long)ptrace(PTRACE_PEEKDATA, pid, at, 0);
		if (word == AT_NULL)
			return;
		if (word != AT_HWCAP2)
			continue;
		word = (unsigned long)ptrace(PTRACE_PEEKDATA, pid, at + 8, 0);
		ptrace(PTRACE_POKEDATA, pid, at + 8, word & ~HWCAP2_FSGSBASE_);
	}
}

static void deny_nth(pid_t pid)
{
	struct user_regs_struct regs;
	unsigned long i = 0;

	ptrace(PTRACE_GETEVENTMSG, pid, 0, &i);
	if (i >= (unsigned long)nrules || execs < rules[i].from || ++rules[i].seen % rules[i].nth)
		return;
	ptrace(PTRACE_GETREGS, pid, 0, &regs);
	regs.orig_rax = -1ul; /* no call; what is in rax is its result */
	regs.rax = (unsigned long)-rules[i].error;
	ptrace(PTRACE_SETREGS, pid, 0, &regs);
}

static void stopped(pid_t pid, int st)
{
	int event = st >> 16, sig = WSTOPSIG(st);
	int stop = sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU;

	switch (event) {
	case 0:
		ptrace(PTRACE_CONT, pid, 0, sig);
		return;
	case PTRACE_EVENT_SECCOMP:
		deny_nth(pid);
		break;
	case PTRACE_EVENT_EXEC:
		if (++execs >= fsgsbase_from && fsgsbase_from)
			hide_fsgsbase(pid);
		break;
	case PTRACE_EVENT_STOP:
		if (stop) {
			ptrace(PTRACE_LISTEN, pid, 0, 0);
			return;
		}
	}
	ptrace(PTRACE_CONT, pid, 0, 0);
}

static int trace(pid_t child)
{
	int st, result = 0;
	pid_t pid;

	while ((pid = waitpid(-1, &st, __WALL)) > 0 || errno == EINTR) {
		if (pid > 0 && WIFSTOPPED(st))
			stopped(pid, st);
		else if (pid == child)
			result = st;
	}
	return result;
}

int main(int argc, char **argv)
{
	const struct rlimit no_core = { 0, 0 };
	int go[2], i, st;
	pid_t child;
	char c;

	for (i = 1; i < argc && strcmp(argv[i], "--"); i++)
		if (add_rule(argv[i])) {
			fprintf(stderr, "deny: what is '%s'?\n", argv[i]);
			return 99;
		}
	if (i + 1 >= argc || pipe(go))
		return 99;
	child = fork();
	if (child == 0) {
		close(go[1]);
		(void)!read(go[0], &c, 1);
		close(go[0]);
		filter();
		execvp(argv[i + 1], argv + i + 1);
		die(argv[i + 1]);
	}
	if (ptrace(PTRACE_SEIZE, child, 0, PTRACE_O_EXITKILL | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
		   PTRACE_O_TRACEEXEC | PTRACE_O_TRACESECCOMP))
		die("ptrace");
	close(go[0]);
	close(go[1]);
	st = trace(child);
	if (!WIFSIGNALED(st))
		return WEXITSTATUS(st);
	setrlimit(RLIMIT_CORE, &no_core);
	signal(WTERMSIG(st), SIG_DFL);
	raise(WTERMSIG(st));
	return 128 + WTERMSIG(st);
}
