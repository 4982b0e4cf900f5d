/* SPDX-License-Identifier: MIT */
/*
 * Headers, segments and sections of an ELF image, of both classes in one form. Not libelf: what is wanted here is
 * small and must be told apart exactly where it is malformed, and one file costs one open, one read and one close.
 */
#ifndef GNOMON_AUDIT_IMAGE_H
#define GNOMON_AUDIT_IMAGE_H

#include <elf.h>

#include "img.h"

#ifndef PT_GNU_PROPERTY
#define PT_GNU_PROPERTY 0x6474e553
#endif
#ifndef NT_GNU_PROPERTY_TYPE_0
#define NT_GNU_PROPERTY_TYPE_0 5
#endif
#define PROP_X86_FEATURE_1_AND 0xc0000002u
#define PROP_X86_ISA_1_NEEDED 0xc0008002u
#define PROP_X86_ISA_1_USED 0xc0010002u
#define PROP_1_NEEDED 0xb0008000u

struct seg {
	uint32_t type, flags;
	uint64_t off, vaddr, filesz, memsz, align;
};

struct sec {
	uint32_t name, type, link, info;
	uint64_t flags, addr, off, size, align, entsize;
};

struct elf {
	struct img *im;
	bool is64;
	uint16_t type, machine;
	uint64_t entry, phoff, shoff;
	uint32_t phnum, shnum, shstrndx, phentsize, shentsize;
	const uint8_t *secs; /* section headers, from the one numbered secs_first on, once one was asked for */
	uint32_t secs_first, secs_held;
	bool secs_cut;	     /* one was asked for that should be there and is not */
	bool named;	     /* `names` was asked for; without a size it is not there */
	struct sec names;    /* the section that has the sections' names */
};

/* NULL, or why this is no ELF image that can be read; "" if it is no ELF image at all */
const char *elf_open(struct elf *e, struct img *im);
bool elf_seg(struct elf *e, uint32_t i, struct seg *ret);
bool elf_sec(struct elf *e, uint32_t i, struct sec *ret);
/* the next section of this type behind *i, which becomes its index; begin with 0; false: no more */
bool elf_next(struct elf *e, uint32_t *i, uint32_t type, struct sec *ret);
/* is one missing in the file, of those up to the last that was asked for? */
bool elf_secs_cut(struct elf *e);
/* the name of a section; false if it has none that fits */
bool elf_sec_name(struct elf *e, const struct sec *s, char *buf, size_t size);
/* file offset of a virtual address, and how many bytes of the file follow in that segment */
bool elf_place(struct elf *e, uint64_t vaddr, uint64_t *off, uint64_t *left);
/*
 * The contents of all PT_LOAD segments without any of the flags `without` (PF_*), in pieces to each(): what is no longer
 * than `overlap` is whole in one of them.
 */
void elf_pieces(struct elf *e, uint32_t without, size_t overlap, void (*each)(void *arg, const char *p, size_t n), void *arg);
#define ELF_SECTIONS_MOST 200000u /* more is taken for nonsense */

#endif
