/* SPDX-License-Identifier: MIT */
/* One file: ELF image, archive or neither, by its first bytes. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "file.h"
#include "pack.h"
#include "root.h"

static int64_t ns(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void file_identify(struct obj *o, const struct stat *st)
{
	o->size = (uint64_t)st->st_size;
	o->dev = st->st_dev;
	o->ino = st->st_ino;
	o->mtime = ns(st->st_mtim);
	o->ctime = ns(st->st_ctim);
}

bool file_same(const struct obj *o, const struct stat *st)
{
	return o->size == (uint64_t)st->st_size && o->ino == st->st_ino && o->mtime == ns(st->st_mtim) &&
	       o->ctime == ns(st->st_ctim);
}

bool file_in_shard(const struct options *o, const char *path)
{
	return !o->shards || str_hash(path) % o->shards == o->shard - 1;
}

static void count(struct worker *w)
{
	__atomic_store_n(&w->r.files, w->r.files + 1, __ATOMIC_RELAXED);
}

void file_keep(struct worker *w, struct obj *o, uint32_t flags)
{
	/* a file may be named twice, and found by two threads */
	if (__atomic_fetch_or(&o->flags, OF_KEPT | flags, __ATOMIC_RELAXED) & OF_KEPT)
		return;
	for (; o; o = o->next) {
		o->flags |= OF_KEPT | flags;
		worker_add(w, o);
	}
}

struct obj *file_known(struct audit *a, const char *path, enum level level)
{
	struct obj *o = a->known.used ? strmap_get(&a->known, path) : NULL;

	if (!o || o->level < level)
		return NULL;
	for (const struct obj *m = o; m; m = m->next)
		if (m->broken)
			return NULL;
	return o;
}

bool file_stat(const struct audit *a, int dirfd, const char *name, struct stat *st)
{
	bool ok;
	int fd;

	if (a->o->rootfd < 0 || *name != '/')
		return fstatat(dirfd, name, st, 0) == 0;
	fd = root_open(a, name, O_PATH);
	if (fd < 0)
		return false;
	ok = fstat(fd, st) == 0;
	close(fd);
	return ok;
}

bool file_kept(struct worker *w, int dirfd, const char *name, const char *path)
{
	struct obj *o = file_known(w->a, path, w->a->o->level);
	struct stat st;

	/* one that was only a dependency becomes a file that was asked for: its row changes */
	if (!o || (o->flags & OF_DEPENDENCY))
		return false;
	if (!file_stat(w->a, dirfd, name, &st) || !file_same(o, &st))
		return false;
	count(w);
	file_keep(w, o, dirfd < 0 ? OF_LISTED : 0);
	return true;
}

static struct obj *file_obj(struct worker *w, int fd, const char *path, bool asked)
{
	struct obj *o = worker_obj(w, path, NULL);
	struct stat st;

	/* to see whether it changes while its code is read, and for a database to know it again; tree_read.c asks by itself */
	if ((w->a->o->level >= LEVEL_CODE || w->a->o->db) && fstat(fd, &st) == 0)
		file_identify(o, &st);
	if (asked)
		o->flags |= OF_LISTED;
	return o;
}

static void elf_file(struct worker *w, int fd, const char *path, bool asked)
{
	struct obj *o = file_obj(w, fd, path, asked);
	struct stat st;

	object_read(w, o, &w->im);
	__atomic_store_n(&w->r.bytes, w->r.bytes + w->im.total, __ATOMIC_RELAXED);
	if (w->im.error)
		o->broken = arena_str(&w->mem, strerror(w->im.error));
	else if (w->a->o->level >= LEVEL_CODE && (fstat(fd, &st) < 0 || !file_same(o, &st)))
		o->broken = "it changed while it was read";
	if (o->broken)
		worker_trouble(w, path, o->broken);
}

static void pack_file(struct worker *w, int fd, const char *path, bool asked)
{
	struct obj *o = file_obj(w, fd, path, asked);
	struct stat st;

	if (fstat(fd, &st) == 0)
		file_identify(o, &st);
	o->level = (uint8_t)w->a->o->level;
	pack_read(w, o, fd);
}

/* what cannot be read: not a file at all? */
static enum file_result unreadable(struct worker *w, int fd, const char *path)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		return FILE_FOLDER;
	if (S_ISREG(st.st_mode))
		worker_trouble(w, path, strerror(w->im.error));
	close(fd);
	return S_ISREG(st.st_mode) ? FILE_DONE : FILE_OTHER;
}

enum file_result file_read(struct worker *w, int fd, const char *path, bool asked)
{
	enum packing k;

	if (!img_file(&w->im, fd))
		return unreadable(w, fd, path);
	if (asked && w->a->o->shards && !file_in_shard(w->a->o, path)) {
		close(fd);
		return FILE_DONE;
	}
	count(w);
	if (w->im.head_len >= 4 && !memcmp(w->im.head, "\177ELF", 4)) {
		elf_file(w, fd, path, asked);
	} else {
		k = pack_kind(w->im.head, w->im.head_len);
		if (k == PACK_AR || k == PACK_OTHER || (k == PACK_COMPRESSED && (asked || pack_named(path))))
			pack_file(w, fd, path, asked);
		else if (asked && !w->a->o->files_from)
			worker_trouble(w, path, w->im.head_len ? "neither an ELF image nor an archive" : "empty");
		else
			pack_manifest(w, path);
	}
	close(fd);
	return FILE_DONE;
}
