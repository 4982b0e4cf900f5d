/* SPDX-License-Identifier: MIT */
/* timeout: 60 */
/* verdict: clean unwinds */
/* fork, vfork, posix_spawn, clone, exec by every way, wait statuses, pipes, trees of processes. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/stat.h>
#include "check.h"

extern char **environ;
static const char *self;

static int status_of(pid_t pid)
{
	int status = -1;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

static unsigned __attribute__((noinline)) deep(int n, int *where)
{
	pid_t pid;

	if (n)
		return deep(n - 1, where) + 1;
	/* the child returns through frames that the parent pushed */
	pid = fork();
	*where = pid;
	return 0;
}

static int tree(int depth)
{
	int sum = 1;

	if (!depth)
		return 1;
	for (int i = 0; i < 2; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(tree(depth - 1));
		sum += WEXITSTATUS(status_of(pid));
	}
	return sum;
}


static char stack[65536] __attribute__((aligned(16)));

static int in_clone(void *p)
{
	*(int *)p += 1;
	return 23;
}

int main(int argc, char **argv)
{
	int status, fd[2], n, pid;
	pid_t child;
	char buf[256];

	self = argv[0];
	if (argc > 1) {
		if (!strcmp(argv[1], "env")) {
			printf("%s %s %d\n", argv[2], getenv("X") ? getenv("X") : "none", argc);
			return check_count;
		}
		if (!strcmp(argv[1], "again") && argc == 3) {
			/* execs itself down to zero */
			n = atoi(argv[2]);
			if (n == 0)
				return 42;
			snprintf(buf, sizeof(buf), "%d", n - 1);
			execl("/proc/self/exe", self, "again", buf, NULL);
			return 1;
		}
		return 5;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 0; i < 20; i++) {
		child = fork();
		if (child == 0)
			_exit(i);
		CHECK_EQ(status_of(child), i << 8);
	}
	n = (int)deep(50, &pid);
	if (pid == 0)
		_exit(n);
	CHECK_EQ(n, 50);
	CHECK_EQ(status_of(pid), 50 << 8);
	CHECK_EQ(tree(4), 31);

	for (int i = 0; i < 20; i++) {
		child = vfork();
		if (child == 0) {
			execl("/bin/sh", "sh", "-c", "exit 9", NULL);
			_exit(99);
		}
		CHECK_EQ(status_of(child), 9 << 8);
		child = vfork();
		if (child == 0)
			_exit(i);
		CHECK_EQ(status_of(child), i << 8);
		child = vfork();
		if (child == 0) {
			execl("/nonexistent/program", "x", NULL);
			_exit(errno);
		}
		CHECK_EQ(status_of(child), ENOENT << 8);
	}
	{
		char *args[] = { "sh", "-c", "exit $X", NULL }, *env[] = { "X=17", NULL };
		posix_spawn_file_actions_t fa;

		CHECK_EQ(posix_spawn(&child, "/bin/sh", NULL, NULL, args, env), 0);
		CHECK_EQ(status_of(child), 17 << 8);
		CHECK_EQ(posix_spawn(&child, "/nonexistent", NULL, NULL, args, env), ENOENT);
		CHECK(pipe(fd) == 0);
		posix_spawn_file_actions_init(&fa);
		posix_spawn_file_actions_adddup2(&fa, fd[1], 1);
		args[2] = "echo spawned; kill -9 $$";
		CHECK_EQ(posix_spawnp(&child, "sh", &fa, NULL, args, environ), 0);
		CHECK_EQ(status_of(child), SIGKILL);
		CHECK_EQ(read(fd[0], buf, sizeof(buf)), 8);
		close(fd[0]);
		close(fd[1]);
	}
	/* signals and core-less deaths */
	for (int i = 0; i < 4; i++) {
		static const int sig[] = { SIGSEGV, SIGTERM, SIGABRT, SIGILL };

		child = fork();
		if (child == 0) {
			if (i == 0)
				*(volatile int *)8 = 1;
			if (i == 3)
				__builtin_trap();
			kill(getpid(), sig[i]);
			pause();
		}
		CHECK_EQ(status_of(child) & 0x7f, sig[i]);
	}
	/* clone with a stack, with and without shared memory */
	n = 5;
	child = clone(in_clone, stack + sizeof(stack), SIGCHLD, &n);
	CHECK_EQ(status_of(child), 23 << 8);
	CHECK_EQ(n, 5);
	child = clone(in_clone, stack + sizeof(stack), SIGCHLD | CLONE_VM | CLONE_VFORK, &n);
	CHECK_EQ(status_of(child), 23 << 8);
	CHECK_EQ(n, 6);
	child = clone(in_clone, stack + sizeof(stack), SIGCHLD | CLONE_VM, &n);
	CHECK_EQ(status_of(child), 23 << 8);
	CHECK_EQ(n, 7);
	child = (pid_t)syscall(SYS_fork);
	if (child == 0)
		_exit(3);
	CHECK_EQ(status_of(child), 3 << 8);

	/* a pipeline of children, data through all */
	{
		int in = -1;

		for (int i = 0; i < 6; i++) {
			CHECK(pipe(fd) == 0);
			if (fork() == 0) {
				char c = 0;

				if (in >= 0 && read(in, &c, 1) != 1)
					_exit(1);
				c++;
				_exit(write(fd[1], &c, 1) != 1);
			}
			close(fd[1]);
			if (in >= 0)
				close(in);
			in = fd[0];
		}
		for (int i = 0; i < 6; i++) {
			wait(&status);
			CHECK_EQ(status, 0);
		}
		CHECK_EQ(read(in, buf, 1), 1);
		CHECK_EQ(buf[0], 6);
	}
	/* exec in all forms */
	child = fork();
	if (child == 0) {
		execl(self, "renamed", "again", "10", NULL);
		_exit(1);
	}
	CHECK_EQ(status_of(child), 42 << 8);
	fflush(stdout);
	for (int i = 0; i < 4; i++) {
		child = fork();
		if (child == 0) {
			char *args[] = { "zero", "env", "two", NULL }, *env[] = { "X=yes", NULL };
			int exe = open(self, O_RDONLY | O_CLOEXEC);

			if (i == 0)
				execve(self, args, env);
			if (i == 1)
				fexecve(exe, args, env);
			if (i == 2)
				syscall(SYS_execveat, exe, "", args, env, AT_EMPTY_PATH);
			if (i == 3) {
				setenv("PATH", "/nonexistent:/bin:/usr/bin", 1);
				setenv("X", "path", 1);
				execlp("sh", "sh", "-c", "echo sh $X; exit 0", NULL);
			}
			_exit(77);
		}
		CHECK_EQ(status_of(child), 0);
	}
	/* scripts */
	{
		FILE *f = fopen("script", "w");

		fprintf(f, "#! /bin/sh -u\necho \"$0 $1 $#\"\nexit 6\n");
		fclose(f);
		chmod("script", 0755);
		child = fork();
		if (child == 0) {
			execl("./script", "ignored", "arg", "more", NULL);
			_exit(77);
		}
		CHECK_EQ(status_of(child), 6 << 8);
		f = fopen("outer", "w");
		fprintf(f, "#!./script opt with blanks\n");
		fclose(f);
		chmod("outer", 0755);
		child = fork();
		if (child == 0) {
			execl("./outer", "ignored", "arg", NULL);
			_exit(77);
		}
		CHECK_EQ(status_of(child), 6 << 8);
		chmod("outer", 0644);
		CHECK_EQ(execl("./outer", "x", NULL), -1);
		CHECK_EQ(errno, EACCES);
		CHECK_EQ(execl("/bin/sh/x", "x", NULL), -1);
		CHECK_EQ(errno, ENOTDIR);
		CHECK_EQ(execl("/", "x", NULL), -1);
		CHECK_EQ(errno, EACCES);
		f = fopen("text", "w");
		fprintf(f, "exit 5\n");
		fclose(f);
		chmod("text", 0755);
		CHECK_EQ(execl("./text", "x", NULL), -1);
		CHECK_EQ(errno, ENOEXEC);
		child = fork();
		if (child == 0) {
			execlp("./text", "x", NULL); /* libc tries the shell */
			_exit(77);
		}
		CHECK_EQ(status_of(child), 5 << 8);
	}
	CHECK_EQ(WEXITSTATUS(system("exit 3")), 3);
	{
		FILE *p = popen("echo from popen; cat", "w");

		fputs("to popen\n", p);
		CHECK_EQ(pclose(p), 0);
	}
	CHECK_EQ(wait(&status), -1);
	CHECK_EQ(errno, ECHILD);
	return check_done();
}
