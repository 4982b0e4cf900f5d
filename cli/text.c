/* SPDX-License-Identifier: MIT */
/* One block of text for each record, in a fixed shape: headline, place, values, stack, frames, help. */
#include <string.h>
#include <sys/mman.h>

#include "report.h"

static const char *prot_text(uint32_t prot, char buf[4])
{
	buf[0] = prot & PROT_READ ? 'r' : '-';
	buf[1] = prot & PROT_WRITE ? 'w' : '-';
	buf[2] = prot & PROT_EXEC ? 'x' : '-';
	buf[3] = 0;
	return buf;
}

/* "libc.so.6+0x2724a  __libc_start_call_main+0x7a  file.c:58", or what kind of memory it is */
static void put_place(FILE *f, const struct gn_rec *h, const struct gn_addr *a, bool back)
{
	struct place p;
	char prot[4];

	if (!a->prot) {
		fputs("not mapped", f);
		return;
	}
	symbols_of(h, a, back, &p);
	if (!p.file) {
		fprintf(f, "%s (%s)", *p.module ? p.module : "anonymous memory", prot_text(a->prot, prot));
		return;
	}
	fprintf(f, "%s+0x%lx", p.module, p.offset);
	if (p.symbol)
		fprintf(f, "  %s+0x%lx", p.symbol, p.symbol_offset);
	if (p.source)
		fprintf(f, "  %s:%d", p.source_name, p.line);
	if (!(a->prot & PROT_EXEC))
		fprintf(f, "  (%s)", prot_text(a->prot, prot));
}

static void put_line(FILE *f, const char *what, const struct gn_rec *h, const struct gn_addr *a, bool back)
{
	fprintf(f, "  %-8s 0x%012lx  ", what, a->addr);
	put_place(f, h, a, back);
}

static void put_stack(FILE *f, const struct gn_violation *v)
{
	const char *path = rec_path(&v->h, v->stack.path);

	fprintf(f, "  stack    0x%012lx  ", v->rsp);
	if (v->stack_hi <= v->stack_lo) {
		fputs("not mapped\n", f);
		return;
	}
	fprintf(f, "in %s 0x%lx-0x%lx", *path ? path : "an anonymous mapping", v->stack_lo, v->stack_hi);
	if (v->rsp >= v->stack_lo && v->rsp < v->stack_hi)
		fprintf(f, ", 0x%lx below its end", v->stack_hi - v->rsp);
	fputc('\n', f);
}

static void put_prefix(FILE *f, const struct gn_rec *h)
{
	fprintf(f, "gnomon[%d/%d]: ", h->pid, h->tid);
}

/* what the shadow stack and the stack say */
static void put_values(FILE *f, const struct gn_violation *v)
{
	if (v->expected.addr) {
		put_line(f, "expected", &v->h, &v->expected, true);
		fputc('\n', f);
	} else {
		fputs("  expected nothing: the shadow stack is empty\n", f);
	}
	if (v->call.addr) {
		put_line(f, "pushed", &v->h, &v->call, false);
		fputs("  (this call)\n", f);
	}
	put_line(f, "actual", &v->h, &v->actual, v->class == GN_UNWIND || moved_depth(v));
	fputc('\n', f);
	if (moved_depth(v))
		fprintf(f, "  deeper   %u frame%s: a call pushed this address, at another place of the stack\n", v->depth,
			v->depth == 1 ? "" : "s");
}

void text_violation(FILE *f, const struct gn_violation *v)
{
	put_prefix(f, &v->h);
	fprintf(f, "control-protection: %s\n", headline(v));
	fprintf(f, "  in       %s, process %d, thread %d\n", v->comm, v->h.pid, v->h.tid);
	put_line(f, "at", &v->h, &v->ret, false);
	fputc('\n', f);
	if (v->switcher.addr) {
		put_line(f, "switch", &v->h, &v->switcher, false);
		fputs("  (moved RSP last)\n", f);
	}
	if (v->class == GN_MISSING_ENDBR) {
		if (v->call.addr) {
			put_line(f, "from", &v->h, &v->call, false);
			fputc('\n', f);
		}
	} else {
		put_values(f, v);
	}
	put_stack(f, v);
	if (v->class == GN_UNWIND)
		fprintf(f, "  skipped  %u frame%s\n", v->depth, v->depth == 1 ? "" : "s");
	if (v->nframes)
		fputs("  shadow stack, newest first:\n", f);
	for (uint32_t i = 0; i < v->nframes && i < GN_FRAMES; i++) {
		fprintf(f, "    #%u 0x%012lx  ", i, v->frames[i].addr);
		put_place(f, &v->h, &v->frames[i], true);
		fputc('\n', f);
	}
	fputs("  help: ", f);
	help_line(f, v);
	fputc('\n', f);
}

void text_record(FILE *f, const struct gn_rec *h, bool unwinds)
{
	const struct gn_text *t = (const void *)h;

	switch (h->kind) {
	case GN_REC_VIOLATION:
		if (unwinds || !class_is_clean(((const struct gn_violation *)h)->class))
			text_violation(f, (const struct gn_violation *)h);
		break;
	case GN_REC_NATIVE:
		put_prefix(f, h);
		fprintf(f, "not checked, runs natively: %s\n", t->text);
		break;
	case GN_REC_NOTE:
		put_prefix(f, h);
		fprintf(f, "%s\n", t->text);
		break;
	default: /* exec and exit are for --json-fd */
		break;
	}
}
