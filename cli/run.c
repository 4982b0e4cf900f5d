/* SPDX-License-Identifier: MIT */
/* gnomon check and gnomon run: start the guest, show what happens while it runs, the verdict, the status. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "report.h"

#define SITES_SHOWN 20

struct show {
	struct report r;
	struct options o;
	int log_fd, json_fd; /* copies above 2 that stay ours; -1: nothing to write to */
	int report_fd;
	bool last;
};

/* A block is written with one write(2), so that it is not torn by what the program prints meanwhile. */
static void put(int *fd, const char *text, size_t n)
{
	if (n && *fd >= 0 && !write_all(*fd, text, n))
		*fd = -1; /* nobody reads any more; the guest goes on */
}

static void show_record(struct show *s, const struct gn_rec *h)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f;

	if (s->log_fd >= 0 && (f = open_memstream(&text, &n))) {
		text_record(f, h, s->o.unwinds);
		if (fclose(f) == 0)
			put(&s->log_fd, text, n);
		free(text);
	}
	text = NULL;
	if (s->json_fd >= 0 && (f = open_memstream(&text, &n))) {
		json_record(f, h);
		if (fclose(f) == 0)
			put(&s->json_fd, text, n);
		free(text);
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
	char *text = NULL;
	size_t n = 0;
	FILE *f;

	s->last = true;
	drain(s);
	if (s->json_fd >= 0 && (f = open_memstream(&text, &n))) {
		verdict_json(f, &s->r);
		if (fclose(f) == 0)
			put(&s->json_fd, text, n);
		free(text);
	}
	text = NULL;
	if (s->log_fd >= 0 && s->r.b->set.mode == GN_MODE_CHECK && (f = open_memstream(&text, &n))) {
		verdict_text(f, &s->r, s->o.unwinds, SITES_SHOWN);
		if (fclose(f) == 0)
			put(&s->log_fd, text, n);
		free(text);
	}
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
	open_outputs(&s);
	signals_hold();
	guest_start(&g, &s.o, cmd->id == C_CHECK ? GN_MODE_CHECK : GN_MODE_RUN, prog);
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
