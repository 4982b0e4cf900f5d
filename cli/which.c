/* SPDX-License-Identifier: MIT */
/* Finding files: the program as execvp(3) finds it, the other parts of gnomon, /proc. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "config.h"

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

static int try_part(const char *name, char *path, size_t size, const char *dir, const char *below)
{
	int n = snprintf(path, size, "%s%s/%s", dir, below, name);

	if (n < 0 || (size_t)n >= size) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return fd_above_stdio(open(path, O_RDONLY | O_CLOEXEC));
}

/* The folder this command lies in; false if nobody can say. Without /proc the kernel's word for what was executed
 * serves, as long as nobody changed the folder or the file since. */
static bool own_folder(char self[GN_PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", self, GN_PATH_MAX - 1);

	if (n > 0)
		self[n] = 0;
	else if (!realpath((const char *)getauxval(AT_EXECFN), self))
		return false;
	*strrchr(self, '/') = 0; /* both are absolute */
	return true;
}

int part_find(const char *name, char *path, size_t size)
{
	char self[GN_PATH_MAX];
	int fd = -1;

	if (own_folder(self)) {
		fd = try_part(name, path, size, self, "");
		if (fd < 0)
			fd = try_part(name, path, size, self, "/" GN_BIN_TO_LIBEXEC);
	}
	if (fd < 0)
		fd = try_part(name, path, size, GN_LIBEXECDIR, "");
	return fd;
}

bool proc_mounted(void)
{
	return access("/proc/self/maps", R_OK) == 0;
}

int part_open(const char *name, char *path, size_t size)
{
	int fd = part_find(name, path, size);

	if (fd < 0)
		die(GN_EXIT_USAGE, "no %s beside gnomon or in " GN_LIBEXECDIR ": %s", name, reason(errno));
	return fd;
}
