/* SPDX-License-Identifier: MIT */
/* Messages of the command itself. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

int msg_fd = 2;

const char *reason(int error)
{
	static char text[160];
	const char *limit = error == EMFILE ? " (ulimit -n)" : error == ENOMEM ? " (ulimit -v)" :
			    error == EFBIG  ? " (ulimit -f)" : "";

	snprintf(text, sizeof(text), "%s%s", strerror(error), limit);
	return text;
}

static void vmsg(const char *fmt, va_list ap, const char *tail)
{
	struct block b;
	FILE *f = block_begin(&b);

	if (!f)
		return;
	fputs("gnomon: ", f);
	vfprintf(f, fmt, ap);
	fputc('\n', f);
	fputs(tail, f);
	if (block_end(&b))
		(void)write_all(msg_fd, b.text, b.n);
	free(b.text);
}

void msg(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vmsg(fmt, ap, "");
	va_end(ap);
}

void die(int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vmsg(fmt, ap, "");
	va_end(ap);
	exit(status);
}

void usage_error(const struct command *cmd, const char *fmt, ...)
{
	char tail[96];
	va_list ap;

	snprintf(tail, sizeof(tail), "Try 'gnomon %s%s--help' for more information.\n", cmd ? cmd->name : "",
		 cmd ? " " : "");
	va_start(ap, fmt);
	vmsg(fmt, ap, tail);
	va_end(ap);
	exit(GN_EXIT_USAGE);
}

int stdout_done(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	msg("standard output: %s", reason(errno));
	return GN_EXIT_USAGE;
}
