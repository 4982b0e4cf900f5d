/* SPDX-License-Identifier: MIT */
/*
 * What the files of the command share: messages, output, the board, the tools that start and watch a guest.
 * An ordinary hosted program; nothing here ever runs inside the guest's process.
 */
#ifndef GNOMON_CLI_CLI_H
#define GNOMON_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "gnomon/board.h"
#include "gnomon/exit.h"
#include "opts.h"

/* message.c: what goes wrong, on descriptor 2 (or --log-fd once that is known) */
extern int msg_fd;
void msg(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* "gnomon: ...\n" */
void die(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));
/* strerror(3), and the limit that is to blame where one is; valid until the next call */
const char *reason(int error);
/* two lines and status 125; cmd NULL: no command was recognised */
void usage_error(const struct command *cmd, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));
/* flushes stdout; the status to exit with (125 and a message if the output could not be written) */
int stdout_done(void);

/* fd.c */
/* all of it, whatever the descriptor's mode; false if it cannot be written */
bool write_all(int fd, const void *buf, size_t n);
/* moves a new descriptor above 2, close-on-exec, so that a closed stdin stays closed; -1 with errno */
int fd_above_stdio(int fd);
int memfd_plain(const char *name); /* -1 with errno */
/* Text that is complete before the first byte of it is written, so that one write(2) does and nothing tears it. */
struct block {
	char *text;
	size_t n;
	FILE *f;
};
FILE *block_begin(struct block *b); /* NULL: no memory */
bool block_end(struct block *b);    /* false: incomplete. The caller frees b->text in any case */

/* which.c */
/* what execvp(3) would pass to execve(2) for `name`; 0 or -errno */
int which(const char *name, char *path, size_t size);
/* a binary of gnomon's, opened close-on-exec above the standard descriptors; -1 if there is none */
#define GN_ENGINE "gnomon-engine"
#define GN_GUARD "gnomon-guard"
#define GN_AUDIT "gnomon-audit"
#define GN_GUARD_LIBRARY "libgnomon-guard.so"
int part_find(const char *name, char *path, size_t size);
int part_open(const char *name, char *path, size_t size); /* the same, or dies */
bool proc_mounted(void);

/* launch.c */
struct guest {
	pid_t pid;
	struct gn_board *board;
	int board_fd;
};
/* Starts argv under the engine. Signals stay blocked until guest_wait(). Dies if it cannot start it. */
void guest_start(struct guest *g, const struct options *o, enum gn_mode mode, char **argv);

/* supervise.c */
/* Forwards signals, follows stops, calls `poll` whenever the board changed and once at the end. Returns the
 * wait status of the guest. */
int guest_wait(struct guest *g, bool timer, void (*poll)(void *), void *arg);
/* before guest_start(): block signals, remember what the guest must inherit */
void signals_hold(void);
/* in the child, before execve */
void signals_restore(void);
/* leave as the guest left */
void exit_like(int wait_status) __attribute__((noreturn));

/* commands */
int cmd_run(const struct command *cmd, int argc, char **argv);
int cmd_guard(const struct command *cmd, int argc, char **argv);
int cmd_audit(const struct command *cmd, int argc, char **argv);
int cmd_explain(const struct command *cmd, int argc, char **argv);
int cmd_doctor(const struct command *cmd, int argc, char **argv);

#endif
