/* SPDX-License-Identifier: MIT */
/*
 * Where functions begin and end: the sorted table of .eh_frame_hdr, which stripped files have too, then symbols, then the
 * gaps between those.
 */
#include "code.h"

#include <stdlib.h>
#include <string.h>

#define TABLE_MOST (64u << 20)
#define SYMS_MOST (96u << 20)

/* DW_EH_PE_* */
#define PE_OMIT 0xff
#define PE_PCREL 0x10
#define PE_DATAREL 0x30

/* one encoded pointer; false: an encoding that nobody uses here */
static bool pointer(struct elf *e, uint64_t *off, uint64_t vaddr, uint8_t enc, uint64_t data, uint64_t *ret)
{
	uint8_t b[8] = { 0 };
	size_t n = (enc & 7) == 2 ? 2 : (enc & 7) == 3 ? 4 : (enc & 7) == 4 || !(enc & 15) ? 8 : 0;
	uint64_t v = 0;

	if (!n || !img_read(e->im, *off, b, n))
		return false;
	memcpy(&v, b, 8);
	if (n == 4 && (enc & 8))
		v = (uint64_t)(int64_t)(int32_t)v;
	if (n == 2 && (enc & 8))
		v = (uint64_t)(int64_t)(int16_t)v;
	*off += n;
	if (v && (enc & 0x70) == PE_PCREL)
		v += vaddr;
	else if (v && (enc & 0x70) == PE_DATAREL)
		v += data;
	*ret = v;
	return !(enc & 0x80);
}

static void table(struct funcs *f, struct elf *e, const struct seg *g)
{
	uint8_t head[4];
	uint64_t off = g->off, count, frame;
	int32_t *t;

	if (!img_read(e->im, off, head, 4) || head[0] != 1 || head[3] != (PE_DATAREL | 0x0b) || head[1] == PE_OMIT ||
	    head[2] == PE_OMIT)
		return;
	off += 4;
	if (!pointer(e, &off, g->vaddr + 4, head[1], g->vaddr, &frame) ||
	    !pointer(e, &off, g->vaddr + (off - g->off), head[2], g->vaddr, &count) || count > TABLE_MOST / 8)
		return;
	t = img_load(e->im, off, count * 8, TABLE_MOST);
	if (!t)
		return;
	f->starts = xmalloc(count * sizeof(*f->starts));
	f->fdes = xmalloc(count * sizeof(*f->fdes));
	for (uint64_t i = 0; i < count; i++) {
		uint64_t start = g->vaddr + (uint64_t)(int64_t)t[2 * i];

		if (f->n && start <= f->starts[f->n - 1])
			continue; /* the table is sorted; what is not is no table */
		f->starts[f->n] = start;
		f->fdes[f->n++] = g->vaddr + (uint64_t)(int64_t)t[2 * i + 1];
	}
	free(t);
}

void funcs_open(struct funcs *f, struct elf *e)
{
	struct seg g;

	memset(f, 0, sizeof(*f));
	f->e = e;
	for (uint32_t i = 0; i < e->phnum && elf_seg(e, i, &g); i++)
		if (g.type == PT_GNU_EH_FRAME && !f->n)
			table(f, e, &g);
}

void funcs_close(struct funcs *f)
{
	free(f->starts);
	free(f->fdes);
	free(f->syms);
	free(f->strings);
}

/* ---- one FDE */

/* from the augmentation of the CIE: how the FDE's addresses are encoded */
static bool cie_encoding(struct elf *e, uint64_t off, uint8_t *enc)
{
	uint8_t b[64];
	size_t n = img_some(e->im, off, b, sizeof(b)), at = 9, aug;

	if (n < 24 || (b[8] != 1 && b[8] != 3))
		return false;
	aug = at;
	while (at < n && b[at])
		at++;
	at++;
	*enc = 0;
	if (b[aug] != 'z')
		return !b[aug];
	for (int leb = 0; leb < 2; leb++) { /* alignment factors */
		while (at < n && b[at] & 0x80)
			at++;
		at++;
	}
	at++; /* return address register */
	while (at < n && b[at] & 0x80)
		at++;
	at++; /* length of the augmentation data */
	for (size_t k = aug + 1; b[k] && at < n; k++) {
		if (b[k] == 'R') {
			*enc = b[at];
			return true;
		}
		if (b[k] == 'L')
			at++;
		else if (b[k] == 'P')
			at += 1 + ((b[at] & 7) == 3 ? 4 : (b[at] & 7) == 2 ? 2 : 8);
		else if (b[k] != 'S' && b[k] != 'B')
			return false;
	}
	return true;
}

/* an FDE whose first operation defines another frame than that at a function's entry is a part of a function */
static bool begins_in_frame(const uint8_t *ops, size_t n)
{
	if (!n)
		return false;
	/* DW_CFA_def_cfa, def_cfa_register, def_cfa_offset, def_cfa_expression */
	return ops[0] == 0x0c || ops[0] == 0x0d || (ops[0] == 0x0e && n > 1 && ops[1] != 8) || ops[0] == 0x0f;
}

static bool fde(struct elf *e, uint64_t vaddr, struct func *ret)
{
	uint64_t off, left, at, start, size;
	uint32_t len, back;
	uint8_t enc, ops[16];

	if (!elf_place(e, vaddr, &off, &left) || !img_read(e->im, off, &len, 4) || !img_read(e->im, off + 4, &back, 4) ||
	    len < 8 || len > left || back > off + 4 || !cie_encoding(e, off + 4 - back, &enc))
		return false;
	at = off + 8;
	if (!pointer(e, &at, vaddr + 8, enc, 0, &start) || !pointer(e, &at, 0, enc & 0x07, 0, &size))
		return false;
	ret->start = start;
	ret->end = start + size;
	ret->cfi = true;
	ret->entry = true;
	if (at + 2 < off + 4 + len && img_read(e->im, at, ops, 1)) {
		at += 1 + (ops[0] & 0x7f); /* augmentation data */
		ret->entry = !begins_in_frame(ops, img_some(e->im, at, ops, at < off + 4 + len ? sizeof(ops) : 0));
	}
	return size > 0 && ret->end > start;
}

/* ---- symbols */

static int by_address(const void *x, const void *y)
{
	const struct sym *a = x, *b = y;

	return a->at < b->at ? -1 : a->at > b->at;
}

static void symbols(struct funcs *f, const struct sec *s)
{
	struct sec names;
	Elf64_Sym *t;
	char *str;
	size_t n = s->size / sizeof(*t);

	if (!f->e->is64 || s->entsize != sizeof(*t) || !elf_sec(f->e, s->link, &names))
		return;
	t = img_load(f->e->im, s->off, n * sizeof(*t), SYMS_MOST);
	str = t ? img_load(f->e->im, names.off, names.size, SYMS_MOST) : NULL;
	for (size_t i = 0; str && i < n; i++) {
		unsigned type = ELF64_ST_TYPE(t[i].st_info);

		if ((type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE) || t[i].st_shndx == SHN_UNDEF ||
		    t[i].st_shndx >= SHN_LORESERVE || !t[i].st_value || t[i].st_name >= names.size || !str[t[i].st_name])
			continue;
		VEC_ADD(f->syms, f->nsyms, f->syms_room,
			(struct sym){ t[i].st_value, t[i].st_size, str + t[i].st_name,
				      type != STT_NOTYPE || ELF64_ST_BIND(t[i].st_info) != STB_LOCAL });
	}
	free(t);
	f->strings = str;
}

static void load_symbols(struct funcs *f)
{
	struct sec s;
	uint32_t all = 0, dynamic = 0;

	if (f->loaded)
		return;
	f->loaded = true;
	if (elf_next(f->e, &all, SHT_SYMTAB, &s) || elf_next(f->e, &dynamic, SHT_DYNSYM, &s))
		symbols(f, &s);
	if (f->nsyms)
		qsort(f->syms, f->nsyms, sizeof(*f->syms), by_address);
}

/* index of the last element at or below addr; n if none */
static size_t below(const uint64_t *v, size_t n, uint64_t addr)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (v[mid] <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo ? lo - 1 : n;
}

uint64_t funcs_start(const struct funcs *f, uint64_t addr)
{
	size_t i = below(f->starts, f->n, addr);

	return i < f->n ? f->starts[i] : 0;
}

static size_t sym_below(const struct funcs *f, uint64_t addr)
{
	size_t lo = 0, hi = f->nsyms;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (f->syms[mid].at <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo ? lo - 1 : f->nsyms;
}

const struct sym *funcs_symbol(struct funcs *f, uint64_t addr)
{
	size_t i;

	load_symbols(f);
	i = sym_below(f, addr);
	/* of several at one place, one with a size that fits */
	for (size_t k = i; k < f->nsyms && i - k < 16; k--) {
		const struct sym *s = &f->syms[k];

		if (s->size ? addr - s->at < s->size : addr - s->at < 4096)
			return s;
		if (!k)
			break;
	}
	return NULL;
}

void funcs_around(struct funcs *f, uint64_t addr, uint64_t low, uint64_t high, struct func *ret)
{
	const struct sym *s;
	size_t i = below(f->starts, f->n, addr);
	struct func prev = { 0 };

	if (i < f->n && fde(f->e, f->fdes[i], &prev) && addr >= prev.start && addr < prev.end) {
		*ret = prev;
		return;
	}
	/* code without unwind information: between two functions that have it */
	*ret = (struct func){ low, high, false, true };
	if (prev.end > ret->start && prev.end <= addr)
		ret->start = prev.end;
	if (i < f->n && i + 1 < f->n && f->starts[i + 1] > addr && f->starts[i + 1] < high)
		ret->end = f->starts[i + 1];
	else if (i == f->n && f->n && f->starts[0] > addr && f->starts[0] < high)
		ret->end = f->starts[0];
	s = funcs_symbol(f, addr);
	if (s && s->function && s->at >= ret->start) {
		size_t next = sym_below(f, addr) + 1;

		ret->start = s->at;
		ret->cfi = true;
		if (s->size && s->at + s->size < ret->end)
			ret->end = s->at + s->size;
		else if (next < f->nsyms && f->syms[next].at < ret->end)
			ret->end = f->syms[next].at;
	}
}

/* two of them before an aligned address: one stands behind jumps within a function, too, or is a byte of an operand */
static bool padding_ends(const uint8_t *p, size_t at, uint64_t addr)
{
	return addr % 16 == 0 && at >= 2 && p[at] != 0xcc && p[at - 1] == 0xcc && p[at - 2] == 0xcc;
}

size_t funcs_padded(struct func *fn, uint8_t *p, size_t n, uint64_t addr)
{
	size_t from = (size_t)(addr - fn->start), to = from + 1;

	while (from && !padding_ends(p, from, fn->start + from))
		from--;
	if (!from && !fn->entry)
		return 0;
	while (to < n && !padding_ends(p, to, fn->start + to))
		to++;
	fn->entry = true;
	fn->end = fn->start + to;
	fn->start += from;
	memmove(p, p + from, to - from);
	return to - from;
}
