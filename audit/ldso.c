/* SPDX-License-Identifier: MIT */
/*
 * Dynamic linkers and where they look. A glibc that lies somewhere else than the system's (a second one, built by hand)
 * has a cache and folders of its own below its prefix. Folders of glibc-hwcaps are left out: which of them counts
 * depends on the CPU, and a library's variants are judged by themselves.
 */
#include "ldso.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#define FLAG_ABI 0xff00u
#define FLAG_X86_64 0x0300u
#define INCLUDES_MOST 16

static void add_dir(struct tree *t, struct ldso *l, const char *dir)
{
	VEC_ADD(l->dirs, l->ndirs, l->room, (struct where){ .dir = arena_str(&t->w.mem, dir), .n = strlen(dir) });
}

/* ---- ld.so.conf */

struct conf {
	struct tree *t;
	struct ldso *l;
	unsigned deep;
};

static void conf_file(void *arg, const char *path)
{
	struct conf *c = arg;
	size_t n;
	char *text = c->deep < INCLUDES_MOST ? tree_text(c->t, path, &n) : NULL, *save = NULL;

	if (!text)
		return;
	c->deep++;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		line[strcspn(line, "#\r")] = 0;
		line += strspn(line, " \t");
		line[strcspn(line, " \t=")] = strncmp(line, "include", 7) ? 0 : line[strcspn(line, " \t=")];
		if (!strncmp(line, "include", 7)) {
			char *glob = line + 7 + strspn(line + 7, " \t"), *star = strstr(glob, "/*.conf");

			if (star && *glob == '/') {
				*star = 0;
				tree_confs(c->t, glob, conf_file, c);
			}
		} else if (*line == '/') {
			add_dir(c->t, c->l, line);
		}
	}
	c->deep--;
	free(text);
}

/* ---- the cache */

static void cached(void *arg, const char *name, const char *path, uint32_t flags, uint64_t hwcap)
{
	struct conf *c = arg;
	struct cached *e = arena_alloc(&c->t->w.mem, sizeof(*e)), **to;

	e->path = path;
	e->is64 = (flags & FLAG_ABI) == FLAG_X86_64;
	e->hwcap = hwcap != 0;
	to = (struct cached **)strmap_at(&c->l->cache, name);
	while (*to)
		to = &(*to)->next;
	*to = e;
}

static void configure(struct tree *t, struct ldso *l, const char *prefix)
{
	struct conf c = { t, l, 0 };
	char path[4200];
	size_t n;
	char *p;

	snprintf(path, sizeof(path), "%s/etc/ld.so.cache", prefix);
	p = tree_text(t, path, &n);
	if (p && ldcache_read(p, n, cached, &c))
		return; /* the names in it stay where they are */
	free(p);
	snprintf(path, sizeof(path), "%s/etc/ld.so.conf", prefix);
	conf_file(&c, path);
}

static void musl(struct tree *t, struct ldso *l)
{
	size_t n;
	char *text = tree_text(t, "/etc/ld-musl-x86_64.path", &n), *save = NULL;

	l->musl = true;
	if (!text) {
		add_dir(t, l, "/lib");
		add_dir(t, l, "/usr/local/lib");
		add_dir(t, l, "/usr/lib");
		return;
	}
	for (char *dir = strtok_r(text, ":\n", &save); dir; dir = strtok_r(NULL, ":\n", &save))
		add_dir(t, l, dir);
	free(text);
}

static void glibc(struct tree *t, struct ldso *l, const char *interp)
{
	static const char *const usual[] = {
		"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib",
		"/lib/i386-linux-gnu", "/usr/lib/i386-linux-gnu", "/lib32", "/usr/lib32",
	};
	char dir[4096], prefix[4096], *slash;

	l->mine = !strncmp(interp, "/lib", 4) || !strncmp(interp, "/usr/lib", 8);
	if (l->mine) {
		configure(t, l, "");
	} else {
		snprintf(dir, sizeof(dir), "%s", interp);
		if ((slash = strrchr(dir, '/')))
			*slash = 0;
		strcpy(prefix, dir);
		if ((slash = strrchr(prefix, '/')))
			*slash = 0;
		configure(t, l, prefix);
		add_dir(t, l, dir);
		return;
	}
	for (size_t i = 0; i < sizeof(usual) / sizeof(*usual); i++)
		add_dir(t, l, usual[i]);
}

struct ldso *ldso_of(struct tree *t, const char *interp)
{
	struct ldso *l;

	if (t->interp == interp)
		return t->linker;
	l = strmap_get(&t->linkers, interp);
	t->interp = interp;
	t->linker = l;
	if (l)
		return l;
	l = t->linker = arena_alloc(&t->w.mem, sizeof(*l));
	*strmap_at(&t->linkers, interp) = l;
	l->o = tree_find(t, interp);
	if (!l->o && t->packed && !strncmp(interp, "/lib", 4)) {
		/* packages are made for a root where /lib and /lib64 are links into /usr */
		char usr[4200];

		snprintf(usr, sizeof(usr), "/usr%s", interp);
		l->o = tree_find(t, usr);
	}
	if (l->o)
		l->o->flags |= OF_LINKER;
	if (strstr(interp, "/ld-musl-"))
		musl(t, l);
	else
		glibc(t, l, interp);
	return l;
}

/* ---- searching */

static bool fits(const struct obj *o, const struct obj *from)
{
	return o && o->bits == from->bits && o->machine == from->machine && o->type == ET_DYN;
}

struct hit *ldso_try(struct tree *t, struct where *w, const char *name, uint64_t hash, const struct obj *from)
{
	struct hit *h;
	struct obj *o;
	char *path;
	size_t n;

	if (!w->n || *w->dir != '/')
		return NULL;
	if (!w->looked) {
		w->looked = true;
		w->folder = tree_folder(t, w->dir, w->n);
	}
	o = w->folder ? tree_in(t, w->folder, name, hash) : NULL;
	if (!fits(o, from))
		return NULL;
	n = strlen(name) + 1;
	if (w->n + n > PATH_MOST + 1)
		return NULL;
	h = arena_alloc(&t->w.mem, sizeof(*h));
	h->o = o;
	h->path = path = arena_alloc(&t->w.mem, w->n + 1 + n);
	memcpy(path, w->dir, w->n);
	path[w->n] = '/';
	memcpy(path + w->n + 1, name, n);
	return h;
}

static struct hit *in_cache(struct tree *t, struct ldso *l, const char *name, uint64_t hash, const struct obj *from)
{
	for (struct cached *c = strmap_get_hashed(&l->cache, name, hash); c; c = c->next) {
		struct hit *h;
		struct obj *o;

		if (c->hwcap || c->is64 != (from->bits == 64) || strstr(c->path, "/glibc-hwcaps/"))
			continue;
		o = tree_find(t, c->path);
		if (!fits(o, from))
			continue;
		h = arena_alloc(&t->w.mem, sizeof(*h));
		*h = (struct hit){ o, c->path };
		return h;
	}
	return NULL;
}

struct hit *ldso_search(struct tree *t, struct ldso *l, const char *name, uint64_t hash, const struct obj *from)
{
	static struct hit none;
	struct hit **h;

	if (from->flags & OF_NODEFLIB)
		return NULL;
	h = (struct hit **)strmap_at_hashed(&l->found[from->bits == 32], name, hash);
	if (!*h) {
		*h = in_cache(t, l, name, hash, from);
		for (size_t i = 0; i < l->ndirs && !*h; i++)
			*h = ldso_try(t, &l->dirs[i], name, hash, from);
		*h = *h ? *h : &none;
	}
	return *h == &none ? NULL : *h;
}
