/* SPDX-License-Identifier: MIT */
/* The command line of gnomon audit: one table (opts.def) gives the parser, the help and what the manual is checked against. */
#ifndef GNOMON_AUDIT_ARGS_H
#define GNOMON_AUDIT_ARGS_H

#include "audit.h"

/* A_SCAN ...: one bit for each command */
enum {
#define CMD(id, ...) N_##id,
#include "opts.def"
	N_COMMANDS
};
enum {
#define CMD(id, ...) A_##id = 1u << N_##id,
#include "opts.def"
	A_ALL = (1u << N_COMMANDS) - 1,
};

struct options;

struct command {
	unsigned id; /* A_* */
	const char *name; /* "audit", "audit diff", ... */
	const char *operands, *purpose;
	int (*run)(const struct command *cmd, struct options *o);
};
extern const struct command commands[];

struct options {
	char **operands; /* up to NULL */
	const char *root; /* an absolute path without links; "/" */
	int rootfd;	  /* -1: no --root */
	const char *files_from;
	bool null;
	enum level level;
	const char *db, *html, *sarif;
	bool json, list, quiet, help;
	const char *fail_on;
	bool fails[R_COUNT]; /* from fail_on */
	enum confidence fail_confidence;
	unsigned shard, shards; /* 1..shards; 0: all */
	unsigned jobs;
	bool from_db;	/* what is shown comes from a database */
};

/* Does not return on bad usage. */
const struct command *args_parse(int argc, char **argv, struct options *o);
void usage_error(const struct command *cmd, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));

int cmd_scan(const struct command *cmd, struct options *o);
int cmd_diff(const struct command *cmd, struct options *o);
int cmd_query(const struct command *cmd, struct options *o);
int cmd_import(const struct command *cmd, struct options *o);
int cmd_merge(const struct command *cmd, struct options *o);
int cmd_show(const struct command *cmd, struct options *o);

#endif
