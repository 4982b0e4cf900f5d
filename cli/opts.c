/* SPDX-License-Identifier: MIT */
/*
 * Command line parsing and help texts, both from opts.def. Not getopt_long(3): its messages have another shape
 * and it accepts abbreviations, which turn every new option into a change of behaviour.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "config.h"
#include "gnomon/board.h"
#include "report.h"

enum opt_id {
#define OPT(id, ...) O_##id,
#include "opts.def"
	O_COUNT
};

static const struct opt {
	char shrt;
	const char *name, *arg;
	unsigned cmds;
	const char *help;
} opts[] = {
#define OPT(id, s, l, arg, cmds, help, ...) { s, l, arg, cmds, help },
#include "opts.def"
};

#define HELP_COLUMN 26

static int number(const struct command *cmd, const char *opt, const char *s, int lo, int hi)
{
	char *end;
	long v;

	errno = 0;
	v = strtol(s, &end, 10);
	if (errno || end == s || *end || v < lo || v > hi)
		usage_error(cmd, "%s needs a number from %d to %d, not '%s'", opt, lo, hi, s);
	return (int)v;
}

static void knob(const struct command *cmd, struct options *o, const char *s)
{
	o->tuned = true;
	if (!strcmp(s, "tiny"))
		o->knobs |= GN_OPT_CHAOS_TINY;
	else if (!strcmp(s, "flush"))
		o->knobs |= GN_OPT_CHAOS_FLUSH, o->flush_every = 64;
	else if (!strncmp(s, "flush=", 6))
		o->knobs |= GN_OPT_CHAOS_FLUSH, o->flush_every = (uint32_t)number(cmd, "-X flush=", s + 6, 1, 1000000000);
	else if (!strncmp(s, "preempt=", 8))
		o->yield_every = (uint32_t)number(cmd, "-X preempt=", s + 8, 1, 1000000000);
	else if (!strcmp(s, "step"))
		o->knobs |= GN_OPT_CHAOS_STEP;
	else if (!strcmp(s, "nopext"))
		o->no_pext = true;
	else if (!strcmp(s, "noloop"))
		o->no_loop = true;
	else if (!strcmp(s, "seal"))
		o->knobs |= GN_OPT_CHAOS_SEAL;
	else if (!strcmp(s, "far"))
		o->knobs |= GN_OPT_CHAOS_FAR;
	else if (!strncmp(s, "fault=", 6))
		o->fault_nth = (uint32_t)number(cmd, "-X fault=", s + 6, 0, 1000000000);
	else if (!strncmp(s, "bug=", 4))
		o->bug_nth = (uint32_t)number(cmd, "-X bug=", s + 4, 0, 1000000000);
	else if (!strncmp(s, "crash=", 6))
		o->crash_nth = (uint32_t)number(cmd, "-X crash=", s + 6, 0, 1000000000);
	else
		usage_error(cmd, "unknown knob '%s'", s);
}

static uint32_t enable_of(const struct command *cmd, const char *s)
{
	static const char *const names[] = {
		[GN_ENABLE_ABI] = "abi", [GN_ENABLE_MARKED] = "marked", [GN_ENABLE_PERMISSIVE] = "permissive",
		[GN_ENABLE_ALWAYS] = "always",
	};

	for (uint32_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(s, names[i]))
			return i;
	usage_error(cmd, "--enable needs abi, marked, permissive or always, not '%s'", s);
}

static enum engine engine_of(const struct command *cmd, const char *s)
{
	static const char *const names[] = { [ENGINE_AUTO] = "auto", [ENGINE_SOFT] = "soft", [ENGINE_HARD] = "hard" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(s, names[i]))
			return (enum engine)i;
	usage_error(cmd, "--engine needs auto, soft or hard, not '%s'", s);
}

/* CLASS=WHAT[,CLASS=WHAT...] */
static void policy(const struct command *cmd, struct options *o, const char *s)
{
	static const char *const whats[] = { [GN_ALLOW] = "allow", [GN_REPORT] = "report", [GN_KILL] = "kill" };

	while (*s) {
		size_t n = strcspn(s, ",="), m = s[n] == '=' ? strcspn(s + n + 1, ",") : 0;
		const char *w = s + n + 1;
		unsigned what = 0;
		bool any = false;

		while (what <= GN_KILL && (!m || strlen(whats[what]) != m || strncmp(whats[what], w, m)))
			what++;
		for (unsigned c = GN_UNWIND; c < GN_CLASSES && what <= GN_KILL; c++) {
			const char *id = class_id(c);

			if ((strlen(id) != n || strncmp(id, s, n)) && (n != 3 || strncmp(s, "all", 3)))
				continue;
			o->policy = (o->policy & ~GN_POLICY(c, 15)) | GN_POLICY(c, what);
			any = true;
		}
		if (!any)
			usage_error(cmd, "--policy has CLASS=allow, report or kill, not '%s'", s);
		s = w + m;
		s += *s == ',';
	}
}

static void apply(const struct command *cmd, struct options *o, enum opt_id id, const char *arg)
{
	switch (id) {
	case O_STOP: o->stop = true; break;
	case O_UNWINDS: o->unwinds = true; break;
	case O_ERROR_EXITCODE: o->error_exitcode = number(cmd, "--error-exitcode", arg, 0, 255); break;
	case O_POLICY: policy(cmd, o, arg); break;
	case O_STRICT: o->strict = true; break;
	case O_NO_FOLLOW: o->no_follow = true; break;
	case O_ENABLE: o->enable = enable_of(cmd, arg); break;
	case O_ENGINE: o->engine = engine_of(cmd, arg); break;
	case O_IBT: o->ibt = true; break;
	case O_SEAL: o->seal = true; break;
	case O_DENY_LIST: o->deny_list = arg; break;
	case O_REPORT: o->report = arg; break;
	case O_JSON_FD: o->json_fd = number(cmd, "--json-fd", arg, 0, 1 << 20); break;
	case O_LOG_FD: o->log_fd = number(cmd, "--log-fd", arg, 0, 1 << 20); break;
	case O_QUIET: o->quiet = true; break;
	case O_STATS: o->stats = true; break;
	case O_KNOB: knob(cmd, o, arg); break;
	case O_JSON: o->json = true; break;
	case O_HTML: o->html = true; break;
	case O_SUPERVISE: o->supervise = true; break;
	case O_VERBOSE: o->verbose = true; break;
	case O_NTH: o->nth = number(cmd, "--nth", arg, 1, 1000000000); break;
	case O_HOLD: o->hold = number(cmd, "--hold", arg, 0, 3600000); break;
	case O_ALL: o->all = true; break;
	case O_PLANT: o->plant = true; break;
	case O_GUARDED: o->race_guarded = true; break;
	case O_HELP: o->help = true; break;
	case O_VERSION:
	case O_COUNT: break;
	}
}

/* index of the option that `a` names for these commands, or O_COUNT; *value is what stands in the same word */
static unsigned find(unsigned cmds, const char *a, const char **value)
{
	unsigned i;

	*value = NULL;
	for (i = 0; i < O_COUNT; i++) {
		const struct opt *p = &opts[i];
		size_t n;

		if (!(p->cmds & cmds))
			continue;
		if (a[1] != '-') {
			if (!p->shrt || a[1] != p->shrt)
				continue;
			/* flags are not bundled: there are too few */
			if (a[2] && !p->arg)
				continue;
			if (a[2])
				*value = a + 2;
			return i;
		}
		n = p->name ? strlen(p->name) : 0;
		if (!n || strncmp(a + 2, p->name, n) || (a[2 + n] && a[2 + n] != '='))
			continue;
		if (a[2 + n])
			*value = a + 2 + n + 1;
		return i;
	}
	return O_COUNT;
}

static void options_help(unsigned cmds)
{
	printf("\nOptions:\n");
	for (unsigned i = 0; i < O_COUNT; i++) {
		const struct opt *p = &opts[i];
		char name[64];
		int n;

		if (!(p->cmds & cmds) || (p->cmds & C_HIDDEN))
			continue;
		n = snprintf(name, sizeof(name), "  %c%c%s--%s%s%s", p->shrt ? '-' : ' ', p->shrt ? p->shrt : ' ',
			     p->shrt ? ", " : "  ", p->name, p->arg ? "=" : "", p->arg ? p->arg : "");
		printf("%s%*s%s\n", name, n < HELP_COLUMN ? HELP_COLUMN - n : 1, "", p->help);
	}
}

static void command_help(const struct command *cmd)
{
	printf("Usage: gnomon %s [options]%s%s\n\n%s\n", cmd->name, *cmd->operands ? " " : "", cmd->operands,
	       cmd->purpose);
	options_help(cmd->id);
	printf("\nFor more details see gnomon(1).\n");
}

static void general_help(void)
{
	printf("Usage: gnomon COMMAND [options] [-- PROGRAM ARGUMENTS...]\n\n"
	       "Run x86-64 Linux programs with shadow stacks in software.\n\nCommands:\n");
	for (const struct command *c = commands; c->name; c++)
		printf("  %-10s%s\n", c->name, c->purpose);
	options_help(C_GENERAL);
	printf("\n'gnomon COMMAND --help' explains a command. For more details see gnomon(1).\n");
}

void option_general(const char *a)
{
	const char *value;
	unsigned id = find(C_GENERAL, a, &value);

	if (value)
		id = O_COUNT;
	if (id == O_HELP)
		general_help();
	else if (id == O_VERSION)
		printf("gnomon %s\n", GN_VERSION);
	else
		usage_error(NULL, "unknown option '%s'", a);
	exit(stdout_done());
}

void options_parse(const struct command *cmd, int argc, char **argv, struct options *o, char ***operands)
{
	int i;

	memset(o, 0, sizeof(*o));
	o->error_exitcode = -1;
	o->log_fd = 2;
	o->json_fd = -1;
	o->nth = 1;
	for (unsigned c = GN_STACK_SWITCH; c < GN_CLASSES; c++)
		o->policy |= GN_POLICY(c, GN_KILL);
	o->hold = 200;
	for (i = 0; i < argc; i++) {
		const char *a = argv[i], *value;
		unsigned id;

		if (a[0] != '-' || !a[1])
			break;
		if (!strcmp(a, "--")) {
			i++;
			break;
		}
		id = find(cmd->id, a, &value);
		if (id == O_COUNT)
			usage_error(cmd, "unknown option '%s'", a);
		if (opts[id].arg && !value) {
			if (i + 1 >= argc)
				usage_error(cmd, "option '%s' needs %s", a, opts[id].arg);
			value = argv[++i];
		} else if (!opts[id].arg && value) {
			usage_error(cmd, "option '%.*s' takes no value", (int)(value - 1 - a), a);
		}
		apply(cmd, o, (enum opt_id)id, value);
		if (o->help) {
			command_help(cmd);
			exit(stdout_done());
		}
	}
	if (o->ibt && o->knobs & GN_OPT_CHAOS_SEAL)
		usage_error(cmd, "--ibt looks at branches that -X seal leaves to the engine");
	*operands = argv + i;
}
