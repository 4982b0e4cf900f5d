/* SPDX-License-Identifier: MIT */
/* Names to files: links are followed by what was recorded; only names that were not recorded cost a system call. */
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "root.h"

#define LINKS_MOST 40

void tree_done(struct tree *t)
{
	results_take(&t->a->r, &t->w.r);
	arena_go_on(&t->a->mem, &t->w.mem);
	strmap_free(&t->w.names);
	free(t->places.slots);
	strmap_free(&t->dirs);
	strmap_free(&t->inodes);
	strmap_free(&t->linkers);
	strmap_free(&t->searches);
}

/* ---- asking it */

/* reads the link that a name may be; false: there is nothing of that name */
static bool look(struct tree *t, struct place *p)
{
	int root = t->a->o->rootfd;
	char path[PATH_MOST], target[PATH_MOST];
	size_t up = p->up->len;
	ssize_t n;

	memcpy(path, place_path(t, p->up), up);
	path[up] = '/';
	memcpy(path + up + 1, p->name, p->len - up - 1);
	path[p->len] = 0;
	n = readlinkat(root >= 0 ? root : AT_FDCWD, root >= 0 ? path + 1 : path, target, sizeof(target) - 1);
	if (n < 0)
		return errno == EINVAL;
	target[n] = 0;
	p->link = intern(&t->w.names, &t->w.mem, target);
	worker_link(&t->w, path, target, NULL);
	return true;
}

/* what is called so in a folder, NULL: nobody knows; in the root it is looked at once, and read if `final` */
static struct place *at(struct tree *t, struct place *up, const char *name, size_t n, uint64_t hash, bool final)
{
	struct place *p = place_get(t, up, name, n, hash);

	if (!t->live || (p && p->seen && (p->read || p->link || !final)))
		return p;
	if (!p && up->gone)
		return NULL;
	p = p ? p : place_make(t, up, arena_strn(&t->w.mem, name, n), n, hash);
	if (!p)
		return NULL;
	if (!p->seen) {
		p->seen = true;
		p->read = p->gone = !look(t, p);
	}
	if (final && !p->read && !p->link) {
		p->read = true;
		p->o = tree_read(t, place_path(t, p));
	}
	return p;
}

/*
 * The place that `path` leads to from a folder that is reached through `links` links. Parts that nobody knows are taken for
 * folders. NULL: too many links, or too long.
 */
static struct place *follow(struct tree *t, struct place *from, const char *path, bool final, unsigned links)
{
	char rest[2 * PATH_MOST], next[2 * PATH_MOST];
	struct place *p;

	if (strlen(path) >= sizeof(rest))
		return NULL;
	strcpy(rest, path);
	if (*path == '/')
		from = &t->root;
	for (char *s = rest; *s;) {
		size_t k = strcspn(s, "/");
		uint64_t hash;

		if (!k || (k == 1 && *s == '.')) {
			s += k + (s[k] == '/');
			continue;
		}
		if (k == 2 && s[0] == '.' && s[1] == '.') {
			from = from->up ? from->up : from;
			s += k + (s[k] == '/');
			continue;
		}
		hash = key_hash_n(s, k);
		p = at(t, from, s, k, hash, final && !s[k + strspn(s + k, "/")]);
		p = p ? p : place_make(t, from, arena_strn(&t->w.mem, s, k), k, hash);
		if (!p)
			return NULL;
		s += k;
		if (!p->link) {
			from = p;
			continue;
		}
		if (++links > LINKS_MOST || snprintf(next, sizeof(next), "%s%s", p->link, s) >= 2 * PATH_MOST)
			return NULL;
		if (*next == '/')
			from = &t->root;
		strcpy(rest, next);
		s = rest;
	}
	return from;
}

static struct place nowhere;

/* folders repeat: the answers are kept */
struct place *tree_folder(struct tree *t, const char *dir, size_t n)
{
	char name[PATH_MOST];
	struct place *p;
	uint64_t hash;

	if (n >= sizeof(name))
		return NULL;
	memcpy(name, dir, n);
	name[n] = 0;
	hash = key_hash_n(name, n);
	p = strmap_get_hashed(&t->dirs, name, hash);
	if (!p) {
		p = follow(t, &t->root, name, false, 0);
		p = p ? p : &nowhere;
		*strmap_at_hashed(&t->dirs, arena_strn(&t->w.mem, name, n), hash) = p;
	}
	return p == &nowhere ? NULL : p;
}

struct obj *tree_in(struct tree *t, struct place *folder, const char *name, uint64_t hash)
{
	struct place *p = at(t, folder, name, strlen(name), hash, true);

	/* that it is a link was the first of them */
	if (p && p->link)
		p = follow(t, folder, p->link, true, 1);
	return p ? p->o : NULL;
}

struct obj *tree_find(struct tree *t, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct place *folder;

	if (!slash || !slash[1])
		return NULL;
	folder = tree_folder(t, path, (size_t)(slash - path));
	return folder ? tree_in(t, folder, slash + 1, key_hash(slash + 1)) : NULL;
}

char *tree_text(struct tree *t, const char *path, size_t *n)
{
	size_t room = 0;
	char *text = NULL;
	int fd;

	for (size_t i = 0; t->packed && i < t->a->r.ntexts; i++)
		if (!strcmp(t->a->r.texts[i].path, path + 1)) {
			*n = strlen(t->a->r.texts[i].text);
			return xstrdup(t->a->r.texts[i].text);
		}
	if (!t->live)
		return NULL;
	fd = root_open(t->a, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return NULL;
	for (*n = 0;;) {
		ssize_t r;

		if (room - *n < 4096)
			text = xrealloc(text, room = room ? room * 2 : 65536);
		r = read(fd, text + *n, room - *n - 1);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0 || *n > (64u << 20))
			break;
		*n += (size_t)r;
	}
	close(fd);
	text[*n] = 0;
	return text;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void tree_confs(struct tree *t, const char *dir, void (*each)(void *arg, const char *path), void *arg)
{
	char **names = NULL, path[PATH_MOST + 300];
	size_t n = 0, room = 0, len = strlen(dir);
	int fd = t->live ? root_open(t->a, dir, O_RDONLY | O_DIRECTORY) : -1;
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	while (d && (e = readdir(d))) {
		size_t k = strlen(e->d_name);

		if (k > 5 && !strcmp(e->d_name + k - 5, ".conf") && len < PATH_MOST) {
			snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
			VEC_ADD(names, n, room, xstrdup(path));
		}
	}
	if (d)
		closedir(d);
	for (size_t i = 0; t->packed && i < t->a->r.ntexts; i++)
		if (!strncmp(t->a->r.texts[i].path, dir + 1, len - 1) && t->a->r.texts[i].path[len - 1] == '/') {
			names = grow(names, n, &room, sizeof(*names));
			snprintf(path, sizeof(path), "/%.*s", PATH_MOST, t->a->r.texts[i].path);
			names[n++] = xstrdup(path);
		}
	if (n)
		qsort(names, n, sizeof(*names), by_name);
	for (size_t i = 0; i < n; i++) {
		each(arg, names[i]);
		free(names[i]);
	}
	free(names);
}
