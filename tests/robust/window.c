/* SPDX-License-Identifier: MIT */
/*
 * window HOW: thread T unlocks once; thread D waits for the lock without sleeping, takes it, and does away with its
 * memory as in storm.c. Natively nothing happens, because nobody stops T between the release and the store that ends
 * the unlock. gnomon race does.
 */
#include "robust.h"

static pthread_mutex_t *m;
static volatile pid_t tid;
static int ids_fd;
static const char *how;

static void *unlocker(void *arg)
{
	pthread_mutex_lock(m);
	tid = (pid_t)syscall(SYS_gettid);
	usleep(1000);
	pthread_mutex_unlock(m);
	return NULL;
}

int main(int argc, char **argv)
{
	int lock_fd = file("lock");
	uint32_t *ids;
	pthread_t t;

	how = argc > 1 ? argv[1] : "remap";
	ids_fd = file("ids");
	m = page_of(lock_fd, NULL);
	mutex_make(m);
	ids = page_of(ids_fd, NULL);
	need(!pthread_create(&t, NULL, unlocker, NULL), "pthread_create");
	while (!tid)
		usleep(100);
	for (int i = 0; i < WORDS; i++)
		ids[i] = (uint32_t)tid;
	while (pthread_mutex_trylock(m))
		usleep(100);
	pthread_mutex_unlock(m);
	pthread_mutex_destroy(m);
	if (!strcmp(how, "remap")) {
		munmap(m, PAGE);
		page_of(ids_fd, m);
	} else if (!strcmp(how, "fixed")) {
		page_of(ids_fd, m);
	} else if (!strcmp(how, "unmap")) {
		munmap(m, PAGE);
	} else if (!strcmp(how, "inplace")) {
		memcpy(m, ids, PAGE);
	}
	pthread_join(t, NULL);
	return 0;
}
