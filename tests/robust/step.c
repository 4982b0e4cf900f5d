/* SPDX-License-Identifier: MIT */
/*
 * step HOW [waiters|third] [altstack]: kills a thread at every single instruction of an unlock.
 *
 * Thread T steps itself through pthread_mutex_unlock (trap flag, SIGTRAP) and stands in the handler at instruction k.
 * If the word is no longer T's by then, the memory goes to other data (HOW as in storm.c); then the process is
 * killed. What must be true for every k: a lock that T held is marked for the next owner, and data that came after a
 * released lock is left alone.
 *
 * With `waiters` the word says that somebody waits; with `third` another process does, and must get the lock.
 *
 * Prints how many instructions there were, at how many T held the lock and at how many it had let go with the slot
 * still set, how many held locks were not marked, how often data was changed and how often the waiter got nothing.
 */
#include "robust.h"

#ifdef __x86_64__
#define FLAGS_TRAP "pushfq\n\torq $0x100, (%%rsp)\n\tpopfq"
#define FLAGS_CLEAR "pushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq"
#else
#define FLAGS_TRAP "pushfl\n\torl $0x100, (%%esp)\n\tpopfl"
#define FLAGS_CLEAR "pushfl\n\tandl $~0x100, (%%esp)\n\tpopfl"
#endif

static struct shared {
	volatile pid_t t;
	volatile int at;      /* instruction T stands at; -1: it got through */
	volatile bool held;   /* the word is T's there */
	volatile bool open;   /* it is not, and the slot is set */
	volatile bool ready;
	volatile int got;     /* by the third process: what its lock returned, plus 1 */
} *sh;

static pthread_mutex_t *m;
static int ids_fd, stop_at;
static const char *how;
static bool waiters, third, altstack;
static volatile int step;

static void on_step(int sig)
{
	if (step++ != stop_at)
		return;
	sh->at = stop_at;
	for (;;)
		pause();
}

static void *unlocker(void *arg)
{
	struct sigaction sa = { .sa_handler = on_step, .sa_flags = altstack ? SA_ONSTACK : 0 };
	static char stack[65536];
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };

	if (altstack)
		sigaltstack(&ss, NULL);
	sigaction(SIGTRAP, &sa, NULL);
	pthread_mutex_lock(m);
	if (waiters)
		__atomic_fetch_or(lock_of(m), 0x80000000u, __ATOMIC_RELAXED);
	sh->t = (pid_t)syscall(SYS_gettid);
	while (third && !(word_of(m) & 0x80000000u))
		sched_yield();
	__asm__ volatile(FLAGS_TRAP : : : "memory", "cc");
	pthread_mutex_unlock(m);
	__asm__ volatile(FLAGS_CLEAR : : : "memory", "cc");
	sh->at = -1;
	for (;;)
		pause();
	return NULL;
}

static void __attribute__((noreturn)) process(void)
{
	uint32_t *ids = page_of(ids_fd, NULL);
	struct head *h;
	pthread_t t;

	need(!pthread_create(&t, NULL, unlocker, NULL), "pthread_create");
	while (sh->at == -2)
		sched_yield();
	h = head_of(sh->t);
	sh->held = (word_of(m) & TID_MASK) == (uint32_t)sh->t;
	sh->open = !sh->held && h && h->pending;
	if (!sh->held) {
		for (int i = 0; i < WORDS; i++)
			ids[i] = (uint32_t)sh->t;
		if (!strcmp(how, "fixed"))
			page_of(ids_fd, m);
	}
	sh->ready = true;
	for (;;)
		pause();
}

/* waits for the lock that T holds */
static pid_t third_process(void)
{
	pid_t pid = fork();

	need(pid >= 0, "fork");
	if (pid)
		return pid;
	while (!sh->t)
		sched_yield();
	sh->got = pthread_mutex_lock(m) + 1;
	_exit(0);
}

static bool in_vain(pid_t pid)
{
	double end = seconds() + 1;
	int status;

	while (!sh->got && seconds() < end)
		usleep(200);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return !sh->got;
}

int main(int argc, char **argv)
{
	int held = 0, open = 0, unmarked = 0, changed = 0, vain = 0, k;

	how = argc > 1 ? argv[1] : "fixed";
	for (int i = 2; i < argc; i++) {
		waiters |= !strcmp(argv[i], "waiters");
		third |= !strcmp(argv[i], "third");
		altstack |= !strcmp(argv[i], "altstack");
	}
	sh = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (k = 0;; k++) {
		int lock_fd = file("lock"), status;
		bool through, bad = false;
		uint32_t *ids;
		pid_t pid, other = 0;

		memset((void *)sh, 0, sizeof(*sh));
		sh->at = -2;
		ids_fd = strcmp(how, "inplace") ? file("ids") : lock_fd;
		m = page_of(lock_fd, NULL);
		mutex_make(m);
		stop_at = k;
		pid = fork();
		need(pid >= 0, "fork");
		if (!pid)
			process();
		if (third)
			other = third_process();
		while (!sh->ready && waitpid(pid, &status, WNOHANG) == 0)
			sched_yield();
		need(sh->ready, "the process died by itself");
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		through = sh->at == -1;
		held += sh->held;
		open += sh->open;
		if (third)
			vain += in_vain(other);
		/* the next owner is told, or the word says it */
		unmarked += sh->held && (third ? sh->got && sh->got != EOWNERDEAD + 1 : !(word_of(m) & OWNER_DIED));
		ids = page_of(ids_fd, NULL);
		for (int i = 0; i < WORDS && !sh->held; i++)
			bad |= ids[i] != (uint32_t)sh->t;
		changed += bad;
		munmap(ids, PAGE);
		munmap(m, PAGE);
		close(lock_fd);
		if (ids_fd != lock_fd)
			close(ids_fd);
		if (through)
			break;
	}
	printf("%s: steps %d held %d open %d unmarked %d changed %d vain %d\n", how, k, held, open, unmarked, changed, vain);
	return unmarked || changed || vain;
}
