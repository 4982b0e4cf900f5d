/* SPDX-License-Identifier: MIT */
/* One file: ELF image, archive or neither, by its first bytes. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "closure.h"
#include "walk.h"

static int64_t ns(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void identity(struct obj *o, const struct stat *st)
{
	o->size = (uint64_t)st->st_size;
	o->dev = st->st_dev;
	o->ino = st->st_ino;
	o->mtime = ns(st->st_mtim);
	o->ctime = ns(st->st_ctim);
}

static bool same(const struct obj *o, const struct stat *st)
{
	return o->size == (uint64_t)st->st_size && o->ino == st->st_ino && o->mtime == ns(st->st_mtim) &&
	       o->ctime == ns(st->st_ctim);
}

static void count(struct worker *w)
{
	__atomic_store_n(&w->files, w->files + 1, __ATOMIC_RELAXED);
}

/* a file and, if it is an archive, everything in it, as the database has them */
static void keep(struct worker *w, struct obj *o, uint32_t flags)
{
	/* a file may be named twice, and found by two threads */
	if (__atomic_fetch_or(&o->flags, OF_KEPT | flags, __ATOMIC_RELAXED) & OF_KEPT)
		return;
	for (; o; o = o->next) {
		o->flags |= OF_KEPT | flags;
		worker_add(w, o);
	}
}

static struct obj *known(struct audit *a, const char *path, enum level level)
{
	struct obj *o = a->known.used ? strmap_get(&a->known, path) : NULL;

	if (!o || o->level < level)
		return NULL;
	for (const struct obj *m = o; m; m = m->next)
		if (m->broken)
			return NULL;
	return o;
}

bool file_kept(struct worker *w, int dirfd, const char *name, const char *path)
{
	struct obj *o = known(w->a, path, w->a->o->level);
	bool ok = o != NULL;
	struct stat st;

	/* one that was only a dependency becomes a file that was asked for: its row changes */
	if (!ok || (o->flags & OF_DEPENDENCY))
		return false;
	if (w->a->o->rootfd >= 0 && *name == '/') {
		int fd = root_open(w->a, name, O_PATH);

		ok = fd >= 0 && fstat(fd, &st) == 0;
		if (fd >= 0)
			close(fd);
	} else {
		ok = fstatat(dirfd, name, &st, 0) == 0;
	}
	if (!ok || !same(o, &st))
		return false;
	count(w);
	keep(w, o, dirfd < 0 ? OF_LISTED : 0);
	return true;
}

static struct obj *file_obj(struct worker *w, int fd, const char *path, bool asked)
{
	struct obj *o = worker_obj(w, path, NULL);
	struct stat st;

	/* marks alone need no identity, unless a database is to know the file again */
	if ((w->a->o->level > LEVEL_MARKS || w->a->o->db) && fstat(fd, &st) == 0)
		identity(o, &st);
	if (asked)
		o->flags |= OF_LISTED;
	return o;
}

static void elf_file(struct worker *w, int fd, const char *path, bool asked)
{
	struct obj *o = file_obj(w, fd, path, asked);
	struct stat st;

	object_read(w, o, &w->im);
	__atomic_store_n(&w->bytes, w->bytes + w->im.total, __ATOMIC_RELAXED);
	if (w->im.error)
		o->broken = arena_str(&w->mem, strerror(w->im.error));
	else if (w->a->o->level >= LEVEL_CODE && (fstat(fd, &st) < 0 || !same(o, &st)))
		o->broken = "it changed while it was read";
	if (o->broken)
		worker_trouble(w, path, o->broken);
}

static void pack_file(struct worker *w, int fd, const char *path, bool asked)
{
	struct obj *o = file_obj(w, fd, path, asked);
	struct stat st;

	if (fstat(fd, &st) == 0)
		identity(o, &st);
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
	if (asked && w->a->o->shards && !shard_has(w->a->o, path)) {
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
	}
	close(fd);
	return FILE_DONE;
}

/* ---- what was not asked for */

static const char *inode_key(char *buf, size_t size, uint64_t dev, uint64_t ino)
{
	snprintf(buf, size, "%llx:%llx", (unsigned long long)dev, (unsigned long long)ino);
	return buf;
}

static struct obj *by_inode(struct tree *t, const struct stat *st)
{
	char key[64];

	if (!t->inodes.used)
		for (size_t i = 0; i < t->a->n; i++) {
			struct obj *o = t->a->objs[i];

			if (!o->in && o->ino)
				*strmap_at(&t->inodes, arena_str(&t->w.mem, inode_key(key, sizeof(key), o->dev, o->ino))) = o;
		}
	return strmap_get(&t->inodes, inode_key(key, sizeof(key), st->st_dev, st->st_ino));
}

struct obj *walk_one(struct tree *t, const char *path)
{
	struct worker *w = &t->w;
	struct obj *o = NULL;
	struct stat st;
	char key[64];
	int fd = root_open(t->a, path, FILE_FLAGS);

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (o = by_inode(t, &st))) {
		close(fd);
		return o;
	}
	o = known(t->a, path, LEVEL_CLOSURE);
	if (o && same(o, &st) && !(o->flags & OF_KEPT)) {
		keep(w, o, OF_DEPENDENCY);
		closure_forget(o);
	} else if (img_file(&w->im, fd) && w->im.head_len >= 4 && !memcmp(w->im.head, "\177ELF", 4)) {
		enum level level = t->a->o->level;

		o = worker_obj(w, path, NULL);
		identity(o, &st);
		o->flags |= OF_DEPENDENCY;
		/* nobody asked what is wrong with its code */
		t->a->o->level = LEVEL_CLOSURE;
		object_read(w, o, &w->im);
		t->a->o->level = level;
		if (o->broken)
			worker_trouble(w, path, o->broken);
	} else {
		o = NULL;
	}
	if (o)
		*strmap_at(&t->inodes, arena_str(&w->mem, inode_key(key, sizeof(key), st.st_dev, st.st_ino))) = o;
	close(fd);
	return o;
}
