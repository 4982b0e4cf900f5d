/* SPDX-License-Identifier: MIT */
/*
 * rusage FD COUNT PROGRAM ARGUMENTS...: runs the program COUNT times and writes to FD: status, user+system
 * microseconds of the whole tree (sum), peak KiB of its largest process, microseconds of wall time (sum). Small itself,
 * because a child's peak begins with its parent's size.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int main(int argc, char **argv)
{
	long us = 0, kib = 0, wall = 0, began;
	int status = 0, fd;

	if (argc < 4)
		return 2;
	fd = atoi(argv[1]);
	for (int n = atoi(argv[2]); n > 0 && status == 0; n--) {
		struct rusage ru;
		pid_t pid;

		began = now();
		pid = fork();
		if (pid < 0)
			return 2;
		if (pid == 0) {
			close(fd);
			execve(argv[3], argv + 3, environ);
			_exit(127);
		}
		if (wait4(pid, &status, 0, &ru) < 0)
			return 2;
		wall += now() - began;
		us += (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000 + ru.ru_utime.tv_usec + ru.ru_stime.tv_usec;
		if (ru.ru_maxrss > kib)
			kib = ru.ru_maxrss;
	}
	dprintf(fd, "%d %ld %ld %ld\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), us, kib, wall);
	return 0;
}
