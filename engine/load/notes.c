/* SPDX-License-Identifier: MIT */
/*
 * Notes of a file: .note.gnu.property, what its linker says it is ready for; and the one that says it is an engine. Called
 * with whatever is mapped as code, and before an exec, on the engine stack.
 */
#include "load/load.h"
#include "rt/rt.h"

#define PT_GNU_PROPERTY_ 0x6474e553
#define NT_PROPERTY 5u
#define X86_FEATURE_1_AND 0xc0000002u
#define NOTE_MAX 1024

/* the feature word among the properties at p */
static u32 find_feature(const u8 *p, const u8 *end)
{
	u32 head[2], word;

	for (; end - p >= (long)sizeof(head); p += sizeof(head) + ((head[1] + 7) & ~7u)) {
		memcpy(head, p, sizeof(head));
		if (head[1] > (size_t)(end - p) - sizeof(head))
			return 0;
		if (head[0] == X86_FEATURE_1_AND && head[1] == 4) {
			memcpy(&word, p + sizeof(head), 4);
			return word;
		}
	}
	return 0;
}

/* of a segment with one note: name size, descriptor size, type, "GNU", properties */
static u32 note_features(int fd, u64 at, u64 size)
{
	u8 note[NOTE_MAX];
	u32 head[3];

	size = min(size, (u64)sizeof(note));
	if (size < 16 || sys4(__NR_pread64, fd, note, size, at) != (long)size)
		return 0;
	memcpy(head, note, sizeof(head));
	if (head[0] != 4 || head[2] != NT_PROPERTY || memcmp(note + 12, "GNU", 4) || head[1] > size - 16)
		return 0;
	return find_feature(note + 16, note + 16 + head[1]);
}

long elf_features(int fd)
{
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	u32 word = 0;

	if (sys4(__NR_pread64, fd, &eh, sizeof(eh), 0) != sizeof(eh) || memcmp(eh.e_ident, ELFMAG, SELFMAG))
		return -ENOEXEC;
	for (u32 i = 0; i < eh.e_phnum && !word; i++) {
		if (sys4(__NR_pread64, fd, &ph, sizeof(ph), eh.e_phoff + i * sizeof(ph)) != sizeof(ph))
			break;
		if (ph.p_type == PT_GNU_PROPERTY_)
			word = note_features(fd, ph.p_offset, ph.p_filesz);
	}
	return (long)word;
}

/* a segment of notes: one of "gnomon"? */
static bool has_name(int fd, u64 at, u64 size)
{
	static const char name[] = "gnomon";
	u8 note[NOTE_MAX];
	u32 head[3];
	u64 step;

	size = min(size, (u64)sizeof(note));
	if (sys4(__NR_pread64, fd, note, size, at) != (long)size)
		return false;
	for (u64 o = 0; o + sizeof(head) + sizeof(name) <= size; o += step) {
		memcpy(head, note + o, sizeof(head));
		if (head[0] == sizeof(name) && !memcmp(note + o + sizeof(head), name, sizeof(name)))
			return true;
		step = sizeof(head) + (((u64)head[0] + 3) & ~3ul) + (((u64)head[1] + 3) & ~3ul);
	}
	return false;
}

bool elf_is_engine(const struct elf_file *f)
{
	for (u32 i = 0; i < f->eh.e_phnum; i++)
		if (f->ph[i].p_type == PT_NOTE && has_name(f->fd, f->ph[i].p_offset, f->ph[i].p_filesz))
			return true;
	return false;
}
