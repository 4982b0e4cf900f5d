/* SPDX-License-Identifier: MIT */
/* gnomon explain: a recorded report as text, JSON or a page. */
#include "report.h"

int cmd_explain(const struct command *cmd, int argc, char **argv)
{
	static struct report r;
	const struct gn_rec *h;
	struct options o;
	char **files;

	options_parse(cmd, argc, argv, &o, &files);
	if (!*files)
		usage_error(cmd, "no report given");
	if (files[1])
		usage_error(cmd, "more than one report: '%s'", files[1]);
	if (o.json && o.html)
		usage_error(cmd, "--json and --html exclude each other");
	report_open(&r, *files);
	if (o.html) {
		html_report(stdout, &r, o.unwinds);
		return stdout_done();
	}
	while ((h = report_next(&r, true))) {
		if (o.json)
			json_record(stdout, h);
		else
			text_record(stdout, h, o.unwinds);
	}
	if (o.json)
		verdict_json(stdout, &r);
	else
		verdict_text(stdout, &r, o.unwinds, 0);
	return stdout_done();
}
