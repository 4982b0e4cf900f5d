/* SPDX-License-Identifier: MIT */
/* gnomon: picks the command. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

const struct command commands[] = {
	{ C_CHECK, "check", "[--] PROGRAM ARGUMENTS...",
	  "run a program with every return checked, report violations, go on", cmd_run },
	{ C_RUN, "run", "[--] PROGRAM ARGUMENTS...",
	  "run a program as a shadow-stack kernel and CPU would", cmd_run },
	{ C_EXPLAIN, "explain", "REPORT", "show a report written by --report", cmd_explain },
	{ C_DOCTOR, "doctor", "", "show what this machine offers and what is missing", cmd_doctor },
	{ 0 },
};

const struct command *command_find(const char *name)
{
	for (const struct command *c = commands; c->name; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

int main(int argc, char **argv)
{
	const struct command *cmd;

	if (argc < 2)
		usage_error(NULL, "no command given");
	if (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help")) {
		general_help();
		return stdout_done();
	}
	if (!strcmp(argv[1], "-V") || !strcmp(argv[1], "--version")) {
		printf("gnomon %s\n", GN_VERSION);
		return stdout_done();
	}
	cmd = command_find(argv[1]);
	if (!cmd)
		usage_error(NULL, argv[1][0] == '-' ? "unknown option '%s'" : "unknown command '%s'", argv[1]);
	return cmd->run(cmd, argc - 2, argv + 2);
}
