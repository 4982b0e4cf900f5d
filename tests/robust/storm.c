/* SPDX-License-Identifier: MIT */
/*
 * storm KILLS HOW [WAY]: ends a process again and again while one thread of it is on its way out of an unlock.
 *
 * Each process has a thread T that unlocks and a thread D that was waiting. Both share a CPU and T has the lowest
 * priority, so T's wake in the unlock lets D run at once: T stands behind the release and before the store that
 * clears list_op_pending. D takes the lock, is the last to need it, and does away with its memory. What lies there
 * next is a file full of T's thread id, and then D ends the process.
 *
 *   remap     D unmaps the lock and maps the file there
 *   fixed     D maps the file over the lock
 *   move      D moves the lock away with mremap and maps the file there
 *   inplace   D writes the ids into the lock's own page (an allocator in shared memory)
 *   free      the lock lies in a large block of malloc's, which D frees; the file is mapped where it was
 *
 * WAY is how it ends: kill, exit, abort, exec or segv by D; term by its parent; with pthread_exit and alone it is T that
 * ends, in the handler of a signal that D sends it where it stands: through libc, by the system call.
 *
 * Prints: kills, how often T's slot still named the lock when the process was killed, how often the file changed.
 */
#include "robust.h"

struct shared { /* between the process and its parent */
	volatile pid_t t;
	volatile int open; /* T's slot was set when D had done */
	volatile int step;
	volatile bool ready; /* to be killed by the parent */
};

#define BLOCK (1 << 20) /* malloc has a mapping of its own for it */

static struct shared *sh;
static pthread_mutex_t *m;
static pthread_t unlocking;
static void *block;
static int ids_fd;
static const char *how, *way;
static int cpu;

static void on_signal(int sig)
{
	if (!strcmp(way, "pthread_exit"))
		pthread_exit(NULL);
	syscall(SYS_exit, 0);
}

static void *unlocker(void *arg)
{
	pin(cpu);
	idle_priority();
	pthread_mutex_lock(m);
	sh->t = (pid_t)syscall(SYS_gettid);
	/* D waits in the kernel when the word says so */
	while (!(word_of(m) & 0x80000000u))
		sched_yield();
	pthread_mutex_unlock(m);
	sh->step = 9; /* T got out: D was not scheduled in time */
	for (;;)
		pause();
	return NULL;
}

static void fill(uint32_t *p, uint32_t id)
{
	for (int i = 0; i < WORDS; i++)
		p[i] = id;
}

static void replace(void)
{
	char *at = (char *)m;

	if (!strcmp(how, "remap")) {
		munmap(at, PAGE);
		page_of(ids_fd, at);
	} else if (!strcmp(how, "fixed")) {
		page_of(ids_fd, at);
	} else if (!strcmp(how, "move")) {
		void *to = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		need(mremap(at, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) != MAP_FAILED, "mremap");
		page_of(ids_fd, at);
	} else if (block) {
		free(block);
		/* not MAP_FIXED: that would be a call that ends mappings itself */
		need(mmap(at, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, ids_fd, 0) == at, "mmap where the block was");
	} else {
		fill((uint32_t *)at, (uint32_t)sh->t);
	}
}

static void __attribute__((noreturn)) end(void)
{
	if (!strcmp(way, "exit"))
		_exit(0);
	if (!strcmp(way, "abort"))
		abort();
	if (!strcmp(way, "exec"))
		execl("/bin/true", "true", NULL);
	if (!strcmp(way, "kill"))
		kill(getpid(), SIGKILL);
	if (!strcmp(way, "segv"))
		*(volatile int *)8 = 1;
	if (!strcmp(way, "term")) {
		sh->ready = true;
		/* T does not get the CPU */
		for (;;)
			;
	}
	pthread_kill(unlocking, SIGUSR1);
	while (!syscall(SYS_tgkill, getpid(), sh->t, 0))
		usleep(100);
	_exit(0);
}

static void __attribute__((noreturn)) process(void)
{
	struct head *h;
	uint32_t *ids;

	pin(cpu);
	signal(SIGUSR1, on_signal);
	if (!strcmp(how, "free")) {
		block = malloc(BLOCK);
		m = (pthread_mutex_t *)(((uintptr_t)block + PAGE) & ~(uintptr_t)(PAGE - 1));
		mutex_make(m);
	}
	need(!pthread_create(&unlocking, NULL, unlocker, NULL), "pthread_create");
	while (!sh->t)
		sched_yield();
	ids = page_of(ids_fd, NULL);
	if (strcmp(how, "inplace"))
		fill(ids, (uint32_t)sh->t);
	pthread_mutex_lock(m);
	pthread_mutex_unlock(m);
	h = head_of(sh->t);
	pthread_mutex_destroy(m);
	replace();
	sh->open = h && h->pending;
	end();
}

int main(int argc, char **argv)
{
	int kills = argc > 1 ? atoi(argv[1]) : 100, open = 0, changed = 0, late = 0, last;
	double start = seconds();
	int want;

	how = argc > 2 ? argv[2] : "remap";
	way = argc > 3 ? argv[3] : "kill";
	want = !strcmp(way, "kill") ? SIGKILL : !strcmp(way, "abort") ? SIGABRT : !strcmp(way, "segv") ? SIGSEGV :
	       !strcmp(way, "term") ? SIGTERM : 0;
	cpus(&cpu, &last);
	sh = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < kills; i++) {
		int lock_fd = file("lock"), status;
		uint32_t *ids;
		bool bad = false;
		pid_t pid;

		memset((void *)sh, 0, sizeof(*sh));
		ids_fd = strcmp(how, "inplace") ? file("ids") : lock_fd;
		m = page_of(lock_fd, NULL);
		mutex_make(m);
		pid = fork();
		need(pid >= 0, "fork");
		if (!pid)
			process();
		while (!strcmp(way, "term") && !sh->ready)
			usleep(100);
		if (sh->ready)
			kill(pid, SIGTERM);
		waitpid(pid, &status, 0);
		need((status & 0x7f) == want, "the process died by itself");
		ids = page_of(ids_fd, NULL);
		for (int k = 0; k < WORDS; k++)
			bad |= ids[k] != (uint32_t)sh->t;
		open += sh->open;
		late += sh->step == 9;
		changed += bad;
		munmap(ids, PAGE);
		munmap(m, PAGE);
		close(lock_fd);
		if (ids_fd != lock_fd)
			close(ids_fd);
	}
	printf("%s: kills %d open %d late %d changed %d seconds %.0f\n", how, kills, open, late, changed, seconds() - start);
	return changed != 0;
}
