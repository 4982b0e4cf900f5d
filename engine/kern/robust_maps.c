/* SPDX-License-Identifier: MIT */
/*
 * Is what will be mapped somewhere the same as what is? Asked only when a pending slot names a word there, so reading
 * /proc/self/maps is cheap enough. Where it cannot be read memory counts as going away. [holds: the thread list]
 */
#include <linux/fcntl.h>
#include <linux/mman.h>
#include "kern/robust.h"

struct map_line {
	gaddr_t start, end;
	u64 offset;
	char dev[40]; /* device and inode */
	bool shared, sysv, file;
};

struct reader {
	int fd;
	u32 n, at;
	char buf[1024];
};

static int next_char(struct reader *r)
{
	if (r->at == r->n) {
		long n = sys3(__NR_read, r->fd, r->buf, sizeof(r->buf));

		if (n <= 0)
			return -1;
		r->at = 0;
		r->n = (u32)n;
	}
	return (u8)r->buf[r->at++];
}

/* one line without its newline; what does not fit is lost */
static bool line(struct reader *r, char *to, u32 size)
{
	u32 n = 0;
	int c;

	while ((c = next_char(r)) >= 0 && c != '\n')
		if (n + 1 < size)
			to[n++] = (char)c;
	to[n] = 0;
	return c >= 0;
}

/* start-end perms offset major:minor inode   path */
static bool parse(const char *s, struct map_line *m)
{
	const char *end;
	u32 n = 0;

	m->start = rt_strtou(s, 16, &end);
	if (*end != '-')
		return false;
	m->end = rt_strtou(end + 1, 16, &end);
	if (strlen(end) < 6)
		return false;
	m->shared = end[4] == 's';
	m->offset = rt_strtou(end + 6, 16, &end);
	for (u32 blanks = 0; *end && (blanks += *end == ' ') < 3 && n + 1 < sizeof(m->dev); end++)
		m->dev[n++] = *end;
	m->dev[n] = 0;
	m->file = n > 2 && strcmp(m->dev + n - 2, " 0");
	while (*end == ' ')
		end++;
	m->sysv = !strncmp(end, "/SYSV", 5);
	return true;
}

static bool find(gaddr_t at, struct map_line *m)
{
	struct reader r = { .fd = (int)sys3(__NR_open, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0) };
	char text[256];
	bool found = false;

	if (r.fd < 0)
		return false;
	while (!found && line(&r, text, sizeof(text)))
		found = parse(text, m) && at >= m->start && at < m->end;
	sys1(__NR_close, r.fd);
	return found;
}

/* the place in the file that the range will show at `word` */
static u64 offset_of(const struct robust_range *r, gaddr_t word)
{
	return r->offset + (word - r->start);
}

/* st_dev is another number than the list's on some file systems, so a page of the new file is mapped for a moment */
bool robust_goes_fixed(const struct robust_range *r, gaddr_t word)
{
	struct map_line was, will;
	bool same;
	long p;

	if (r->fd < 0 || !r->shared || !find(word, &was) || !was.shared || !was.file ||
	    was.offset + (word - was.start) != offset_of(r, word))
		return true;
	p = sys_6(__NR_mmap, 0, PAGE_SIZE, PROT_NONE, MAP_SHARED, r->fd, PAGE_DOWN(offset_of(r, word)));
	if (sys_failed(p))
		return true;
	rt_own_range((void *)p, PAGE_SIZE);
	same = find((gaddr_t)p, &will) && !strcmp(will.dev, was.dev);
	rt_unmap((void *)p, PAGE_SIZE);
	return !same;
}

bool robust_goes_pages(const struct robust_range *r, gaddr_t word)
{
	struct map_line was;

	return !find(word, &was) || was.offset + (word - was.start) != offset_of(r, word);
}

bool robust_goes_shmdt(const struct robust_range *r, gaddr_t word)
{
	struct map_line m;

	return find(word, &m) && m.sysv && m.start - m.offset == r->start;
}
