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

int root_open(const struct audit *a, const char *path, int flags)
{
	struct open_how how = { .flags = (uint64_t)(flags | O_CLOEXEC), .resolve = RESOLVE_IN_ROOT };

	if (a->o->rootfd < 0)
		return open(path, flags | O_CLOEXEC);
	return (int)syscall(SYS_openat2, a->o->rootfd, path, &how, sizeof(how));
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
