/* SPDX-License-Identifier: MIT */
/*
 * The queue of the reading step. What is named is begun in the order in which it is named, which leaves little to be
 * sorted; what is found in folders goes first, last in, first out, so that they are walked depth first and little is queued
 * at a time. A task that finds the queue long does its work itself instead of queueing it.
 */
#ifndef GNOMON_AUDIT_POOL_H
#define GNOMON_AUDIT_POOL_H

#include <pthread.h>

#include "worker.h"

/* a folder that was found; the tasks for what is in it share it. Its descriptor does not go with it: threads share none */
struct dir {
	unsigned refs;
	uint64_t dev;
	char path[]; /* in the root, "" for the root itself */
};
struct dir *dir_new(const char *path, uint64_t dev);
struct dir *dir_hold(struct dir *d);
void dir_drop(struct dir *d);

enum task_kind { TASK_DIR, TASK_FILES, TASK_NAMED };

struct task {
	struct task *next;
	enum task_kind kind;
	struct dir *dir;  /* DIR: that contains it; FILES: of the names */
	size_t used;	  /* of names: strings, each with its NUL */
	char names[1024]; /* DIR: one name. NAMED: paths in the root */
};

struct pool;
typedef void task_fn(struct pool *p, struct worker *w, struct task *t);

struct pool {
	pthread_mutex_t lock;
	pthread_cond_t more; /* something was queued, or all is done */
	struct task *top;	   /* DIR, FILES */
	struct task *first, *last; /* NAMED */
	size_t queued;
	unsigned busy;
	bool open;	     /* more will be put in from outside */
	task_fn *run;
	struct audit *a;
	struct worker *workers;
	unsigned n;
};

void pool_run(struct pool *p, struct audit *a, unsigned threads, task_fn *run, void (*feed)(struct pool *p, void *arg),
	      void *arg);
void pool_put(struct pool *p, struct task *t);
bool pool_long(struct pool *p);
/* adds a name to a batch; false: no room */
bool task_add(struct task *t, const char *name);
struct task *task_new(enum task_kind kind, struct dir *dir); /* takes a reference of dir's over */

#endif
