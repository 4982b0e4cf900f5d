/* SPDX-License-Identifier: MIT */
/*
 * The same content as the text, one JSON object a line; the key "event" says which. Addresses are strings
 * in hexadecimal, because JSON readers round numbers above 2^53.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "report.h"

/* length of a well-formed UTF-8 sequence at s, 0 if it is none */
static int utf8(const unsigned char *s)
{
	static const struct {
		unsigned char mask, lead;
		unsigned least;
	} form[] = { { 0xe0, 0xc0, 0x80 }, { 0xf0, 0xe0, 0x800 }, { 0xf8, 0xf0, 0x10000 } };

	for (int n = 0; n < 3; n++) {
		unsigned c;
		int i;

		if ((s[0] & form[n].mask) != form[n].lead)
			continue;
		c = s[0] & (unsigned char)~form[n].mask;
		for (i = 1; i <= n + 1; i++) {
			if ((s[i] & 0xc0) != 0x80)
				return 0;
			c = c << 6 | (s[i] & 0x3f);
		}
		return c >= form[n].least && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff) ? n + 2 : 0;
	}
	return 0;
}

/* Bytes of a path that are not UTF-8 become U+DC80..U+DCFF, as Python's surrogateescape reads them back. */
void json_string(FILE *f, const char *str)
{
	const unsigned char *s = (const unsigned char *)str;

	fputc('"', f);
	while (*s) {
		int n;

		if (*s == '"' || *s == '\\') {
			fprintf(f, "\\%c", *s++);
		} else if (*s < 0x20 || *s == 0x7f) {
			fprintf(f, "\\u%04x", *s++);
		} else if (*s < 0x80) {
			fputc(*s++, f);
		} else if ((n = utf8(s))) {
			fwrite(s, 1, (size_t)n, f);
			s += n;
		} else {
			fprintf(f, "\\udc%02x", *s++);
		}
	}
	fputc('"', f);
}

static void put_addr(FILE *f, const struct gn_rec *h, const struct gn_addr *a, bool back)
{
	struct place p;

	fprintf(f, "{\"address\":\"0x%lx\"", a->addr);
	if (!a->prot) {
		fputs(",\"mapped\":false}", f);
		return;
	}
	symbols_of(h, a, back, &p);
	fprintf(f, ",\"mapped\":true,\"prot\":\"%c%c%c\"", a->prot & PROT_READ ? 'r' : '-',
		a->prot & PROT_WRITE ? 'w' : '-', a->prot & PROT_EXEC ? 'x' : '-');
	if (*p.path) {
		fputs(",\"module\":", f);
		json_string(f, p.path);
	}
	if (p.file)
		fprintf(f, ",\"offset\":\"0x%lx\",\"file_offset\":\"0x%lx\"", p.offset, a->file_off);
	if (p.symbol) {
		fputs(",\"symbol\":", f);
		json_string(f, p.symbol);
		fprintf(f, ",\"symbol_offset\":%lu", p.symbol_offset);
	}
	if (p.source) {
		fputs(",\"source\":", f);
		json_string(f, p.source);
		fprintf(f, ",\"line\":%d", p.line);
	}
	fputc('}', f);
}

static void put_violation(FILE *f, const struct gn_violation *v)
{
	struct block b;

	fprintf(f, ",\"class\":\"%s\",\"site\":%u,\"what\":", class_id(v->class), v->site);
	json_string(f, headline(v));
	fputs(",\"comm\":", f);
	json_string(f, v->comm);
	fputs(",\"at\":", f);
	put_addr(f, &v->h, &v->ret, false);
	fputs(",\"expected\":", f);
	if (v->expected.addr)
		put_addr(f, &v->h, &v->expected, true);
	else
		fputs("null", f);
	fputs(",\"actual\":", f);
	put_addr(f, &v->h, &v->actual, v->class == GN_UNWIND || moved_depth(v));
	if (v->call.addr) {
		fputs(",\"call\":", f);
		put_addr(f, &v->h, &v->call, false);
	}
	if (v->switcher.addr) {
		fputs(",\"switcher\":", f);
		put_addr(f, &v->h, &v->switcher, false);
	}
	fprintf(f, ",\"rsp\":\"0x%lx\",\"ssp\":\"0x%lx\"", v->rsp, v->ssp);
	if (v->stack_hi > v->stack_lo) {
		fprintf(f, ",\"stack\":{\"low\":\"0x%lx\",\"high\":\"0x%lx\",\"name\":", v->stack_lo, v->stack_hi);
		json_string(f, rec_path(&v->h, v->stack.path));
		fputc('}', f);
	}
	if (v->class == GN_UNWIND)
		fprintf(f, ",\"skipped\":%u", v->depth);
	if (moved_depth(v))
		fprintf(f, ",\"deeper\":%u", moved_depth(v));
	fputs(",\"shadow_stack\":[", f);
	for (uint32_t i = 0; i < v->nframes && i < GN_FRAMES; i++) {
		if (i)
			fputc(',', f);
		put_addr(f, &v->h, &v->frames[i], true);
	}
	fputs("],\"help\":", f);
	if (!block_begin(&b)) {
		fputs("\"\"", f);
		return;
	}
	help_line(b.f, v);
	json_string(f, block_end(&b) ? b.text : "");
	free(b.text);
}

void json_record(FILE *f, const struct gn_rec *h)
{
	static const char *const kinds[] = {
		[GN_REC_VIOLATION] = "violation", [GN_REC_EXEC] = "exec", [GN_REC_EXIT] = "exit",
		[GN_REC_NATIVE] = "native",	  [GN_REC_NOTE] = "note",
	};
	const struct gn_text *t = (const void *)h;

	fprintf(f, "{\"event\":\"%s\",\"pid\":%d,\"tid\":%d,\"time\":%lu.%09lu", kinds[h->kind], h->pid, h->tid,
		h->time_ns / 1000000000, h->time_ns % 1000000000);
	switch (h->kind) {
	case GN_REC_VIOLATION:
		put_violation(f, (const struct gn_violation *)h);
		break;
	case GN_REC_EXIT:
		fprintf(f, ",\"status\":%d", t->value);
		break;
	case GN_REC_EXEC:
		fputs(",\"path\":", f);
		json_string(f, t->text);
		break;
	default:
		fputs(",\"text\":", f);
		json_string(f, t->text);
		break;
	}
	fputs("}\n", f);
}
