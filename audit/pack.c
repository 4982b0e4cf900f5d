/* SPDX-License-Identifier: MIT */
/*
 * Packages, tar archives, container images and static libraries, as streams: the archive is read once from front to
 * end, archives in it as they go by. A Debian package is an ar archive whose data.tar.* holds the files; those count as
 * the package's own.
 */
#include "pack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "packing.h"

#define TEXT_MOST (1u << 20)

/* ---- members */

/* without "./" and "/" in front; "" for the archive's root */
static const char *trimmed(const char *path)
{
	while (*path == '/' || (path[0] == '.' && (path[1] == '/' || !path[1])))
		path++;
	return path;
}

static void walk(struct pack *p);

static void nested(struct pack *p, struct obj *o)
{
	struct pack *in = xmalloc(sizeof(*in));

	memset(in, 0, offsetof(struct pack, head));
	in->w = p->w;
	in->o = o;
	in->outer = p;
	in->depth = p->depth + 1;
	in->fd = -1;
	in->flags = pack_is_deb(p->head, p->head_len) ? PACK_DEB : 0;
	if (p->depth + 1 > PACK_DEEP)
		worker_trouble(p->w, obj_name(o), "archives in archives, too deep");
	else if (!input_open(in))
		worker_trouble(p->w, obj_name(o), input_error(in));
	else
		walk(in);
	libarchive.archive_read_free(in->ar);
	free(in);
}

static void inner_pack(struct pack *p, const char *path, enum packing k)
{
	struct obj *o = p->o;

	/* data.tar of a package is the package */
	if (!(p->flags & PACK_DEB) || strncmp(path, "data.tar", 8)) {
		o = worker_obj(p->w, path, p->o);
		o->kind = k == PACK_AR && !pack_is_deb(p->head, p->head_len) ? K_STATIC_LIBRARY : K_ARCHIVE;
		o->level = (uint8_t)p->w->a->o->level;
		o->size = libarchive.archive_entry_size_is_set(p->entry) ? (uint64_t)libarchive.archive_entry_size(p->entry) : 0;
	}
	nested(p, o);
}

/* configuration of the dynamic linker, and lists of an image's layers */
static void conf(struct pack *p, const char *path)
{
	size_t n = strlen(path);
	bool blob = pack_blob(path) && p->head_len && *p->head == '{';
	char *text;

	if (p->w->a->o->level < LEVEL_CLOSURE ||
	    (strcmp(path, "etc/ld.so.conf") && (strcmp(path, "manifest.json") || p->outer) && !blob &&
	     (strncmp(path, "etc/ld.so.conf.d/", 17) || n <= 5 || strcmp(path + n - 5, ".conf"))))
		return;
	text = member_text(p, TEXT_MOST);
	if (!blob || pack_lists_layers(path, text))
		worker_text(p->w, path, p->o, text);
	free(text);
}

/* one line for an archive, whoever hits the damage first */
static void damaged(struct pack *p)
{
	if (p->o->broken)
		return;
	p->o->broken = arena_str(&p->w->mem, input_error(p));
	worker_trouble(p->w, obj_name(p->o), p->o->broken);
}

static void regular(struct pack *p, const char *path)
{
	enum packing k;
	la_ssize_t n;

	p->head_len = 0;
	while (p->head_len < sizeof(p->head)) {
		n = libarchive.archive_read_data(p->ar, p->head + p->head_len, sizeof(p->head) - p->head_len);
		if (n == ARCHIVE_RETRY)
			continue;
		if (n < 0)
			damaged(p);
		if (n <= 0)
			break;
		p->head_len += (size_t)n;
	}
	__atomic_store_n(&p->w->r.files, p->w->r.files + 1, __ATOMIC_RELAXED);
	if (!input_honest(p, p->head_len))
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

	if (!p->outer && libarchive.archive_filter_code(p->ar, 0) == ARCHIVE_FILTER_NONE)
		return;
	do
		r = libarchive.archive_read_data_block(p->ar, &buf, &n, &off);
	while (r == ARCHIVE_RETRY || (r == ARCHIVE_OK && input_honest(p, n)));
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
	mode_t type;
	const char *path = libarchive.archive_entry_pathname(e), *to;

	if (!path)
		path = libarchive.archive_entry_pathname_utf8(e);
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
		if ((to = libarchive.archive_entry_symlink(e)))
			worker_link(p->w, path, to, p->o);
		else if ((to = libarchive.archive_entry_hardlink(e)) && *trimmed(to)) {
			char *abs = xmalloc(strlen(to) + 2);

			sprintf(abs, "/%s", trimmed(to));
			worker_link(p->w, path, abs, p->o);
			free(abs);
		}
	}
	/* ar's members often have no type at all */
	type = libarchive.archive_entry_filetype(e);
	if ((type == AE_IFREG || !type) && !libarchive.archive_entry_hardlink(e) && !whiteout(p, path)) {
		char *name = xstrdup(path); /* the entry's strings do not outlive reading */

		regular(p, name);
		rest(p);
		free(name);
	}
}

static void walk(struct pack *p)
{
	while (!input_stopped(p)) {
		int r = libarchive.archive_read_next_header(p->ar, &p->entry);

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
	const char *why;

	memset(p, 0, offsetof(struct pack, head));
	p->w = w;
	p->o = o;
	p->fd = fd;
	p->flags = pack_is_deb(head, n) ? PACK_DEB : 0;
	o->kind = pack_kind(head, n) == PACK_AR && !p->flags ? K_STATIC_LIBRARY : K_ARCHIVE;
	if (n >= 8 && !memcmp(head, "!<thin>\n", 8))
		worker_trouble(w, o->path, "thin archive: its members are files of their own");
	else if (lseek(fd, 0, SEEK_SET) < 0)
		worker_trouble(w, o->path, strerror(errno));
	else if (!archive_lib_load(&why))
		worker_trouble(w, o->path, o->broken = why);
	else if (!input_open(p))
		worker_trouble(w, o->path, o->broken = arena_str(&w->mem, input_error(p)));
	else
		walk(p);
	__atomic_store_n(&w->r.bytes, w->r.bytes + p->in, __ATOMIC_RELAXED);
	if (p->ar)
		libarchive.archive_read_free(p->ar);
	free(p);
}

void pack_manifest(struct worker *w, const char *path)
{
	char *text;
	size_t n;

	if (w->a->o->level < LEVEL_CLOSURE || !pack_blob(path) || !w->im.head_len || *w->im.head != '{')
		return;
	text = xmalloc(TEXT_MOST + 1);
	n = img_some(&w->im, 0, text, TEXT_MOST);
	text[n] = 0;
	if (pack_lists_layers(path, text))
		worker_text(w, path, NULL, text);
	free(text);
}
