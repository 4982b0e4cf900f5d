/* SPDX-License-Identifier: MIT */
/* Walking the records of a board, and its form on disk. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report.h"

void report_init(struct report *r, const struct gn_board *b, size_t log_bytes)
{
	memset(r, 0, sizeof(*r));
	r->b = b;
	r->log_bytes = log_bytes;
}

static size_t used(const struct report *r)
{
	uint64_t n = __atomic_load_n(&r->b->log_used, __ATOMIC_ACQUIRE);

	return n < r->log_bytes ? (size_t)n : r->log_bytes;
}

#define PID_MOST (1 << 22) /* PID_MAX_LIMIT */

/*
 * Is this a whole record? Everything a renderer relies on, and strict enough not to take the inside of an
 * unfinished record for one.
 */
static bool sane(const struct gn_rec *h, uint32_t size, size_t room)
{
	if (size % 8 || size > room || size < sizeof(struct gn_text) + 1 || h->pid <= 0 || h->pid > PID_MOST ||
	    h->tid <= 0 || h->tid > PID_MOST)
		return false;
	if (h->kind == GN_REC_VIOLATION) {
		const struct gn_violation *v = (const void *)h;

		return size >= sizeof(*v) && v->site < GN_SITES && v->nframes <= GN_FRAMES && v->class >= GN_UNWIND &&
		       v->class < GN_CLASSES && memchr(v->comm, 0, sizeof(v->comm));
	}
	if (h->kind >= GN_REC_EXEC && h->kind <= GN_REC_NOTE) {
		const struct gn_text *t = (const void *)h;

		return t->len < size - sizeof(*t) && size - sizeof(*t) - t->len <= 8 &&
		       strnlen(t->text, size - sizeof(*t)) == t->len;
	}
	return false;
}

const struct gn_rec *report_next(struct report *r, bool last)
{
	size_t end = used(r);

	while (r->pos + sizeof(struct gn_rec) <= end) {
		const struct gn_rec *h = (const void *)(r->b->log + r->pos);
		uint32_t size = __atomic_load_n(&h->size, __ATOMIC_ACQUIRE); /* pairs with append() of report.c */

		if (!size && !last)
			return NULL;
		if (!sane(h, size, end - r->pos)) {
			r->pos += 8;
			continue;
		}
		r->pos += size;
		if (h->kind == GN_REC_VIOLATION) {
			const struct gn_violation *v = (const void *)h;

			if (!r->first[v->site])
				r->first[v->site] = v;
		}
		return h;
	}
	return NULL;
}

const char *rec_path(const struct gn_rec *h, uint32_t off)
{
	const char *base = (const char *)h;

	if (off < sizeof(struct gn_violation) || off >= h->size || !memchr(base + off, 0, h->size - off))
		return "";
	return base + off;
}

void report_open(struct report *r, const char *file)
{
	const struct gn_board *b;
	struct stat st;
	size_t head = offsetof(struct gn_board, log);
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0)
		die(GN_EXIT_USAGE, "%s: %s", file, reason(errno));
	if (!S_ISREG(st.st_mode))
		die(GN_EXIT_USAGE, "%s: not a regular file", file);
	if ((size_t)st.st_size < head)
		die(GN_EXIT_USAGE, "%s: not a gnomon report (too short)", file);
	b = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (b == MAP_FAILED)
		die(GN_EXIT_USAGE, "%s: %s", file, reason(errno));
	close(fd);
	if (b->magic != GN_BOARD_MAGIC)
		die(GN_EXIT_USAGE, "%s: not a gnomon report", file);
	if (b->version != GN_BOARD_VERSION || b->size != sizeof(*b))
		die(GN_EXIT_USAGE, "%s: report of another version of gnomon", file);
	report_init(r, b, (size_t)st.st_size - head);
	if (r->log_bytes > GN_LOG_BYTES)
		r->log_bytes = GN_LOG_BYTES;
}

int report_write(const struct gn_board *b, int fd)
{
	uint64_t n = __atomic_load_n(&b->log_used, __ATOMIC_ACQUIRE);

	if (n > GN_LOG_BYTES)
		n = GN_LOG_BYTES;
	if (!write_all(fd, b, offsetof(struct gn_board, log) + (size_t)n))
		return -errno;
	return 0;
}
