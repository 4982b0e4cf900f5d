/* SPDX-License-Identifier: MIT */
/* variant: dynamic:
 * variant: static: -static
 * args: first "second arg"
 * libs: -pthread
 * What /proc says is about the program and not the engine: exe, cmdline, comm, maps, environ, auxv, stat, fd. */
#define _GNU_SOURCE
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "check.h"

static char big[1 << 20];

static size_t slurp(const char *path)
{
	size_t n = 0;
	ssize_t r;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	while ((r = read(fd, big + n, sizeof(big) - 1 - n)) > 0)
		n += (size_t)r;
	close(fd);
	big[n] = 0;
	return n;
}

static void exe_is_ours(const char *proc, const char *self)
{
	char path[256], buf[4096];
	struct stat a, b;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%s/exe", proc);
	n = readlink(path, buf, sizeof(buf) - 1);
	buf[n > 0 ? n : 0] = 0;
	CHECK(!strcmp(buf, self));
	CHECK(stat(path, &a) == 0 && stat(self, &b) == 0 && a.st_ino == b.st_ino);
	int fd = open(path, O_RDONLY);
	CHECK(fd >= 0 && fstat(fd, &a) == 0 && a.st_ino == b.st_ino);
	close(fd);
}

struct line {
	unsigned long lo, hi;
	char perm[5], path[300];
};

static int maps(const char *path, struct line *l, int max)
{
	int n = 0;
	char *p = big;

	slurp(path);
	while (n < max && *p) {
		char *end = strchr(p, '\n');
		unsigned long off;

		if (!end)
			break;
		*end = 0;
		l[n].path[0] = 0;
		if (sscanf(p, "%lx-%lx %4s %lx %*s %*s %299[^\n]", &l[n].lo, &l[n].hi, l[n].perm, &off, l[n].path) >= 4)
			n++;
		p = end + 1;
	}
	return n;
}

static int find(struct line *l, int n, const void *p)
{
	for (int i = 0; i < n; i++)
		if ((unsigned long)p >= l[i].lo && (unsigned long)p < l[i].hi)
			return i;
	return -1;
}

static struct line lines[3000];
static int data = 1;

static void *in_thread(void *p)
{
	exe_is_ours("thread-self", p);
	return NULL;
}

int main(int argc, char **argv)
{
	char *self = realpath(argv[0], NULL), buf[4096];
	int n, i, status;
	pthread_t t;
	char *m;

	exe_is_ours("self", self);
	snprintf(buf, sizeof(buf), "%d", getpid());
	exe_is_ours(buf, self);
	pthread_create(&t, NULL, in_thread, self);
	pthread_join(t, NULL);
	if (fork() == 0) {
		exe_is_ours("self", self);
		_exit(check_failed);
	}
	wait(&status);
	CHECK_EQ(status, 0);

	/* the argument block */
	CHECK_EQ(slurp("/proc/self/cmdline"), strlen(argv[0]) + strlen(argv[1]) + strlen(argv[2]) + 3);
	CHECK(!memcmp(big, argv[0], strlen(argv[0]) + 1 + strlen(argv[1]) + 1 + strlen(argv[2]) + 1));
	argv[1][0] = 'F'; /* programs change their title in place */
	slurp("/proc/self/cmdline");
	CHECK(!strcmp(big + strlen(argv[0]) + 1, "First"));
	slurp("/proc/self/comm");
	CHECK(!strcmp(big, "prog\n"));
	prctl(PR_GET_NAME, buf);
	CHECK(!strcmp(buf, "prog"));
	prctl(PR_SET_NAME, "other");
	slurp("/proc/self/comm");
	CHECK(!strcmp(big, "other\n"));
	slurp("/proc/self/stat");
	CHECK(strstr(big, "(other)"));
	slurp("/proc/self/status");
	CHECK(!strncmp(big, "Name:\tother\n", 12));
	n = (int)slurp("/proc/self/environ");
	CHECK(n > 0 && memmem(big, (size_t)n, "TZ=UTC0", 8));
	/* auxv as on the stack */
	n = (int)slurp("/proc/self/auxv");
	CHECK(n % 16 == 0);
	for (Elf64_auxv_t *a = (void *)big; a->a_type && (char *)a < big + n; a++)
		CHECK(a->a_type == AT_HWCAP || a->a_type == AT_PLATFORM || a->a_un.a_val == getauxval(a->a_type));

	/* maps: what is there with its rights; nothing of the engine; sorted */
	n = maps("/proc/self/maps", lines, 3000);
	CHECK(n > 5);
	for (i = 1; i < n; i++)
		CHECK(lines[i].lo >= lines[i - 1].hi);
	for (i = 0; i < n; i++)
		if (strstr(lines[i].path, "gnomon-engine") || strstr(lines[i].path, "gnomon-board") || strstr(lines[i].path, "memfd:"))
			CHECK(!"the engine's mapping is shown");
	i = find(lines, n, (void *)(unsigned long)main);
	CHECK(i >= 0 && !strcmp(lines[i].perm, "r-xp") && !strcmp(lines[i].path, self));
	i = find(lines, n, &data);
	CHECK(i >= 0 && !strcmp(lines[i].perm, "rw-p"));
	i = find(lines, n, &i);
	CHECK(i >= 0 && !strcmp(lines[i].path, "[stack]"));
	i = find(lines, n, sbrk(0) - 1);
	CHECK(i >= 0 && !strcmp(lines[i].path, "[heap]"));
	i = find(lines, n, (void *)getauxval(AT_SYSINFO_EHDR));
	CHECK(i >= 0 && !strcmp(lines[i].path, "[vdso]") && !strcmp(lines[i].perm, "r-xp"));
	/* what the program maps and changes is shown as it asked */
	m = mmap(NULL, 5 * 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	m[4096] = (char)0xc3;
	((void (*)(void))(m + 4096))();
	mprotect(m + 2 * 4096, 4096, PROT_NONE);
	n = maps("/proc/self/maps", lines, 3000);
	i = find(lines, n, m + 4096);
	CHECK(i >= 0 && !strcmp(lines[i].perm, "rwxp") && lines[i].hi == (unsigned long)m + 8192);
	i = find(lines, n, m + 2 * 4096);
	CHECK(i >= 0 && !strcmp(lines[i].perm, "---p"));
	i = find(lines, n, m + 3 * 4096);
	CHECK(i >= 0 && !strcmp(lines[i].perm, "rwxp"));
	munmap(m, 5 * 4096);
	n = maps("/proc/self/maps", lines, 3000);
	CHECK(find(lines, n, m + 4096) < 0);
	n = maps("/proc/thread-self/maps", lines, 3000);
	CHECK(find(lines, n, &i) >= 0);
	/* smaps begins each mapping with the same line */
	CHECK(slurp("/proc/self/smaps") > 1000);
	CHECK(strstr(big, "[stack]") && !strstr(big, "gnomon-engine"));

	/* descriptors: no others than natively */
	{
		DIR *d = opendir("/proc/self/fd");
		struct dirent *e;
		int count = 0, high = 0;

		while ((e = readdir(d)))
			if (e->d_name[0] != '.') {
				count++;
				if (atoi(e->d_name) > high)
					high = atoi(e->d_name);
			}
		closedir(d);
		CHECK_EQ(high < 100, 1);
		CHECK_EQ(count <= 8, 1);
	}
	/* a new descriptor is the lowest free one */
	i = open("/dev/null", O_RDONLY);
	for (n = i + 1; fcntl(n, F_GETFD) >= 0;)
		n++;
	CHECK(dup(i) == n);
	close(n);
	/* closing everything is harmless */
	if (fork() == 0) {
		for (int fd = 3; fd < 2000; fd++)
			close(fd);
		execl("/bin/sh", "sh", "-c", "echo survived", NULL);
		_exit(1);
	}
	wait(&status);
	CHECK_EQ(status, 0);
	if (fork() == 0) {
		close_range(3, ~0u, 0);
		execl("/bin/sh", "sh", "-c", "echo survived too", NULL);
		_exit(1);
	}
	wait(&status);
	CHECK_EQ(status, 0);
	return check_done();
}
