/* SPDX-License-Identifier: MIT */
/* Names inside the root: with --root, links are followed as if that folder were "/", and never out of it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "args.h"
#include "root.h"

static int open_below(int dir, const char *path, int flags, uint64_t resolve)
{
	struct open_how how = { .flags = (uint64_t)(flags | O_CLOEXEC), .resolve = resolve };

	return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

int root_open(const struct audit *a, const char *path, int flags)
{
	if (a->o->rootfd < 0)
		return open(path, flags | O_CLOEXEC);
	return open_below(a->o->rootfd, path, flags, RESOLVE_IN_ROOT);
}

int root_folder(const struct audit *a, const char *path, int flags)
{
	int dir, next;

	if (strlen(path) < PATH_MAX)
		return root_open(a, path, flags | O_DIRECTORY);
	dir = root_open(a, "/", O_PATH | O_DIRECTORY);
	while (dir >= 0 && path) {
		char step[PATH_MAX], *cut = NULL;
		size_t n = strnlen(++path, sizeof(step) - 1);

		memcpy(step, path, n);
		step[n] = 0;
		if (path[n]) {
			cut = strrchr(step, '/'); /* names are shorter */
			*cut = 0;
		}
		next = open_below(dir, step, cut ? O_PATH | O_DIRECTORY : flags | O_DIRECTORY, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
		close(dir);
		dir = next;
		path = cut ? path + (cut - step) : NULL;
	}
	return dir;
}

/* where a descriptor leads, below `prefix` */
static char *below(int fd, const char *prefix)
{
	char link[64], real[PATH_MAX];
	size_t n = strlen(prefix);
	ssize_t r;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	r = readlink(link, real, sizeof(real) - 1);
	if (r < 0)
		return NULL;
	real[r] = 0;
	if (n == 1)
		n = 0; /* "/" */
	if (strncmp(real, prefix, n) || (real[n] && real[n] != '/')) {
		errno = EXDEV;
		return NULL;
	}
	return xstrdup(real[n] ? real + n : "/");
}

char *root_path(const struct audit *a, const char *typed)
{
	char *path;
	int fd;

	if (a->o->rootfd < 0)
		return realpath(typed, NULL);
	fd = root_open(a, typed, O_PATH);
	if (fd < 0)
		return NULL;
	path = below(fd, a->o->root);
	close(fd);
	return path;
}
