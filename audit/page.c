/* SPDX-License-Identifier: MIT */
/*
 * One HTML page that needs nothing else: totals and blockers as text, everything else as data for the script in it
 * (audit/page). Objects in static libraries are left out unless something is wrong with them.
 */
#include <ctype.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "args.h"
#include "config.h"
#include "output.h"
#include "text.h"

#define BLOCKERS_SHOWN 25

extern const unsigned char page_part0[], page_part1[], page_part2[];

static void part(FILE *f, const unsigned char *text)
{
	fputs((const char *)text, f);
}

/* text between tags */
static void text(FILE *f, const char *s)
{
	for (s = shown(s); *s; s++) {
		switch (*s) {
		case '<': fputs("&lt;", f); break;
		case '>': fputs("&gt;", f); break;
		case '&': fputs("&amp;", f); break;
		default: fputc(*s, f);
		}
	}
}

/* a string of the data: "</script>" must not end it, and what is no UTF-8 must not spoil it */
static void string(FILE *f, const char *s)
{
	char *buf = NULL;
	size_t n = 0;
	FILE *m = open_memstream(&buf, &n);

	if (!m)
		die("out of memory");
	json_put(m, shown(s));
	fclose(m);
	for (size_t i = 0; i < n; i++)
		if (buf[i] == '<')
			fputs("\\u003c", f);
		else
			fputc(buf[i], f);
	free(buf);
}

/* a link to a state of the page: its script reads what stands behind # */
static void link_to(FILE *f, const char *key, const char *value, const char *shown_as)
{
	fprintf(f, "<a href=\"#%s=", key);
	for (value = shown(value); *value; value++)
		if (isalnum((unsigned char)*value) || strchr("-._~", *value))
			fputc(*value, f);
		else
			fprintf(f, "%%%02X", (unsigned char)*value);
	fputs("\">", f);
	text(f, shown_as);
	fputs("</a>", f);
}

static void card(FILE *f, uint64_t n, uint64_t marked, const char *what)
{
	fprintf(f, "<div class=\"card\"><b>%lu</b><span>%s", n, what);
	if (marked != UINT64_MAX)
		fprintf(f, ", %lu marked", marked);
	fputs("</span></div>\n", f);
}

static void bar(FILE *f, const struct totals *t)
{
	static const struct {
		enum verdict v;
		const char *class, *what;
	} parts[] = { { V_ENABLED, "ready", "ready" },
		      { V_VETOED, "vetoed", "marked, vetoed by a library" },
		      { V_UNMARKED, "unmarked", "not marked" },
		      { V_INCOMPLETE, "incomplete", "a library is missing" } };

	if (!t->programs)
		return;
	fputs("<div class=\"bar\" role=\"img\" aria-label=\"programs by their marks\">", f);
	for (unsigned i = 0; i < 4; i++)
		fprintf(f, "<i class=\"%s\" style=\"width:%.3f%%\"></i>", parts[i].class,
			100.0 * (double)t->closures[parts[i].v] / (double)t->programs);
	fputs("</div><p class=\"keys dim\">", f);
	for (unsigned i = 0; i < 4; i++)
		fprintf(f, "<span><i class=\"key %s\"></i>%lu %s</span>", parts[i].class, t->closures[parts[i].v], parts[i].what);
	fputs("</p>\n", f);
}

static void ranked(FILE *f, const struct audit *a)
{
	size_t n;
	struct obj **v = blockers(a, &n);

	if (n) {
		fputs("<h2 id=\"blockers\">In the way</h2>\n<p class=\"dim\">Unmarked libraries by the number of programs that load "
		      "them at start: to be worked off from the top.</p>\n<table><thead><tr><th class=\"n\">programs</th>"
		      "<th class=\"n\">alone</th><th>library</th></tr></thead><tbody>\n", f);
		for (size_t i = 0; i < n && i < BLOCKERS_SHOWN; i++) {
			fprintf(f, "<tr><td class=\"n\">%u</td><td class=\"n\">%u</td><td class=\"name\">", v[i]->blocks,
				v[i]->blocks_alone);
			link_to(f, "file", obj_name(v[i]), obj_name(v[i]));
			fputs("</td></tr>\n", f);
		}
		fputs("</tbody></table>\n", f);
		if (n > BLOCKERS_SHOWN)
			fprintf(f, "<p class=\"dim\">and %zu more, in the list below</p>\n", n - BLOCKERS_SHOWN);
	}
	free(v);
}

static void found(FILE *f, const struct totals *t)
{
	bool any = false;

	for (int i = 0; i < R_COUNT; i++) {
		if (!t->findings[i] || i == R_UNMARKED)
			continue;
		if (!any)
			fputs("<h2 id=\"findings\">Findings</h2>\n<table><thead><tr><th class=\"n\">files</th><th>rule</th><th>what"
			      "</th></tr></thead><tbody>\n", f);
		any = true;
		char show[64];

		snprintf(show, sizeof(show), "rule:%s", rules[i].name);
		fprintf(f, "<tr><td class=\"n\">%lu</td><td class=\"short\">", t->findings[i]);
		link_to(f, "show", show, rules[i].name);
		fputs("</td><td>", f);
		text(f, rules[i].title);
		fputs("</td></tr>\n", f);
	}
	if (any)
		fputs("</tbody></table>\n", f);
}

static void head(FILE *f, const struct audit *a)
{
	struct totals t;
	time_t now = time(NULL);
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	struct tm tm;
	char date[32];

	if (epoch)
		now = (time_t)atoll(epoch);
	gmtime_r(&now, &tm);
	strftime(date, sizeof(date), "%Y-%m-%d", &tm);
	totals_of(a, &t);
	fputs("<h1>gnomon audit</h1>\n<p class=\"dim\">", f);
	for (size_t i = 0; i < a->nasked && i < 8; i++) {
		fputs(i ? ", " : "", f);
		text(f, a->asked[i]);
	}
	if (a->nasked > 8)
		fprintf(f, " and %zu more", a->nasked - 8);
	if (strcmp(a->o->root, "/")) {
		fputs(" in ", f);
		text(f, a->o->root);
	}
	fprintf(f, "%s%s, gnomon %s, looked at %s</p>\n", a->nasked ? ". " : "", date, GN_VERSION, level_names[a->o->level]);
	fputs("<div class=\"cards\">\n", f);
	card(f, t.programs, t.programs_marked, "programs");
	card(f, t.libraries, t.libraries_marked, "libraries");
	if (t.objects)
		card(f, t.objects, t.objects_marked, "objects");
	if (t.statics)
		card(f, t.statics, t.statics_marked, "static libraries");
	if (a->o->level >= LEVEL_CLOSURE)
		card(f, t.programs - t.verdicts[V_NO_SUPPORT] - t.verdicts[V_INCOMPLETE], UINT64_MAX,
		     "programs whose C library can turn shadow stacks on");
	if (a->r.nproblems)
		card(f, a->r.nproblems, UINT64_MAX, "files not read to their end");
	fputs("</div>\n", f);
	if (a->o->level >= LEVEL_CLOSURE)
		bar(f, &t);
	ranked(f, a);
	found(f, &t);
}

/* ---- data */

static bool on_page(const struct obj *o)
{
	if (o->flags & OF_ELSEWHERE)
		return false;
	if (o->bits && o->machine != EM_X86_64 && o->machine != EM_386)
		return false;
	return o->kind != K_OBJECT || !o->in || o->nfindings;
}

static void finding(FILE *f, const struct finding *x)
{
	char place[512] = "";

	if (x->symbol)
		snprintf(place, sizeof(place), "%s+0x%lx (0x%lx)", x->symbol, x->offset, x->addr);
	else if (x->addr)
		snprintf(place, sizeof(place), "0x%lx", x->addr);
	fprintf(f, "[%u,%u,", x->rule, x->confidence);
	string(f, place);
	if (x->detail) {
		fputc(',', f);
		string(f, x->detail);
	}
	fputc(']', f);
}

static void needs(FILE *f, const struct obj *o)
{
	bool first = true;

	for (uint32_t i = 0; i < o->ndeps; i++) {
		const struct dep *d = &o->deps[i];

		if (!d->hit && d->how == DEP_GUESS)
			continue;
		fputs(first ? "[" : ",[", f);
		first = false;
		if (d->hit && on_page(d->hit->o))
			fprintf(f, "%u", d->hit->o->row);
		else
			string(f, d->name);
		fprintf(f, ",%u]", d->how);
	}
}

static void more(FILE *f, const struct obj *o)
{
	const struct {
		const char *name, *value;
	} all[] = { { "SONAME", o->soname }, { "interpreter", o->interp }, { "RPATH", o->rpath }, { "RUNPATH", o->runpath },
		    { "build id", o->build_id }, { "trouble", o->broken } };
	bool first = true;

	fputc('{', f);
	for (unsigned i = 0; i < sizeof(all) / sizeof(*all); i++) {
		if (!all[i].value)
			continue;
		fprintf(f, "%s\"%s\":", first ? "" : ",", all[i].name);
		string(f, all[i].value);
		first = false;
	}
	if (o->text) {
		fprintf(f, "%s\"code\":\"%.1f MB, %u functions, %u begin with ENDBR64\"", first ? "" : ",", (double)o->text / 1e6,
			o->functions, o->endbr);
		first = false;
	}
	if (o->seen)
		fputs(first ? "\"seen\":[" : ",\"seen\":[", f);
	for (const struct evidence *e = o->seen; e; e = e->next) {
		fputs(e == o->seen ? "[" : ",[", f);
		string(f, e->class);
		fputc(',', f);
		string(f, e->symbol ? e->symbol : e->offset ? e->offset : "");
		fputc(',', f);
		string(f, e->report);
		fputc(']', f);
	}
	fputs(o->seen ? "]}" : "}", f);
}

static void file(FILE *f, const struct obj *o)
{
	bool program = o->kind == K_PROGRAM;

	fputc('[', f);
	string(f, obj_name(o));
	fprintf(f, ",%u,%u,%u,%u,%u,%u,%u,%u,[", o->kind, o->marks & 3, program ? o->closure : 0u, program ? o->verdict : 0u,
		program ? o->nveto : 0u, o->blocks, o->blocks_alone, o->kind == K_LIBRARY ? o->users : 0u);
	for (uint32_t i = 0; i < o->nfindings; i++) {
		fputs(i ? "," : "", f);
		finding(f, &o->findings[i]);
	}
	fputs("],[", f);
	needs(f, o);
	fputs("],", f);
	more(f, o);
	fputs("]", f);
}

static void names(FILE *f, const char *key, const char *const *v, unsigned n)
{
	fprintf(f, "\"%s\":[", key);
	for (unsigned i = 0; i < n; i++)
		fprintf(f, "%s\"%s\"", i ? "," : "", v[i]);
	fputs("],", f);
}

void page_print(FILE *f, const struct audit *a)
{
	uint32_t rows = 0;

	part(f, page_part0);
	head(f, a);
	part(f, page_part1);
	fputc('{', f);
	names(f, "kinds", kind_names, K_COUNT);
	names(f, "verdicts", verdict_names, V_COUNT);
	fputs("\"rules\":[", f);
	for (int i = 0; i < R_COUNT; i++) {
		fprintf(f, "%s{\"name\":\"%s\",\"title\":", i ? "," : "", rules[i].name);
		string(f, rules[i].title);
		fputs(",\"help\":", f);
		string(f, rules[i].help);
		fputc('}', f);
	}
	fputs("],\"files\":[\n", f);
	for (size_t i = 0; i < a->r.n; i++)
		if (on_page(a->r.objs[i]))
			a->r.objs[i]->row = rows++;
	rows = 0;
	for (size_t i = 0; i < a->r.n; i++)
		if (on_page(a->r.objs[i])) {
			fputs(rows++ ? ",\n" : "", f);
			file(f, a->r.objs[i]);
		}
	fputs("]}", f);
	part(f, page_part2);
}
