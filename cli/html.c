/* SPDX-License-Identifier: MIT */
/* A report as one HTML page without anything from elsewhere; light or dark as the reader's system is. */
#include <stdlib.h>

#include "report.h"

static const char head[] =
	"<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" "
	"content=\"width=device-width\"><title>gnomon report</title>\n<style>\n"
	":root{color-scheme:light dark;--bg:#fff;--fg:#1b1b1b;--dim:#666;--line:#ddd;--bad:#b3261e;--ok:#1b6e2d}\n"
	"@media(prefers-color-scheme:dark){:root{--bg:#16181c;--fg:#e6e6e6;--dim:#9aa0a6;--line:#33373d;"
	"--bad:#ff8a80;--ok:#7fd38f}}\n"
	"body{background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,sans-serif;max-width:72em;margin:2em auto;"
	"padding:0 1em}\npre{font:13px/1.45 ui-monospace,monospace;overflow-x:auto;border:1px solid var(--line);"
	"border-radius:6px;padding:.8em}\nh1{font-size:1.3em}h2{font-size:1.05em;margin:1.6em 0 .4em}\n"
	".verdict{border-left:4px solid var(--ok)}.bad{border-left-color:var(--bad)}\n"
	"summary{cursor:pointer;color:var(--dim)}\n</style>\n<h1>gnomon report</h1>\n";

static void put_text(FILE *f, const char *s)
{
	for (; *s; s++) {
		switch (*s) {
		case '<': fputs("&lt;", f); break;
		case '>': fputs("&gt;", f); break;
		case '&': fputs("&amp;", f); break;
		default: fputc(*s, f);
		}
	}
}

/* the text form of something as an element */
static void end(FILE *f, struct block *b, const char *class)
{
	if (block_end(b) && b->n) {
		fprintf(f, "<pre%s>", class);
		put_text(f, b->text);
		fputs("</pre>\n", f);
	}
	free(b->text);
}

static void records(FILE *f, struct report *r, bool unwinds)
{
	const struct gn_rec *h;
	struct block b;

	r->pos = 0;
	while ((h = report_next(r, true))) {
		if (!block_begin(&b))
			return;
		if (h->kind != GN_REC_VIOLATION && !unwinds)
			text_record(b.f, h, false);
		else if (h->kind == GN_REC_VIOLATION &&
			 class_is_clean(((const struct gn_violation *)h)->class) == unwinds)
			text_violation(b.f, (const struct gn_violation *)h);
		end(f, &b, "");
	}
}

void html_report(FILE *f, struct report *r, bool unwinds)
{
	struct tally t;
	struct block b;

	while (report_next(r, true))
		;
	tally(r, &t);
	fputs(head, f);
	if (block_begin(&b)) {
		verdict_text(b.f, r, true, 0);
		end(f, &b, t.clean ? " class=\"verdict\"" : " class=\"verdict bad\"");
	}
	fputs("<h2>Violations and notes</h2>\n", f);
	records(f, r, false);
	if (t.times[GN_UNWIND]) {
		fprintf(f, "<details%s><summary>Unwinding</summary>\n", unwinds ? " open" : "");
		records(f, r, true);
		fputs("</details>\n", f);
	}
	fputs("</html>\n", f);
}
