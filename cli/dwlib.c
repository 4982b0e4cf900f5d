/* SPDX-License-Identifier: MIT */
/* Libraries that are only needed once there is something to say. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "dwlib.h"

const struct dwlib *dwlib(const char **why)
{
	static struct dwlib lib;
	static const char *error;
	static bool tried, good;
	void *so;

	if (!tried) {
		tried = true;
		/* no look-ups over the network in the middle of a run */
		unsetenv("DEBUGINFOD_URLS");
		so = dlopen("libdw.so.1", RTLD_NOW | RTLD_LOCAL);
		good = so != NULL;
		if (!so)
			error = strdup(dlerror());
#define DW_LOAD(name)                                                        \
	if (good) {                                                          \
		*(void **)&lib.name = dlsym(so, #name);                      \
		if (!lib.name) {                                             \
			good = false;                                        \
			error = "libdw.so.1 has no " #name;                  \
		}                                                            \
	}
		DW_FUNCTIONS(DW_LOAD)
#undef DW_LOAD
	}
	if (why)
		*why = error;
	return good ? &lib : NULL;
}

char *demangle(const char *name)
{
	static char *(*cxa)(const char *, char *, size_t *, int *);
	static bool tried;
	int status = 0;
	void *so;

	if (strncmp(name, "_Z", 2))
		return NULL;
	if (!tried) {
		tried = true;
		so = dlopen("libstdc++.so.6", RTLD_NOW | RTLD_LOCAL);
		if (so)
			*(void **)&cxa = dlsym(so, "__cxa_demangle");
	}
	return cxa ? cxa(name, NULL, NULL, &status) : NULL;
}
