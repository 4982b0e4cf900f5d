/* SPDX-License-Identifier: MIT */
/* so: dl.so.c
 * libs: -ldl
 * args: @WORK@
 * Forty cycles of dlopen, calls, dlclose; the library may come back at another address or at the same. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>
#include "check.h"

static int twice(int x)
{
	return 2 * x;
}

static void copy(const char *from, const char *to)
{
	char buf[65536];
	size_t n;
	FILE *a = fopen(from, "rb"), *b = fopen(to, "wb");

	while ((n = fread(buf, 1, sizeof(buf), a)) > 0)
		fwrite(buf, 1, n, b);
	fclose(a);
	fclose(b);
	chmod(to, 0755);
}

int main(int argc, char **argv)
{
	char path[4096], path2[4096];
	int total = 0;

	snprintf(path, sizeof(path), "%s/libdl.so", argv[1]);
	snprintf(path2, sizeof(path2), "%s/libdl2.so", argv[1]);
	copy(path, path2);
	for (int i = 0; i < 40; i++) {
		void *a = dlopen(path, i & 1 ? RTLD_NOW : RTLD_LAZY), *b = i % 3 ? dlopen(path2, RTLD_NOW) : NULL;
		int (*f)(int (*)(int), int);
		int *counter;

		CHECK(a != NULL);
		if (!a)
			break;
		*(void **)&f = dlsym(a, "apply");
		counter = dlsym(a, "counter");
		CHECK_EQ(*counter, 100);
		CHECK_EQ(f(twice, i), 2 * i + 101);
		CHECK_EQ(f(twice, i), 2 * i + 102);
		total += *counter;
		if (b) {
			*(void **)&f = dlsym(b, "apply");
			CHECK_EQ(f(twice, 5), 111);
			dlclose(b);
		}
		dlclose(a);
	}
	printf("%d\n", total);
	return check_done();
}
