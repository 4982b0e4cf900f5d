/* SPDX-License-Identifier: MIT */
/*
 * The initial stack. The kernel built it for the engine from the guest's own argv and envp; what is left to do is
 * to make the auxiliary vector the guest's. Runs at start on the engine's own stack, with one thread; the vector
 * may therefore be moved freely.
 *
 *   start_stack: argc | argv.. NULL | envp.. NULL | auxv.. AT_NULL | execfn? | padding, AT_RANDOM, platform |
 *   strings of argv | strings of envp | the kernel's execfn | 8 zero bytes :stack_hi
 */
#include <linux/auxvec.h>
#include "load/load.h"
#include "rt/engine.h"

void stack_parse(struct initial *in, u64 *sp)
{
	in->argc = sp[0];
	in->argv = (char **)(sp + 1);
	in->envp = in->argv + in->argc + 1;
	for (in->envc = 0; in->envp[in->envc]; in->envc++)
		;
	in->auxv = (u64 *)(in->envp + in->envc + 1);
	for (in->nauxv = 1; in->auxv[2 * in->nauxv - 2] != AT_NULL; in->nauxv++)
		;
}

bool stack_aux(const struct initial *in, u64 type, u64 *ret)
{
	for (u64 i = 0; i < in->nauxv; i++)
		if (in->auxv[2 * i] == type) {
			*ret = in->auxv[2 * i + 1];
			return true;
		}
	return false;
}

/* as create_elf_tables() of the kernel leaves them: the strings stand one behind the other */
static void string_ranges(const struct initial *in)
{
	gaddr_t p = 0;

	if (in->argc)
		p = (gaddr_t)in->argv[0];
	else if (in->envc)
		p = (gaddr_t)in->envp[0];
	eng.arg_start = p;
	for (u64 i = 0; i < in->argc; i++)
		p = (gaddr_t)in->argv[i] + strlen(in->argv[i]) + 1;
	eng.arg_end = eng.env_start = p;
	for (u64 i = 0; i < in->envc; i++)
		p = (gaddr_t)in->envp[i] + strlen(in->envp[i]) + 1;
	eng.env_end = p;
}

/* the guest's AT_EXECFN in the place of the engine's if it fits there, else right above the vector; the
 * return value is where the vector must end */
static gaddr_t place_execfn(const struct initial *in, gaddr_t *execfn)
{
	size_t need = strlen(eng.execfn) + 1, room;
	gaddr_t end = (gaddr_t)(in->auxv + 2 * in->nauxv);
	u64 old;

	*execfn = 0;
	if (stack_aux(in, AT_EXECFN, &old)) {
		room = strlen((char *)old) + 1;
		memset((void *)old, 0, room);
		if (need <= room)
			*execfn = old;
	}
	if (!*execfn) {
		*execfn = end - need;
		end -= (need + 15) & ~15ul;
	}
	return end;
}

static u64 guest_aux(u64 type, u64 val, const struct elf_image *prog, u64 phnum, gaddr_t interp_base,
		     gaddr_t prog_entry)
{
	switch (type) {
	case AT_PHDR:
		return prog->phdr;
	case AT_PHENT:
		return sizeof(Elf64_Phdr);
	case AT_PHNUM:
		return phnum;
	case AT_BASE:
		return interp_base;
	case AT_ENTRY:
		return prog_entry;
	case AT_FLAGS:
		return 0;
	}
	return val;
}

void stack_finish(struct initial *in, const struct elf_image *prog, u64 phnum, gaddr_t interp_base)
{
	u64 words = 1 + in->argc + 1 + in->envc + 1, n = 0;
	gaddr_t execfn, end, sp;

	string_ranges(in);
	BUG_ON(in->nauxv > ENG_AUXV_MAX);
	end = place_execfn(in, &execfn);
	for (u64 i = 0; i < in->nauxv; i++) {
		u64 type = in->auxv[2 * i], val = in->auxv[2 * i + 1];

		eng.auxv[n++] = type;
		eng.auxv[n++] = type == AT_EXECFN ? execfn
						  : guest_aux(type, val, prog, phnum, interp_base, prog->entry);
	}
	eng.auxv_size = (u32)(n * 8);
	sp = (end - (words + n) * 8) & ~15ul;
	memmove((void *)sp, in->argv - 1, words * 8);
	eng.auxv_at = sp + words * 8;
	memcpy((void *)eng.auxv_at, eng.auxv, n * 8);
	if (end > eng.auxv_at + n * 8) /* nothing of the old vector stays in the padding */
		memset((void *)(eng.auxv_at + n * 8), 0, end - (eng.auxv_at + n * 8));
	memcpy((void *)execfn, eng.execfn, strlen(eng.execfn) + 1);
	eng.start_stack = sp;
	stack_parse(in, (u64 *)sp);
}
