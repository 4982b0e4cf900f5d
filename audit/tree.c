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

struct place *tree_place(struct tree *t, const char *path)
{
	struct place *p = strmap_get(&t->places, path);

	if (!p) {
		p = arena_alloc(&t->w.mem, sizeof(*p));
		*strmap_at(&t->places, arena_str(&t->w.mem, path)) = p;
	}
	return p;
}

void tree_done(struct tree *t)
{
	results_take(&t->a->r, &t->w.r);
	strmap_free(&t->w.names);
	strmap_free(&t->places);
	strmap_free(&t->dirs);
	strmap_free(&t->inodes);
	strmap_free(&t->linkers);
}

/* ---- asking it */

/* what is at a name whose folders are no links; in the root it is looked at once, and read if `final` */
static struct place *at(struct tree *t, const char *path, bool final)
{
	struct place *p = strmap_get(&t->places, path);
	int root = t->a->o->rootfd;
	char target[PATH_MOST];

	if (!t->live || (p && p->seen && (p->read || p->link || !final)))
		return p;
	p = tree_place(t, path);
	if (!p->seen) {
		ssize_t n = readlinkat(root >= 0 ? root : AT_FDCWD, root >= 0 && path[1] ? path + 1 : path, target,
				       sizeof(target) - 1);

		p->seen = true;
		p->read = n < 0 && errno != EINVAL; /* nothing there */
		if (n >= 0) {
			target[n] = 0;
			p->link = intern(&t->w.names, &t->w.mem, target);
			worker_link(&t->w, arena_str(&t->w.mem, path), target, NULL);
		}
	}
	if (final && !p->read && !p->link) {
		p->read = true;
		p->o = tree_read(t, path);
	}
	return p;
}

/*
 * The name without links that `path` leads to, in `out`. Parts that nobody knows are taken for folders; *last is what is
 * at the end. False: too many links, or too long.
 */
static bool follow(struct tree *t, const char *path, bool final, char *out, struct place **last)
{
	char rest[2 * PATH_MOST], next[2 * PATH_MOST];
	unsigned links = 0;
	size_t n = 0;

	*last = NULL;
	*out = 0;
	if (strlen(path) >= PATH_MOST)
		return false;
	strcpy(rest, path);
	for (char *s = rest; *s;) {
		size_t k = strcspn(s, "/");

		if (!k || (k == 1 && *s == '.')) {
			s += k + (s[k] == '/');
			continue;
		}
		if (k == 2 && s[0] == '.' && s[1] == '.') {
			char *up = strrchr(out, '/');

			n = up ? (size_t)(up - out) : 0;
			out[n] = 0;
			s += k + (s[k] == '/');
			*last = NULL;
			continue;
		}
		if (n + 1 + k >= PATH_MOST)
			return false;
		out[n] = '/';
		memcpy(out + n + 1, s, k);
		out[n + 1 + k] = 0;
		s += k;
		*last = at(t, out, final && !s[strspn(s, "/")]);
		if (!*last || !(*last)->link) {
			n += 1 + k;
			continue;
		}
		if (++links > LINKS_MOST || snprintf(next, sizeof(next), "%s%s", (*last)->link, s) >= 2 * PATH_MOST)
			return false;
		if (*next == '/')
			n = 0;
		out[n] = 0;
		strcpy(rest, next);
		s = rest;
	}
	return true;
}

/* A folder's name without links, "" if it leads nowhere. Folders repeat: the answers are kept. */
static const char *folder(struct tree *t, const char *dir, size_t n)
{
	char name[PATH_MOST], out[PATH_MOST];
	struct place *p;
	const char *known;

	if (n >= sizeof(name))
		return "";
	memcpy(name, dir, n);
	name[n] = 0;
	known = strmap_get(&t->dirs, name);
	if (!known) {
		known = follow(t, name, false, out, &p) ? arena_str(&t->w.mem, *out ? out : "/") : "";
		*strmap_at(&t->dirs, arena_str(&t->w.mem, name)) = (void *)known;
	}
	return known;
}

struct obj *tree_find(struct tree *t, const char *path, const char **real)
{
	const char *slash = strrchr(path, '/'), *dir;
	char full[2 * PATH_MOST], out[PATH_MOST];
	struct place *p;
	size_t n;

	if (!slash || !slash[1])
		return NULL;
	dir = folder(t, path, (size_t)(slash - path));
	if (!*dir)
		return NULL;
	n = dir[1] ? strlen(dir) : 0;
	if (n + strlen(slash) >= PATH_MOST)
		return NULL;
	memcpy(full, dir, n);
	strcpy(full + n, slash);
	p = at(t, full, true);
	if (p && p->link) {
		if (!follow(t, full, true, out, &p))
			return NULL;
		strcpy(full, out);
	}
	if (real)
		*real = arena_str(&t->w.mem, full);
	return p ? p->o : NULL;
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
