/* SPDX-License-Identifier: MIT */
/*
 * waiters KILLS: as storm.c, but somebody in another process waits for the lock all the time.
 *
 * T holds the lock until the word says that there are waiters, and lets go; D looks when it likes (T runs while D
 * sleeps) and, where T stands behind the release and before the wake, ends its process's mapping of the lock and
 * kills the process. The kernel's own help, a wake on behalf of the dead thread, does not come then: the word is not
 * there any more. The third process must get the lock all the same.
 *
 * Prints: kills, how often T had not yet woken the waiter, how often the waiter would have slept for ever.
 */
#include <linux/futex.h>

#include "robust.h"

static struct shared {
	volatile pid_t t;
	volatile bool open;
	volatile bool unlocking; /* T is in pthread_mutex_unlock */
	volatile bool enough;    /* T shall not lock again */
	volatile long turns; /* how often the third process had the lock */
	volatile bool stop;
} *sh;

static pthread_mutex_t *m;
static int cpu, other_cpu;

static void lock(void)
{
	if (pthread_mutex_lock(m) == EOWNERDEAD)
		pthread_mutex_consistent(m);
}

static void __attribute__((noreturn)) waiter(void)
{
	pin(other_cpu);
	while (!sh->stop) {
		lock();
		sh->turns++;
		pthread_mutex_unlock(m);
	}
	_exit(0);
}

static void *unlocker(void *arg)
{
	pin(cpu);
	idle_priority();
	sh->t = (pid_t)syscall(SYS_gettid);
	for (;;) {
		while (sh->enough)
			;
		lock();
		while (!(word_of(m) & 0x80000000u))
			;
		sh->unlocking = true;
		pthread_mutex_unlock(m);
		sh->unlocking = false;
	}
	return NULL;
}

/* T is in its unlock, its slot names the lock, the word is free and stays so: had the third process been woken it would
 * have taken it. T goes on as soon as D sleeps, but not into another lock. */
static bool before_wake(struct head *h)
{
	double end = seconds() + 50e-6;

	sh->enough = true;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	while (sh->unlocking && h->pending && !(word_of(m) & TID_MASK))
		if (seconds() > end)
			return true;
	sh->enough = false;
	return false;
}

static void __attribute__((noreturn)) process(unsigned seed)
{
	struct head *h;
	pthread_t t;

	pin(cpu);
	need(!pthread_create(&t, NULL, unlocker, NULL), "pthread_create");
	while (!sh->t)
		usleep(50);
	h = head_of(sh->t);
	for (int i = 0; i < 3000 && !sh->open; i++) {
		usleep(20 + rand_r(&seed) % 50);
		sh->open = before_wake(h);
	}
	if (sh->open)
		munmap(m, PAGE);
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

/* not merely waiting for a CPU */
static bool sleeps(pid_t pid)
{
	char path[64], text[256] = "", *p;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	need(f && fgets(text, sizeof(text), f), path);
	fclose(f);
	p = strrchr(text, ')');
	return p && p[2] == 'S';
}

/* Does the third process sleep for a second, although nobody else is left? Then it is helped */
static bool asleep(pid_t third, long turns)
{
	double since = seconds();

	while (sh->turns <= turns + 1) {
		usleep(100);
		if (!sleeps(third))
			since = seconds();
		if (seconds() - since < 1)
			continue;
		syscall(SYS_futex, m, FUTEX_WAKE, 1);
		return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	int kills = argc > 1 ? atoi(argv[1]) : 100, open = 0, hung = 0;
	double start = seconds();
	pid_t third;

	cpus(&cpu, &other_cpu);
	if (cpu == other_cpu) {
		puts("1..0 # SKIP needs two CPUs");
		return 77;
	}
	sh = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	m = page_of(file("lock"), NULL);
	mutex_make(m);
	third = fork();
	if (!third)
		waiter();
	for (int i = 0; i < kills; i++) {
		pid_t pid;
		int status;

		sh->t = 0;
		sh->open = sh->unlocking = sh->enough = false;
		pid = fork();
		need(pid >= 0, "fork");
		if (!pid)
			process((unsigned)i);
		waitpid(pid, &status, 0);
		need(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the process died by itself");
		open += sh->open;
		hung += asleep(third, sh->turns);
	}
	sh->stop = true;
	kill(third, SIGKILL);
	printf("kills %d open %d hung %d seconds %.0f\n", kills, open, hung, seconds() - start);
	return hung != 0;
}
