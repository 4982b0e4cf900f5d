/* SPDX-License-Identifier: MIT */
/* The code of one image: its executable sections in pieces, the functions worth following, findings with their places. */
#include "code.h"

#include <stdlib.h>
#include <string.h>

#define PIECE (256u << 10)
#define MARGIN 64u /* a pattern may look this far around */
#define FINDINGS_MOST 200u
#define GAP_REACH 4096u /* how far from a hit its function is looked for where nothing tells its bounds */

struct range {
	uint64_t addr, off, size;
};

struct scan {
	struct worker *w;
	struct obj *o;
	struct elf *e;
	struct funcs f;
	uint64_t done; /* address up to which functions were followed */
	size_t next;   /* first function start behind what was looked at */
	uint64_t start; /* of the function last asked for by has_frame_pointer() */
	bool framed;   /* ... its answer */
	uint32_t symbols_endbr;
};

static struct code *code_of(struct worker *w)
{
	struct code *c = w->code;

	if (c)
		return c;
	c = w->code = xzalloc(sizeof(*c));
	ZydisDecoderInit(&c->decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	c->flow = flow_new();
	c->text = xmalloc(PIECE + 2 * MARGIN);
	c->function = xmalloc(FUNCTION_MOST);
	return c;
}

void code_free(struct code *c)
{
	if (!c)
		return;
	free(c->flow);
	free(c->text);
	free(c->function);
	free(c);
}

static void tell(struct scan *s, const struct seen *x)
{
	const struct sym *sym = funcs_symbol(&s->f, x->at);
	struct finding *f;

	if (s->o->nfindings >= FINDINGS_MOST)
		return;
	f = finding_add(s->o, &s->w->mem, (enum rule)x->rule, x->at, x->detail);
	f->confidence = x->confidence;
	if (sym) {
		f->symbol = intern(&s->w->names, &s->w->mem, sym->name);
		f->offset = x->at - sym->at;
	}
}

/*
 * Is there a mov %rsp, %rbp in the first instructions of the function around addr? Asked for every use of %rbp that may
 * be one of a frame pointer, so it does with the table of starts and, mostly, with the piece p at hand.
 */
static bool has_frame_pointer(struct scan *s, const struct range *r, uint64_t addr, const uint8_t *p, uint64_t p_addr)
{
	uint64_t start = funcs_start(&s->f, addr);
	uint8_t head[48];

	if (!start || start < r->addr)
		return true; /* not known: following it will tell */
	if (start == s->start)
		return s->framed;
	s->start = start;
	if (start >= p_addr)
		memcpy(head, p + (start - p_addr), sizeof(head)); /* the margin is larger than this */
	else if (img_some(s->e->im, r->off + (start - r->addr), head, sizeof(head)) < sizeof(head))
		return s->framed = true;
	s->framed = memmem(head, sizeof(head), "\x48\x89\xe5", 3) || memmem(head, sizeof(head), "\x48\x8b\xec", 3);
	return s->framed;
}

static size_t read_function(struct scan *s, const struct range *r, const struct func *fn)
{
	size_t n = fn->end - fn->start < FUNCTION_MOST ? (size_t)(fn->end - fn->start) : FUNCTION_MOST;

	return img_some(s->e->im, r->off + (fn->start - r->addr), code_of(s->w)->function, n);
}

/* reads the function around addr; how much there is of it, 0: nobody can tell where it begins */
static size_t function_at(struct scan *s, uint64_t addr, const struct range *r, struct func *fn)
{
	size_t n;

	funcs_around(&s->f, addr, r->addr, r->addr + r->size, fn);
	if (fn->start < r->addr || fn->start > addr)
		fn->start = r->addr;
	if (fn->end > r->addr + r->size || fn->end <= addr)
		fn->end = r->addr + r->size;
	if (fn->cfi)
		return fn->entry && addr - fn->start < FUNCTION_MOST ? read_function(s, r, fn) : 0;
	/* a gap between functions that are known may be megabytes of others */
	if (addr - fn->start > GAP_REACH) {
		fn->start = addr - GAP_REACH;
		fn->entry = false;
	}
	if (fn->end - addr > GAP_REACH)
		fn->end = addr + GAP_REACH;
	n = read_function(s, r, fn);
	if (n <= addr - fn->start)
		return 0;
	return funcs_padded(fn, s->w->code->function, n, addr);
}

static void follow(struct scan *s, uint64_t addr, const struct range *r)
{
	struct code *c = code_of(s->w);
	struct func fn;
	size_t n = function_at(s, addr, r, &fn);

	s->done = n ? fn.start + n : addr + 1;
	if (!n)
		return;
	flow_function(c, &fn, c->function, n);
	if (c->ssp)
		s->o->flags |= OF_SSP_CODE;
	for (unsigned i = 0; i < c->nseen; i++)
		if (!c->ssp || c->seen[i].rule == R_OLD_SYSCALL)
			tell(s, &c->seen[i]);
}

static void count_endbr(struct scan *s, const uint8_t *p, uint64_t addr, size_t n)
{
	static const uint8_t endbr64[4] = { 0xf3, 0x0f, 0x1e, 0xfa };

	while (s->next < s->f.n && s->f.starts[s->next] < addr)
		s->next++;
	for (; s->next < s->f.n && s->f.starts[s->next] < addr + n; s->next++) {
		s->o->functions++;
		s->o->endbr += !memcmp(p + (s->f.starts[s->next] - addr), endbr64, 4);
	}
}

/* one piece; `p` has margins on both sides */
static void piece(struct scan *s, const struct range *r, const uint8_t *p, uint64_t addr, size_t n)
{
	unsigned what;

	count_endbr(s, p, addr, n);
	for (size_t at = 0; (at = trigger_next(p, at, n, &what)) < n;) {
		if (what == TRIG_SSP)
			s->o->flags |= OF_SSP_CODE;
		else if (what == TRIG_ENABLE)
			s->o->flags |= OF_SSP_ENABLE;
		else if (addr + at >= s->done && (what != TRIG_FRAME || has_frame_pointer(s, r, addr + at, p, addr)))
			follow(s, addr + at, r);
		at = s->done > addr + at ? (size_t)(s->done - addr) : at + 1;
	}
}

static void section(struct scan *s, const struct range *r)
{
	uint8_t *buf = code_of(s->w)->text;

	s->next = 0;
	for (uint64_t at = 0; at < r->size; at += PIECE) {
		size_t before = at ? MARGIN : 0, want = r->size - at < PIECE ? (size_t)(r->size - at) : PIECE, got;

		memset(buf, 0x90, MARGIN);
		got = img_some(s->e->im, r->off + at - before, buf + MARGIN - before, before + want + MARGIN);
		if (got <= before)
			break;
		got -= before;
		if (got < want + MARGIN)
			memset(buf + MARGIN + got, 0x90, want + MARGIN - got);
		if (got > want)
			got = want;
		piece(s, r, buf + MARGIN, r->addr + at, got);
		s->o->text += got;
		if (got < want)
			break;
	}
}

static void ready(struct scan *s)
{
	struct obj *o = s->o;
	char text[96];

	/* static functions whose address nobody takes have none; below a third, only libraries linked in have it */
	if ((o->marks & MARK_SHSTK) || o->functions < 8 || o->endbr * 3 < o->functions)
		return;
	for (uint32_t i = 0; i < o->nfindings; i++)
		if (o->findings[i].addr && o->findings[i].confidence >= CONF_MEDIUM)
			return;
	snprintf(text, sizeof(text), "%u of %u functions begin with ENDBR64", o->endbr, o->functions);
	finding_add(o, &s->w->mem, R_READY, 0, text)->confidence =
		(uint8_t)(o->endbr * 2 >= o->functions ? CONF_MEDIUM : CONF_LOW);
}

void code_read(struct worker *w, struct obj *o, struct elf *e)
{
	struct scan s = { .w = w, .o = o, .e = e };
	bool any = false;
	struct sec sec;
	struct seg seg;

	funcs_open(&s.f, e);
	for (uint32_t i = 0; elf_next(e, &i, SHT_PROGBITS, &sec);)
		if ((sec.flags & (SHF_ALLOC | SHF_EXECINSTR)) == (SHF_ALLOC | SHF_EXECINSTR)) {
			struct range r = { sec.addr, sec.off, sec.size };

			any = true;
			section(&s, &r);
		}
	for (uint32_t i = 0; !any && i < e->phnum && elf_seg(e, i, &seg); i++)
		if (seg.type == PT_LOAD && (seg.flags & PF_X)) {
			struct range r = { seg.vaddr, seg.off, seg.filesz };

			section(&s, &r);
		}
	jit_read(w, o, e);
	ready(&s);
	funcs_close(&s.f);
}
