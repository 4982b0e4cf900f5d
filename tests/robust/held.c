/* SPDX-License-Identifier: MIT */
/*
 * held WAY ROUNDS: threads lock and unlock robust mutexes without a pause, one of its own each and one together, and end
 * anywhere in it: by exit, abort, exec, kill of the process, or alone, in a handler. Whatever is done about slots then,
 * no lock may be left with the id of a dead thread and without the mark that says so: nobody would ever get it.
 *
 * Prints how many locks were free, how many were marked and how many were left behind.
 */
#include "robust.h"

#define THREADS 2

static struct shared {
	pthread_mutex_t own[THREADS], common;
	volatile pid_t tid[THREADS];
} *sh;

static const char *way;

static void on_signal(int sig)
{
	syscall(SYS_exit, 0);
}

static void *worker(void *arg)
{
	int n = (int)(intptr_t)arg;

	sh->tid[n] = (pid_t)syscall(SYS_gettid);
	for (;;) {
		pthread_mutex_lock(&sh->own[n]);
		if (pthread_mutex_trylock(&sh->common) == 0)
			pthread_mutex_unlock(&sh->common);
		pthread_mutex_unlock(&sh->own[n]);
		if (pthread_mutex_lock(&sh->common) == EOWNERDEAD)
			pthread_mutex_consistent(&sh->common);
		pthread_mutex_unlock(&sh->common);
	}
	return NULL;
}

static void __attribute__((noreturn)) process(unsigned seed)
{
	pthread_t t[THREADS];

	signal(SIGUSR1, on_signal);
	for (int i = 0; i < THREADS; i++)
		need(!pthread_create(&t[i], NULL, worker, (void *)(intptr_t)i), "pthread_create");
	for (int i = 0; i < THREADS; i++)
		while (!sh->tid[i])
			sched_yield();
	usleep(rand_r(&seed) % 400);
	if (!strcmp(way, "exit"))
		_exit(0);
	if (!strcmp(way, "abort"))
		abort();
	if (!strcmp(way, "exec"))
		execl("/bin/true", "true", NULL);
	if (!strcmp(way, "kill"))
		kill(getpid(), SIGKILL);
	for (int i = 0; i < THREADS; i++)
		pthread_kill(t[i], SIGUSR1);
	for (int i = 0; i < THREADS; i++)
		while (!syscall(SYS_tgkill, getpid(), sh->tid[i], 0))
			sched_yield();
	_exit(0);
}

int main(int argc, char **argv)
{
	int rounds = argc > 2 ? atoi(argv[2]) : 100, free = 0, marked = 0, left = 0;

	way = argc > 1 ? argv[1] : "exit";
	sh = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int n = 0; n < rounds; n++) {
		pthread_mutex_t *all[THREADS + 1] = { &sh->own[0], &sh->own[1], &sh->common };
		int status;
		pid_t pid;

		memset(sh, 0, sizeof(*sh));
		for (int i = 0; i < THREADS + 1; i++)
			mutex_make(all[i]);
		pid = fork();
		need(pid >= 0, "fork");
		if (!pid)
			process((unsigned)n);
		waitpid(pid, &status, 0);
		for (int i = 0; i < THREADS + 1; i++) {
			uint32_t word = word_of(all[i]);

			free += !(word & TID_MASK) && !(word & OWNER_DIED);
			marked += !!(word & OWNER_DIED);
			left += !!(word & TID_MASK);
		}
	}
	printf("%s: rounds %d free %d marked %d left %d\n", way, rounds, free, marked, left);
	return left != 0;
}
