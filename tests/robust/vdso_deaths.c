/* SPDX-License-Identifier: MIT */
/*
 * vdso_deaths WAY ROUNDS: processes whose threads unlock through the vDSO (Linux 7.2) without a pause end by WAY: exit,
 * abort, exec, segv, term (SIGTERM from outside), termhere. Their list heads lie in shared memory: whoever died with
 * its word let go and its slot still set died in the window. Natively, where the kernel has no such unlock: status 77.
 */
#include <dlfcn.h>
#include <stddef.h>

#include "robust.h"

#define THREADS 3

typedef uint32_t (*unlock64)(uint32_t *, uint32_t, uint64_t *);

struct entry {
	struct entry *next;
	volatile uint32_t word;
};
static struct one {
	struct entry lock;
	struct { void *next; long offset; volatile uint64_t pending; } head;
	volatile uint32_t tid;
	volatile long turns;
	char pad[64];
} *all;
static unlock64 unlock;

static void *unlocker(void *arg)
{
	struct one *me = arg;

	me->tid = (uint32_t)syscall(SYS_gettid);
	me->head.next = &me->head;
	me->head.offset = offsetof(struct entry, word);
	syscall(SYS_set_robust_list, &me->head, sizeof(me->head));
	for (;;) {
		me->lock.word = me->tid;
		me->head.pending = (uint64_t)&me->lock;
		unlock((uint32_t *)&me->lock.word, me->tid, (uint64_t *)&me->head.pending);
		me->turns++;
	}
	return NULL;
}

/* the kernel refuses late; everybody goes on */
static void refused(void)
{
	char *argv[] = { "true", memset(calloc(1, 1 << 20), 'x', (1 << 20) - 1), NULL };
	long turns;

	need(execv("/bin/true", argv) < 0 && errno == E2BIG, "execv");
	for (int i = 0; i < THREADS; i++)
		for (turns = all[i].turns; all[i].turns == turns;)
			usleep(100);
}

static void __attribute__((noreturn)) process(const char *way, unsigned seed)
{
	pthread_t t;

	for (int i = 0; i < THREADS; i++)
		pthread_create(&t, NULL, unlocker, &all[i]);
	for (int i = 0; i < THREADS; i++)
		while (!all[i].tid)
			usleep(100);
	usleep(200 + rand_r(&seed) % 1000);
	if (!strcmp(way, "exit"))
		_exit(0);
	if (!strcmp(way, "abort"))
		abort();
	if (!strcmp(way, "exec")) {
		refused();
		execl("/bin/true", "true", NULL);
	}
	if (!strcmp(way, "segv"))
		*(volatile int *)8 = 1;
	if (!strcmp(way, "termhere"))
		raise(SIGTERM);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	const char *way = argc > 1 ? argv[1] : "exit";
	int rounds = argc > 2 ? atoi(argv[2]) : 20, open = 0, held = 0, odd = 0;
	int want = !strcmp(way, "abort") ? SIGABRT : !strcmp(way, "segv") ? SIGSEGV : !strncmp(way, "term", 4) ? SIGTERM : 0;
	void *vdso = dlopen("linux-vdso.so.1", RTLD_NOW | RTLD_NOLOAD);

	unlock = vdso ? (unlock64)dlsym(vdso, "__vdso_futex_robust_list64_try_unlock") : NULL;
	if (!unlock)
		return 77;
	all = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int n = 0; n < rounds; n++) {
		int status;
		pid_t pid;

		memset(all, 0, PAGE);
		pid = fork();
		need(pid >= 0, "fork");
		if (!pid)
			process(way, (unsigned)n);
		if (!strcmp(way, "term")) {
			for (int i = 0; i < THREADS; i++)
				while (!all[i].tid)
					usleep(100);
			usleep((useconds_t)(n % 10) * 300);
			kill(pid, SIGTERM);
		}
		waitpid(pid, &status, 0);
		odd += WIFSIGNALED(status) ? WTERMSIG(status) != want : want || WEXITSTATUS(status);
		for (int i = 0; i < THREADS; i++) {
			held += (all[i].lock.word & TID_MASK) == all[i].tid || all[i].lock.word & OWNER_DIED;
			open += !all[i].lock.word && all[i].head.pending;
		}
	}
	printf("%s: rounds %d held %d open %d odd %d\n", way, rounds, held, open, odd);
	return open || odd;
}
