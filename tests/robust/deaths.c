/* SPDX-License-Identifier: MIT */
/*
 * deaths WAY HOW [CGROUP]: thread T is stopped by a signal between the release of its lock and the store that clears
 * the slot, and stays in the handler; the memory goes to other data (HOW as in storm.c); then T ends by one of
 *
 *   exit abort kill     of the whole process, by the other thread
 *   exec                by the other thread
 *   pthread_exit alone  T in the handler: through libc, by the system call
 *   oom                 the kernel, when the control group CGROUP has no memory left
 *
 * Prints whether the data changed.
 */
#include <fcntl.h>

#include "robust.h"

#ifdef __x86_64__
#define FLAGS_TRAP "pushfq\n\torq $0x100, (%%rsp)\n\tpopfq"
#else
#define FLAGS_TRAP "pushfl\n\torl $0x100, (%%esp)\n\tpopfl"
#endif

static struct shared {
	volatile pid_t t;
	volatile bool parked, go, ended;
} *sh;

static pthread_mutex_t *m;
static int ids_fd;
static const char *way, *how;
static struct head *head;
static volatile bool window;

/* the first instruction at which the word is no longer T's; after a supervisor's care the slot is clear there */
static void on_step(int sig)
{
	if (window || word_of(m) & TID_MASK)
		return;
	window = true;
	sh->parked = true;
	while (!sh->go)
		;
	if (!strcmp(way, "pthread_exit"))
		pthread_exit(NULL);
	if (!strcmp(way, "alone"))
		syscall(SYS_exit, 0);
	for (;;)
		pause();
}

static void *unlocker(void *arg)
{
	struct sigaction sa = { .sa_handler = on_step };

	sigaction(SIGTRAP, &sa, NULL);
	sh->t = (pid_t)syscall(SYS_gettid);
	head = head_of(sh->t);
	pthread_mutex_lock(m);
	__asm__ volatile(FLAGS_TRAP : : : "memory", "cc");
	pthread_mutex_unlock(m);
	return NULL;
}

static void eat(void)
{
	for (;;) {
		char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		need(p != MAP_FAILED, "mmap");
		memset(p, 1, 1 << 20);
	}
}

static void __attribute__((noreturn)) process(void)
{
	uint32_t *ids = page_of(ids_fd, NULL);
	pthread_t t;

	need(!pthread_create(&t, NULL, unlocker, NULL), "pthread_create");
	while (!sh->parked)
		sched_yield();
	for (int i = 0; i < WORDS; i++)
		ids[i] = (uint32_t)sh->t;
	if (!strcmp(how, "fixed"))
		page_of(ids_fd, m);
	sh->go = true;
	if (!strcmp(way, "exit"))
		_exit(0);
	if (!strcmp(way, "abort"))
		abort();
	if (!strcmp(way, "kill"))
		kill(getpid(), SIGKILL);
	if (!strcmp(way, "exec"))
		execl("/bin/true", "true", NULL);
	if (!strcmp(way, "oom"))
		eat();
	while (!syscall(SYS_tgkill, getpid(), sh->t, 0))
		usleep(100);
	_exit(0);
}

int main(int argc, char **argv)
{
	bool changed = false;
	uint32_t *ids;
	int lock_fd = file("lock"), status;
	pid_t pid;

	way = argc > 1 ? argv[1] : "exit";
	how = argc > 2 ? argv[2] : "fixed";
	sh = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ids_fd = strcmp(how, "inplace") ? file("ids") : lock_fd;
	m = page_of(lock_fd, NULL);
	mutex_make(m);
	pid = fork();
	need(pid >= 0, "fork");
	if (!pid) {
		char procs[4200], text[16];
		int fd;

		if (argc > 3) {
			snprintf(procs, sizeof(procs), "%s/cgroup.procs", argv[3]);
			fd = open(procs, O_WRONLY);
			snprintf(text, sizeof(text), "%d", getpid());
			need(fd >= 0 && write(fd, text, strlen(text)) > 0, procs);
		}
		process();
	}
	waitpid(pid, &status, 0);
	ids = page_of(ids_fd, NULL);
	for (int i = 0; i < WORDS; i++)
		changed |= ids[i] != (uint32_t)sh->t;
	printf("%s %s: status %#x changed %d\n", way, how, status & 0x7f, changed);
	return changed;
}
