/* SPDX-License-Identifier: MIT */
/*
 * floor THREADS LIST: the least that anybody must do who looks for marks, which is these system calls and nothing else. Each
 * file is opened, its first bytes are read, and closed; where those cannot tell, the section headers are read as well. A line
 * of the list has their offset, their length (0: not needed) and the path. Names of one folder are opened in that folder, and
 * threads share no descriptors.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEAD 1024
#define MOST (4u << 20)
#define BATCH 16

struct file {
	char *path;
	size_t folder; /* length of its name */
	off_t off;
	size_t n;
};

static struct file *files;
static size_t count, next;

static int open_one(const struct file *f, const struct file **at, int *dir)
{
	if (!*at || (*at)->folder != f->folder || memcmp((*at)->path, f->path, f->folder)) {
		char *name = strndup(f->path, f->folder ? f->folder : 1);

		if (*dir >= 0)
			close(*dir);
		*dir = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		*at = f;
		free(name);
	}
	return openat(*dir, f->path + f->folder + 1, O_RDONLY | O_CLOEXEC);
}

static void *work(void *arg)
{
	const struct file *at = NULL;
	char *buf = malloc(MOST);
	size_t i, to;
	int dir = -1;

	(void)!unshare(CLONE_FILES);
	while ((i = __atomic_fetch_add(&next, BATCH, __ATOMIC_RELAXED)) < count)
		for (to = i + BATCH < count ? i + BATCH : count; i < to; i++) {
			const struct file *f = &files[i];
			int fd = open_one(f, &at, &dir);

			if (fd < 0 || pread(fd, buf, HEAD, 0) < 0 || (f->n && pread(fd, buf, f->n < MOST ? f->n : MOST, f->off) < 0))
				exit(1);
			close(fd);
		}
	free(buf);
	return arg;
}

int main(int argc, char **argv)
{
	FILE *list = argc == 3 ? fopen(argv[2], "r") : NULL;
	int threads = argc == 3 ? atoi(argv[1]) : 0;
	pthread_t id[64];
	char *line = NULL, *p;
	size_t room = 0;
	ssize_t n;

	if (!list || threads < 1 || threads > 64)
		return 2;
	while ((n = getline(&line, &room, list)) > 0) {
		struct file *f;

		line[n - 1] = 0;
		if (!(count & (count - 1)))
			files = realloc(files, (count ? 2 * count : 1) * sizeof(*files));
		f = &files[count++];
		f->off = strtol(line, &p, 10);
		f->n = strtoul(p, &p, 10);
		f->path = strdup(p + 1);
		f->folder = (size_t)(strrchr(f->path, '/') - f->path);
	}
	for (int i = 0; i < threads; i++)
		if (pthread_create(&id[i], NULL, work, NULL))
			return 1;
	for (int i = 0; i < threads; i++)
		pthread_join(id[i], NULL);
	return 0;
}
