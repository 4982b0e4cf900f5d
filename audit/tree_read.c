/* SPDX-License-Identifier: MIT */
/* Files of the root that nobody asked for and something needs: from the database, if it has them, or read now. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "file.h"
#include "root.h"
#include "tree.h"

static const char *inode_key(char *buf, size_t size, uint64_t dev, uint64_t ino)
{
	snprintf(buf, size, "%llx:%llx", (unsigned long long)dev, (unsigned long long)ino);
	return buf;
}

static struct obj *by_inode(struct tree *t, const struct stat *st)
{
	char key[64];

	if (!t->inodes.used)
		for (size_t i = 0; i < t->a->r.n; i++) {
			struct obj *o = t->a->r.objs[i];
			struct stat is;

			/* what was read without a look at that, which few audits need */
			if (!o->in && !o->ino && file_stat(t->a, AT_FDCWD, o->path, &is))
				file_identify(o, &is);
			if (!o->in && o->ino)
				*strmap_at(&t->inodes, arena_str(&t->w.mem, inode_key(key, sizeof(key), o->dev, o->ino))) = o;
		}
	return strmap_get(&t->inodes, inode_key(key, sizeof(key), st->st_dev, st->st_ino));
}

struct obj *tree_read(struct tree *t, const char *path)
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
	o = file_known(t->a, path, LEVEL_CLOSURE);
	if (o && file_same(o, &st) && !(o->flags & OF_KEPT)) {
		file_keep(w, o, OF_DEPENDENCY);
		closure_forget(o);
	} else if (img_file(&w->im, fd) && w->im.head_len >= 4 && !memcmp(w->im.head, "\177ELF", 4)) {
		enum level level = t->a->o->level;

		o = worker_obj(w, path, NULL);
		file_identify(o, &st);
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
