/* SPDX-License-Identifier: MIT */
/* gnomon: picks the command. */
#include <string.h>

#include "cli.h"

const struct command commands[] = {
#define CMD(id, name, operands, purpose, run, manual) { C_##id, name, operands, purpose, run },
#include "opts.def"
	{ 0 },
};

int main(int argc, char **argv)
{
	if (argc < 2)
		usage_error(NULL, "no command given");
	if (argv[1][0] == '-')
		option_general(argv[1]);
	for (const struct command *c = commands; c->name; c++)
		if (!strcmp(c->name, argv[1]))
			return c->run(c, argc - 2, argv + 2);
	usage_error(NULL, "unknown command '%s'", argv[1]);
}
