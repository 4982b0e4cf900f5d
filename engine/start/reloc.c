/* SPDX-License-Identifier: MIT */
/*
 * Self-relocation: adds the load address to every word the linker marked R_X86_64_RELATIVE. First C code of the
 * process. Until it is done no address of a global may be read from memory, so it calls nothing and uses
 * no tables. (musl's ldso/dlstart.c is the model.)
 */
#include <linux/elf.h>
#include "rt/types.h"

#ifndef R_X86_64_RELATIVE
#define R_X86_64_RELATIVE 8
#endif

void start_relocate(u64 base, const Elf64_Dyn *dyn)
{
	const Elf64_Rela *rela = NULL;
	u64 size = 0;

	for (; dyn->d_tag != DT_NULL; dyn++) {
		if (dyn->d_tag == DT_RELA)
			rela = (const Elf64_Rela *)(base + dyn->d_un.d_ptr);
		else if (dyn->d_tag == DT_RELASZ)
			size = dyn->d_un.d_val;
	}
	for (; rela && size >= sizeof(*rela); size -= sizeof(*rela), rela++) {
		if (ELF64_R_TYPE(rela->r_info) != R_X86_64_RELATIVE)
			__builtin_trap(); /* the build checks that there are no others */
		*(u64 *)(base + rela->r_offset) = base + (u64)rela->r_addend;
	}
}
