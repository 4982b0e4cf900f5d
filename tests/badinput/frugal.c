/* SPDX-License-Identifier: MIT */
/*
 * A program that copes with having no memory: prints one line for each thing it did or could not do, in memory of
 * its own, and exits with 3. Linked statically, so that whatever asks for memory before main() is gnomon.
 */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *s)
{
	(void)!write(1, s, strlen(s));
}

static volatile int hits;

static void on_signal(int sig)
{
	hits = sig;
}

int main(int argc, char **argv)
{
	int st = 0;
	pid_t pid;
	void *p;

	if (argc > 1) {
		say("exec\n");
		return 5;
	}
	say("start\n");
	p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p != MAP_FAILED)
		memset(p, 1, 1 << 20);
	signal(SIGUSR1, on_signal);
	raise(SIGUSR1);
	say(hits == SIGUSR1 ? "signal\n" : "no signal\n");
	pid = fork();
	if (pid == 0) {
		say("child\n");
		execl("/proc/self/exe", "frugal", "again", (char *)NULL);
		_exit(6);
	}
	if (pid < 0)
		say("no fork\n");
	else
		waitpid(pid, &st, 0);
	say("end\n");
	return 3;
}
