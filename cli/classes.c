/* SPDX-License-Identifier: MIT */
/* The classes of violations in words, and the one line that says what would make the code clean. */
#include <string.h>
#include <sys/mman.h>

#include "report.h"

static const struct {
	const char *name, *id, *headline;
} classes[] = {
	[GN_UNWIND] = { "unwind", "unwind", "return to an older frame (unwinding)" },
	[GN_STACK_SWITCH] = { "stack switch", "stack-switch", "return on a stack that has no shadow stack" },
	[GN_OVERWRITTEN] = { "overwritten", "overwritten", "return address overwritten" },
	[GN_NEVER_CALLED] = { "never called", "never-called", "return to an address that no call pushed" },
	[GN_CP_OTHER] = { "other", "other", "far return, IRET or RSTORSSP does not match the shadow stack" },
	[GN_MISSING_ENDBR] = { "missing endbr", "missing-endbr", "indirect branch to code that does not begin with ENDBR64" },
};

static bool known(uint32_t class)
{
	return class >= GN_UNWIND && class < GN_CLASSES;
}

const char *class_name(uint32_t class)
{
	return known(class) ? classes[class].name : "unknown";
}

const char *class_id(uint32_t class)
{
	return known(class) ? classes[class].id : "unknown";
}

uint32_t moved_depth(const struct gn_violation *v)
{
	return v->class == GN_NEVER_CALLED || v->class == GN_OVERWRITTEN ? v->depth : 0;
}

const char *headline(const struct gn_violation *v)
{
	if (v->class == GN_NEVER_CALLED && moved_depth(v))
		return "return by a frame that was moved, to where an older call would have returned";
	return known(v->class) ? classes[v->class].headline : "unknown";
}

bool class_is_clean(uint32_t class)
{
	return class == GN_UNWIND;
}

/* "`name' of module" or "the code at module+0x..." */
static void where(FILE *f, const struct gn_violation *v, const struct gn_addr *a)
{
	struct place p;

	symbols_of(&v->h, a, false, &p);
	if (p.symbol)
		fprintf(f, "`%s'%s%s", p.symbol, *p.module ? " of " : "", p.module);
	else if (p.file)
		fprintf(f, "the code at %s+0x%lx", p.module, p.offset);
	else
		fprintf(f, "the code at 0x%lx%s%s", a->addr, *p.module ? " in " : "", p.module);
}

void help_line(FILE *f, const struct gn_violation *v)
{
	switch (v->class) {
	case GN_UNWIND:
		where(f, v, &v->ret);
		fputs(" must drop the frames it skips from the shadow stack too (RDSSP, INCSSP); longjmp and the C++ "
		      "unwinder of a CET-aware glibc and libgcc do", f);
		break;
	case GN_STACK_SWITCH:
		fputs("give each stack its own shadow stack (map_shadow_stack) and let ", f);
		where(f, v, v->switcher.addr ? &v->switcher : &v->ret);
		fputs(" switch it with RSTORSSP and SAVEPREVSSP where it changes RSP", f);
		break;
	case GN_OVERWRITTEN:
		if (v->actual.prot & PROT_EXEC)
			fprintf(f, "code that redirects a function on purpose must jump or call there instead of storing "
				   "to its return address; otherwise look for the store to 0x%lx (gdb: watch *(long *)0x%lx)",
				v->rsp, v->rsp);
		else
			fprintf(f, "this is memory corruption: look for the store to 0x%lx "
				   "(gdb: watch *(long *)0x%lx; gcc: -fsanitize=address)",
				v->rsp, v->rsp);
		break;
	case GN_NEVER_CALLED:
		if (moved_depth(v)) {
			where(f, v, &v->ret);
			fprintf(f, " leaves %u frame%s early: whoever moves the return address must drop them from the shadow "
				   "stack too (RDSSP, INCSSP), as unwinders do", v->depth, v->depth == 1 ? "" : "s");
		} else if (*rec_path(&v->h, v->ret.path) == '/') {
			where(f, v, &v->ret);
			fputs(" should use an indirect JMP instead of pushing an address and returning to it "
			      "(for retpolines: build without -mindirect-branch=thunk)", f);
		} else {
			fputs("generated code must reach this address by JMP, and be entered by CALL", f);
		}
		break;
	case GN_CP_OTHER:
		fputs("a far return or IRET needs the shadow-stack frame of its far CALL or interrupt; RSTORSSP needs "
		      "a restore token", f);
		break;
	case GN_MISSING_ENDBR:
		where(f, v, &v->ret);
		fputs(" needs ENDBR64 in front (gcc: -fcf-protection=branch, in assembly by hand), or its file no mark for "
		      "indirect branch tracking; or the branch a NOTRACK prefix", f);
		break;
	}
}
