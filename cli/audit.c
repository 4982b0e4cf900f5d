/* SPDX-License-Identifier: MIT */
/*
 * gnomon audit: hands over to gnomon-audit, which alone loads what an audit needs (libarchive, SQLite, Zydis). Its first
 * argument is this command's own path: importing reports runs `gnomon explain`.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

int cmd_audit(const struct command *cmd, int argc, char **argv)
{
	char path[GN_PATH_MAX + 64], self[GN_PATH_MAX];
	char **v = calloc((size_t)argc + 2, sizeof(*v));
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (!v)
		die(GN_EXIT_USAGE, "out of memory");
	part_open(GN_AUDIT, path, sizeof(path));
	self[n > 0 ? n : 0] = 0;
	v[0] = n > 0 ? self : (char *)"gnomon";
	memcpy(v + 1, argv, (size_t)argc * sizeof(*v));
	execv(path, v);
	die(GN_EXIT_USAGE, "%s: %s", path, strerror(errno));
}
