/* SPDX-License-Identifier: MIT */
/*
 * Command line: one table (opts.def) gives the parser, the help texts and what the manual is checked against.
 */
#ifndef GNOMON_CLI_OPTS_H
#define GNOMON_CLI_OPTS_H

#include <stdbool.h>
#include <stdint.h>

#define C_CHECK 1u
#define C_RUN 2u
#define C_EXPLAIN 4u
#define C_DOCTOR 8u
#define C_HIDDEN 0x100u

struct command {
	unsigned id; /* C_* */
	const char *name;
	const char *operands; /* as in the usage line */
	const char *purpose;
	int (*run)(const struct command *cmd, int argc, char **argv);
};
extern const struct command commands[];
const struct command *command_find(const char *name);

struct options {
	bool stop, unwinds, strict, no_follow, quiet, stats, json, html;
	int error_exitcode; /* -1: not given */
	int log_fd, json_fd; /* json_fd -1: none */
	const char *report;
	uint32_t knobs; /* GN_OPT_CHAOS_* */
	bool no_pext;   /* as if the CPU had no PEXT */
	uint32_t fault_nth, flush_every;
	bool help;
};

/* Reads options up to "--" or the first operand; *operands is what is left. Does not return on bad usage. */
void options_parse(const struct command *cmd, int argc, char **argv, struct options *o, char ***operands);
void command_help(const struct command *cmd);
void general_help(void);

#endif
