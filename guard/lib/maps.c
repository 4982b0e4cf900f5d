/* SPDX-License-Identifier: MIT */
/*
 * What is mapped where. Asked only when a pending slot names a word in a range that is being replaced or detached,
 * which is rare enough for reading /proc/self/maps. Where that cannot be read the mapping counts as going away.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "guard.h"

struct reader {
	int fd;
	size_t n, at;
	char buf[1024];
};

static int next_char(struct reader *r)
{
	if (r->at == r->n) {
		long n = sys4(__NR_read, r->fd, (long)r->buf, sizeof(r->buf), 0);

		r->at = 0;
		r->n = n > 0 ? (size_t)n : 0;
		if (n <= 0)
			return -1;
	}
	return (unsigned char)r->buf[r->at++];
}

/* digits up to the first character that is none, which is returned */
static int number(struct reader *r, unsigned base, uint64_t *v)
{
	int c;

	for (*v = 0; (c = next_char(r)) >= 0; *v = *v * base + (unsigned)c) {
		if (c >= '0' && c <= '9')
			c -= '0';
		else if (base == 16 && c >= 'a' && c <= 'f')
			c -= 'a' - 10;
		else
			break;
	}
	return c;
}

/* start-end perms offset major:minor inode   path */
static bool line(struct reader *r, struct map_line *m)
{
	static const char sysv[] = "/SYSV";
	uint64_t a, b, maj, min;
	unsigned i = 0;
	int c;

	if (number(r, 16, &a) != '-' || number(r, 16, &b) != ' ')
		return false;
	for (i = 0; i < 4; i++)
		m->shared = next_char(r) == 's';
	next_char(r);
	number(r, 16, &m->offset);
	number(r, 16, &maj);
	number(r, 16, &min);
	c = number(r, 10, &m->ino);
	m->start = (uintptr_t)a;
	m->end = (uintptr_t)b;
	m->major = (unsigned)maj;
	m->minor = (unsigned)min;
	while (c == ' ')
		c = next_char(r);
	for (i = 0; sysv[i] && c == sysv[i]; i++)
		c = next_char(r);
	m->sysv = !sysv[i];
	while (c >= 0 && c != '\n')
		c = next_char(r);
	return true;
}

bool maps_find(uintptr_t at, struct map_line *m)
{
	struct reader r = { 0 };
	bool found = false;

	r.fd = (int)sys4(__NR_openat, AT_FDCWD, (long)"/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
	if (r.fd < 0)
		return false;
	while (!found && line(&r, m))
		found = at >= m->start && at < m->end;
	sys4(__NR_close, r.fd, 0, 0, 0);
	return found;
}

/* the page of the file that the range will show at `word` */
static uint64_t offset_of(const struct range *r, uintptr_t word)
{
	return r->offset + (word - r->start);
}

/* Whether two descriptors' files are one is told by their lines in the same list: st_dev is another number on some
 * file systems. So a page of the new mapping is mapped elsewhere for a moment. */
bool goes_fixed(const struct range *r, uintptr_t word)
{
	struct map_line was, will;
	uint64_t page = offset_of(r, word) & ~(uint64_t)(guard_page - 1);
	bool same;
	long probe;

	if (r->fd < 0 || !r->shared || !maps_find(word, &was) || !was.shared || !was.ino)
		return true;
	if (was.offset + (word - was.start) != offset_of(r, word))
		return true;
	/* system calls: the functions of these names are ours, and would scan */
	probe = sys6(NR_MMAP, 0, (long)guard_page, PROT_NONE, MAP_SHARED, r->fd, (long)(page >> NR_MMAP_SHIFT));
	if (probe < 0 && probe >= -4095)
		return true;
	same = maps_find((uintptr_t)probe, &will) && will.ino == was.ino && will.major == was.major &&
	       will.minor == was.minor;
	sys4(__NR_munmap, probe, (long)guard_page, 0, 0);
	return !same;
}

bool goes_pages(const struct range *r, uintptr_t word)
{
	struct map_line was;

	return !maps_find(word, &was) || was.offset + (word - was.start) != offset_of(r, word);
}

bool goes_shmdt(const struct range *r, uintptr_t word)
{
	struct map_line m;

	return maps_find(word, &m) && m.sysv && m.start - m.offset == r->start;
}
