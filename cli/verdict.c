/* SPDX-License-Identifier: MIT */
/* What it all comes to: counts for each site, by class and module, and the last line. */
#include <stdlib.h>
#include <string.h>

#include "report.h"

void tally(const struct report *r, struct tally *t)
{
	memset(t, 0, sizeof(*t));
	for (unsigned i = 0; i < GN_SITES; i++) {
		const struct gn_site *s = &r->b->sites[i];

		if (s->key && s->class < 8)
			t->sites[s->class]++;
	}
	for (unsigned c = 1; c < 8; c++) {
		t->times[c] = r->b->class_count[c];
		if (!class_is_clean(c)) {
			t->bad_sites += t->sites[c];
			t->bad_times += t->times[c];
		}
	}
	t->bugs = r->b->class_count[0]; /* where an engine gave up */
	t->clean = t->bad_times == 0;
}

static const char *s(uint64_t n)
{
	return n == 1 ? "" : "s";
}

struct row {
	unsigned site;
	uint32_t class;
	uint64_t count;
	const struct gn_violation *v; /* NULL: its record was lost */
};

/* the worst classes first, then the busiest sites */
static int row_order(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	static const int rank[8] = { 9, 5, 2, 1, 3, 4, 9, 9 };

	if (rank[x->class & 7] != rank[y->class & 7])
		return rank[x->class & 7] - rank[y->class & 7];
	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return (int)x->site - (int)y->site;
}

static size_t rows_of(const struct report *r, bool unwinds, struct row rows[GN_SITES])
{
	size_t n = 0;

	for (unsigned i = 0; i < GN_SITES; i++) {
		const struct gn_site *site = &r->b->sites[i];

		if (!site->key || (class_is_clean(site->class) && !unwinds))
			continue;
		rows[n++] = (struct row){ i, site->class, site->count, r->first[i] };
	}
	qsort(rows, n, sizeof(*rows), row_order);
	return n;
}

/* the code that is at fault: what moved RSP, or the return itself */
static const struct gn_addr *culprit(const struct gn_violation *v)
{
	return v->class == GN_STACK_SWITCH && v->switcher.addr ? &v->switcher : &v->ret;
}

static const char *row_module(const struct row *w)
{
	const char *path = w->v ? rec_path(&w->v->h, culprit(w->v)->path) : "";
	const char *slash = strrchr(path, '/');

	if (!w->v)
		return "(record lost)";
	return slash ? slash + 1 : *path ? path : "(generated code)";
}

static void table(FILE *f, struct row *rows, size_t n)
{
	bool *done = calloc(n, sizeof(*done));

	fprintf(f, "  %-14s %8s %12s  %s\n", "class", "sites", "times", "module");
	for (size_t i = 0; done && i < n; i++) {
		uint64_t sites = 0, times = 0;

		if (done[i])
			continue;
		for (size_t j = i; j < n; j++) {
			if (rows[j].class != rows[i].class || strcmp(row_module(&rows[i]), row_module(&rows[j])))
				continue;
			done[j] = true;
			sites++;
			times += rows[j].count;
		}
		fprintf(f, "  %-14s %8lu %12lu  %s\n", class_name(rows[i].class), sites, times, row_module(&rows[i]));
	}
	free(done);
}

static void sites(FILE *f, struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct place p;

		fprintf(f, "  %-14s ", class_name(rows[i].class));
		if (!rows[i].v) {
			fputs("(record lost)", f);
		} else {
			const struct gn_addr *a = culprit(rows[i].v);

			symbols_of(&rows[i].v->h, a, false, &p);
			if (p.file)
				fprintf(f, "%s+0x%lx", p.module, p.offset);
			else
				fprintf(f, "0x%lx", a->addr);
			if (p.symbol)
				fprintf(f, "  %s+0x%lx", p.symbol, p.symbol_offset);
			if (p.source)
				fprintf(f, "  %s:%d", p.source_name, p.line);
		}
		fprintf(f, "  this site: %lu time%s\n", rows[i].count, s(rows[i].count));
	}
}

static void shortcomings(FILE *f, const struct report *r)
{
	if (r->b->natives)
		fprintf(f, "gnomon: %lu program%s ran natively and %s not checked\n", r->b->natives, s(r->b->natives),
			r->b->natives == 1 ? "was" : "were");
	if (r->b->sites_full)
		fprintf(f, "gnomon: more than %d sites: %lu violation%s could only be counted\n", GN_SITES,
			r->b->sites_full, s(r->b->sites_full));
	if (r->b->lost)
		fprintf(f, "gnomon: the log is full: %lu record%s lost\n", r->b->lost, s(r->b->lost));
}

void verdict_text(FILE *f, const struct report *r, bool unwinds, size_t most)
{
	static struct row rows[GN_SITES];
	uint64_t procs = r->b->processes;
	struct tally t;
	size_t n;

	tally(r, &t);
	/* never started: whoever could not start it has said why */
	if (!procs && !r->b->natives)
		return;
	n = rows_of(r, unwinds, rows);
	if (n) {
		fputs("gnomon: sites by class and module:\n", f);
		table(f, rows, n);
		fputs("gnomon: sites:\n", f);
		sites(f, rows, most && n > most ? most : n);
		if (most && n > most)
			fprintf(f, "  and %zu more: 'gnomon explain' lists all of a report\n", n - most);
	}
	shortcomings(f, r);
	if (t.bugs) {
		fprintf(f, "gnomon: no verdict: the engine failed in %lu process%s, see what it says above\n", t.bugs,
			t.bugs == 1 ? "" : "es");
	} else if (!procs) {
		fputs("gnomon: nothing was checked\n", f);
	} else if (!t.clean) {
		const char *sep = "";

		fprintf(f, "gnomon: not clean: %lu site%s (", t.bad_sites, s(t.bad_sites));
		for (uint32_t c = GN_STACK_SWITCH; c < GN_CLASSES; c++) {
			if (!t.sites[c])
				continue;
			fprintf(f, "%s%lu %s", sep, t.sites[c], class_name(c));
			sep = ", ";
		}
		fprintf(f, "), %lu violation%s in %lu process%s\n", t.bad_times, s(t.bad_times), procs,
			procs == 1 ? "" : "es");
	} else if (t.times[GN_UNWIND]) {
		fprintf(f, "gnomon: clean but for unwinding that a CET-aware libc handles: %lu site%s, %lu time%s, "
			   "%lu process%s\n",
			t.sites[GN_UNWIND], s(t.sites[GN_UNWIND]), t.times[GN_UNWIND], s(t.times[GN_UNWIND]), procs,
			procs == 1 ? "" : "es");
	} else {
		fprintf(f, "gnomon: clean: %lu process%s, no violation\n", procs, procs == 1 ? "" : "es");
	}
}

void verdict_json(FILE *f, const struct report *r)
{
	static struct row rows[GN_SITES];
	struct tally t;
	size_t n;

	tally(r, &t);
	fprintf(f, "{\"event\":\"verdict\",\"verdict\":\"%s\",\"processes\":%u,\"natives\":%lu,\"lost\":%lu,"
		   "\"uncounted_sites\":%lu,\"classes\":{",
		t.bugs ? "failed" : !r->b->processes ? "unchecked" : !t.clean ? "not-clean" : t.times[GN_UNWIND] ? "unwinds" : "clean",
		r->b->processes, r->b->natives, r->b->lost, r->b->sites_full);
	for (uint32_t c = GN_UNWIND; c < GN_CLASSES; c++)
		fprintf(f, "%s\"%s\":{\"sites\":%lu,\"times\":%lu}", c > GN_UNWIND ? "," : "", class_id(c), t.sites[c],
			t.times[c]);
	fputs("},\"sites\":[", f);
	n = rows_of(r, true, rows);
	for (size_t i = 0; i < n; i++) {
		fprintf(f, "%s{\"site\":%u,\"class\":\"%s\",\"times\":%lu,\"module\":", i ? "," : "", rows[i].site,
			class_id(rows[i].class), rows[i].count);
		json_string(f, row_module(&rows[i]));
		fputc('}', f);
	}
	fputs("]}\n", f);
}
