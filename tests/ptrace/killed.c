/* SPDX-License-Identifier: MIT */
/* A tracee is killed in a stop, at any moment, while its tracer reads its memory and its entries in /proc: what it stopped for
 * last is told, and that it has ended.
 * timeout: 60 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <time.h>
#include "tracer.h"

#define ROUNDS 60

static void stops(void)
{
	raise(SIGUSR1);
	for (;;)
		pause();
}

static void killer(pid_t pid, unsigned spins)
{
	for (volatile unsigned i = 0; i < spins; i++)
		;
	kill(pid, SIGKILL);
	_exit(0);
}

/* as debuggers look, until it is gone */
static void look(pid_t pid)
{
	char path[64], text[256];
	int fd, status;
	long w;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	do {
		errno = 0;
		w = ptrace(PTRACE_PEEKTEXT, pid, (void *)stops, 0);
		if (!errno)
			ptrace(PTRACE_POKETEXT, pid, (void *)stops, (void *)w);
		fd = open(path, O_RDONLY);
		if (fd >= 0) {
			while (read(fd, text, sizeof(text)) > 0)
				;
			close(fd);
		}
		status = 0;
		if (waitpid(pid, &status, __WALL | WNOHANG) == pid)
			break;
	} while (1);
	if (WIFSTOPPED(status)) {
		CHECK(is_stop(status, PTRACE_EVENT_EXIT << 8 | SIGTRAP));
		status = go(PTRACE_CONT, pid, 0);
	}
	CHECK(status == SIGKILL);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		pid_t pid = traced_child(stops), by;

		CHECK(TRACE(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEEXIT) == 0);
		CHECK(is_stop(go(PTRACE_CONT, pid, 0), SIGUSR1));
		fflush(stdout);
		by = fork();
		if (!by)
			killer(pid, i * 20000);
		look(pid);
		CHECK(waitpid(by, NULL, 0) == by);
	}
	return check_done();
}
