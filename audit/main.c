/* SPDX-License-Identifier: MIT */
/* gnomon-audit: started by `gnomon audit`; picks the command. */
#include <locale.h>
#include <signal.h>
#include <string.h>

#include "args.h"
#include "config.h"

/* the command that started this one; its path if there is one */
const char *gnomon_path = "gnomon";

int main(int argc, char **argv)
{
	static struct options o;
	const struct command *cmd;

	/* a limit on the size of files is an error like a full disk, told and gone on from */
	signal(SIGXFSZ, SIG_IGN);
	/* names in archives are bytes or UTF-8, whatever the user's locale */
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		setlocale(LC_CTYPE, "");
	if (strchr(argv[0], '/') && strcmp(strrchr(argv[0], '/'), "/gnomon-audit"))
		gnomon_path = argv[0];
	if (argc == 2 && !strcmp(argv[1], "--version")) {
		printf("gnomon %s\n", GN_VERSION);
		return stdout_done();
	}
	cmd = args_parse(argc - 1, argv + 1, &o);
	return cmd->run(cmd, &o);
}
