/* SPDX-License-Identifier: MIT */
/*
 * #! lines, as fs/binfmt_script.c reads them: only the first HEAD_SIZE bytes count, one optional argument,
 * spaces and tabs around both. A pure function of the bytes. Called by plan.c.
 */
#include "load/load.h"

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

/* first byte in [p, last] that is not blank, or NULL */
static char *skip_blanks(char *p, char *last)
{
	for (; p <= last; p++)
		if (!blank(*p))
			return p;
	return NULL;
}

/* first blank or NUL in [p, last], or NULL */
static char *word_end(char *p, char *last)
{
	for (; p <= last; p++)
		if (blank(*p) || !*p)
			return p;
	return NULL;
}

long script_parse(const u8 head[HEAD_SIZE], struct script *s)
{
	char *b = s->line, *last = b + HEAD_SIZE - 1, *end, *name, *sep, *arg = NULL;

	memcpy(b, head, HEAD_SIZE);
	b[HEAD_SIZE] = 0;
	if (b[0] != '#' || b[1] != '!')
		return -ENOEXEC;
	end = strchr(b, '\n');
	if (!end) {
		/* without a newline only a path that certainly ends here will do */
		char *first = skip_blanks(b + 2, last);

		if (!first || !word_end(first, last))
			return -ENOEXEC;
		end = last;
	}
	while (blank(end[-1]))
		end--;
	name = skip_blanks(b + 2, end);
	if (!name || name == end)
		return -ENOEXEC;
	sep = word_end(name, end);
	if (sep && *sep)
		arg = skip_blanks(sep, end);
	*end = 0;
	if (arg)
		*sep = 0;
	s->interp = name;
	s->arg = arg;
	return 0;
}
