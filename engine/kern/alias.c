/* SPDX-License-Identifier: MIT */
/*
 * Memory that is mapped more than once: files, anonymous shared memory, System V segments. A program that keeps code
 * there writes it through one mapping and runs it through another, so what is guarded, or severed, for one mapping is
 * so for all of this process. Objects are hashes: two that are taken for one cost a little time. Two bitmaps say for
 * which objects there ever was code and a shared mapping that can be written to; for nearly every program and library
 * there is not, and nothing else is done.
 */
#include <asm/stat.h>
#include <linux/stat.h>
#include "cpu/threads.h"
#include "kern/vma.h"

#define BITS 1024u
#define ANONYMOUS_TAG (1ul << 62)
#define SEGMENT_TAG (1ul << 61)

static u64 written[BITS / 64], executed[BITS / 64];
static u64 last_anonymous;

static u32 hash(u64 a, u64 b)
{
	u64 h = (a ^ b * 0x9e3779b97f4a7c15ull) * 0xff51afd7ed558ccdull;

	return (u32)(h >> 32) | 1u;
}

u32 alias_of_nobody(void)
{
	return hash(ANONYMOUS_TAG, __atomic_add_fetch(&last_anonymous, 1, __ATOMIC_RELAXED));
}

u32 alias_of_segment(int id)
{
	return hash(SEGMENT_TAG, (u32)id);
}

u32 alias_of_file(int fd)
{
	struct stat st;

	if (sys2(__NR_fstat, fd, &st) || (st.st_mode & S_IFMT) != S_IFREG)
		return alias_of_nobody();
	return hash(st.st_dev, st.st_ino);
}

static bool has_bit(const u64 *map, u32 object)
{
	return map[object / 2 % BITS / 64] >> (object / 2 % 64) & 1;
}

void alias_note_locked(const struct vma *a)
{
	u64 bit = 1ul << (a->object / 2 % 64);
	u32 word = a->object / 2 % BITS / 64;

	if (a->prot & PROT_EXEC)
		executed[word] |= bit;
	if ((a->prot & PROT_WRITE) && (a->flags & VMA_SHARED))
		written[word] |= bit;
	vma_shared_changes++;
}

bool alias_possible_locked(const struct vma *a)
{
	return has_bit(written, a->object) && has_bit(executed, a->object);
}

bool alias_next_locked(const struct vma *piece, gaddr_t from, struct vma *ret)
{
	for (; vma_find_locked(from, ret); from = ret->end) {
		gaddr_t lo = ret->base + (piece->start - piece->base), hi = ret->base + (piece->end - piece->base);

		if (ret->object != piece->object || max(lo, from) >= ret->end || hi <= max(ret->start, from))
			continue;
		ret->start = max(max(ret->start, lo), from);
		ret->end = min(ret->end, hi);
		return true;
	}
	return false;
}

/* [holds: vma_lock] the next part, from `start` on, that matters */
static bool next_shared(gaddr_t start, gaddr_t end, struct vma *a)
{
	for (; start < end && vma_find_locked(start, a) && a->start < end; start = a->end) {
		if (!a->object || !alias_possible_locked(a))
			continue;
		a->start = max(a->start, start);
		a->end = min(a->end, end);
		return true;
	}
	return false;
}

bool alias_any_locked(gaddr_t start, gaddr_t end)
{
	struct vma a;

	while (next_shared(start, end, &a)) {
		if ((a.prot & PROT_WRITE) && (a.flags & VMA_SHARED))
			return true;
		start = a.end;
	}
	return false;
}

void alias_invalidate(struct vcpu *v, gaddr_t start, gaddr_t end)
{
	struct vma piece, other;

	vma_lock();
	while (next_shared(start, end, &piece)) {
		for (gaddr_t at = 0; alias_next_locked(&piece, at, &other); at = other.end) {
			if (!(other.prot & PROT_EXEC))
				continue;
			vma_unlock();
			cpu_invalidate(v, other.start, other.end);
			vma_lock();
		}
		start = piece.end;
	}
	vma_unlock();
}
