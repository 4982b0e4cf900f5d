/* SPDX-License-Identifier: MIT */
/* One object a line: first every file, then the totals. Keys that would say nothing are left out. */
#include <elf.h>
#include <stdlib.h>

#include "args.h"
#include "output.h"
#include "text.h"

static void key(FILE *f, const char *name, const char *value)
{
	if (!value)
		return;
	fprintf(f, ",\"%s\":", name);
	json_put(f, value);
}

static const char *boolean(bool b)
{
	return b ? "true" : "false";
}

static void finding(FILE *f, const struct finding *x)
{
	fprintf(f, "{\"rule\":\"%s\",\"confidence\":\"%s\"", rules[x->rule].name, confidence_names[x->confidence]);
	if (x->addr)
		fprintf(f, ",\"address\":\"0x%lx\"", x->addr);
	if (x->symbol) {
		key(f, "symbol", x->symbol);
		fprintf(f, ",\"symbol_offset\":%lu", x->offset);
	}
	key(f, "detail", x->detail);
	if (x->rule == R_DLOPEN_FAILS)
		fputs(",\"policies\":{\"none\":\"loads\",\"hwcaps\":\"fails\",\"on\":\"loads\","
		      "\"permissive\":\"turns it off, fails after a thread\",\"off\":\"loads\"}", f);
	key(f, "help", rules[x->rule].help);
	fputc('}', f);
}

static void needs(FILE *f, const struct obj *o)
{
	if (!o->ndeps)
		return;
	fputs(",\"needs\":[", f);
	for (uint32_t i = 0; i < o->ndeps; i++) {
		const struct dep *d = &o->deps[i];

		fprintf(f, "%s{\"how\":\"%s\"", i ? "," : "", dep_how_names[d->how]);
		key(f, "name", d->name);
		key(f, "path", d->hit ? obj_name(d->hit->o) : NULL);
		key(f, "for", d->feature);
		fputc('}', f);
	}
	fputc(']', f);
}

/* what each setting of glibc's tunables leads to; docs/audit.md explains them */
static void policies(FILE *f, const struct obj *o)
{
	bool can = o->verdict != V_NO_SUPPORT && o->verdict != V_INCOMPLETE, marked = o->marks & MARK_SHSTK;

	fprintf(f, ",\"verdict\":\"%s\",\"by_marks\":\"%s\"", verdict_names[o->verdict], verdict_names[o->closure]);
	/* a static program's C library does not look at x86_shstk */
	fprintf(f, ",\"policies\":{\"none\":false,\"hwcaps\":%s,\"on\":%s,\"permissive\":%s,\"off\":%s}",
		boolean(o->verdict == V_ENABLED), boolean(can && marked), boolean(o->verdict == V_ENABLED),
		boolean(o->verdict == V_ENABLED && !o->interp));
	fputs(",\"loads\":[", f);
	for (uint32_t i = 0; i < o->nloads; i++) {
		fputs(i ? "," : "", f);
		json_put(f, obj_name(o->loads[i]));
	}
	fputs("],\"vetoed_by\":[", f);
	for (uint32_t i = 0, n = 0; i < o->nloads; i++)
		if (!(o->loads[i]->marks & MARK_SHSTK)) {
			fputs(n++ ? "," : "", f);
			json_put(f, obj_name(o->loads[i]));
		}
	fputc(']', f);
}

static void evidence(FILE *f, const struct obj *o)
{
	if (!o->seen)
		return;
	fputs(",\"seen\":[", f);
	for (const struct evidence *e = o->seen; e; e = e->next) {
		fprintf(f, "%s{\"class\":\"%s\",\"times\":%lu", e == o->seen ? "" : ",", e->class, e->times);
		key(f, "offset", e->offset);
		key(f, "symbol", e->symbol);
		key(f, "report", e->report);
		fputc('}', f);
	}
	fputc(']', f);
}

static void file(FILE *f, const struct obj *o)
{
	fputs("{\"event\":\"file\",\"path\":", f);
	json_put(f, o->path);
	key(f, "in", o->in ? obj_name(o->in) : NULL);
	fprintf(f, ",\"kind\":\"%s\"", kind_names[o->kind]);
	if (o->bits) {
		fprintf(f, ",\"bits\":%u,\"machine\":%u", o->bits, o->machine);
		if (o->machine == EM_X86_64 || o->machine == EM_386)
			fprintf(f, ",\"shstk\":%s,\"ibt\":%s,\"lam_u48\":%s,\"lam_u57\":%s,\"declared\":%u,\"isa_needed\":%u,"
				   "\"isa_used\":%u",
				boolean(o->marks & MARK_SHSTK), boolean(o->marks & MARK_IBT),
				boolean(o->marks & MARK_LAM_U48), boolean(o->marks & MARK_LAM_U57), o->declared,
				o->isa_needed, o->isa_used);
	} else if (o->kind == K_STATIC_LIBRARY) {
		fprintf(f, ",\"shstk\":%s,\"ibt\":%s,\"members\":%u,\"unmarked\":%u", boolean(o->marks & MARK_SHSTK),
			boolean(o->marks & MARK_IBT), o->users, o->nveto);
	}
	key(f, "soname", o->soname);
	key(f, "interpreter", o->interp);
	key(f, "rpath", o->rpath);
	key(f, "runpath", o->runpath);
	key(f, "build_id", o->build_id);
	key(f, "broken", o->broken);
	needs(f, o);
	if (o->kind == K_PROGRAM && o->level >= LEVEL_CLOSURE)
		policies(f, o);
	if (o->kind == K_LIBRARY && o->users)
		fprintf(f, ",\"programs\":%u,\"blocks\":%u,\"blocks_alone\":%u", o->users, o->blocks, o->blocks_alone);
	if (o->text)
		fprintf(f, ",\"code\":%lu,\"functions\":%u,\"endbr\":%u", o->text, o->functions, o->endbr);
	if (o->flags & OF_DEPENDENCY)
		fputs(",\"asked\":false", f);
	if (o->nfindings) {
		fputs(",\"findings\":[", f);
		for (uint32_t i = 0; i < o->nfindings; i++) {
			fputs(i ? "," : "", f);
			finding(f, &o->findings[i]);
		}
		fputc(']', f);
	}
	evidence(f, o);
	fputs("}\n", f);
}

void json_print(FILE *f, const struct audit *a)
{
	struct totals t;

	for (size_t i = 0; i < a->r.n; i++)
		if (!(a->r.objs[i]->flags & OF_ELSEWHERE))
			file(f, a->r.objs[i]);
	for (size_t i = 0; i < a->r.nproblems; i++) {
		fputs("{\"event\":\"problem\"", f);
		key(f, "path", a->r.problems[i].path);
		key(f, "cause", a->r.problems[i].cause);
		fputs("}\n", f);
	}
	totals_of(a, &t);
	fprintf(f, "{\"event\":\"totals\",\"files\":%lu,\"programs\":%lu,\"programs_marked\":%lu,\"libraries\":%lu,"
		   "\"libraries_marked\":%lu,\"objects\":%lu,\"objects_marked\":%lu,\"static_libraries\":%lu,"
		   "\"archives\":%lu,\"foreign\":%lu,\"others\":%lu,\"problems\":%zu,\"text\":%lu",
		a->r.files, t.programs, t.programs_marked, t.libraries, t.libraries_marked, t.objects, t.objects_marked, t.statics,
		t.archives, t.foreign, t.others, a->r.nproblems, t.text);
	fputs(",\"by_marks\":{", f);
	for (int i = V_ENABLED; i < V_COUNT; i++)
		fprintf(f, "%s\"%s\":%lu", i == V_ENABLED ? "" : ",", verdict_names[i], t.closures[i]);
	fputs("},\"verdicts\":{", f);
	for (int i = V_ENABLED; i < V_COUNT; i++)
		fprintf(f, "%s\"%s\":%lu", i == V_ENABLED ? "" : ",", verdict_names[i], t.verdicts[i]);
	fputs("},\"findings\":{", f);
	for (int i = 0, first = 1; i < R_COUNT; i++)
		if (t.findings[i]) {
			fprintf(f, "%s\"%s\":%lu", first ? "" : ",", rules[i].name, t.findings[i]);
			first = 0;
		}
	fputs("}}\n", f);
}
