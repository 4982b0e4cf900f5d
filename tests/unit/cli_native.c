/* SPDX-License-Identifier: MIT */
/*
 * `run --engine=` decides by what was found out of the machine: here made up, as no machine is all of them.
 *   gcc -std=gnu11 -g -O1 -D_GNU_SOURCE -Icli -Iinclude -Itests/lib tests/unit/cli_native.c cli/native.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "native.h"

/* ---- the rest of the command ---- */

static jmp_buf dead;
static char said[200];
static int status;

void die(int st, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(said, sizeof(said), fmt, ap);
	va_end(ap);
	status = st;
	longjmp(dead, 1);
}

int which(const char *name, char *path, size_t size)
{
	(void)name, (void)path, (void)size;
	abort();
}

const char *reason(int error)
{
	return strerror(error);
}

/* ---- 'n': natively, 's': by the software engine, 'd': refused ---- */

static char decided(struct options o, struct native_facts f)
{
	if (setjmp(dead))
		return status == GN_EXIT_USAGE ? 'd' : '?';
	return native_wanted(&o, &f) ? 'n' : 's';
}

#define SAYS(word) (strstr(said, word) != NULL)

int main(void)
{
	const struct options autom = { .json_fd = -1, .log_fd = 2 };
	struct options soft = autom, hard = autom, o;
	const struct native_facts all = { true, 6, 6, true, true };
	struct native_facts f, here;

	soft.engine = ENGINE_SOFT;
	hard.engine = ENGINE_HARD;
	CHECK_EQ(decided(autom, all), 'n');
	CHECK_EQ(decided(soft, all), 's');
	CHECK_EQ(decided(hard, all), 'n');
	f = all, f.major = 7, f.minor = 2;
	CHECK_EQ(decided(hard, f), 'n');
	f = all, f.cpu = false, f.enable = false;
	CHECK_EQ(decided(autom, f), 's');
	CHECK_EQ(decided(hard, f), 'd');
	CHECK(SAYS("CPU"));
	f = all, f.minor = 5;
	CHECK_EQ(decided(autom, f), 's');
	CHECK_EQ(decided(hard, f), 'd');
	CHECK(SAYS("6.6"));
	f = all, f.major = 5, f.minor = 15;
	CHECK_EQ(decided(hard, f), 'd');
	f = all, f.status = f.enable = false;
	CHECK_EQ(decided(autom, f), 's');
	CHECK_EQ(decided(hard, f), 'd');
	CHECK(SAYS("built without"));
	f = all, f.enable = false;
	CHECK_EQ(decided(autom, f), 's');
	CHECK_EQ(decided(hard, f), 'd');
	CHECK(SAYS("nousershstk"));
#define ONLY_SOFT(field, value, word)                          \
	do {                                                   \
		o = autom, o.field = value;                    \
		CHECK_EQ(decided(o, all), 's');                \
		o.engine = ENGINE_HARD;                        \
		CHECK_EQ(decided(o, all), 'd');                \
		CHECK(SAYS(word));                             \
	} while (0)
	ONLY_SOFT(enable, GN_ENABLE_MARKED, "--enable");
	ONLY_SOFT(deny_list, "f", "--deny-list");
	ONLY_SOFT(report, "f", "--report");
	ONLY_SOFT(json_fd, 5, "--json-fd");
	ONLY_SOFT(stats, true, "--stats");
	ONLY_SOFT(tuned, true, "-X");
	native_look(&here);
	CHECK(here.major >= 5);
	CHECK(!here.enable || (here.cpu && here.status));
	return check_done();
}
