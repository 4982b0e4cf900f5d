/* SPDX-License-Identifier: MIT */
/*
 * keep HOW: a thread waits for a lock while its memory is mapped anew, and dies the moment it has it.
 *
 *   same    the same file at the same place: the slot of the waiting thread must stay, or nobody would learn that the
 *           owner died
 *   other   the same file at another offset, where the lock's words lie too: the memory went away
 *   grow    mremap that grows where it is
 *   shared  a second mapping is made (mremap of length 0)
 *
 * Prints whether the slot stayed and whether the next owner is told. "The moment it has it" is made by writing the
 * thread's id into the word, as its own instruction would, while it sleeps in the kernel.
 */
#include "robust.h"

static struct shared {
	volatile pid_t t;
	volatile bool kept;
} *sh;

static pthread_mutex_t *m;
static const char *how;
static int fd;

static void *locker(void *arg)
{
	sh->t = (pid_t)syscall(SYS_gettid);
	pthread_mutex_lock(m);
	for (;;)
		pause();
	return NULL;
}

static void __attribute__((noreturn)) process(void)
{
	struct head *h;
	pthread_t t;

	need(!pthread_create(&t, NULL, locker, NULL), "pthread_create");
	while (!(word_of(m) & 0x80000000u))
		usleep(100);
	h = head_of(sh->t);
	if (!strcmp(how, "same"))
		page_of(fd, m);
	else if (!strcmp(how, "other"))
		need(mmap(m, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, PAGE) == m, "mmap");
	else if (!strcmp(how, "grow"))
		need(mremap(m, PAGE, 2 * PAGE, MREMAP_MAYMOVE) == m, "mremap");
	else
		need(mremap(m, 0, PAGE, MREMAP_MAYMOVE) != m, "mremap");
	sh->kept = h->pending;
	__atomic_store_n(lock_of(m), (uint32_t)sh->t, __ATOMIC_RELEASE);
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	char *room;
	int status;
	pid_t pid;

	how = argc > 1 ? argv[1] : "same";
	fd = file("lock");
	need(!ftruncate(fd, 2 * PAGE), "ftruncate");
	sh = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	/* with room behind it */
	room = mmap(NULL, 4 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	m = page_of(fd, room);
	munmap(room + PAGE, PAGE);
	mutex_make(m);
	pthread_mutex_lock(m);
	pid = fork();
	need(pid >= 0, "fork");
	if (!pid)
		process();
	waitpid(pid, &status, 0);
	need(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the process died by itself");
	printf("%s: kept %d told %d\n", how, sh->kept, !!(word_of(m) & OWNER_DIED));
	return 0;
}
