/* SPDX-License-Identifier: MIT */
/*
 * Marks: see marks.h. A dynamic program's libraries are seen as its loader maps them: those that are there when the
 * program's own first instruction is about to run are what it starts with; from then on it is dlopen. The loader itself
 * is not asked, as glibc does not ask its own. Runs on the engine stack.
 */
#include <linux/elf.h>
#include "cpu/threads.h"
#include "gnomon/board.h"
#include "kern/kern.h"
#include "kern/marks.h"
#include "kern/shadow.h"

#define PT_GNU_PROPERTY_ 0x6474e553
#define NT_PROPERTY 5u
#define X86_FEATURE_1_AND 0xc0000002u
#define FEATURE_SHSTK 2u
#define NOTE_MAX 1024

enum { STARTING, ENABLED, NOT_MARKED };

bool marks_matter;
static int state;

/* the feature word among the properties at p */
static bool find_feature(const u8 *p, const u8 *end, u32 *word)
{
	u32 head[2];

	for (; end - p >= (long)sizeof(head); p += sizeof(head) + ((head[1] + 7) & ~7u)) {
		memcpy(head, p, sizeof(head));
		if (head[1] > (size_t)(end - p) - sizeof(head))
			return false;
		if (head[0] == X86_FEATURE_1_AND && head[1] == 4) {
			memcpy(word, p + sizeof(head), 4);
			return true;
		}
	}
	return false;
}

/* of a segment with one note: name size, descriptor size, type, "GNU", properties */
static bool note_is_marked(int fd, u64 at, u64 size)
{
	u8 note[NOTE_MAX];
	u32 head[3], word = 0;

	size = min(size, (u64)sizeof(note));
	if (size < 16 || sys4(__NR_pread64, fd, note, size, at) != (long)size)
		return false;
	memcpy(head, note, sizeof(head));
	if (head[0] != 4 || head[2] != NT_PROPERTY || memcmp(note + 12, "GNU", 4) || head[1] > size - 16)
		return false;
	return find_feature(note + 16, note + 16 + head[1], &word) && word & FEATURE_SHSTK;
}

/* what is no ELF file is nobody's library */
static bool is_marked(int fd)
{
	Elf64_Ehdr eh;
	Elf64_Phdr ph;

	if (sys4(__NR_pread64, fd, &eh, sizeof(eh), 0) != sizeof(eh) || memcmp(eh.e_ident, ELFMAG, SELFMAG))
		return true;
	for (u32 i = 0; i < eh.e_phnum; i++) {
		if (sys4(__NR_pread64, fd, &ph, sizeof(ph), eh.e_phoff + i * sizeof(ph)) != sizeof(ph))
			return false;
		if (ph.p_type == PT_GNU_PROPERTY_ && note_is_marked(fd, ph.p_offset, ph.p_filesz))
			return true;
	}
	return false;
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
