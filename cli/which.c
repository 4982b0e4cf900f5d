/* SPDX-License-Identifier: MIT */
/* Finding files: the program as execvp(3) finds it, and the engine. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

#define ENGINE "gnomon-engine"

/* 0 if execve(2) would at least look into the file */
static int executable(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EACCES;
	if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
		return -errno;
	return 0;
}

int which(const char *name, char *path, size_t size)
{
	const char *dirs, *p, *end;
	bool denied = false;

	if (!*name)
		return -ENOENT;
	if (strchr(name, '/')) {
		if (strlen(name) >= size)
			return -ENAMETOOLONG;
		strcpy(path, name);
		return executable(path);
	}
	if (strlen(name) > 255)
		return -ENAMETOOLONG;
	dirs = getenv("PATH");
	if (!dirs)
		dirs = "/bin:/usr/bin";
	for (p = dirs;; p = end + 1) {
		size_t n;
		int r;

		end = strchrnul(p, ':');
		n = (size_t)(end - p);
		if (n + 1 + strlen(name) < size) {
			/* an empty entry is the current folder, without "./" in front */
			snprintf(path, size, "%.*s%s%s", (int)n, p, n ? "/" : "", name);
			r = executable(path);
			if (r == 0)
				return 0;
			if (r == -EACCES)
				denied = true;
			else if (r != -ENOENT && r != -ENOTDIR && r != -ESTALE && r != -ENODEV && r != -ETIMEDOUT)
				return r;
		}
		if (!*end)
			break;
	}
	return denied ? -EACCES : -ENOENT;
}

static int try_engine(char *path, size_t size, const char *dir, size_t dirlen, const char *below)
{
	int n = snprintf(path, size, "%.*s%s/" ENGINE, (int)dirlen, dir, below);

	if (n < 0 || (size_t)n >= size)
		return -1;
	return fd_above_stdio(open(path, O_RDONLY | O_CLOEXEC));
}

int engine_find(char *path, size_t size)
{
	char self[GN_PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;
	int fd = -1;

	if (n > 0) {
		self[n] = 0;
		slash = strrchr(self, '/');
		n = slash ? slash - self : 0;
		fd = try_engine(path, size, self, (size_t)n, "");
		if (fd < 0)
			fd = try_engine(path, size, self, (size_t)n, "/../libexec");
	}
	if (fd < 0)
		fd = try_engine(path, size, GN_LIBEXECDIR, strlen(GN_LIBEXECDIR), "");
	return fd;
}

int engine_open(char *path, size_t size)
{
	int fd = engine_find(path, size);

	if (fd < 0)
		die(GN_EXIT_USAGE, "no " ENGINE " beside gnomon or in " GN_LIBEXECDIR ": %s%s", strerror(errno),
		    access("/proc/self/exe", F_OK) < 0 ? " (/proc is not mounted)" : "");
	return fd;
}
