/* SPDX-License-Identifier: MIT */
/* gnomon audit diff: what changed between two databases: files, marks, verdicts, findings. */
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "db.h"
#include "text.h"

struct diff {
	bool json;
	uint64_t changes;
};

static void load(struct audit *a, struct options *o, const char *name)
{
	const char *why;
	struct db db;

	why = db_open(&db, name, DB_READ);
	if (why)
		die("%s: %s", shown(name), why);
	a->o = o;
	if (!db_load(&db, a))
		exit(GN_EXIT_USAGE);
	sqlite3_close(db.h);
	results_sort(&a->r);
}

static void change(struct diff *d, const struct obj *o, const char *what, const char *from, const char *to)
{
	d->changes++;
	if (d->json) {
		fputs("{\"event\":\"change\",\"path\":", stdout);
		json_put(stdout, obj_name(o));
		printf(",\"what\":\"%s\"", what);
		if (from) {
			fputs(",\"from\":", stdout);
			json_put(stdout, from);
		}
		if (to) {
			fputs(",\"to\":", stdout);
			json_put(stdout, to);
		}
		fputs("}\n", stdout);
	} else if (from && to) {
		printf("%s: %s: %s -> %s\n", shown(obj_name(o)), what, from, to);
	} else if (from || to) {
		printf("%s: %s: %s\n", shown(obj_name(o)), what, from ? from : to);
	} else {
		printf("%s: %s\n", shown(obj_name(o)), what);
	}
}

static const char *mark_names(uint32_t marks)
{
	static const char *const names[] = { "none", "IBT", "SHSTK", "IBT and SHSTK" };

	return names[marks & 3];
}

/* a finding as one sees it again in another build: without its address */
static const char *signature(const struct finding *f)
{
	static char ring[2][1200];
	static unsigned turn;
	char *t = ring[turn = !turn];

	snprintf(t, sizeof(ring[0]), "%s%s%s%s%s", rules[f->rule].name, f->symbol ? " at " : "", f->symbol ? f->symbol : "",
		 f->detail && !f->addr ? ": " : "", f->detail && !f->addr ? f->detail : "");
	return t;
}

static bool has(const struct obj *o, const struct finding *f)
{
	char want[1200];

	strcpy(want, signature(f));
	for (uint32_t i = 0; i < o->nfindings; i++)
		if (o->findings[i].rule == f->rule && !strcmp(signature(&o->findings[i]), want))
			return true;
	return false;
}

static void compare(struct diff *d, const struct obj *a, const struct obj *b)
{
	if ((a->marks & 3) != (b->marks & 3) && b->kind != K_ARCHIVE)
		change(d, b, "marks", mark_names(a->marks), mark_names(b->marks));
	if (a->kind == K_PROGRAM && b->kind == K_PROGRAM && a->closure && b->closure && a->closure != b->closure)
		change(d, b, "by marks", verdict_names[a->closure], verdict_names[b->closure]);
	if (a->kind == K_PROGRAM && b->kind == K_PROGRAM && a->verdict && b->verdict && a->verdict != b->verdict)
		change(d, b, "verdict", verdict_names[a->verdict], verdict_names[b->verdict]);
	if (!!a->broken != !!b->broken)
		change(d, b, a->broken ? "can be read again" : "cannot be read", NULL, b->broken);
	for (uint32_t i = 0; i < b->nfindings; i++)
		if (b->findings[i].rule != R_UNMARKED && !has(a, &b->findings[i]))
			change(d, b, "new finding", NULL, signature(&b->findings[i]));
	for (uint32_t i = 0; i < a->nfindings; i++)
		if (a->findings[i].rule != R_UNMARKED && !has(b, &a->findings[i]))
			change(d, b, "finding gone", signature(&a->findings[i]), NULL);
}

/* members of static libraries repeat names: the nth of a name is compared with the nth */
static char *key(struct arena *mem, const struct obj *o, unsigned nth)
{
	const char *name = obj_name(o);
	char *k = arena_alloc(mem, strlen(name) + 16);

	sprintf(k, "%s\t%u", name, nth);
	return k;
}

/* their keys; *m has the objects by these */
static char **index_of(struct arena *mem, const struct audit *a, struct strmap *m)
{
	char **keys = arena_alloc(mem, a->r.n * sizeof(*keys));
	unsigned nth = 0;

	for (size_t i = 0; i < a->r.n; i++) {
		const struct obj *o = a->r.objs[i], *p = i ? a->r.objs[i - 1] : NULL;

		nth = p && p->in == o->in && !strcmp(p->path, o->path) ? nth + 1 : 0;
		keys[i] = key(mem, o, nth);
		*strmap_at(m, keys[i]) = (void *)o;
	}
	return keys;
}

int cmd_diff(const struct command *cmd, struct options *o)
{
	static struct audit old, new;
	struct strmap in_old = { 0 }, in_new = { 0 };
	struct diff d = { .json = o->json };
	struct arena mem = { 0 };
	char **old_keys, **new_keys;

	if (!o->operands[0] || !o->operands[1] || o->operands[2])
		usage_error(cmd, "diff needs two databases");
	load(&old, o, o->operands[0]);
	load(&new, o, o->operands[1]);
	old_keys = index_of(&mem, &old, &in_old);
	new_keys = index_of(&mem, &new, &in_new);
	for (size_t i = 0; i < old.r.n; i++)
		if (!strmap_get(&in_new, old_keys[i]))
			change(&d, old.r.objs[i], "gone", NULL, NULL);
	for (size_t i = 0; i < new.r.n; i++) {
		const struct obj *was = strmap_get(&in_old, new_keys[i]);

		if (was)
			compare(&d, was, new.r.objs[i]);
		else
			change(&d, new.r.objs[i], "new", NULL, new.r.objs[i]->bits ? mark_names(new.r.objs[i]->marks) : NULL);
	}
	strmap_free(&in_old);
	strmap_free(&in_new);
	arena_free(&mem);
	if (!o->json && !d.changes)
		puts("nothing changed");
	return stdout_done() ? GN_EXIT_USAGE : d.changes ? ST_FOUND : 0;
}
