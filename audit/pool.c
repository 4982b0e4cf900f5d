/* SPDX-License-Identifier: MIT */
/* Threads and their queue; the line of progress is drawn by the thread that waits for them. */
#include "pool.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "progress.h"
#include "text.h"

#define LONG_QUEUE 4096

struct dir *dir_new(const char *path, uint64_t dev)
{
	size_t n = strlen(path) + 1;
	struct dir *d = xmalloc(sizeof(*d) + n);

	d->refs = 1;
	d->dev = dev;
	memcpy(d->path, path, n);
	return d;
}

struct dir *dir_hold(struct dir *d)
{
	__atomic_add_fetch(&d->refs, 1, __ATOMIC_RELAXED);
	return d;
}

void dir_drop(struct dir *d)
{
	if (d && !__atomic_sub_fetch(&d->refs, 1, __ATOMIC_ACQ_REL))
		free(d);
}

struct task *task_new(enum task_kind kind, struct dir *dir)
{
	struct task *t = xmalloc(sizeof(*t));

	t->kind = kind;
	t->dir = dir;
	t->used = 0;
	return t;
}

bool task_add(struct task *t, const char *name)
{
	size_t n = strlen(name) + 1;

	if (n > sizeof(t->names) - t->used)
		return false;
	memcpy(t->names + t->used, name, n);
	t->used += n;
	return true;
}

bool pool_long(struct pool *p)
{
	return __atomic_load_n(&p->queued, __ATOMIC_RELAXED) > LONG_QUEUE;
}

void pool_put(struct pool *p, struct task *t)
{
	pthread_mutex_lock(&p->lock);
	if (t->kind == TASK_NAMED) {
		t->next = NULL;
		*(p->first ? &p->last->next : &p->first) = t;
		p->last = t;
	} else {
		t->next = p->top;
		p->top = t;
	}
	__atomic_store_n(&p->queued, p->queued + 1, __ATOMIC_RELAXED);
	pthread_cond_signal(&p->more);
	pthread_mutex_unlock(&p->lock);
}

static struct task *take(struct pool *p, bool first)
{
	struct task *t;

	pthread_mutex_lock(&p->lock);
	if (!first)
		p->busy--;
	while (!p->top && !p->first && (p->busy || p->open))
		pthread_cond_wait(&p->more, &p->lock);
	t = p->top ? p->top : p->first;
	if (t) {
		*(p->top ? &p->top : &p->first) = t->next;
		p->busy++;
		__atomic_store_n(&p->queued, p->queued - 1, __ATOMIC_RELAXED);
	} else {
		pthread_cond_broadcast(&p->more);
	}
	pthread_mutex_unlock(&p->lock);
	return t;
}

struct thread {
	pthread_t id;
	struct pool *p;
	struct worker *w;
};

static void *work(void *arg)
{
	struct thread *t = arg;
	struct task *task;

	/*
	 * A table of descriptors of its own: in one that is shared every use of a descriptor counts in its file, and every open
	 * and close takes the table's lock. Where the kernel refuses, it goes on in the shared one.
	 */
	(void)!unshare(CLONE_FILES);
	for (bool first = true; (task = take(t->p, first)); first = false) {
		t->p->run(t->p, t->w, task);
		dir_drop(task->dir);
		free(task);
	}
	code_free(t->w->code);
	t->w->code = NULL;
	if (t->w->dir_fd >= 0)
		close(t->w->dir_fd);
	text_rooms_free();
	return NULL;
}

static void close_feed(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	p->open = false;
	pthread_cond_broadcast(&p->more);
	pthread_mutex_unlock(&p->lock);
}

void pool_run(struct pool *p, struct audit *a, unsigned threads, task_fn *run, void (*feed)(struct pool *p, void *arg),
	      void *arg)
{
	struct thread *t = xmalloc(threads * sizeof(*t));
	struct progress pr;

	memset(p, 0, sizeof(*p));
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->more, NULL);
	p->run = run;
	p->a = a;
	p->open = true;
	p->n = threads;
	p->workers = xzalloc(threads * sizeof(*p->workers));
	progress_start(&pr, a, p->workers, threads);
	for (unsigned i = 0; i < threads; i++) {
		p->workers[i].a = a;
		p->workers[i].dir_fd = -1;
		t[i] = (struct thread){ .p = p, .w = &p->workers[i] };
		if (pthread_create(&t[i].id, NULL, work, &t[i]))
			die("cannot start a thread");
	}
	feed(p, arg);
	close_feed(p);
	for (unsigned i = 0; i < threads; i++)
		pthread_join(t[i].id, NULL);
	progress_stop(&pr);
	free(t);
	pthread_cond_destroy(&p->more);
	pthread_mutex_destroy(&p->lock);
}
