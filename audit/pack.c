/* SPDX-License-Identifier: MIT */
/*
 * Packages, tar archives, container images and static libraries, as streams: the archive is read once from front to
 * end, archives in it as they go by. A Debian package is an ar archive whose data.tar.* holds the files; those count as
 * the package's own.
 */
#include "pack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "args.h"

#define TEXT_MOST (1u << 20)

struct magic {
	size_t at, n;
	const char *bytes;
	enum packing kind;
};

enum packing pack_kind(const uint8_t *head, size_t n)
{
	static const struct magic all[] = {
		{ 0, 8, "!<arch>\n", PACK_AR },	       { 0, 8, "!<thin>\n", PACK_AR },
		{ 257, 5, "ustar", PACK_OTHER },       { 0, 4, "\xed\xab\xee\xdb", PACK_OTHER },
		{ 0, 2, "\x1f\x8b", PACK_COMPRESSED }, { 0, 6, "\xfd" "7zXZ\0", PACK_COMPRESSED },
		{ 0, 4, "\x28\xb5\x2f\xfd", PACK_COMPRESSED }, { 0, 3, "BZh", PACK_COMPRESSED },
		{ 0, 4, "\x04\x22\x4d\x18", PACK_COMPRESSED }, { 0, 4, "PK\3\4", PACK_COMPRESSED },
		{ 0, 6, "070701", PACK_COMPRESSED },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (n >= all[i].at + all[i].n && !memcmp(head + all[i].at, all[i].bytes, all[i].n))
			return all[i].kind;
	return PACK_NONE;
}

bool pack_named(const char *path)
{
	static const char *const ends[] = { ".tar.gz", ".tgz",	".tar.xz", ".txz", ".tar.zst", ".tzst", ".tar.bz2",
					    ".tbz2",   ".tbz",	".tar.lz4", ".whl", ".gem",    ".deb",	".rpm" };
	size_t n = strlen(path);

	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		if (n > strlen(ends[i]) && !strcmp(path + n - strlen(ends[i]), ends[i]))
			return true;
	return strstr(path, "blobs/sha256/") != NULL; /* layers of container images */
}

/* ---- input and its honesty */

static struct pack *outermost(struct pack *p)
{
	while (p->outer)
		p = p->outer;
	return p;
}

bool pack_honest(struct pack *p, size_t more)
{
	struct pack *o = outermost(p);

	o->out += more;
	if (o->out < BOMB_BYTES || o->out / BOMB_RATIO < o->in)
		return true;
	if (o->out != UINT64_MAX)
		worker_trouble(p->w, obj_name(o->o), "gives out more than 200 times what it holds: not read any further");
	o->out = UINT64_MAX / 2; /* every archive in it stops, too */
	return false;
}

static bool stopped(struct pack *p)
{
	return outermost(p)->out >= UINT64_MAX / 2;
}

static la_ssize_t from_fd(struct archive *ar, void *arg, const void **buf)
{
	struct pack *p = arg;
	ssize_t n;

	do
		n = read(p->fd, p->block, sizeof(p->block));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		archive_set_error(ar, errno, "%s", strerror(errno));
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
		n = archive_read_data(o->ar, p->block, sizeof(p->block));
	while (n == ARCHIVE_RETRY);
	if (n < 0)
		archive_set_error(ar, EIO, "%s", archive_error_string(o->ar) ? archive_error_string(o->ar) : "damaged");
	else if (!pack_honest(p, (size_t)n))
		return 0;
	return n < 0 ? ARCHIVE_FATAL : n;
}

/* only what is done in this process: no helper programs are started for odd compressions */
static struct archive *reader(void)
{
	struct archive *ar = archive_read_new();

	if (!ar)
		die("out of memory");
	archive_read_support_filter_gzip(ar);
	archive_read_support_filter_bzip2(ar);
	archive_read_support_filter_xz(ar);
	archive_read_support_filter_lzma(ar);
	archive_read_support_filter_rpm(ar);
	if (archive_read_support_filter_zstd(ar) != ARCHIVE_OK || archive_read_support_filter_lz4(ar) != ARCHIVE_OK)
		archive_clear_error(ar); /* a libarchive without them would start a program: see above */
	archive_read_support_format_tar(ar);
	archive_read_support_format_ar(ar);
	archive_read_support_format_cpio(ar);
	archive_read_support_format_zip(ar);
	return ar;
}

static const char *why(struct archive *ar)
{
	const char *text = archive_error_string(ar);

	return text ? text : "damaged";
}

/* ---- members */

/* without "./" and "/" in front; "" for the archive's root */
static const char *trimmed(const char *path)
{
	while (*path == '/' || (path[0] == '.' && (path[1] == '/' || !path[1])))
		path++;
	return path;
}

static void walk(struct pack *p);

static bool is_deb(const uint8_t *head, size_t n)
{
	return n >= 21 && !memcmp(head, "!<arch>\ndebian-binary", 21);
}

static void nested(struct pack *p, struct obj *o)
{
	struct pack *in = xmalloc(sizeof(*in));

	memset(in, 0, offsetof(struct pack, head));
	in->w = p->w;
	in->o = o;
	in->outer = p;
	in->depth = p->depth + 1;
	in->fd = -1;
	in->flags = is_deb(p->head, p->head_len) ? PACK_DEB : 0;
	in->ar = reader();
	if (p->depth + 1 > PACK_DEEP)
		worker_trouble(p->w, obj_name(o), "archives in archives, too deep");
	else if (archive_read_open(in->ar, in, NULL, from_member, NULL) != ARCHIVE_OK)
		worker_trouble(p->w, obj_name(o), why(in->ar));
	else
		walk(in);
	archive_read_free(in->ar);
	free(in);
}

static void inner_pack(struct pack *p, const char *path, enum packing k)
{
	struct obj *o = p->o;

	/* data.tar of a package is the package */
	if (!(p->flags & PACK_DEB) || strncmp(path, "data.tar", 8)) {
		o = worker_obj(p->w, path, p->o);
		o->kind = k == PACK_AR && !is_deb(p->head, p->head_len) ? K_STATIC_LIBRARY : K_ARCHIVE;
		o->level = (uint8_t)p->w->a->o->level;
		o->size = archive_entry_size_is_set(p->entry) ? (uint64_t)archive_entry_size(p->entry) : 0;
	}
	nested(p, o);
}

static void conf(struct pack *p, const char *path)
{
	size_t n = strlen(path);
	bool manifest = !strcmp(path, "manifest.json") && !p->outer;

	if (p->w->a->o->level < LEVEL_CLOSURE)
		return;
	if (!strcmp(path, "etc/ld.so.conf") || manifest ||
	    (!strncmp(path, "etc/ld.so.conf.d/", 17) && n > 5 && !strcmp(path + n - 5, ".conf"))) {
		char *text = member_text(p, TEXT_MOST);

		worker_text(p->w, path, p->o, text);
		free(text);
	}
}

/* one line for an archive, whoever hits the damage first */
static void damaged(struct pack *p)
{
	if (p->o->broken)
		return;
	p->o->broken = arena_str(&p->w->mem, why(p->ar));
	worker_trouble(p->w, obj_name(p->o), p->o->broken);
}

static void regular(struct pack *p, const char *path)
{
	enum packing k;
	la_ssize_t n;

	p->head_len = 0;
	while (p->head_len < sizeof(p->head)) {
		n = archive_read_data(p->ar, p->head + p->head_len, sizeof(p->head) - p->head_len);
		if (n == ARCHIVE_RETRY)
			continue;
		if (n < 0)
			damaged(p);
		if (n <= 0)
			break;
		p->head_len += (size_t)n;
	}
	__atomic_store_n(&p->w->files, p->w->files + 1, __ATOMIC_RELAXED);
	if (!pack_honest(p, p->head_len))
		return;
	if (p->head_len >= 4 && !memcmp(p->head, "\177ELF", 4)) {
		member_elf(p, path);
		return;
	}
	if ((p->flags & PACK_DEB) && strncmp(path, "data.tar", 8))
		return; /* control.tar and debian-binary */
	k = pack_kind(p->head, p->head_len);
	if (k == PACK_AR || k == PACK_OTHER || (k == PACK_COMPRESSED && ((p->flags & PACK_DEB) || pack_named(path))))
		inner_pack(p, path, k);
	else
		conf(p, path);
}

/* What is left of a member. libarchive would skip it by itself, but without asking whether there is an end to it. */
static void rest(struct pack *p)
{
	const void *buf;
	la_int64_t off;
	size_t n;
	int r;

	if (!p->outer && archive_filter_code(p->ar, 0) == ARCHIVE_FILTER_NONE)
		return;
	do
		r = archive_read_data_block(p->ar, &buf, &n, &off);
	while (r == ARCHIVE_RETRY || (r == ARCHIVE_OK && pack_honest(p, n)));
	if (r < ARCHIVE_WARN)
		damaged(p);
}

/* of a container layer: .wh.NAME takes NAME out of the layers below */
static bool whiteout(struct pack *p, const char *path)
{
	const char *base = strrchr(path, '/');

	base = base ? base + 1 : path;
	if (strncmp(base, ".wh.", 4))
		return false;
	worker_link(p->w, path, NULL, p->o);
	return true;
}

static void member(struct pack *p)
{
	struct archive_entry *e = p->entry;
	const char *path = archive_entry_pathname(e), *to;

	if (!path)
		path = archive_entry_pathname_utf8(e);
	if (!path) {
		worker_trouble(p->w, obj_name(p->o), "a member without a name");
		return;
	}
	if (p->o->kind == K_STATIC_LIBRARY && (!strcmp(path, "/") || !strcmp(path, "//") || !strcmp(path, "/SYM64/")))
		return;
	path = trimmed(path);
	if (!*path)
		return;
	if (p->w->a->o->level >= LEVEL_CLOSURE) {
		if ((to = archive_entry_symlink(e)))
			worker_link(p->w, path, to, p->o);
		else if ((to = archive_entry_hardlink(e)) && *trimmed(to)) {
			char *abs = xmalloc(strlen(to) + 2);

			sprintf(abs, "/%s", trimmed(to));
			worker_link(p->w, path, abs, p->o);
			free(abs);
		}
	}
	/* ar's members often have no type at all */
	if ((archive_entry_filetype(e) == AE_IFREG || !archive_entry_filetype(e)) && !archive_entry_hardlink(e) &&
	    !whiteout(p, path)) {
		char *name = xstrdup(path); /* the entry's strings do not outlive reading */

		regular(p, name);
		rest(p);
		free(name);
	}
}

static void walk(struct pack *p)
{
	while (!stopped(p)) {
		int r = archive_read_next_header(p->ar, &p->entry);

		if (r == ARCHIVE_RETRY)
			continue;
		if (r == ARCHIVE_EOF)
			return;
		if (r < ARCHIVE_WARN) {
			damaged(p);
			return;
		}
		member(p);
	}
}

void pack_read(struct worker *w, struct obj *o, int fd)
{
	struct pack *p = xmalloc(sizeof(*p));
	const uint8_t *head = w->im.head;
	size_t n = w->im.head_len;

	memset(p, 0, offsetof(struct pack, head));
	p->w = w;
	p->o = o;
	p->fd = fd;
	p->flags = is_deb(head, n) ? PACK_DEB : 0;
	o->kind = pack_kind(head, n) == PACK_AR && !p->flags ? K_STATIC_LIBRARY : K_ARCHIVE;
	p->ar = reader();
	if (n >= 8 && !memcmp(head, "!<thin>\n", 8))
		worker_trouble(w, o->path, "thin archive: its members are files of their own");
	else if (lseek(fd, 0, SEEK_SET) < 0)
		worker_trouble(w, o->path, strerror(errno));
	else if (archive_read_open2(p->ar, p, NULL, from_fd, skip_fd, NULL) != ARCHIVE_OK)
		worker_trouble(w, o->path, o->broken = arena_str(&w->mem, why(p->ar)));
	else
		walk(p);
	__atomic_store_n(&w->bytes, w->bytes + p->in, __ATOMIC_RELAXED);
	archive_read_free(p->ar);
	free(p);
}
