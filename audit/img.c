/* SPDX-License-Identifier: MIT */
/* Reading parts of a file or of memory, with the bounds checked here and nowhere else. */
#include "img.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static size_t from_file(struct img *im, uint64_t off, void *buf, size_t n)
{
	size_t done = 0;

	if (off > INT64_MAX - n)
		return 0;
	while (done < n) {
		ssize_t r = pread(im->fd, (char *)buf + done, n - done, (off_t)(off + done));

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			im->error = errno;
		if (r <= 0)
			break;
		done += (size_t)r;
	}
	im->total += done;
	return done;
}

/* one read: short at the end of the file, and then there is no need to ask again */
static size_t once(struct img *im, uint64_t off, void *buf, size_t n)
{
	ssize_t r;

	if (off > INT64_MAX - n)
		return 0;
	do
		r = pread(im->fd, buf, n, (off_t)off);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		im->error = errno;
	im->total += r > 0 ? (size_t)r : 0;
	return r > 0 ? (size_t)r : 0;
}

bool img_file(struct img *im, int fd)
{
	im->fd = fd;
	im->mem = NULL;
	im->size = IMG_UNKNOWN;
	im->total = 0;
	im->error = 0;
	im->win[0].len = im->win[1].len = 0;
	im->head_len = once(im, 0, im->head, sizeof(im->head));
	return !im->error;
}

void img_memory(struct img *im, const void *mem, uint64_t size)
{
	im->fd = -1;
	im->mem = mem;
	im->size = size;
	im->total = 0;
	im->error = 0;
	im->head_len = im->win[0].len = im->win[1].len = 0;
	im->hole = size;
	im->hole_len = 0;
}

static size_t from_memory(struct img *im, uint64_t off, void *buf, size_t n)
{
	uint64_t end = off < im->hole ? im->hole : im->size;

	if (off >= end || (off >= im->hole && off - im->hole < im->hole_len))
		return 0;
	if (n > end - off)
		n = (size_t)(end - off);
	memcpy(buf, im->mem + off - (off < im->hole ? 0 : im->hole_len), n);
	return n;
}

/* are the n bytes at off among those that were read from `from` on? */
static bool among(uint64_t from, size_t len, uint64_t off, size_t n)
{
	return off >= from && off - from <= len && n <= len - (off - from);
}

/* what was read before and has all of the n bytes at off; NULL: nothing */
static const uint8_t *held(const struct img *im, uint64_t off, size_t n)
{
	if (among(0, im->head_len, off, n))
		return im->head + off;
	for (const struct window *w = im->win; w < im->win + 2; w++)
		if (among(w->off, w->len, off, n))
			return w->bytes + (off - w->off);
	return NULL;
}

static struct window *window(struct img *im, uint64_t off, size_t n)
{
	struct window *w = &im->win[im->turn ^= 1];

	w->off = off;
	w->len = once(im, off, w->bytes, n);
	return w;
}

void img_ahead(struct img *im, uint64_t off, uint64_t n)
{
	n = n < IMG_WINDOW ? n : IMG_WINDOW;
	if (im->fd >= 0 && !held(im, off, (size_t)n))
		window(im, off, (size_t)n);
}

size_t img_some(struct img *im, uint64_t off, void *buf, size_t n)
{
	const uint8_t *p;
	struct window *w;

	if (im->fd < 0)
		return from_memory(im, off, buf, n);
	p = held(im, off, n);
	if (!p) {
		if (n > IMG_NEAR / 2)
			return from_file(im, off, buf, n);
		w = window(im, off, IMG_NEAR);
		if (w->len < n)
			return from_file(im, off, buf, n);
		p = w->bytes;
	}
	memcpy(buf, p, n);
	return n;
}

bool img_read(struct img *im, uint64_t off, void *buf, size_t n)
{
	return img_some(im, off, buf, n) == n;
}

void *img_load(struct img *im, uint64_t off, uint64_t n, size_t most)
{
	char *p;

	if (n > most || n > SIZE_MAX - 1)
		return NULL;
	if (im->fd < 0 && (off > im->size || n > im->size - off))
		return NULL;
	p = malloc((size_t)n + 1);
	if (!p)
		return NULL;
	if (!img_read(im, off, p, (size_t)n)) {
		free(p);
		return NULL;
	}
	p[n] = 0; /* string tables need not end with NUL */
	return p;
}

const uint8_t *img_table(struct img *im, uint64_t off, size_t n, size_t *got)
{
	*got = img_some(im, off, im->table, n);
	return im->table;
}

/* the string that begins at off in bytes that were read before; false: it is not there to its end */
static bool known(const uint8_t *p, uint64_t from, size_t n, uint64_t off, char *buf, size_t size)
{
	const uint8_t *end;

	if (off < from || off - from >= n)
		return false;
	p += off - from;
	n -= (size_t)(off - from);
	end = memchr(p, 0, n < size ? n : size);
	if (end)
		memcpy(buf, p, (size_t)(end - p) + 1);
	return end != NULL;
}

bool img_string(struct img *im, uint64_t off, char *buf, size_t size)
{
	size_t n;

	if (im->fd >= 0 && (known(im->head, 0, im->head_len, off, buf, size) ||
			    known(im->win[0].bytes, im->win[0].off, im->win[0].len, off, buf, size) ||
			    known(im->win[1].bytes, im->win[1].off, im->win[1].len, off, buf, size)))
		return true;
	n = img_some(im, off, buf, size < IMG_NEAR / 2 ? size : IMG_NEAR / 2);
	if (n && memchr(buf, 0, n))
		return true;
	n = img_some(im, off, buf, size);
	return n && memchr(buf, 0, n);
}
