/* SPDX-License-Identifier: MIT */
/* Command line parsing and help texts, both from opts.def, in the manner of the other commands. */
#include "args.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

#define HELP_COLUMN 24

const struct command commands[] = {
#define CMD(id, name, operands, purpose, run, manual) { A_##id, name, operands, purpose, run },
#include "opts.def"
	{ 0 },
};

/* the word that names it behind "gnomon audit"; "" for the audit itself */
static const char *word(const struct command *c)
{
	return c->name + (c->name[5] ? 6 : 5);
}

void usage_error(const struct command *cmd, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(stderr, "gnomon: %s\nTry 'gnomon %s --help' for more information.\n", text, cmd->name);
	exit(GN_EXIT_USAGE);
}

static unsigned number(const struct command *cmd, const char *opt, const char *s, const char *end, unsigned hi)
{
	unsigned long v;
	char *e;

	errno = 0;
	v = strtoul(s, &e, 10);
	if (errno || e == s || e != end || *s == '-' || v < 1 || v > hi)
		usage_error(cmd, "%s needs a number from 1 to %u, not '%.*s'", opt, hi, (int)(end - s), s);
	return (unsigned)v;
}

static unsigned number_of(const struct command *cmd, const char *what, const char *variable)
{
	const char *s = getenv(variable);

	return s ? number(cmd, what, s, s + strlen(s), 1000000) : 0;
}

/* I/N, or /N or auto with I (and N) from whoever started this */
static void shard(const struct command *cmd, struct options *o, const char *s)
{
	const char *slash = strchr(s, '/'), *min = getenv("SLURM_ARRAY_TASK_MIN"), *id = getenv("SLURM_ARRAY_TASK_ID");
	bool automatic = !strcmp(s, "auto");

	if (!automatic && !slash)
		usage_error(cmd, "--shard needs I/N, /N or auto, not '%s'", s);
	if (slash)
		o->shards = number(cmd, "--shard", slash + 1, s + strlen(s), 1000000);
	if (slash && slash != s) {
		o->shard = number(cmd, "--shard", s, slash, o->shards);
		return;
	}
	if (id) {
		long task = atol(id) - (min ? atol(min) : 0) + 1;

		if (!o->shards)
			o->shards = number_of(cmd, "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_COUNT");
		o->shard = task > 0 ? (unsigned)task : 0;
	} else {
		o->shard = number_of(cmd, "PARALLEL_SEQ", "PARALLEL_SEQ");
		if (!o->shard)
			o->shard = number_of(cmd, "PARALLEL_JOBSLOT", "PARALLEL_JOBSLOT");
	}
	if (!o->shard || !o->shards)
		usage_error(cmd, "--shard=%s: neither Slurm (SLURM_ARRAY_TASK_ID, _COUNT) nor GNU parallel (PARALLEL_SEQ) "
			    "says which part this is", s);
	if (o->shard > o->shards)
		usage_error(cmd, "--shard=%s: part %u of %u", s, o->shard, o->shards);
}

static void fail_on(const struct command *cmd, struct options *o, const char *s)
{
	o->fail_on = s;
	while (*s) {
		size_t n = strcspn(s, ",");
		int rule = rule_find(s, n);

		if (rule >= 0) {
			o->fails[rule] = true;
		} else {
			unsigned c = CONF_LOW;

			while (c <= CONF_HIGH && (strlen(confidence_names[c]) != n || memcmp(confidence_names[c], s, n)))
				c++;
			if (c > CONF_HIGH)
				usage_error(cmd, "--fail-on: no rule '%.*s' (the manual lists them)", (int)n, s);
			o->fail_confidence = c < o->fail_confidence ? c : o->fail_confidence;
		}
		s += n + (s[n] == ',');
	}
}

static void level(const struct command *cmd, struct options *o, const char *s)
{
	for (int i = LEVEL_MARKS; i <= LEVEL_CODE; i++)
		if (!strcmp(s, level_names[i])) {
			o->level = (enum level)i;
			return;
		}
	usage_error(cmd, "--level is marks, closure or code, not '%s'", s);
}

static void root(struct options *o, const char *s)
{
	o->root = realpath(s, NULL);
	o->rootfd = o->root ? open(o->root, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	if (o->rootfd < 0)
		die("--root %s: %s", shown(s), strerror(errno));
}

static void apply(const struct command *cmd, struct options *o, enum opt_id id, const char *arg)
{
	switch (id) {
	case O_ROOT: root(o, arg); break;
	case O_FILES_FROM: o->files_from = arg; break;
	case O_NULL: o->null = true; break;
	case O_LEVEL: level(cmd, o, arg); break;
	case O_DB: o->db = arg; break;
	case O_LIST: o->list = true; break;
	case O_JSON: o->json = true; break;
	case O_SARIF: o->sarif = arg; break;
	case O_HTML: o->html = arg; break;
	case O_FAIL_ON: fail_on(cmd, o, arg); break;
	case O_SHARD: shard(cmd, o, arg); break;
	case O_JOBS: o->jobs = number(cmd, "--jobs", arg, arg + strlen(arg), 1024); break;
	case O_QUIET: o->quiet = true; break;
	case O_HELP: o->help = true; break;
	case O_COUNT: break;
	}
}

/* index of the option that `a` names for this command, or O_COUNT; *value is what stands in the same word */
static unsigned find(const struct command *cmd, const char *a, const char **value)
{
	*value = NULL;
	for (unsigned i = 0; i < O_COUNT; i++) {
		const struct opt *p = &opts[i];
		size_t n = strlen(p->name);

		if (!(p->cmds & cmd->id))
			continue;
		if (a[1] != '-') {
			if (!p->shrt || a[1] != p->shrt || (a[2] && !p->arg))
				continue;
			*value = a[2] ? a + 2 : NULL;
			return i;
		}
		if (strncmp(a + 2, p->name, n) || (a[2 + n] && a[2 + n] != '='))
			continue;
		*value = a[2 + n] ? a + 2 + n + 1 : NULL;
		return i;
	}
	return O_COUNT;
}

static void help(const struct command *cmd)
{
	printf("Usage: gnomon %s [options]%s%s\n", cmd->name, *cmd->operands ? " " : "", cmd->operands);
	for (const struct command *c = commands; cmd->id == A_SCAN && c->name; c++)
		if (*word(c))
			printf("       gnomon %s [options]%s%s\n", c->name, *c->operands ? " " : "", c->operands);
	printf("\n%s\n", cmd->purpose);
	for (const struct command *c = commands; cmd->id == A_SCAN && c->name; c++)
		if (*word(c))
			printf("  %-8s%s\n", word(c), c->purpose);
	printf("\nOptions:\n");
	for (unsigned i = 0; i < O_COUNT; i++) {
		const struct opt *p = &opts[i];
		char name[64];
		int n;

		if (!(p->cmds & cmd->id))
			continue;
		n = snprintf(name, sizeof(name), "  %c%c%s--%s%s%s", p->shrt ? '-' : ' ', p->shrt ? p->shrt : ' ',
			     p->shrt ? ", " : "  ", p->name, p->arg ? "=" : "", p->arg ? p->arg : "");
		printf("%s%*s%s\n", name, n < HELP_COLUMN ? HELP_COLUMN - n : 1, "", p->help);
	}
	printf("\nFor more details see gnomon-audit(1).\n");
}

static const struct command *command_of(int *argc, char ***argv)
{
	if (*argc)
		for (const struct command *c = commands; c->name; c++)
			if (*word(c) && !strcmp(word(c), **argv)) {
				++*argv;
				--*argc;
				return c;
			}
	return commands;
}

const struct command *args_parse(int argc, char **argv, struct options *o)
{
	const struct command *cmd = command_of(&argc, &argv);
	int i, kept = 0;
	bool plain = false;

	*o = (struct options){ .root = "/", .rootfd = -1, .level = LEVEL_CODE, .fail_confidence = CONF_HIGH + 1 };
	for (i = 0; i < argc; i++) {
		char *a = argv[i];
		const char *value;
		unsigned id;

		if (plain || a[0] != '-' || !a[1]) {
			argv[kept++] = a;
			continue;
		}
		if (!strcmp(a, "--")) {
			plain = true;
			continue;
		}
		id = find(cmd, a, &value);
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
			help(cmd);
			exit(stdout_done());
		}
	}
	argv[kept] = NULL;
	o->operands = argv;
	return cmd;
}
