/* SPDX-License-Identifier: MIT */
/* libarchive, loaded at run time by the first thread that meets an archive. */
#include "archive_lib.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#define SONAME "libarchive.so.13"

struct archive_lib libarchive;
static const char *error;

static void load(void)
{
	void *so = dlopen(SONAME, RTLD_NOW | RTLD_LOCAL);

	if (!so) {
		const char *why = dlerror();

		error = why ? strdup(why) : SONAME " cannot be loaded";
		return;
	}
#define ARCHIVE_LOAD(name)                                  \
	*(void **)&libarchive.name = dlsym(so, #name);             \
	if (!libarchive.name)                                      \
		error = SONAME " has no " #name;
	ARCHIVE_FUNCTIONS(ARCHIVE_LOAD)
#undef ARCHIVE_LOAD
}

bool archive_lib_load(const char **why)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load);
	*why = error;
	return !error;
}
