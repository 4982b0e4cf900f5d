/* SPDX-License-Identifier: MIT */
/* The line of progress on the terminal. */
#ifndef GNOMON_AUDIT_PROGRESS_H
#define GNOMON_AUDIT_PROGRESS_H

#include <pthread.h>
#include <time.h>

#include "worker.h"

struct progress {
	bool running, stop;
	pthread_t id;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct timespec begin;
	const struct worker *w;
	unsigned n;
};

void progress_start(struct progress *p, struct audit *a, const struct worker *w, unsigned n);
void progress_stop(struct progress *p);
void progress_hide(void); /* before a message */

#endif
