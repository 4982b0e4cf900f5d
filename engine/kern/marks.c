/* SPDX-License-Identifier: MIT */
/*
 * Marks: see marks.h. A dynamic program's libraries are seen as its loader maps them: those that are there when the
 * program's own first instruction is about to run are what it starts with; from then on it is dlopen. The loader itself
 * is not asked, as glibc does not ask its own. Runs on the engine stack.
 */
#include "cpu/threads.h"
#include "gnomon/board.h"
#include "kern/kern.h"
#include "kern/marks.h"
#include "kern/shadow.h"
#include "load/load.h"

enum { STARTING, ENABLED, NOT_MARKED };

bool marks_matter;
static int state;

/* what is no ELF file is nobody's library */
static bool is_marked(int fd)
{
	long features = elf_features(fd);

	return features < 0 || features & ELF_SHSTK;
}

static bool is_denied(void)
{
	for (const char *p = eng.board->deny; *p; p += strlen(p) + 1)
		if (!strcmp(p, eng.exe))
			return true;
	return false;
}

static long enable(struct vcpu *v)
{
	long r = shadow_new(v, 0);

	if (r)
		return r;
	v->shstk_on = true;
	v->shstk_features |= 1;
	return 0;
}

long marks_start(struct vcpu *v)
{
	bool marked;

	if (eng.set.mode != GN_MODE_RUN || (eng.set.enable == GN_ENABLE_ABI && !*eng.board->deny))
		return 0;
	marked = is_marked(eng.fd_base + GN_FD_PROG);
	if (marked && is_denied()) {
		v->shstk_locked = ~0ul;
		return 0;
	}
	if (eng.set.enable == GN_ENABLE_ALWAYS)
		return enable(v);
	if (eng.set.enable != GN_ENABLE_ABI && marked) {
		marks_matter = true;
		eng.watch_entry = eng.prog_entry;
	}
	return 0;
}

void marks_at_entry(struct vcpu *v)
{
	if (state != STARTING)
		return;
	state = enable(v) ? NOT_MARKED : ENABLED;
	if (state == ENABLED && eng.set.enable == GN_ENABLE_MARKED)
		v->shstk_locked = ~0ul;
}

long marks_on_map(struct vcpu *v, int fd)
{
	const u64 off[6] = { 0x5002 /* ARCH_SHSTK_DISABLE */, 1 };

	if (state == NOT_MARKED || is_marked(fd))
		return 0;
	if (state == STARTING) {
		state = NOT_MARKED;
		return 0;
	}
	if (eng.set.enable == GN_ENABLE_PERMISSIVE && cpu_thread_count() == 1) {
		state = NOT_MARKED;
		return sys_arch_prctl(v, off);
	}
	rt_log_once("a library that is not marked for shadow stacks is refused (--enable)");
	return -EACCES;
}

bool marks_ibt(int fd)
{
	long features = elf_features(fd);

	return features > 0 && features & ELF_IBT;
}

bool marks_wants_endbr(gaddr_t at)
{
	struct vma a;

	return vma_find(at, &a) && a.start <= at && a.flags & VMA_IBT;
}
