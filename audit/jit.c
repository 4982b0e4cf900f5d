/* SPDX-License-Identifier: MIT */
/* What an image imports, exports and links that generates code at run time; and whether it opens libraries by name. */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "code.h"

#define TABLE_MOST (64u << 20)

static const struct {
	const char *pattern, *why;
} needed[] = {
	{ "libLLVM*.so*", "links LLVM" },	   { "libgccjit.so*", "links GCC's JIT" },
	{ "libluajit*.so*", "links LuaJIT" },	   { "libjvm.so*", "links the JVM" },
	{ "libnode.so*", "links V8" },		   { "libv8*.so*", "links V8" },
	{ "libmozjs*.so*", "links SpiderMonkey" }, { "libjavascriptcoregtk*.so*", "links JavaScriptCore" },
	{ "liborc-0.4.so*", "links ORC" },	   { "liblightning.so*", "links GNU lightning" },
	{ "libmono*.so*", "links Mono" },	   { "libclrjit.so*", "links the CLR's JIT" },
	{ "libcoreclr.so*", "links the CLR" },	   { "libasmjit.so*", "links AsmJit" },
	{ "libpypy*-c.so*", "links PyPy" },	   { "libguile-3*.so*", "links Guile, whose code is compiled as it runs" },
}, imported[] = {
	{ "pcre2_jit_compile_*", "compiles regular expressions (PCRE2's JIT)" },
	{ "pcre_jit_exec", "compiles regular expressions (PCRE's JIT)" },
	{ "LLVMCreate*JIT*", "creates an LLVM JIT" },
	{ "gcc_jit_context_compile", "compiles with GCC's JIT" },
};
#define DEFINED "__jit_debug_register_code" /* the interface of gdb */

struct look {
	struct obj *o;
	const char *why;
};

static const char *import(const char *name)
{
	for (size_t i = 0; i < sizeof(imported) / sizeof(*imported); i++)
		if (!fnmatch(imported[i].pattern, name, 0))
			return imported[i].why;
	return NULL;
}

/* nearly every name is settled by its first letter */
static void undefined(struct look *l, const char *name)
{
	if (!strcmp(name, "dlopen") || !strcmp(name, "dlmopen"))
		l->o->flags |= OF_DLOPEN;
	if (!l->why && strchr("pLg", *name))
		l->why = import(name);
}

static void defined(struct look *l, const char *name)
{
	if (!l->why && *name == '_' && !strcmp(name, DEFINED))
		l->why = "tells debuggers of code that it generates";
}

static void dynamic_symbols(struct look *l, struct elf *e, const struct sec *s)
{
	struct sec names;
	Elf64_Sym *t;
	char *str;
	size_t n = s->size / sizeof(*t);

	if (!e->is64 || s->entsize != sizeof(*t) || !elf_sec(e, s->link, &names))
		return;
	t = img_load(e->im, s->off, n * sizeof(*t), TABLE_MOST);
	str = t ? img_load(e->im, names.off, names.size, TABLE_MOST) : NULL;
	for (size_t i = 1; str && i < n; i++)
		if (t[i].st_name < names.size)
			(t[i].st_shndx == SHN_UNDEF ? undefined : defined)(l, str + t[i].st_name);
	free(t);
	free(str);
}

void jit_read(struct worker *w, struct obj *o, struct elf *e)
{
	struct look l = { o, NULL };
	struct sec s;

	for (uint32_t i = 0; elf_next(e, &i, SHT_DYNSYM, &s);)
		dynamic_symbols(&l, e, &s);
	for (uint32_t i = 0; i < o->ndeps && !l.why; i++)
		for (size_t k = 0; o->deps[i].how == DEP_NEEDED && k < sizeof(needed) / sizeof(*needed) && !l.why; k++)
			if (!fnmatch(needed[k].pattern, o->deps[i].name, 0))
				l.why = needed[k].why;
	if (!l.why && (o->flags & OF_RWX))
		l.why = "has a segment that is writable and executable";
	if (l.why)
		finding_add(o, &w->mem, R_JIT, 0, l.why);
}
