/* SPDX-License-Identifier: MIT */
/* System calls of a traced child: a stop before each and one behind it, with number, arguments and result as the kernel
 * shows them; changed, left out, emulated; interrupted by a signal. What is seen is printed and compared with native. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <time.h>
#include "tracer.h"

#define SYSTRAP (SIGTRAP | 0x80)

static const char text[] = "written\n";

static void calls(void)
{
	struct timespec none = { 0, 1 };

	syscall(SYS_getpid);
	syscall(SYS_write, -1, text, 8);
	syscall(SYS_nanosleep, &none, NULL);
	syscall(SYS_close, 900);
	syscall(400, 1, 2, 3, 4, 5, 6);
	syscall(-1);
	_exit(4);
}

static void show(pid_t pid, const char *what)
{
	struct user_regs_struct r = regs_of(pid);
	char code[2];
	word at = TRACE(PTRACE_PEEKTEXT, pid, r.rip - 2, 0);
	int args = r.orig_rax == SYS_write || r.orig_rax == 400;

	printf("%s: nr %ld rax %ld", what, (long)r.orig_rax, r.orig_rax == SYS_getpid && (long)r.rax > 0 ? 1 : (long)r.rax);
	if (args)
		printf(" %ld %ld %ld %ld %ld", (long)(int)r.rdi, r.rsi == (word)text ? 7 : (long)r.rsi, (long)r.rdx, r.orig_rax == 400 ? (long)r.r10 : 0,
		       r.orig_rax == 400 ? (long)r.r8 : 0);
	printf(" %s %s\n", (at & 0xffff) == 0x050f ? "syscall" : "?", r.rcx == r.rip ? "rcx" : "?");
}

static void test_plain(void)
{
	pid_t pid = traced_child(calls);
	int s, n = 0;

	CHECK(TRACE(PTRACE_SETOPTIONS, pid, 0, 0x10000000) == -1 && errno == EINVAL);
	while (is_stop(s = go(PTRACE_SYSCALL, pid, 0), SIGTRAP))
		show(pid, n++ & 1 ? "exit" : "entry");
	CHECK(WIFEXITED(s) && WEXITSTATUS(s) == 4);
	printf("%d stops\n", n);
}

static void info(pid_t pid)
{
	struct __ptrace_syscall_info si;
	siginfo_t sig;
	word msg = 99;
	long n;

	memset(&si, 0, sizeof(si));
	n = TRACE(PTRACE_GET_SYSCALL_INFO, pid, sizeof(si), &si);
	CHECK(TRACE(PTRACE_GETEVENTMSG, pid, 0, &msg) == 0);
	CHECK(TRACE(PTRACE_GETSIGINFO, pid, 0, &sig) == 0);
	printf("info: %s op %d arch %x msg %lu code %x pid %d", n >= 24 ? "ok" : "short", si.op, si.arch, msg, sig.si_code, sig.si_pid == pid);
	if (si.op == PTRACE_SYSCALL_INFO_ENTRY)
		printf(" nr %lld", (long long)si.entry.nr);
	if (si.op == PTRACE_SYSCALL_INFO_EXIT)
		printf(" is_error %d", si.exit.is_error);
	printf("\n");
}

static void test_info(void)
{
	pid_t pid = traced_child(calls);
	int s;

	CHECK(TRACE(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD) == 0);
	info(pid);
	while (is_stop(s = go(PTRACE_SYSCALL, pid, 0), SYSTRAP))
		info(pid);
	CHECK(WIFEXITED(s) && WEXITSTATUS(s) == 4);
}

static void changed(void)
{
	long a = syscall(SYS_getpid), b = syscall(SYS_getppid), c = syscall(SYS_write, 1, text, 8), d = syscall(SYS_getuid);

	_exit(a == 4711 && b == -1 && errno == ENOSYS && c == 3 && d == 12 ? 5 : 6);
}

static void set(pid_t pid, size_t reg, word value)
{
	CHECK(TRACE(PTRACE_POKEUSER, pid, reg, value) == 0);
}
#define REG(name) offsetof(struct user_regs_struct, name)

/* to the entry of this call */
static void until(pid_t pid, long nr)
{
	do
		CHECK(is_stop(go(PTRACE_SYSCALL, pid, 0), SYSTRAP));
	while (TRACE(PTRACE_PEEKUSER, pid, REG(orig_rax), 0) != nr);
}

static void test_changed(void)
{
	pid_t pid = traced_child(changed);
	int s;

	CHECK(TRACE(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD) == 0);
	until(pid, SYS_getpid); /* its result */
	CHECK(is_stop(go(PTRACE_SYSCALL, pid, 0), SYSTRAP));
	set(pid, REG(rax), 4711);
	until(pid, SYS_getppid); /* left out */
	set(pid, REG(orig_rax), -1ul);
	CHECK(is_stop(go(PTRACE_SYSCALL, pid, 0), SYSTRAP));
	until(pid, SYS_write); /* its arguments */
	set(pid, REG(rdx), 3);
	set(pid, REG(rsi), (word)text + 4);
	CHECK(is_stop(go(PTRACE_SYSCALL, pid, 0), SYSTRAP));
	until(pid, SYS_getuid); /* left out, with a result */
	set(pid, REG(orig_rax), -1ul);
	set(pid, REG(rax), 12);
	CHECK(is_stop(go(PTRACE_SYSCALL, pid, 0), SYSTRAP));
	s = go(PTRACE_CONT, pid, 0);
	CHECK(WIFEXITED(s) && WEXITSTATUS(s) == 5);
}

static void emulated(void)
{
	long a = syscall(SYS_getpid), b = syscall(12345);

	_exit(a == 21 && b == 22 ? 3 : 2);
}

static void test_emulated(void)
{
	pid_t pid = traced_child(emulated);
	int s;

	CHECK(TRACE(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD) == 0);
	do
		CHECK(is_stop(go(PTRACE_SYSEMU, pid, 0), SYSTRAP));
	while (TRACE(PTRACE_PEEKUSER, pid, REG(orig_rax), 0) != SYS_getpid);
	set(pid, REG(rax), 21);
	CHECK(is_stop(go(PTRACE_SYSEMU, pid, 0), SYSTRAP)); /* no stop behind one */
	CHECK(TRACE(PTRACE_PEEKUSER, pid, REG(orig_rax), 0) == 12345);
	set(pid, REG(rax), 22);
	s = go(PTRACE_CONT, pid, 0);
	CHECK(WIFEXITED(s) && WEXITSTATUS(s) == 3);
}

static int fds[2];
static volatile int handled;
static void handler(int signo)
{
	handled++;
}

static void sleeper(void)
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_RESTART };
	struct timespec long_time = { 1000, 0 };
	char c;

	sigaction(SIGUSR1, &sa, NULL);
	sa.sa_flags = 0;
	sigaction(SIGUSR2, &sa, NULL);
	write(fds[1], "r", 1);
	read(fds[0], &c, 1);
	write(fds[1], "r", 1);
	read(fds[0], &c, 1);
	if (syscall(SYS_nanosleep, &long_time, NULL) != -1 || errno != EINTR)
		_exit(1);
	if (syscall(SYS_pause) != -1 || errno != EINTR)
		_exit(1);
	_exit(handled == 4 ? 2 : 3);
}

/* until it sleeps in the call it has entered */
static void asleep(pid_t pid)
{
	char path[40], buf[256], *state;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	do {
		f = fopen(path, "r");
		buf[fread(buf, 1, sizeof(buf) - 1, f)] = 0;
		fclose(f);
		state = strrchr(buf, ')');
	} while (!state || state[2] != 'S');
}

static void interrupted(pid_t pid, int sig, int deliver)
{
	struct user_regs_struct r;

	CHECK(TRACE(PTRACE_SYSCALL, pid, 0, 0) == 0);
	asleep(pid);
	kill(pid, sig);
	CHECK(is_stop(wait_status(pid), SYSTRAP));
	r = regs_of(pid);
	printf("nr %ld interrupted: %ld\n", (long)r.orig_rax, (long)r.rax);
	CHECK(is_stop(go(PTRACE_SYSCALL, pid, 0), sig));
	CHECK(is_stop(go(PTRACE_SYSCALL, pid, deliver), SYSTRAP));
	r = regs_of(pid);
	printf("then nr %ld\n", (long)r.orig_rax);
}

static void test_interrupted(void)
{
	pid_t pid;
	int s, pipes[2];
	char c;

	CHECK(pipe(fds) == 0 && pipe(pipes) == 0);
	s = fds[1];
	fds[1] = pipes[1];
	pipes[1] = s; /* fds: of the child */
	pid = traced_child(sleeper);
	CHECK(TRACE(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD) == 0);
	until(pid, SYS_read);
	interrupted(pid, SIGUSR1, SIGUSR1); /* its sigreturn */
	CHECK(is_stop(go(PTRACE_SYSCALL, pid, 0), SYSTRAP));
	until(pid, SYS_read);
	interrupted(pid, SIGUSR2, 0); /* nothing happens */
	write(pipes[1], "xx", 2);
	until(pid, SYS_nanosleep);
	interrupted(pid, SIGURG, SIGURG);
	interrupted(pid, SIGUSR1, SIGUSR1);
	until(pid, SYS_pause);
	interrupted(pid, SIGCHLD, SIGCHLD);
	interrupted(pid, SIGUSR2, SIGUSR2);
	s = go(PTRACE_CONT, pid, 0);
	printf("status %x\n", s);
	read(pipes[0], &c, 1);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	test_plain();
	test_info();
	test_changed();
	test_emulated();
	test_interrupted();
	return check_done();
}
