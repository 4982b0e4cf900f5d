/* SPDX-License-Identifier: MIT */
/*
 * The verdict of each program, by the rules of glibc (2.39 to 2.43): asked to by GLIBC_TUNABLES=glibc.cpu.hwcaps=SHSTK,
 * it turns the shadow stack on if the program and every library loaded at start are marked, ld.so aside; a dlopen of an
 * unmarked library then fails. See docs/audit.md for the other policies, which follow from the same facts.
 */
#include "closure.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"

static const char *full_path(struct tree *t, const struct obj *o)
{
	char *path;
	const char *kept;

	if (*o->path == '/')
		return o->path;
	path = xmalloc(strlen(o->path) + 2);
	sprintf(path, "/%s", o->path);
	kept = arena_str(&t->w.mem, path);
	free(path);
	return kept;
}

static const char *interp_of(const struct obj *o)
{
	return o->interp ? o->interp : o->bits == 32 ? "/lib/ld-linux.so.2" : "/lib64/ld-linux-x86-64.so.2";
}

static void begin(struct program *p, struct tree *t, struct obj *o)
{
	const char *path = full_path(t, o);

	p->t = t;
	p->l = ldso_of(t, interp_of(o));
	p->n = p->missing = 0;
	p->rpath = false;
	p->list = NULL;
	p->stamp = ++t->a->stamps;
	p->lacks = NULL;
	program_add(p, o, path, path, 0, 0);
}

/* where each name of an object leads when nobody else is involved: for the pictures, and for what no program loads */
static void resolve(struct program *p, struct tree *t, struct obj *o)
{
	begin(p, t, o);
	for (uint32_t i = 0; i < o->ndeps; i++)
		o->deps[i].hit = program_find(p, &o->deps[i], 0);
	o->linker = p->l;
}

static bool marked(const struct obj *o)
{
	return o->marks & MARK_SHSTK;
}

static void start_libraries(struct program *p, struct obj *o)
{
	o->loads = arena_alloc(&p->t->w.mem, (p->n - 1) * sizeof(*o->loads));
	for (size_t i = 1; i < p->n; i++) {
		struct obj *l = p->v[i].o;

		o->loads[o->nloads++] = l;
		l->users++;
		if (marked(l))
			continue;
		if (!o->nveto++)
			o->veto = l;
		l->blocks++;
	}
	if (o->nveto == 1)
		o->veto->blocks_alone++;
}

static void judge(struct program *p, struct obj *o)
{
	o->closure = p->missing ? V_INCOMPLETE : !marked(o) ? V_UNMARKED : o->nveto ? V_VETOED : V_ENABLED;
	o->verdict = o->closure;
	if (p->missing)
		return;
	if (o->bits != 64 || (o->interp && !(p->l->o && (p->l->o->flags & OF_GLIBC_CET))) ||
	    (!o->interp && !(o->flags & OF_SSP_ENABLE)))
		o->verdict = V_NO_SUPPORT;
}

static void tell(struct program *p, struct obj *o)
{
	char text[512];

	if (p->missing) {
		snprintf(text, sizeof(text), "%s, needed by %s", p->lacks, p->lacks_for->path);
		finding_add(o, &p->t->w.mem, R_MISSING_LIBRARY, 0, text);
	}
	if (!marked(o) || !o->nveto)
		return;
	if (o->nveto == 1)
		snprintf(text, sizeof(text), "%s", o->veto->path);
	else
		snprintf(text, sizeof(text), "%s and %u more", o->veto->path, o->nveto - 1);
	finding_add(o, &p->t->w.mem, R_VETOED, 0, text);
}

/* one dlopen by somebody that the program loads at start: what of it is new and not marked? */
static void opens(struct program *p, struct obj *o, unsigned by, const struct dep *d)
{
	size_t start = p->n;
	char text[1024];
	const struct hit *h = program_find(p, d, by);

	if (!h)
		return;
	program_add(p, h->o, h->path, d->name, d->hash, by);
	program_load(p, start);
	for (size_t i = start; i < p->n; i++) {
		struct finding *f;

		if (marked(p->v[i].o))
			continue;
		snprintf(text, sizeof(text), "%s%s%s (%s of %s)", d->name, i == start ? "" : ", because of ",
			 i == start ? "" : p->v[i].o->path, d->how == DEP_GUESS ? "guessed from a string" : ".note.dlopen",
			 p->v[by].o->path);
		f = finding_add(o, &p->t->w.mem, R_DLOPEN_FAILS, 0, text);
		if (d->how == DEP_NOTE)
			f->confidence = CONF_MEDIUM;
		break;
	}
	program_cut(p, start);
}

static void dlopens(struct program *p, struct obj *o)
{
	size_t n = p->n;

	if (o->closure != V_ENABLED)
		return;
	for (size_t i = 0; i < n; i++)
		for (uint32_t d = 0; d < p->v[i].o->ndeps; d++)
			if (p->v[i].o->deps[d].how != DEP_NEEDED)
				opens(p, o, (unsigned)i, &p->v[i].o->deps[d]);
}

static bool linked(const struct obj *o)
{
	return (o->kind == K_PROGRAM || o->kind == K_LIBRARY) && (o->machine == EM_X86_64 || o->machine == EM_386);
}

static void all_of(struct audit *a, struct tree *t)
{
	struct program p = { 0 };

	/* what is needed joins t->w.r.objs while this goes on */
	for (size_t i = 0; i < a->r.n; i++)
		if (linked(a->r.objs[i]) && t->packed == (a->r.objs[i]->in != NULL))
			resolve(&p, t, a->r.objs[i]);
	for (size_t i = 0; i < t->w.r.n; i++)
		if (linked(t->w.r.objs[i]))
			resolve(&p, t, t->w.r.objs[i]);
	for (size_t i = 0; i < a->r.n; i++) {
		struct obj *o = a->r.objs[i];

		if (!linked(o) || o->kind != K_PROGRAM || t->packed != (o->in != NULL))
			continue;
		begin(&p, t, o);
		program_load(&p, 0);
		start_libraries(&p, o);
		judge(&p, o);
		tell(&p, o);
		dlopens(&p, o);
	}
	free(p.v);
}

static void in_tree(struct audit *a, bool packed)
{
	struct tree t;

	tree_make(&t, a, packed);
	all_of(a, &t);
	tree_done(&t);
}

void closure_run(struct audit *a)
{
	bool packed = false, read_back = a->known.used || !a->live; /* from a database */

	for (size_t i = 0; i < a->r.n; i++) {
		packed |= a->r.objs[i]->in != NULL;
		if (read_back)
			closure_forget(a->r.objs[i]);
	}
	in_tree(a, false);
	if (packed)
		in_tree(a, true);
}

/* ---- static libraries */

static bool counts_for_link(const struct obj *o)
{
	return o->kind == K_OBJECT && !(o->flags & (OF_LTO | OF_EMPTY)) && !o->broken &&
	       (o->machine == EM_X86_64 || o->machine == EM_386);
}

/* what a database brought may have it already */
static void find_once(struct audit *a, struct obj *o, enum rule rule)
{
	for (uint32_t i = 0; i < o->nfindings; i++)
		if (o->findings[i].rule == rule)
			return;
	finding_add(o, &a->mem, rule, 0, NULL);
}

void marks_finish(struct audit *a)
{
	for (size_t i = 0; i < a->r.n; i++) {
		struct obj *o = a->r.objs[i];

		if (o->kind == K_STATIC_LIBRARY) {
			o->marks = ~0u;
			o->nveto = o->users = 0; /* unmarked members, members */
		} else if (o->in && o->in->kind == K_STATIC_LIBRARY && counts_for_link(o)) {
			o->in->marks &= o->marks;
			o->in->users++;
			o->in->nveto += !marked(o);
		}
	}
	for (size_t i = 0; i < a->r.n; i++) {
		struct obj *o = a->r.objs[i];

		if (o->kind == K_STATIC_LIBRARY && !o->users)
			o->marks = 0;
		if (o->flags & (OF_KEPT | OF_DEPENDENCY))
			continue;
		if (o->in && o->in->kind == K_STATIC_LIBRARY) {
			if (counts_for_link(o) && !marked(o) && o->in->nveto < o->in->users)
				find_once(a, o, R_MARK_LOST);
		} else if (!marked(o) && (linked(o) || (o->kind == K_STATIC_LIBRARY && o->users) || counts_for_link(o))) {
			find_once(a, o, R_UNMARKED);
		}
	}
}
