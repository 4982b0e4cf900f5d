/* SPDX-License-Identifier: MIT */
/* gnomon check, run and protect: start the guest, show what happens while it runs, the verdict, the status. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "native.h"
#include "report.h"

#define SITES_SHOWN 20

struct show {
	struct report r;
	struct options o;
	int log_fd, json_fd; /* copies above 2 that stay ours; -1: nothing to write to */
	int report_fd;
	bool last;
};

static FILE *begin(struct block *b, int fd)
{
	return fd >= 0 ? block_begin(b) : NULL;
}

static void end(struct block *b, int *fd)
{
	if (block_end(b) && b->n && !write_all(*fd, b->text, b->n))
		*fd = -1; /* nobody reads any more; the guest goes on */
	free(b->text);
}

static void show_record(struct show *s, const struct gn_rec *h)
{
	struct block b;

	if (begin(&b, s->log_fd)) {
		text_record(b.f, h, s->o.unwinds);
		end(&b, &s->log_fd);
	}
	if (begin(&b, s->json_fd)) {
		json_record(b.f, h);
		end(&b, &s->json_fd);
	}
}

static void drain(void *arg)
{
	struct show *s = arg;
	const struct gn_rec *h;

	while ((h = report_next(&s->r, s->last)))
		show_record(s, h);
}

static void show_verdict(struct show *s)
{
	struct block b;

	s->last = true;
	drain(s);
	if (begin(&b, s->json_fd)) {
		verdict_json(b.f, &s->r);
		end(&b, &s->json_fd);
	}
	if (s->r.b->set.mode == GN_MODE_CHECK && begin(&b, s->log_fd)) {
		verdict_text(b.f, &s->r, s->o.unwinds, SITES_SHOWN);
		end(&b, &s->log_fd);
	}
}

/* what was opened for our words alone is none of the program's descriptors; it would find its own counted from elsewhere */
static void keep_from_program(int fd)
{
	if (fd > 2)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* opened before the guest starts, so that an unwritable file is told in time */
static void open_outputs(struct show *s)
{
	s->log_fd = s->json_fd = s->report_fd = -1;
	if (s->o.log_fd != 2 && fcntl(s->o.log_fd, F_GETFD) < 0)
		die(GN_EXIT_USAGE, "--log-fd %d: %s", s->o.log_fd, reason(errno));
	if (!s->o.quiet)
		s->log_fd = fcntl(s->o.log_fd, F_DUPFD_CLOEXEC, 3);
	if (s->o.json_fd >= 0) {
		s->json_fd = fcntl(s->o.json_fd, F_DUPFD_CLOEXEC, 3);
		if (s->json_fd < 0)
			die(GN_EXIT_USAGE, "--json-fd %d: %s", s->o.json_fd, reason(errno));
	}
	keep_from_program(s->o.json_fd);
	keep_from_program(s->o.log_fd);
	if (s->o.report) {
		s->report_fd = fd_above_stdio(open(s->o.report, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
		if (s->report_fd < 0)
			die(GN_EXIT_USAGE, "%s: %s", s->o.report, reason(errno));
	}
}

int cmd_run(const struct command *cmd, int argc, char **argv)
{
	static struct show s; /* large: one pointer for each site */
	struct guest g;
	struct tally t;
	char **prog;
	int status, r;

	options_parse(cmd, argc, argv, &s.o, &prog);
	if (!*prog)
		usage_error(cmd, "no program given");
	if (cmd->id == C_RUN && s.o.engine != ENGINE_SOFT) {
		struct native_facts f;

		native_look(&f);
		if (native_wanted(&s.o, &f))
			native_exec(prog);
	}
	open_outputs(&s);
	signals_hold();
	guest_start(&g, &s.o, cmd->id == C_CHECK ? GN_MODE_CHECK : cmd->id == C_PROTECT ? GN_MODE_PROTECT : GN_MODE_RUN, prog);
	report_init(&s.r, g.board, GN_LOG_BYTES);
	status = guest_wait(&g, s.json_fd >= 0 || s.o.unwinds, drain, &s);
	show_verdict(&s);
	if (s.report_fd >= 0) {
		r = report_write(g.board, s.report_fd);
		if (r < 0 || close(s.report_fd) < 0)
			msg("%s: %s, the report is not complete", s.o.report, reason(r < 0 ? -r : errno));
	}
	tally(&s.r, &t);
	if (s.o.error_exitcode >= 0 && !t.clean)
		return s.o.error_exitcode;
	exit_like(status);
}
