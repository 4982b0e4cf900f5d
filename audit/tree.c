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
#include "walk.h"

#define LINKS_MOST 40
#define PATH_MOST 4096

struct place {
	struct obj *o;
	const char *link;
	bool seen; /* known whether it is a link */
	bool read; /* known whether it is an object */
};

static struct place *place(struct tree *t, const char *path)
{
	struct place *p = strmap_get(&t->places, path);

	if (!p) {
		p = arena_alloc(&t->w.mem, sizeof(*p));
		*strmap_at(&t->places, arena_str(&t->w.mem, path)) = p;
	}
	return p;
}

/* ---- filling it */

/* layers of an image are told apart by where its list of them names them; everything else by what comes first */
static size_t rank(const struct audit *a, const struct obj *in)
{
	for (size_t i = 0; i < a->ntexts; i++) {
		const char *at;

		if (!strcmp(a->texts[i].path, "manifest.json") && a->texts[i].in == in->in &&
		    (at = strstr(a->texts[i].text, in->path)))
			return (size_t)(at - a->texts[i].text) + 1;
	}
	return 0;
}

struct layer {
	struct obj *o;
	size_t asked, rank, at;
};

static int by_rank(const void *x, const void *y)
{
	const struct layer *a = x, *b = y;

	if (a->asked != b->asked)
		return a->asked < b->asked ? -1 : 1;
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	return a->at < b->at ? -1 : a->at > b->at;
}

/* the place on the command line of the archive that this is, or is in; the last for what a folder or a list brought */
static size_t asked_at(const struct audit *a, const struct strmap *asked, const struct obj *o)
{
	const char **at;

	while (o->in)
		o = o->in;
	at = strmap_get(asked, o->path);
	return at ? (size_t)(at - a->asked) : a->nasked;
}

static void hide(struct tree *t, const char *path)
{
	char *base = strrchr(path, '/'), full[PATH_MOST + 2];
	bool all = !strcmp(base ? base + 1 : path, ".wh..wh..opq");
	size_t n = base ? (size_t)(base - path) : 0;

	if (strlen(path) >= PATH_MOST)
		return;
	n = (size_t)snprintf(full, sizeof(full), "/%.*s%s%s", (int)n, path, n ? "/" : "",
			     all ? "" : (base ? base + 1 : path) + 4);
	for (size_t i = 0; i < t->places.size; i++) {
		struct strmap_slot *s = &t->places.slots[i];

		if (s->key && !strncmp(s->key, full, n) && (all || !s->key[n] || s->key[n] == '/'))
			memset(s->value, 0, sizeof(struct place));
	}
}

static void put(struct tree *t, const char *path, struct obj *o, const char *link)
{
	char full[PATH_MOST + 2];

	if (strlen(path) >= PATH_MOST)
		return;
	snprintf(full, sizeof(full), "%s%s", *path == '/' ? "" : "/", path);
	*place(t, full) = (struct place){ o, link, true, true };
}

/* objects or links by the archive they are in: an archive of packages has as many of them as it has members */
struct member {
	const struct obj *in;
	size_t i;
};

struct members {
	struct member *v;
	size_t n;
};

static int by_archive(const void *x, const void *y)
{
	const struct member *a = x, *b = y;

	if (a->in != b->in)
		return (uintptr_t)a->in < (uintptr_t)b->in ? -1 : 1;
	return a->i < b->i ? -1 : a->i > b->i;
}

static struct members members_of_objs(const struct audit *a)
{
	struct members m = { xmalloc(a->n * sizeof(*m.v)), a->n };

	for (size_t i = 0; i < m.n; i++)
		m.v[i] = (struct member){ a->objs[i]->in, i };
	qsort(m.v, m.n, sizeof(*m.v), by_archive);
	return m;
}

static struct members members_of_links(const struct audit *a)
{
	struct members m = { xmalloc(a->nlinks * sizeof(*m.v)), a->nlinks };

	for (size_t i = 0; i < m.n; i++)
		m.v[i] = (struct member){ a->links[i].in, i };
	qsort(m.v, m.n, sizeof(*m.v), by_archive);
	return m;
}

/* the first of an archive's; they end where another's begin */
static const struct member *members_in(const struct members *m, const struct obj *in)
{
	size_t lo = 0, hi = m->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if ((uintptr_t)m->v[mid].in < (uintptr_t)in)
			lo = mid + 1;
		else
			hi = mid;
	}
	return m->v + lo;
}

/* what one archive has, over what those before it had; NULL: the root */
static void fill(struct tree *t, const struct members *objs, const struct members *links, const struct obj *in)
{
	const struct member *o = members_in(objs, in), *first = members_in(links, in);
	struct audit *a = t->a;

	for (const struct member *l = first; l < links->v + links->n && l->in == in; l++)
		if (!a->links[l->i].target)
			hide(t, a->links[l->i].path);
	for (; o < objs->v + objs->n && o->in == in; o++)
		put(t, a->objs[o->i]->path, a->objs[o->i], NULL);
	for (const struct member *l = first; l < links->v + links->n && l->in == in; l++)
		if (a->links[l->i].target)
			put(t, a->links[l->i].path, NULL, a->links[l->i].target);
}

static size_t layers_of(const struct audit *a, struct layer *layers)
{
	struct strmap asked = { 0 };
	size_t n = 0;

	for (size_t i = a->nasked; i-- > 0;) /* the first of two counts */
		*strmap_at(&asked, a->asked[i]) = (void *)&a->asked[i];
	for (size_t i = 0; i < a->n; i++) {
		struct obj *o = a->objs[i];

		if (o->kind == K_ARCHIVE)
			layers[n++] = (struct layer){ o, asked_at(a, &asked, o), rank(a, o), i };
	}
	strmap_free(&asked);
	qsort(layers, n, sizeof(*layers), by_rank);
	return n;
}

void tree_make(struct tree *t, struct audit *a, bool packed)
{
	struct members objs = members_of_objs(a), links = members_of_links(a);

	memset(t, 0, sizeof(*t));
	t->a = a;
	t->packed = packed;
	t->live = a->live && (!packed || a->o->rootfd >= 0);
	t->w.a = a;
	if (packed) {
		struct layer *layers = xmalloc(a->n * sizeof(*layers));
		size_t n = layers_of(a, layers);

		for (size_t i = 0; i < n; i++)
			fill(t, &objs, &links, layers[i].o);
		free(layers);
	} else {
		fill(t, &objs, &links, NULL);
	}
	free(objs.v);
	free(links.v);
}

void tree_done(struct tree *t)
{
	struct audit *a = t->a;

	for (size_t i = 0; i < t->w.n; i++) {
		a->objs = grow(a->objs, a->n, &a->room, sizeof(*a->objs));
		a->objs[a->n++] = t->w.objs[i];
	}
	for (size_t i = 0; i < t->w.nlinks; i++) {
		a->links = grow(a->links, a->nlinks, &a->links_room, sizeof(*a->links));
		a->links[a->nlinks++] = t->w.links[i];
	}
	free(t->w.objs);
	free(t->w.links);
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
	p = place(t, path);
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
		p->o = walk_one(t, path);
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

/* folders repeat: their names without links are kept */
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

	if (!slash || !slash[1])
		return NULL;
	dir = folder(t, path, (size_t)(slash - path));
	if (snprintf(full, sizeof(full), "%s%s", dir[1] ? dir : "", slash) >= PATH_MOST)
		return NULL;
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

	for (size_t i = 0; t->packed && i < t->a->ntexts; i++)
		if (!strcmp(t->a->texts[i].path, path + 1)) {
			*n = strlen(t->a->texts[i].text);
			return xstrdup(t->a->texts[i].text);
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
			names = grow(names, n, &room, sizeof(*names));
			names[n++] = xstrdup(path);
		}
	}
	if (d)
		closedir(d);
	for (size_t i = 0; t->packed && i < t->a->ntexts; i++)
		if (!strncmp(t->a->texts[i].path, dir + 1, len - 1) && t->a->texts[i].path[len - 1] == '/') {
			names = grow(names, n, &room, sizeof(*names));
			snprintf(path, sizeof(path), "/%.*s", PATH_MOST, t->a->texts[i].path);
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
