/* SPDX-License-Identifier: MIT */
/*
 * A thread's place in the table: reserved before it is made, so that no scan can miss it, taken at its start, and
 * loosened at its end or when somebody waits for it. Threads that libc makes for itself (timers, asynchronous name
 * look-ups) and those of raw clone calls are not in it.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <threads.h>

#include "guard.h"

static int (*next_pthread_create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
static int (*next_pthread_join)(pthread_t, void **);
static int (*next_pthread_tryjoin_np)(pthread_t, void **);
static int (*next_pthread_timedjoin_np)(pthread_t, void **, const struct timespec *);
static int (*next_pthread_clockjoin_np)(pthread_t, void **, clockid_t, const struct timespec *);
static int (*next_thrd_create)(thrd_t *, thrd_start_t, void *);
static int (*next_thrd_join)(thrd_t, int *);

static pthread_key_t end_key;
static bool have_key;

#define FIND(f) (*(void **)&next_##f = dlsym(RTLD_NEXT, #f))
#define NEXT(f) (next_##f ? next_##f : (FIND(f), next_##f))

static void at_end(void *p)
{
	heads_leave(p);
}

void threads_init(void)
{
	FIND(pthread_create);
	FIND(pthread_join);
	FIND(pthread_tryjoin_np);
	FIND(pthread_timedjoin_np);
	FIND(pthread_clockjoin_np);
	FIND(thrd_create);
	FIND(thrd_join);
	have_key = !pthread_key_create(&end_key, at_end);
}

/* in the new thread */
static void begin(struct slot *s)
{
	heads_enter(s);
	/* without last words its memory could go while it is read as it is */
	if (!have_key || pthread_setspecific(end_key, s))
		heads_leave(s);
}

static void *run(void *p)
{
	struct slot *s = p;
	void *(*start)(void *) = s->start;
	void *arg = s->arg;

	begin(s);
	return start(arg);
}

static int run_c11(void *p)
{
	struct slot *s = p;
	thrd_start_t start = (thrd_start_t)(void (*)(void))s->start;
	void *arg = s->arg;

	begin(s);
	return start(arg);
}

API int pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
	struct slot *s = heads_reserve();
	int r;

	if (!s)
		return NEXT(pthread_create)(t, attr, start, arg);
	s->start = start;
	s->arg = arg;
	r = NEXT(pthread_create)(t, attr, run, s);
	if (r)
		heads_cancel(s);
	return r;
}

API int thrd_create(thrd_t *t, thrd_start_t start, void *arg)
{
	struct slot *s = heads_reserve();
	int r;

	if (!s)
		return NEXT(thrd_create)(t, start, arg);
	s->start = (void *(*)(void *))(void (*)(void))start;
	s->arg = arg;
	r = NEXT(thrd_create)(t, run_c11, s);
	if (r != thrd_success)
		heads_cancel(s);
	return r;
}

#define JOIN(name, thread, call)                      \
	do {                                          \
		int r;                                \
						      \
		heads_joining((uintptr_t)(thread));   \
		r = NEXT(name) call;                  \
		if (!r)                               \
			heads_joined((uintptr_t)(thread)); \
		return r;                             \
	} while (0)

API int pthread_join(pthread_t t, void **value)
{
	JOIN(pthread_join, t, (t, value));
}

API int pthread_tryjoin_np(pthread_t t, void **value)
{
	JOIN(pthread_tryjoin_np, t, (t, value));
}

API int pthread_timedjoin_np(pthread_t t, void **value, const struct timespec *until)
{
	JOIN(pthread_timedjoin_np, t, (t, value, until));
}

API int pthread_clockjoin_np(pthread_t t, void **value, clockid_t clock, const struct timespec *until)
{
	JOIN(pthread_clockjoin_np, t, (t, value, clock, until));
}

API int thrd_join(thrd_t t, int *value)
{
	JOIN(thrd_join, t, (t, value));
}
