/* SPDX-License-Identifier: MIT */
/* ELF headers of both classes. Little endian only: nothing else can carry x86 marks. */
#include <stdlib.h>
#include <string.h>

#include "image.h"

#define PIECE (64u << 10)
#define SECTION_BYTES (16u << 20) /* headers behind that are taken for nonsense */

static size_t section_size(const struct elf *e)
{
	return e->is64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
}

static void decode(const struct elf *e, const void *raw, struct sec *ret)
{
	Elf64_Shdr l;
	Elf32_Shdr s;

	if (e->is64) {
		memcpy(&l, raw, sizeof(l));
		*ret = (struct sec){ l.sh_name, l.sh_type, l.sh_link, l.sh_info, l.sh_flags, l.sh_addr, l.sh_offset,
				     l.sh_size, l.sh_addralign, l.sh_entsize };
	} else {
		memcpy(&s, raw, sizeof(s));
		*ret = (struct sec){ s.sh_name, s.sh_type, s.sh_link, s.sh_info, s.sh_flags, s.sh_addr, s.sh_offset,
				     s.sh_size, s.sh_addralign, s.sh_entsize };
	}
}

/* numbers that do not fit into the ELF header stand in the first section header */
static void large_numbers(struct elf *e)
{
	uint8_t raw[sizeof(Elf64_Shdr)];
	struct sec s;

	if (!img_read(e->im, e->shoff, raw, section_size(e)))
		return;
	decode(e, raw, &s);
	if (!e->shnum)
		e->shnum = s.size < ELF_SECTIONS_MOST ? (uint32_t)s.size : ELF_SECTIONS_MOST;
	if (e->phnum == PN_XNUM)
		e->phnum = s.info < ELF_SECTIONS_MOST ? s.info : ELF_SECTIONS_MOST;
	if (e->shstrndx == SHN_XINDEX)
		e->shstrndx = s.link;
}

const char *elf_open(struct elf *e, struct img *im)
{
	union {
		unsigned char ident[EI_NIDENT];
		Elf32_Ehdr h32;
		Elf64_Ehdr h64;
	} h;

	memset(e, 0, sizeof(*e));
	memset(&h, 0, sizeof(h));
	e->im = im;
	if (!img_read(im, 0, h.ident, 4) || memcmp(h.ident, ELFMAG, SELFMAG))
		return "";
	if (!img_read(im, 0, h.ident, EI_NIDENT))
		return "cut short: not even the identification is whole";
	if (h.ident[EI_CLASS] != ELFCLASS64 && h.ident[EI_CLASS] != ELFCLASS32)
		return "neither 32 nor 64 bits";
	if (h.ident[EI_DATA] != ELFDATA2LSB && h.ident[EI_DATA] != ELFDATA2MSB)
		return "of unknown byte order";
	e->is64 = h.ident[EI_CLASS] == ELFCLASS64;
	if (!img_read(im, 0, &h, e->is64 ? sizeof(h.h64) : sizeof(h.h32)))
		return "cut short: the ELF header is not whole";
	if (h.ident[EI_DATA] == ELFDATA2MSB) {
		e->type = __builtin_bswap16(h.h64.e_type); /* in the same place in both classes */
		e->machine = __builtin_bswap16(h.h64.e_machine);
		return NULL;
	}
#define TAKE(f) e->f = e->is64 ? h.h64.e_##f : h.h32.e_##f
	TAKE(type);
	TAKE(machine);
	TAKE(entry);
	TAKE(phoff);
	TAKE(shoff);
	TAKE(phnum);
	TAKE(shnum);
	TAKE(shstrndx);
	TAKE(phentsize);
	TAKE(shentsize);
#undef TAKE
	if (e->phnum && e->phentsize < (e->is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)))
		return "program headers of a wrong size";
	if (e->shoff && e->shentsize < section_size(e))
		e->shoff = 0, e->shnum = 0;
	if (e->shoff && (!e->shnum || e->phnum == PN_XNUM || e->shstrndx == SHN_XINDEX))
		large_numbers(e);
	if (!e->shoff)
		e->shnum = 0;
	if (!e->phoff)
		e->phnum = 0;
	return NULL;
}

bool elf_seg(struct elf *e, uint32_t i, struct seg *ret)
{
	uint64_t off = e->phoff + (uint64_t)i * e->phentsize;

	if (i >= e->phnum || off < e->phoff)
		return false;
	if (e->is64) {
		Elf64_Phdr p;
		const void *raw = img_view(e->im, off, &p, sizeof(p));

		if (!raw)
			return false;
		memcpy(&p, raw, sizeof(p));
		*ret = (struct seg){ p.p_type, p.p_flags, p.p_offset, p.p_vaddr, p.p_filesz, p.p_memsz, p.p_align };
	} else {
		Elf32_Phdr p;
		const void *raw = img_view(e->im, off, &p, sizeof(p));

		if (!raw)
			return false;
		memcpy(&p, raw, sizeof(p));
		*ret = (struct seg){ p.p_type, p.p_flags, p.p_offset, p.p_vaddr, p.p_filesz, p.p_memsz, p.p_align };
	}
	return true;
}

/* a section header as it stands in the file, if it is at hand */
static const uint8_t *held(const struct elf *e, uint32_t i)
{
	return i - e->secs_first < e->secs_held ? e->secs + (size_t)(i - e->secs_first) * e->shentsize : NULL;
}

/* Reads headers, that one among them: all of most files, which are gone through again and again. */
static void fetch(struct elf *e, uint32_t i)
{
	uint64_t all = (uint64_t)e->shnum * e->shentsize, at;
	size_t n;

	e->secs_first = all <= IMG_TABLE ? 0 : i;
	e->secs_held = 0;
	at = (uint64_t)e->secs_first * e->shentsize;
	if (at >= SECTION_BYTES || e->shoff + at < e->shoff)
		return;
	e->secs = img_table(e->im, e->shoff + at, all - at < IMG_TABLE ? (size_t)(all - at) : IMG_TABLE, &n);
	e->secs_held = (uint32_t)(n < section_size(e) ? 0 : (n - section_size(e)) / e->shentsize + 1);
}

static const uint8_t *header(struct elf *e, uint32_t i)
{
	const uint8_t *raw = held(e, i);

	if (raw || i >= e->shnum)
		return raw;
	fetch(e, i);
	raw = held(e, i);
	e->secs_cut |= !raw;
	return raw;
}

bool elf_secs_cut(struct elf *e)
{
	/* where it is the only one, nobody has asked for it */
	if (!e->secs_held)
		header(e, 0);
	return e->secs_cut;
}

bool elf_sec(struct elf *e, uint32_t i, struct sec *ret)
{
	const uint8_t *raw = header(e, i);

	if (raw)
		decode(e, raw, ret);
	return raw != NULL;
}

bool elf_next(struct elf *e, uint32_t *i, uint32_t type, struct sec *ret)
{
	const uint8_t *raw;
	uint32_t t;

	while ((raw = header(e, ++*i))) {
		/* in the same place in both classes */
		memcpy(&t, raw + offsetof(Elf64_Shdr, sh_type), sizeof(t));
		if (t == type) {
			decode(e, raw, ret);
			return true;
		}
	}
	return false;
}

bool elf_sec_name(struct elf *e, const struct sec *s, char *buf, size_t size)
{
	const struct sec *names = &e->names;

	if (!e->named) {
		e->named = true;
		if (!elf_sec(e, e->shstrndx, &e->names))
			e->names.size = 0;
	}
	return s->name < names->size && names->off + s->name >= names->off &&
	       img_string(e->im, names->off + s->name, buf, size);
}

bool elf_place(struct elf *e, uint64_t vaddr, uint64_t *off, uint64_t *left)
{
	struct seg s;

	for (uint32_t i = 0; i < e->phnum && elf_seg(e, i, &s); i++) {
		if (s.type != PT_LOAD || vaddr < s.vaddr || vaddr - s.vaddr >= s.filesz)
			continue;
		*off = s.off + (vaddr - s.vaddr);
		*left = s.filesz - (vaddr - s.vaddr);
		return *off >= s.off;
	}
	return false;
}

void elf_pieces(struct elf *e, uint32_t without, size_t overlap, void (*each)(void *arg, const char *p, size_t n), void *arg)
{
	char *buf = malloc(PIECE);
	struct seg g;

	for (uint32_t i = 0; buf && i < e->phnum && elf_seg(e, i, &g); i++) {
		if (g.type != PT_LOAD || (g.flags & without))
			continue;
		for (uint64_t at = 0; at < g.filesz; at += PIECE - overlap) {
			size_t want = g.filesz - at < PIECE ? (size_t)(g.filesz - at) : PIECE;
			size_t n = img_some(e->im, g.off + at, buf, want);

			each(arg, buf, n);
			if (n < want)
				break;
		}
	}
	free(buf);
}
