/* SPDX-License-Identifier: MIT */
/* variant: static: -static
 * variant: static-pie: -static-pie
 * variant: pie: -pie
 * variant: no-pie: -no-pie
 * variant: now: -Wl,-z,now
 * variant: hash-style: -Wl,--hash-style=sysv
 * variant: musl: musl-gcc
 * variant: musl-static: musl-gcc -static
 * variant: cet-marked: -fcf-protection=full -Wl,-z,ibt,-z,shstk
 * variant: O3: -O3 -march=x86-64-v3
 * args: alpha beta
 * verdict: clean
 * An ordinary program in every way of linking it: constructors, stdio, malloc, qsort, locale, atexit, threads' absence. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int order = 1;
static void __attribute__((constructor)) first(void)
{
	order = order * 10 + 2;
}
static void __attribute__((destructor)) last(void)
{
	write(1, "destructor\n", 11);
}
static void at_exit(void)
{
	puts("atexit");
	fflush(stdout);
}

static int cmp(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

int main(int argc, char **argv)
{
	int v[100];
	char *p = NULL;
	size_t total = 0;
	time_t t = 1700000000;

	atexit(at_exit);
	for (int i = 0; i < argc; i++)
		printf("%d: %s\n", i, i ? argv[i] : strrchr(argv[i], '/') + 1);
	for (int i = 0; i < 100; i++)
		v[i] = i * 7919 % 101;
	qsort(v, 100, sizeof(*v), cmp);
	printf("%d %d %d %d\n", order, v[0], v[50], v[99]);
	for (int i = 1; i < 3000; i++) {
		p = realloc(p, (size_t)i * 97);
		p[(size_t)i * 97 - 1] = (char)i;
		total += (size_t)p[i * 97 - 1] & 255;
	}
	free(p);
	printf("%zu %.6f %s", total, strtod("3.25e2", NULL) / 7, asctime(gmtime(&t)));
	errno = 0;
	printf("%ld %d %s\n", strtol("999999999999999999999", NULL, 10) == __LONG_MAX__ ? 1l : 0l, errno == ERANGE,
	       strerror(ENOENT));
	return argc == 3 ? 0 : 9;
}
