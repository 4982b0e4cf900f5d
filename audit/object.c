/* SPDX-License-Identifier: MIT */
/* One ELF image: what kind it is, what its notes say, and, by the level asked for, what it needs and does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "notes.h"
#include "worker.h"

#define NOTE_SEGS 16
#define NOTE_BYTES (4u << 20) /* larger ones are not looked at: dumps */

struct segs {
	struct seg note[NOTE_SEGS], dynamic, interp;
	unsigned notes;
	bool hollow; /* a segment that must have contents has none: separate debug information */
};

struct sink {
	struct worker *w;
	struct obj *o;
};

static void on_dlopen(void *arg, const char *soname, const char *feature)
{
	struct sink *s = arg;

	dep_add(s->w, s->o, DEP_NOTE, soname, *feature ? feature : NULL);
}

static void other_notes(struct worker *w, struct obj *o, const uint8_t *p, size_t n, uint64_t align)
{
	struct sink s = { w, o };
	struct note t;
	size_t at = 0;

	while (note_next(p, n, align, &at, &t)) {
		if (t.type == NT_GNU_BUILD_ID && t.name_size == 4 && !memcmp(t.name, "GNU", 4) && !o->build_id &&
		    t.desc_size && t.desc_size <= 64) {
			static const char digits[] = "0123456789abcdef";
			char hex[128];

			for (size_t i = 0; i < t.desc_size; i++) {
				hex[2 * i] = digits[t.desc[i] >> 4];
				hex[2 * i + 1] = digits[t.desc[i] & 15];
			}
			o->build_id = arena_strn(&w->mem, hex, 2 * t.desc_size);
		} else if (t.type == 0x407c0c0a && t.name_size == 4 && !memcmp(t.name, "FDO", 4) &&
			   w->a->o->level >= LEVEL_CLOSURE) {
			note_dlopen((const char *)t.desc, t.desc_size, on_dlopen, &s);
		}
	}
}

/* the bytes of a note segment or section; free(*heap) when done; NULL if they are not all there */
static const uint8_t *note_bytes(struct img *im, uint64_t off, uint64_t n, uint8_t *small, size_t size, void **heap)
{
	*heap = NULL;
	if (n <= size)
		return img_view(im, off, small, (size_t)n);
	return *heap = img_load(im, off, n, NOTE_BYTES);
}

static void note_segments(struct worker *w, struct obj *o, struct elf *e, struct segs *s, struct props *p)
{
	bool settled = false;

	/* backwards, as the C library goes */
	for (unsigned i = s->notes; i-- > 0;) {
		const struct seg *g = &s->note[i];
		uint8_t small[1024];
		void *heap;
		const uint8_t *b = note_bytes(e->im, g->off, g->filesz, small, sizeof(small), &heap);
		uint32_t features;

		if (b) {
			notes_declared(b, (size_t)g->filesz, g->align, e->is64, p);
			other_notes(w, o, b, (size_t)g->filesz, g->align);
			if (!settled && notes_loader(b, (size_t)g->filesz, g->align, e->is64, &features)) {
				settled = true;
				o->marks = features;
			}
		} else if (g->filesz <= NOTE_BYTES && !s->hollow) {
			o->broken = "cut short: a note segment lies behind the end";
		}
		free(heap);
	}
}

static bool in_segments(const struct segs *s, const struct sec *c)
{
	for (unsigned i = 0; s && i < s->notes; i++)
		if (c->off >= s->note[i].off && c->off - s->note[i].off <= s->note[i].filesz &&
		    c->size <= s->note[i].filesz - (c->off - s->note[i].off))
			return true;
	return false;
}

/* notes that no segment shows: all of an object's, and of a file whose segments were lost */
static void note_sections(struct worker *w, struct obj *o, struct elf *e, const struct segs *segs, struct props *p)
{
	struct sec s;

	for (uint32_t i = 0; elf_next(e, &i, SHT_NOTE, &s);) {
		uint8_t small[1024];
		const uint8_t *b;
		void *heap;

		if (s.size > NOTE_BYTES || in_segments(segs, &s))
			continue;
		b = note_bytes(e->im, s.off, s.size, small, sizeof(small), &heap);
		if (b) {
			notes_declared(b, (size_t)s.size, s.align, e->is64, p);
			if (e->type == ET_REL)
				other_notes(w, o, b, (size_t)s.size, s.align);
		} else {
			o->broken = "cut short: a note section lies behind the end";
		}
		free(heap);
	}
	if (elf_secs_cut(e))
		o->broken = "cut short: the section headers lie behind the end";
}

static void faults(struct worker *w, struct obj *o, const struct props *p, bool in_segment)
{
	static const struct {
		uint32_t bit;
		enum rule rule;
	} all[] = { { NOTE_BAD_ALIGNMENT, R_NOTE_ALIGNMENT }, { NOTE_BAD_ORDER, R_NOTE_ORDER },
		    { NOTE_BAD_SIZE, R_NOTE_SIZE },	      { NOTE_BAD_TWO, R_NOTE_TWO },
		    { NOTE_BAD_CUT, R_NOTE_CUT } };

	for (unsigned i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (p->faults & all[i].bit)
			finding_add(o, &w->mem, all[i].rule, 0, NULL);
	if (o->type != ET_EXEC && o->type != ET_DYN)
		return;
	if (p->notes && !in_segment)
		finding_add(o, &w->mem, R_NOTE_NO_SEGMENT, 0, "no segment covers the section: the C library sees nothing");
	else if (p->notes && !(o->flags & OF_PROPERTY_SEGMENT))
		finding_add(o, &w->mem, R_NOTE_NO_SEGMENT, 0,
			    "PT_GNU_PROPERTY is missing; glibc on x86 reads PT_NOTE, which is there")->confidence = CONF_INFO;
}

/* what the linker makes of an object, beside its property note: code without a mark loses it for all, but an object for
 * link-time optimisation has no code yet */
static void relocatable(struct obj *o, struct elf *e)
{
	struct sec s;
	char name[32];

	if (e->shnum <= 1)
		o->flags |= OF_EMPTY;
	for (uint32_t i = 1; elf_sec(e, i, &s); i++)
		if ((s.flags & SHF_EXECINSTR) && s.size)
			return;
	for (uint32_t i = 0; elf_next(e, &i, SHT_PROGBITS, &s);)
		if (!(s.flags & SHF_ALLOC) && elf_sec_name(e, &s, name, sizeof(name)) &&
		    (!strncmp(name, ".gnu.lto_", 9) || !strcmp(name, ".llvm.lto"))) {
			o->flags |= OF_LTO;
			return;
		}
}

static void segments(struct obj *o, struct elf *e, struct segs *s)
{
	struct seg g;
	uint32_t i;

	memset(s, 0, sizeof(*s));
	for (i = 0; i < e->phnum && elf_seg(e, i, &g); i++) {
		switch (g.type) {
		case PT_NOTE:
			if (s->notes < NOTE_SEGS)
				s->note[s->notes++] = g;
			break;
		case PT_GNU_PROPERTY: o->flags |= OF_PROPERTY_SEGMENT; break;
		case PT_DYNAMIC: s->dynamic = g; break;
		case PT_INTERP: s->interp = g; break;
		case PT_GNU_STACK: o->flags |= g.flags & PF_X ? OF_EXECSTACK : 0; break;
		case PT_LOAD:
			if ((g.flags & (PF_W | PF_X)) == (PF_W | PF_X))
				o->flags |= OF_RWX;
			if ((g.flags & PF_X) && !g.filesz && g.memsz)
				s->hollow = true;
			break;
		}
	}
	if (i < e->phnum)
		o->broken = "cut short: the program headers lie behind the end";
	if ((s->dynamic.type && !s->dynamic.filesz && s->dynamic.memsz) || (s->interp.type && !s->interp.filesz))
		s->hollow = true;
}

/* A debug file made by older tools keeps the sizes of its segments; its sections tell. */
static bool sections_hollow(struct elf *e)
{
	struct sec s;

	for (uint32_t i = 1; elf_sec(e, i, &s); i++)
		if ((s.flags & (SHF_ALLOC | SHF_EXECINSTR)) == (SHF_ALLOC | SHF_EXECINSTR) && s.size)
			return s.type == SHT_NOBITS;
	return false;
}

static void interpreter(struct worker *w, struct obj *o, struct elf *e, struct segs *s)
{
	char path[4096];

	if (!s->interp.type || s->hollow)
		return;
	if (img_string(e->im, s->interp.off, path, s->interp.filesz < sizeof(path) ? s->interp.filesz : sizeof(path)) &&
	    *path == '/')
		o->interp = intern(&w->names, &w->mem, path);
	else if (sections_hollow(e))
		s->hollow = true;
	else
		o->broken = "the name of the interpreter is not readable";
}

static bool named_like_library(const char *path)
{
	const char *base = strrchr(path, '/');
	const char *so = strstr(base ? base : path, ".so");

	return so && (!so[3] || so[3] == '.');
}

static enum kind kind_of(struct obj *o, struct elf *e, const struct segs *s)
{
	switch (e->type) {
	case ET_REL: return K_OBJECT;
	case ET_CORE: return K_CORE;
	case ET_EXEC: return K_PROGRAM;
	case ET_DYN: break;
	default: return K_CORE;
	}
	if (o->flags & OF_PIE)
		return K_PROGRAM;
	/* libc.so.6 has an interpreter, too */
	if (o->interp && !o->soname && !(s->dynamic.type && named_like_library(o->path)))
		return K_PROGRAM;
	return K_LIBRARY;
}

/* how much to read where the dynamic section begins: the section headers mostly lie close behind it */
static uint64_t dynamic_reach(const struct elf *e, const struct seg *g, bool headers)
{
	uint64_t end = e->shoff + (uint64_t)e->shnum * e->shentsize;

	return headers && e->shoff > g->off && end - g->off <= IMG_WINDOW ? end - g->off : g->filesz;
}

static void linked(struct worker *w, struct obj *o, struct elf *e)
{
	struct props p = { 0 };
	struct segs s;
	bool in_segment;

	segments(o, e, &s);
	interpreter(w, o, e, &s);
	note_segments(w, o, e, &s, &p);
	in_segment = p.notes > 0;
	if (s.dynamic.type && !s.hollow && w->a->o->level >= LEVEL_CLOSURE) {
		img_ahead(e->im, s.dynamic.off, dynamic_reach(e, &s.dynamic, !in_segment));
		dynamic_read(w, o, e, &s.dynamic);
	}
	if (!in_segment)
		note_sections(w, o, e, &s, &p);
	o->kind = (uint8_t)kind_of(o, e, &s);
	if (s.hollow)
		o->kind = K_DEBUG;
	else if (o->kind == K_PROGRAM && !o->interp)
		o->flags |= OF_STATIC;
	o->declared = p.features;
	o->isa_needed = p.isa_needed;
	o->isa_used = p.isa_used;
	o->flags |= p.notes ? OF_PROPERTY_NOTE : 0;
	if (o->kind != K_DEBUG)
		faults(w, o, &p, in_segment);
}

static void object(struct worker *w, struct obj *o, struct elf *e)
{
	struct props p = { 0 };

	relocatable(o, e); /* mostly knows by the first section headers, and is the first to ask for them */
	note_sections(w, o, e, NULL, &p);
	o->kind = K_OBJECT;
	o->marks = o->declared = p.features;
	o->isa_needed = p.isa_needed;
	o->isa_used = p.isa_used;
	o->flags |= p.notes ? OF_PROPERTY_NOTE : 0;
	faults(w, o, &p, false);
}

bool object_read(struct worker *w, struct obj *o, struct img *im)
{
	struct elf e;
	const char *why = elf_open(&e, im);

	if (why && !*why)
		return false;
	o->type = e.type;
	o->machine = e.machine;
	o->bits = e.is64 ? 64 : 32;
	o->level = (uint8_t)w->a->o->level;
	o->kind = e.type == ET_REL ? K_OBJECT : e.type == ET_DYN ? K_LIBRARY : e.type == ET_EXEC ? K_PROGRAM : K_CORE;
	if (why) {
		o->broken = why;
		return true;
	}
	if (e.machine != EM_X86_64 && e.machine != EM_386)
		return true;
	if (e.type == ET_REL) {
		object(w, o, &e);
	} else if (e.type == ET_DYN || e.type == ET_EXEC) {
		linked(w, o, &e);
		if (w->a->o->level >= LEVEL_CLOSURE && o->soname && !strncmp(o->soname, "ld-linux", 8))
			linker_read(o, &e);
		if (w->a->o->level >= LEVEL_CODE && o->kind != K_DEBUG && e.machine == EM_X86_64 && e.is64) {
			code_read(w, o, &e);
			guess_read(w, o, &e);
		}
	}
	return true;
}
