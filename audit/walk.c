/* SPDX-License-Identifier: MIT */
/* Folders, operands and lists: what is to be read, in batches, to the threads of the pool. */
#include "walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "args.h"
#include "file.h"
#include "pool.h"
#include "root.h"

static const char *join(char *buf, size_t size, const char *dir, const char *name)
{
	if (strlen(dir) + 1 + strlen(name) >= size)
		return NULL;
	stpcpy(stpcpy(stpcpy(buf, dir), "/"), name);
	return buf;
}

/* file systems that the kernel makes up: endless, or with side effects when read */
static bool made_up(int fd)
{
	static const long magic[] = { PROC_SUPER_MAGIC, SYSFS_MAGIC, DEVPTS_SUPER_MAGIC, CGROUP_SUPER_MAGIC,
				      CGROUP2_SUPER_MAGIC, DEBUGFS_MAGIC, TRACEFS_MAGIC, BPF_FS_MAGIC, SECURITYFS_MAGIC,
				      EFIVARFS_MAGIC, BINFMTFS_MAGIC, PSTOREFS_MAGIC, SELINUX_MAGIC, 0x19800202 /* mqueue */,
				      0x65735543 /* fusectl */, 0x62656570 /* configfs */ };
	struct statfs st;

	if (fstatfs(fd, &st) < 0)
		return false;
	for (size_t i = 0; i < sizeof(magic) / sizeof(*magic); i++)
		if ((uint32_t)st.f_type == (uint32_t)magic[i])
			return true;
	return false;
}

/* the folder of the names to come, by the first n bytes of a path in PATH_ROOM; its descriptor is taken over */
static void at_folder(struct worker *w, int fd, const char *path, size_t n)
{
	if (w->dir_fd >= 0)
		close(w->dir_fd);
	w->dir_fd = fd;
	memcpy(w->dir, path, n);
	w->dir[n] = 0;
}

static bool is_at(const struct worker *w, const char *path, size_t n)
{
	return w->dir_fd >= 0 && !strncmp(path, w->dir, n) && !w->dir[n];
}

/* opens that folder, unless it is open; -1 with errno */
static int enter(struct worker *w, const char *path, size_t n)
{
	if (is_at(w, path, n))
		return w->dir_fd;
	at_folder(w, -1, path, n);
	w->dir_fd = root_folder(w->a, n ? w->dir : "/", O_PATH);
	return w->dir_fd;
}

static void flush(struct pool *p, struct worker *w, struct dir *d, struct task **batch)
{
	struct task *t = *batch;

	*batch = NULL;
	if (!t)
		return;
	if (pool_long(p)) {
		p->run(p, w, t);
		dir_drop(d);
		free(t);
	} else {
		pool_put(p, t);
	}
}

static void link_found(struct worker *w, int fd, struct dir *d, const char *name)
{
	char target[4096], path[PATH_ROOM];
	ssize_t n = readlinkat(fd, name, target, sizeof(target) - 1);

	if (n < 0 || !join(path, sizeof(path), d->path, name))
		return;
	target[n] = 0;
	worker_link(w, path, target, NULL);
}

static unsigned char type_of(int fd, const struct dirent *e)
{
	struct stat st;

	if (e->d_type != DT_UNKNOWN)
		return e->d_type;
	if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return DT_REG; /* opening it will say why */
	return S_ISREG(st.st_mode) ? DT_REG : S_ISDIR(st.st_mode) ? DT_DIR : S_ISLNK(st.st_mode) ? DT_LNK : DT_FIFO;
}

/* everything in an open folder; `fd` is taken over */
static void list(struct pool *p, struct worker *w, int fd, struct dir *d)
{
	struct task *batch = NULL;
	struct dirent *e;
	DIR *s = fdopendir(fd);

	if (!s) {
		worker_trouble(w, *d->path ? d->path : "/", strerror(errno));
		close(fd);
		return;
	}
	at_folder(w, dup(fd), d->path, strlen(d->path));
	while (errno = 0, (e = readdir(s))) {
		if (e->d_name[0] == '.' && (!e->d_name[1] || (e->d_name[1] == '.' && !e->d_name[2])))
			continue;
		switch (type_of(fd, e)) {
		case DT_DIR: {
			struct task *t = task_new(TASK_DIR, dir_hold(d));

			task_add(t, e->d_name);
			pool_put(p, t);
			break;
		}
		case DT_LNK:
			if (w->a->o->level >= LEVEL_CLOSURE)
				link_found(w, fd, d, e->d_name);
			break;
		case DT_REG:
			if (!batch)
				batch = task_new(TASK_FILES, dir_hold(d));
			if (!task_add(batch, e->d_name)) {
				flush(p, w, d, &batch);
				batch = task_new(TASK_FILES, dir_hold(d));
				task_add(batch, e->d_name);
			}
			break;
		}
	}
	if (errno)
		worker_trouble(w, *d->path ? d->path : "/", strerror(errno));
	flush(p, w, d, &batch);
	closedir(s);
}

/* `fd` is taken over */
static void folder(struct pool *p, struct worker *w, int fd, const char *path, uint64_t above)
{
	struct stat st;
	struct dir *d;

	if (fstat(fd, &st) < 0 || (st.st_dev != above && above && made_up(fd))) {
		close(fd);
		return;
	}
	d = dir_new(path, st.st_dev);
	list(p, w, fd, d);
	dir_drop(d);
}

/* Opening a device does things: names there are looked at first. Elsewhere the open file tells what it is. */
static bool may_open(struct worker *w, const char *path)
{
	struct stat st;
	int fd;

	if (strncmp(path, "/dev/", 5))
		return true;
	fd = root_open(w->a, path, O_PATH);
	if (fd < 0)
		return true;
	if (fstat(fd, &st) < 0)
		st.st_mode = 0;
	close(fd);
	return S_ISREG(st.st_mode) || S_ISDIR(st.st_mode);
}

/*
 * Opens a name of a list. Neighbours mostly lie in the same folder: that is opened when a second name wants it, and
 * saves walking the path again.
 */
static int open_named(struct worker *w, const char *path, const char *next)
{
	size_t n = (size_t)(strrchr(path, '/') - path);

	/* not in another root: from there, and not from this folder, a link is to be followed */
	if (w->a->o->rootfd < 0 && (is_at(w, path, n) || (next && n && !strncmp(path, next, n + 1) && enter(w, path, n) >= 0)))
		return openat(w->dir_fd, path + n + 1, FILE_FLAGS);
	return root_open(w->a, path, FILE_FLAGS);
}

static void lost(struct worker *w, const char *path)
{
	struct obj *known = w->a->known.used ? strmap_get(&w->a->known, path) : NULL;
	int why = errno;

	if (known && why == ENOENT) /* the database forgets it, too */
		__atomic_or_fetch(&known->flags, OF_TWICE, __ATOMIC_RELAXED);
	worker_trouble(w, path, strerror(why));
}

static void named(struct pool *p, struct worker *w, const char *path, const char *next)
{
	int fd;

	if (!may_open(w, path)) {
		worker_trouble(w, path, "neither a file nor a folder");
		return;
	}
	if (w->a->known.used && file_kept(w, -1, path, path))
		return;
	fd = open_named(w, path, next);
	if (fd < 0) {
		lost(w, path);
		return;
	}
	/* which part of the work a folder's files belong to is asked when they are found */
	switch (file_read(w, fd, path, true)) {
	case FILE_DONE: break;
	case FILE_FOLDER: folder(p, w, fd, strcmp(path, "/") ? path : "", 0); break;
	case FILE_OTHER: worker_trouble(w, path, "neither a file nor a folder"); break;
	}
}

static void in_folder(struct pool *p, struct worker *w, struct task *t, const char *name, const char *path)
{
	int fd, at;

	if (t->kind == TASK_DIR) {
		fd = root_folder(w->a, path, O_RDONLY | O_NOFOLLOW);
		if (fd >= 0)
			folder(p, w, fd, path, t->dir->dev);
		else
			worker_trouble(w, path, strerror(errno));
		return;
	}
	if (!file_in_shard(w->a->o, path))
		return;
	at = enter(w, path, strlen(t->dir->path));
	if (at >= 0 && file_kept(w, at, name, path))
		return;
	fd = at < 0 ? -1 : openat(at, name, FILE_FLAGS | O_NOFOLLOW);
	if (fd < 0)
		worker_trouble(w, path, strerror(errno));
	else
		file_read(w, fd, path, false);
}

static void run(struct pool *p, struct worker *w, struct task *t)
{
	char path[PATH_ROOM];

	for (const char *name = t->names; name < t->names + t->used; name += strlen(name) + 1) {
		const char *next = name + strlen(name) + 1;

		if (t->kind == TASK_NAMED)
			named(p, w, name, next < t->names + t->used ? next : NULL);
		else if (join(path, sizeof(path), t->dir->path, name))
			in_folder(p, w, t, name, path);
		else
			worker_trouble(w, name, "the path is too long");
	}
}

/* ---- what to start from */

struct feed {
	struct audit *a;
	struct task *batch;
};

static void put_name(struct pool *p, struct feed *f, const char *path)
{
	if (!f->batch)
		f->batch = task_new(TASK_NAMED, NULL);
	if (task_add(f->batch, path))
		return;
	if (f->batch->used)
		pool_put(p, f->batch);
	else
		free(f->batch);
	f->batch = task_new(TASK_NAMED, NULL);
	if (!task_add(f->batch, path))
		trouble(path, "the name is too long");
}

static bool plain(const char *path)
{
	if (*path != '/')
		return false;
	for (const char *s = path; s; s = strchr(s + 1, '/'))
		if (s[1] == '/' || (s[1] == '.' && (s[2] == '/' || (s[2] == '.' && s[3] == '/'))))
			return false;
	return true;
}

static void from_list(struct pool *p, struct feed *fe)
{
	struct options *o = fe->a->o;
	FILE *f = strcmp(o->files_from, "-") ? fopen(o->files_from, "re") : stdin;
	char *line = NULL;
	size_t room = 0;
	ssize_t n;

	if (!f)
		die("%s: %s", shown(o->files_from), strerror(errno));
	while ((n = getdelim(&line, &room, o->null ? 0 : '\n', f)) > 0) {
		char *path;

		if (!o->null && line[n - 1] == '\n')
			line[--n] = 0;
		if (!n)
			continue;
		/* most lists come from find(1): what needs no work gets none */
		if (plain(line)) {
			put_name(p, fe, line);
			continue;
		}
		path = root_path(fe->a, line);
		if (path)
			put_name(p, fe, path);
		else
			trouble(line, "%s", strerror(errno));
		free(path);
	}
	if (ferror(f))
		trouble(o->files_from, "%s", strerror(errno));
	free(line);
	if (f != stdin)
		fclose(f);
}

static void feed(struct pool *p, void *arg)
{
	struct feed *f = arg;
	struct options *o = f->a->o;

	for (char **op = o->operands; *op; op++) {
		char *path = root_path(f->a, *op);

		if (!path) {
			trouble(*op, "%s", strerror(errno));
			continue;
		}
		VEC_ADD(f->a->asked, f->a->nasked, f->a->asked_room, path);
		put_name(p, f, path);
	}
	if (!*o->operands && !o->files_from) {
		VEC_ADD(f->a->asked, f->a->nasked, f->a->asked_room, "/");
		put_name(p, f, "/");
	}
	if (o->files_from)
		from_list(p, f);
	if (f->batch)
		pool_put(p, f->batch);
}

void walk_run(struct audit *a)
{
	struct feed f = { a, NULL };
	struct pool p;

	pool_run(&p, a, a->o->jobs, run, feed, &f);
	for (unsigned i = 0; i < p.n; i++) {
		results_take(&a->r, &p.workers[i].r);
		strmap_free(&p.workers[i].names);
		arena_go_on(&a->mem, &p.workers[i].mem); /* pages that are there already */
	}
	free(p.workers);
	results_settle(&a->r);
}
