/* SPDX-License-Identifier: MIT */
/* The bytes of an archive: from a file or out of another archive, and whether there is an end to what comes out of it. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "packing.h"

#define BOMB_BYTES (1ull << 30) /* from here on ... */
#define BOMB_RATIO 200		/* ... nobody packs this tightly in earnest */

static struct pack *outermost(struct pack *p)
{
	while (p->outer)
		p = p->outer;
	return p;
}

bool input_honest(struct pack *p, size_t more)
{
	struct pack *o = outermost(p);

	o->out += more;
	if (o->stopped)
		return false;
	if (o->out < BOMB_BYTES || o->out / BOMB_RATIO < o->in)
		return true;
	o->stopped = true;
	worker_trouble(p->w, obj_name(o->o), "gives out more than 200 times what it holds: not read any further");
	return false;
}

bool input_stopped(const struct pack *p)
{
	while (p->outer)
		p = p->outer;
	return p->stopped;
}

static la_ssize_t from_fd(struct archive *ar, void *arg, const void **buf)
{
	struct pack *p = arg;
	ssize_t n;

	do
		n = read(p->fd, p->block, sizeof(p->block));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		libarchive.archive_set_error(ar, errno, "%s", strerror(errno));
	else
		p->in += (uint64_t)n;
	*buf = p->block;
	return n;
}

/* over members of an archive that is not compressed */
static la_int64_t skip_fd(struct archive *ar, void *arg, la_int64_t n)
{
	struct pack *p = arg;
	off_t at = lseek(p->fd, 0, SEEK_CUR);

	/* not beyond the end: reading there must tell that the archive is cut short */
	if (at < 0 || n <= (la_int64_t)sizeof(p->block) || at + n > (off_t)p->o->size || lseek(p->fd, n, SEEK_CUR) < 0)
		return 0;
	return n;
}

/* an archive in an archive: first what was read to know it by, then the rest of the member */
static la_ssize_t from_member(struct archive *ar, void *arg, const void **buf)
{
	struct pack *p = arg, *o = p->outer;
	la_ssize_t n;

	*buf = p->block;
	if (o->head_len) {
		memcpy(p->block, o->head, o->head_len);
		n = (la_ssize_t)o->head_len;
		o->head_len = 0;
		return n;
	}
	do
		n = libarchive.archive_read_data(o->ar, p->block, sizeof(p->block));
	while (n == ARCHIVE_RETRY);
	if (n < 0)
		libarchive.archive_set_error(ar, EIO, "%s", input_error(o));
	else if (!input_honest(p, (size_t)n))
		return 0;
	return n < 0 ? ARCHIVE_FATAL : n;
}

/* only what is done in this process: no helper programs are started for odd compressions */
static struct archive *reader(void)
{
	struct archive *ar = libarchive.archive_read_new();

	if (!ar)
		die("out of memory");
	libarchive.archive_read_support_filter_gzip(ar);
	libarchive.archive_read_support_filter_bzip2(ar);
	libarchive.archive_read_support_filter_xz(ar);
	libarchive.archive_read_support_filter_lzma(ar);
	libarchive.archive_read_support_filter_rpm(ar);
	if (libarchive.archive_read_support_filter_zstd(ar) != ARCHIVE_OK ||
	    libarchive.archive_read_support_filter_lz4(ar) != ARCHIVE_OK)
		libarchive.archive_clear_error(ar); /* a libarchive without them would start a program: see above */
	libarchive.archive_read_support_format_tar(ar);
	libarchive.archive_read_support_format_ar(ar);
	libarchive.archive_read_support_format_cpio(ar);
	libarchive.archive_read_support_format_zip(ar);
	return ar;
}

bool input_open(struct pack *p)
{
	p->ar = reader();
	if (p->outer)
		return libarchive.archive_read_open(p->ar, p, NULL, from_member, NULL) == ARCHIVE_OK;
	return libarchive.archive_read_open2(p->ar, p, NULL, from_fd, skip_fd, NULL) == ARCHIVE_OK;
}

const char *input_error(struct pack *p)
{
	const char *text = libarchive.archive_error_string(p->ar);

	return text ? text : "damaged";
}
