/* SPDX-License-Identifier: MIT */
/*
 * One line on the terminal while the reading takes long. A thread of its own draws it; whoever writes a message calls
 * progress_hide() first, and the line comes back with the next turn.
 */
#include "progress.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "args.h"
#include "text.h"

#define FIRST_MS 1000
#define EACH_MS 200

static pthread_mutex_t drawing = PTHREAD_MUTEX_INITIALIZER;
static bool drawn;

static void draw(struct progress *p)
{
	uint64_t files = 0, bytes = 0, objects = 0;
	char line[160];
	struct timespec now;
	double s;
	int n;

	clock_gettime(CLOCK_MONOTONIC, &now);
	s = (double)(now.tv_sec - p->begin.tv_sec) + (double)(now.tv_nsec - p->begin.tv_nsec) * 1e-9;
	for (unsigned i = 0; i < p->n; i++) {
		files += __atomic_load_n(&p->w[i].r.files, __ATOMIC_RELAXED);
		bytes += __atomic_load_n(&p->w[i].r.bytes, __ATOMIC_RELAXED);
		objects += __atomic_load_n(&p->w[i].r.n, __ATOMIC_RELAXED);
	}
	n = snprintf(line, sizeof(line), "\r\033[Kgnomon: %llu files, %llu ELF images, %.0f MB/s, %.0f s",
		     (unsigned long long)files, (unsigned long long)objects, (double)bytes / 1e6 / s, s);
	pthread_mutex_lock(&drawing);
	drawn = write(2, line, (size_t)n) > 0;
	pthread_mutex_unlock(&drawing);
}

void progress_hide(void)
{
	pthread_mutex_lock(&drawing);
	if (drawn && write(2, "\r\033[K", 4) >= 0)
		drawn = false;
	pthread_mutex_unlock(&drawing);
}

static void *run(void *arg)
{
	struct progress *p = arg;
	struct timespec until = p->begin;
	long ms = FIRST_MS;

	pthread_mutex_lock(&p->lock);
	while (!p->stop) {
		until.tv_nsec += ms * 1000000;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&p->wake, &p->lock, &until);
		if (!p->stop)
			draw(p);
		ms = EACH_MS;
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

void progress_start(struct progress *p, struct audit *a, const struct worker *w, unsigned n)
{
	pthread_condattr_t attr;

	p->running = !a->o->quiet && isatty(2);
	if (!p->running)
		return;
	p->w = w;
	p->n = n;
	p->stop = false;
	clock_gettime(CLOCK_MONOTONIC, &p->begin);
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->wake, &attr);
	pthread_condattr_destroy(&attr);
	p->running = !pthread_create(&p->id, NULL, run, p);
}

void progress_stop(struct progress *p)
{
	if (!p->running)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->id, NULL);
	progress_hide();
}
