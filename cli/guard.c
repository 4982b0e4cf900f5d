/* SPDX-License-Identifier: MIT */
/*
 * gnomon guard and gnomon race: options are read here, the rest is gnomon-guard's, which this process becomes. It
 * does not go through the engine's start, so neither costs the other anything.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

int cmd_guard(const struct command *cmd, int argc, char **argv)
{
	char path[GN_PATH_MAX], part[GN_PATH_MAX + 64], letters[8], nth[16], hold[16];
	struct options o;
	char **prog, **args;
	size_t n = 0;
	int r;

	options_parse(cmd, argc, argv, &o, &prog);
	if (!*prog)
		usage_error(cmd, "no program given");
	r = which(prog[0], path, sizeof(path));
	if (r < 0)
		die(r == -ENOENT ? GN_EXIT_NOTFOUND : GN_EXIT_NOEXEC, "%s: %s", *prog[0] ? prog[0] : "''", strerror(-r));
	part_open(GN_GUARD, part, sizeof(part));
	snprintf(letters, sizeof(letters), "-%s%s%s%s%s", o.supervise ? "s" : "", o.verbose ? "v" : "", o.all ? "a" : "",
		 o.plant ? "P" : "", cmd->id == C_GUARD || o.race_guarded ? "p" : "");
	snprintf(nth, sizeof(nth), "%d", o.nth);
	snprintf(hold, sizeof(hold), "%d", o.hold);
	while (prog[n])
		n++;
	args = calloc(n + 7, sizeof(*args));
	if (!args)
		die(GN_EXIT_USAGE, "%s", strerror(errno));
	args[0] = (char *)GN_GUARD;
	args[1] = (char *)cmd->name;
	args[2] = path;
	args[3] = letters;
	args[4] = nth;
	args[5] = hold;
	memcpy(args + 6, prog, n * sizeof(*args));
	execv(part, args);
	die(GN_EXIT_USAGE, "%s: %s", part, strerror(errno));
}
