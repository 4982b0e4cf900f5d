/* SPDX-License-Identifier: MIT */
/* The result as text: what was named by itself in full, everything else in numbers, the blockers from the top. */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "output.h"

#define BLOCKERS_SHOWN 15
#define FINDINGS_SHOWN 12
#define LIBRARIES_SHOWN 60

static const char *yes(uint32_t marks, uint32_t bit)
{
	return marks & bit ? "yes" : "no";
}

static const char *isa(uint32_t bits)
{
	return bits & 8 ? "v4" : bits & 4 ? "v3" : bits & 2 ? "v2" : bits & 1 ? "v1" : "-";
}

/* the verdict in a word or two */
static void verdict(FILE *f, const struct obj *o)
{
	if (o->kind != K_PROGRAM || o->level < LEVEL_CLOSURE) {
		fputs("-", f);
		return;
	}
	if (o->closure == V_VETOED)
		fprintf(f, "vetoed by %s%s", shown(o->veto->path), o->nveto > 1 ? " and others" : "");
	else
		fputs_unlocked(verdict_names[o->closure], f);
	if (o->verdict != o->closure) {
		fputs_unlocked(" (", f);
		fputs_unlocked(verdict_names[o->verdict], f);
		putc_unlocked(')', f);
	}
}

/* left-aligned, at `to`; what is behind it */
static char *column(char *to, const char *text, size_t width)
{
	char *end = to + width;

	while (*text)
		*to++ = *text++;
	while (to < end)
		*to++ = ' ';
	return to;
}

/* there are as many rows as files, and printf() takes long beside reading one */
static void row(FILE *f, const struct obj *o)
{
	bool foreign = o->bits && o->machine != EM_X86_64 && o->machine != EM_386, archive = o->kind == K_ARCHIVE;
	const char *none = foreign ? "-" : archive ? "" : NULL, *name = shown(obj_name(o));
	char line[512], *end = line;
	size_t n = strlen(name);

	end = column(end, none ? none : yes(o->marks, MARK_SHSTK), 6);
	end = column(end, none ? none : yes(o->marks, MARK_IBT), 5);
	end = column(end, none ? none : isa(o->isa_needed), 4);
	end = column(end, kind_names[o->kind], 15);
	if (n < sizeof(line) - (size_t)(end - line)) {
		memcpy(end, name, n);
		end += n;
		n = 0;
	}
	fwrite_unlocked(line, 1, (size_t)(end - line), f);
	if (n)
		fwrite_unlocked(name, 1, n, f);
	if (foreign) {
		fprintf(f, "  machine %u", o->machine);
	} else if (o->kind == K_PROGRAM && o->level >= LEVEL_CLOSURE) {
		fputs_unlocked("  ", f);
		verdict(f, o);
	}
	putc_unlocked('\n', f);
}

static void finding(FILE *f, const struct finding *x)
{
	fprintf(f, "  %s (%s): %s\n", rules[x->rule].name, confidence_names[x->confidence], rules[x->rule].title);
	if (x->symbol)
		fprintf(f, "    at %s+0x%lx (0x%lx)\n", shown(x->symbol), x->offset, x->addr);
	else if (x->addr)
		fprintf(f, "    at 0x%lx\n", x->addr);
	if (x->detail)
		fprintf(f, "    %s\n", shown(x->detail));
}

/* the help of a rule behind the last of its findings that is shown */
static void findings(FILE *f, const struct obj *o)
{
	uint32_t n = o->nfindings < FINDINGS_SHOWN ? o->nfindings : FINDINGS_SHOWN;

	for (uint32_t i = 0; i < n; i++) {
		finding(f, &o->findings[i]);
		if (i + 1 == n || o->findings[i + 1].rule != o->findings[i].rule)
			fprintf(f, "    help: %s\n", rules[o->findings[i].rule].help);
	}
	if (n < o->nfindings)
		fprintf(f, "  and %u more findings (--json has all)\n", o->nfindings - n);
}

static void policies(FILE *f, const struct obj *o)
{
	fprintf(f, "  verdict     ");
	switch (o->closure) {
	case V_ENABLED: fputs("ready: it and every library it loads at start are marked", f); break;
	case V_VETOED: fprintf(f, "vetoed: %u of its %u libraries are not marked", o->nveto, o->nloads); break;
	case V_UNMARKED: fputs("off: the program itself is not marked", f); break;
	case V_INCOMPLETE: fputs("does not start: a library is missing", f); break;
	}
	if (o->verdict == V_NO_SUPPORT)
		fputs(o->interp ? "; and its C library never turns shadow stacks on" :
				  "; and, being static, it never asks for a shadow stack", f);
	fputc('\n', f);
}

static void dependencies(FILE *f, const struct obj *o)
{
	uint32_t shown_ = 0;

	for (uint32_t i = 0; i < o->nloads && shown_ < LIBRARIES_SHOWN; i++)
		if (!(o->loads[i]->marks & MARK_SHSTK)) {
			fprintf(f, "  %s %s\n", shown_++ ? "           " : "not marked ", shown(obj_name(o->loads[i])));
		}
	if (shown_ == LIBRARIES_SHOWN)
		fprintf(f, "  %u libraries in all\n", o->nloads);
}

static void object_row(FILE *f, const struct obj *o)
{
	static const char *const what[] = { "", "SHSTK property", "IBT property", "IBT and SHSTK properties" };
	int lacks = !(o->marks & MARK_SHSTK) + 2 * !(o->marks & MARK_IBT);

	fprintf(f, "%s: %s%s\n", shown(obj_name(o)), lacks ? "missing " : "has its marks", what[lacks]);
}

/* an object or static library as the linker's -z cet-report sees it */
static void link_view(FILE *f, const struct audit *a, const struct obj *o)
{
	uint32_t n = 0;

	if (o->kind == K_OBJECT) {
		object_row(f, o);
		return;
	}
	fprintf(f, "%s: %u of %u members lack the mark\n", shown(obj_name(o)), o->nveto, o->users);
	if (o->nveto == o->users)
		return; /* it was not compiled for it: no one member to blame */
	for (size_t i = 0; i < a->r.n && o->nveto; i++) {
		const struct obj *m = a->r.objs[i];

		if (m->in != o || (m->marks & MARK_SHSTK) || m->kind != K_OBJECT || (m->flags & (OF_LTO | OF_EMPTY)))
			continue;
		if (n++ == LIBRARIES_SHOWN) {
			fputs("  and more (--json has all)\n", f);
			break;
		}
		fputs("  ", f);
		object_row(f, m);
	}
}

static void in_full(FILE *f, const struct audit *a, const struct obj *o)
{
	if (o->kind == K_OBJECT || o->kind == K_STATIC_LIBRARY) {
		link_view(f, a, o);
		findings(f, o);
		return;
	}
	fprintf(f, "%s: %s\n", shown(obj_name(o)), kind_names[o->kind]);
	if (o->bits) {
		fprintf(f, "  marks       SHSTK %s, IBT %s, ISA %s%s\n", yes(o->marks, MARK_SHSTK), yes(o->marks, MARK_IBT),
			isa(o->isa_needed), o->marks == o->declared ? "" : " (the note says otherwise, see below)");
	}
	if (o->kind == K_PROGRAM && o->level >= LEVEL_CLOSURE) {
		policies(f, o);
		dependencies(f, o);
	}
	if (o->text)
		fprintf(f, "  code        %.1f MB, %u functions, %u begin with ENDBR64\n", (double)o->text / 1e6, o->functions,
			o->endbr);
	for (const struct evidence *e = o->seen; e; e = e->next)
		if (strcmp(e->class, "ran"))
			fprintf(f, "  seen        %s at %s, in %s\n", e->class, shown(e->symbol ? e->symbol : e->offset ? e->offset : "?"),
				shown(e->report));
		else
			fprintf(f, "  seen        ran, in %s\n", shown(e->report));
	findings(f, o);
}

static void numbers(FILE *f, const struct audit *a, const struct totals *t)
{
	fprintf(f, "%lu programs, %lu marked; %lu libraries, %lu marked", t->programs, t->programs_marked, t->libraries,
		t->libraries_marked);
	if (t->objects)
		fprintf(f, "; %lu objects, %lu marked; %lu static libraries, %lu marked", t->objects, t->objects_marked,
			t->statics, t->statics_marked);
	if (t->archives)
		fprintf(f, "; %lu archives", t->archives);
	if (t->foreign)
		fprintf(f, "; %lu of other machines", t->foreign);
	if (t->others)
		fprintf(f, "; %lu others (debug files, core dumps)", t->others);
	fputc('\n', f);
	if (a->o->level >= LEVEL_CLOSURE && t->programs && !a->partial)
		fprintf(f, "programs by their marks and their libraries': %lu ready, %lu vetoed, %lu not marked, %lu with a "
			   "missing library\nprograms whose C library can turn shadow stacks on: %lu\n",
			t->closures[V_ENABLED], t->closures[V_VETOED], t->closures[V_UNMARKED], t->closures[V_INCOMPLETE],
			t->programs - t->verdicts[V_NO_SUPPORT] - t->verdicts[V_INCOMPLETE]);
	if (a->partial)
		fputs("one part of several: verdicts come with gnomon audit merge\n", f);
	if (a->r.nproblems)
		fprintf(f, "%zu files could not be read to their end\n", a->r.nproblems);
}

static void ranked(FILE *f, const struct audit *a)
{
	size_t n;
	struct obj **v = blockers(a, &n);

	if (n)
		fputs("\nlibraries in the way:  programs  alone\n", f);
	for (size_t i = 0; i < n && i < BLOCKERS_SHOWN; i++)
		fprintf(f, "  %28u %6u  %s\n", v[i]->blocks, v[i]->blocks_alone, shown(obj_name(v[i])));
	if (n > BLOCKERS_SHOWN)
		fprintf(f, "  and %zu more\n", n - BLOCKERS_SHOWN);
	free(v);
}

static void by_rule(FILE *f, const struct totals *t)
{
	bool head = false;

	for (int i = 0; i < R_COUNT; i++) {
		if (!t->findings[i] || i == R_UNMARKED)
			continue;
		if (!head)
			fputs("\nfindings:  files\n", f);
		head = true;
		fprintf(f, "  %14lu  %-16s %s\n", t->findings[i], rules[i].name, rules[i].title);
	}
}

void table_print(FILE *f, const struct audit *a, bool list)
{
	struct totals t;
	bool listed = false, any = false;

	for (size_t i = 0; i < a->r.n; i++) {
		const struct obj *o = a->r.objs[i];

		if (!(o->flags & OF_LISTED) || list)
			continue;
		if (o->kind == K_ARCHIVE) /* its members are what matters */
			continue;
		in_full(f, a, o);
		listed = true;
	}
	if (list && a->r.n)
		fprintf(f, "%-6s%-5s%-4s%-15s%s\n", "SHSTK", "IBT", "ISA", "kind", "file");
	for (size_t i = 0; i < a->r.n; i++) {
		if (a->r.objs[i]->flags & OF_HIDDEN)
			continue;
		if (list)
			row(f, a->r.objs[i]);
		any |= !(a->r.objs[i]->flags & OF_LISTED) || a->r.objs[i]->kind == K_ARCHIVE;
	}
	if (!any && !list && listed)
		return;
	totals_of(a, &t);
	if (list || listed)
		fputc('\n', f);
	numbers(f, a, &t);
	ranked(f, a);
	by_rule(f, &t);
}
