/* SPDX-License-Identifier: MIT */
/*
 * Command line: one table (opts.def) gives the parser, the help texts and the manual's lists.
 */
#ifndef GNOMON_CLI_OPTS_H
#define GNOMON_CLI_OPTS_H

#include <stdbool.h>
#include <stdint.h>

/* C_CHECK ...: one bit for each command */
enum {
#define CMD(id, ...) N_##id,
#include "opts.def"
	N_COMMANDS
};
enum {
#define CMD(id, ...) C_##id = 1u << N_##id,
#include "opts.def"
	C_GENERAL = 1u << N_COMMANDS, /* gnomon without a command */
	C_ALL = 2 * C_GENERAL - 1,
	C_HIDDEN = 1u << 31,
};

struct command {
	unsigned id; /* C_* */
	const char *name;
	const char *operands; /* as in the usage line */
	const char *purpose;
	int (*run)(const struct command *cmd, int argc, char **argv);
};
extern const struct command commands[]; /* main.c; ends with a name of NULL */

/* run: the machine's own shadow stacks where it has them, those of the engine always, or the machine's or nothing */
enum engine { ENGINE_AUTO, ENGINE_SOFT, ENGINE_HARD };

struct options {
	bool stop, unwinds, strict, no_follow, quiet, stats, json, html;
	int error_exitcode; /* -1: not given */
	int log_fd, json_fd; /* json_fd -1: none */
	const char *report, *deny_list;
	uint32_t enable; /* enum gn_enable */
	enum engine engine; /* run */
	bool tuned;     /* a knob was given */
	bool ibt;       /* check, run */
	bool seal;      /* protect */
	uint32_t knobs; /* GN_OPT_CHAOS_* */
	bool no_pext;   /* as if the CPU had no PEXT */
	bool no_loop;   /* as if its LOOP were slow */
	uint32_t fault_nth, flush_every, yield_every, bug_nth, crash_nth;
	uint32_t policy;               /* protect: enum gn_policy of each class */
	bool supervise, verbose;       /* guard */
	bool plant, all, race_guarded; /* race */
	int nth, hold;
	bool help;
};

/* Reads options up to "--" or the first operand; *operands is what is left. Does not return on bad usage. */
void options_parse(const struct command *cmd, int argc, char **argv, struct options *o, char ***operands);
/* an option in the place of a command: does what it says and ends the process */
void option_general(const char *a) __attribute__((noreturn));

#endif
