/* SPDX-License-Identifier: MIT */
/* libs: -pthread
 * /proc/self/fd has the program's descriptors and no others, by every name, call and buffer size; and none of the
 * others can be opened, closed, copied or looked at. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include "check.h"

#define TOP 4096
static char listed[TOP], open_now[TOP];

static int lowest_free(void)
{
	for (int fd = 0; fd < TOP; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			return fd;
	return -1;
}

struct dirent64_ {
	unsigned long ino, off;
	unsigned short reclen;
	char type, name[];
};
struct dirent_ {
	unsigned long ino, off;
	unsigned short reclen;
	char name[];
};

/* lists by one of the two calls, with room for a few entries at a time */
static int list(const char *path, int nr, unsigned room)
{
	char buf[32768];
	int fd = open(path, O_RDONLY | O_DIRECTORY), found = 0;
	long n;

	memset(listed, 0, sizeof(listed));
	if (fd < 0)
		return -1;
	while ((n = syscall(nr, fd, buf, room)) > 0)
		for (long o = 0; o < n;) {
			struct dirent64_ *d64 = (void *)(buf + o);
			struct dirent_ *d = (void *)(buf + o);
			char *name = nr == SYS_getdents64 ? d64->name : d->name;

			CHECK_EQ(nr == SYS_getdents64 ? d64->type : buf[o + d->reclen - 1], name[0] == '.' ? DT_DIR : strstr(path, "info") ? DT_REG : DT_LNK);
			if (name[0] != '.') {
				CHECK(atoi(name) < TOP && !listed[atoi(name)]);
				listed[atoi(name)] = 1;
				found++;
			}
			o += d->reclen;
		}
	CHECK_EQ(n, 0);
	close(fd);
	CHECK(listed[fd]);
	listed[fd] = 0;
	return found - 1;
}

static void same_as_open(const char *path)
{
	static const unsigned rooms[] = { 32, 64, 200, 1024, 32768 };
	int count = 0;

	for (int fd = 0; fd < TOP; fd++)
		count += open_now[fd] = fcntl(fd, F_GETFD) >= 0;
	for (int i = 0; i < 10; i++) {
		CHECK_EQ(list(path, i % 2 ? SYS_getdents : SYS_getdents64, rooms[i / 2]), count);
		CHECK(!memcmp(listed, open_now, TOP));
	}
}

static void *in_thread(void *p)
{
	char path[64];

	same_as_open("/proc/thread-self/fd");
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)syscall(SYS_gettid));
	same_as_open(path);
	snprintf(path, sizeof(path), "/proc/self/task/%d/fd", (int)syscall(SYS_gettid));
	same_as_open(path);
	return p;
}

/* nothing of a number that is not open can be had */
static void absent(int fd)
{
	static const char *const dirs[] = { "/proc/self/fd/", "/proc/self/fdinfo/", "/dev/fd/", "/proc/thread-self/fd/", NULL };
	char path[64], rest[64], buf[64], own[64];
	struct stat st;
	int dir;

	CHECK(fcntl(fd, F_GETFD) < 0 && errno == EBADF);
	CHECK(fstat(fd, &st) < 0 && errno == EBADF);
	CHECK(dup(fd) < 0 && errno == EBADF);
	CHECK(close(fd) < 0 && errno == EBADF);
	CHECK(read(fd, buf, 1) < 0 && errno == EBADF);
	snprintf(own, sizeof(own), "/proc/%d/fd/", getpid());
	for (int i = 0; i < 5; i++) {
		snprintf(path, sizeof(path), "%s%d", dirs[i] ? dirs[i] : own, fd);
		CHECK(readlink(path, buf, sizeof(buf)) < 0 && errno == ENOENT);
		CHECK(open(path, O_RDONLY) < 0 && errno == ENOENT);
		CHECK(open(path, O_PATH | O_NOFOLLOW) < 0 && errno == ENOENT);
		CHECK(stat(path, &st) < 0 && errno == ENOENT);
		CHECK(lstat(path, &st) < 0 && errno == ENOENT);
		CHECK(access(path, F_OK) < 0 && errno == ENOENT);
		CHECK(syscall(SYS_lstat, path, &st) < 0 && errno == ENOENT);
		CHECK(syscall(SYS_stat, path, &st) < 0 && errno == ENOENT);
	}
	dir = open("/proc/self/fd", O_RDONLY | O_DIRECTORY);
	snprintf(rest, sizeof(rest), "%d", fd);
	CHECK(openat(dir, rest, O_RDONLY) < 0 && errno == ENOENT);
	CHECK(readlinkat(dir, rest, buf, sizeof(buf)) < 0 && errno == ENOENT);
	CHECK(fstatat(dir, rest, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT);
	close(dir);
}

static void present(int fd)
{
	char path[64], buf[64], rest[16];
	struct stat a, b;
	int dir = open("/proc/self/fd", O_RDONLY | O_DIRECTORY), again;

	snprintf(path, sizeof(path), "/dev/fd/%d", fd);
	snprintf(rest, sizeof(rest), "%d", fd);
	CHECK(readlink(path, buf, sizeof(buf)) == 9 && !memcmp(buf, "/dev/null", 9));
	CHECK(readlinkat(dir, rest, buf, sizeof(buf)) == 9);
	CHECK(stat(path, &a) == 0 && fstat(fd, &b) == 0 && a.st_rdev == b.st_rdev);
	again = open(path, O_RDONLY);
	CHECK(again >= 0);
	CHECK_EQ(close(again), 0);
	CHECK_EQ(close(dir), 0);
}

/* every number that is handed out is the program's, in itself and behind a failed exec */
static void all_numbers(void)
{
	static int given[1200];
	char *no[] = { NULL };
	struct rlimit lim = { 0 };
	int n = 0;

	getrlimit(RLIMIT_NOFILE, &lim);
	lim.rlim_cur = lim.rlim_max < TOP ? lim.rlim_max : TOP;
	setrlimit(RLIMIT_NOFILE, &lim);
	CHECK(execve("/dev/null", no, no) < 0);
	while (n < 1200 && (given[n] = open("/dev/null", O_RDONLY)) >= 0)
		present(given[n++]);
	while (n--)
		CHECK_EQ(close(given[n]), 0);
}

int main(int argc, char **argv)
{
	int low = lowest_free(), fd = open("/dev/null", O_RDONLY), status, high, file;
	char path[64], numbers[16];
	pthread_t t;

	all_numbers();
	if (argc > 1)
		return check_failed;
	if (fork() == 0) {
		execl("/proc/self/exe", argv[0], "again", NULL);
		_exit(1);
	}
	wait(&status);
	CHECK_EQ(status, 0);
	CHECK_EQ(fd, low);
	same_as_open("/proc/self/fd");
	same_as_open("/proc/self/fdinfo");
	same_as_open("/dev/fd/");
	snprintf(path, sizeof(path), "/proc/%d/fd", getpid());
	same_as_open(path);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/fd", getpid(), getpid());
	same_as_open(path);
	pthread_create(&t, NULL, in_thread, NULL);
	pthread_join(t, NULL);
	if (fork() == 0) {
		same_as_open("/proc/self/fd");
		_exit(check_failed);
	}
	wait(&status);
	CHECK_EQ(status, 0);
	/* a directory of its own with such names is not touched */
	CHECK(mkdir("fd", 0755) == 0);
	for (int n = 990; n < 1010; n++) {
		snprintf(numbers, sizeof(numbers), "fd/%d", n);
		file = open(numbers, O_CREAT | O_WRONLY, 0644);
		CHECK(file >= 0);
		close(file);
	}
	{
		DIR *d = opendir("fd");
		int n = 0;

		for (struct dirent *e; (e = readdir(d));)
			n++;
		CHECK_EQ(n, 22);
		low = lowest_free();
		CHECK_EQ(openat(dirfd(d), "1000", O_RDONLY), low);
		closedir(d);
	}
	/* all numbers from here on are free, and everyone can be had */
	for (high = 900; high < 1024; high++)
		absent(high);
	for (high = 990; high < 1010; high++) {
		CHECK_EQ(dup2(fd, high), high);
		present(high);
		same_as_open("/proc/self/fd");
	}
	for (high = 990; high < 1010; high++)
		CHECK_EQ(close(high), 0);
	for (high = 1000; high < 1020; high++) {
		CHECK_EQ(fcntl(fd, F_DUPFD, high), high);
		same_as_open("/proc/self/fd");
	}
	absent(980);
	CHECK_EQ(syscall(SYS_close_range, 1000, 1010, 0), 0);
	CHECK(fcntl(1010, F_GETFD) < 0 && fcntl(1011, F_GETFD) >= 0);
	CHECK_EQ(syscall(SYS_close_range, 3, ~0u, 0), 0);
	CHECK_EQ(lowest_free(), 3);
	same_as_open("/proc/self/fd");
	/* the size of the directory says how many there are, since Linux 6.2 */
	{
		struct stat st;
		struct utsname u;

		CHECK(stat("/proc/self/fd", &st) == 0);
		CHECK(st.st_size == 0 || st.st_size == 3);
		uname(&u);
	}
	system("echo still here; ls /proc/self/fd | wc -l");
	return check_done();
}
