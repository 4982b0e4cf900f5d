/* SPDX-License-Identifier: MIT */
/* exec needs no descriptor: with all of them in use programs and scripts start, errors are those of exec, and the limit is what
 * it was.
 * flags: -static */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "check.h"

#define LIMIT 200

static char *self;

static long limit(void)
{
	struct rlimit l;

	getrlimit(RLIMIT_NOFILE, &l);
	return (long)l.rlim_cur;
}

/* what is executed: says whether the limit came along, and what can still be opened */
static int child(const char *how)
{
	int fd = open("/dev/null", O_RDONLY);

	return limit() == LIMIT && (*how == 'f' ? fd < 0 && errno == EMFILE : fd >= 0) ? 7 : 8;
}

static void fill(int flags)
{
	while (open("/dev/null", O_RDONLY | flags) >= 0)
		;
	CHECK(errno == EMFILE);
}

static void empty(void)
{
	for (int i = 3; i < LIMIT; i++)
		close(i);
}

static int run(const char *file, const char *how)
{
	pid_t pid = fork();
	int status = -1;

	if (!pid) {
		execl(file, file, "child", how, (char *)NULL);
		_exit(errno);
	}
	waitpid(pid, &status, 0);
	return status >> 8;
}

static int spawn(const char *how)
{
	char *argv[] = { self, "child", (char *)how, NULL }, *env[] = { NULL };
	int status = -1;
	pid_t pid;

	CHECK(posix_spawn(&pid, self, NULL, NULL, argv, env) == 0);
	waitpid(pid, &status, 0);
	return status >> 8;
}

static void write_script(const char *name, const char *line)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0755);

	CHECK(write(fd, line, strlen(line)) == (ssize_t)strlen(line));
	close(fd);
}

int main(int argc, char **argv)
{
	struct rlimit l;
	char line[PATH_MAX + 4], exe[PATH_MAX];

	self = argv[0];
	if (argc > 2 && !strcmp(argv[argc - 2], "child"))
		return child(argv[argc - 1]);
	getrlimit(RLIMIT_NOFILE, &l);
	if (l.rlim_max < LIMIT + 100)
		SKIP("needs a hard limit of 300 descriptors");
	l.rlim_cur = LIMIT;
	setrlimit(RLIMIT_NOFILE, &l);
	realpath(self, exe);
	strcpy(line + 2, exe);
	memcpy(line, "#!", 2);
	strcat(line, "\n");
	write_script("script", line);
	write_script("nothing", "#!/nonexistent\n");
	write_script("text", "text\n");

	fill(O_CLOEXEC);
	CHECK(run(self, "room") == 7);
	CHECK(run("./script", "room") == 7);
	CHECK(spawn("room") == 7);
	CHECK(run("./nothing", "") == ENOENT);
	CHECK(run("./text", "") == ENOEXEC);
	CHECK(run("./missing", "") == ENOENT);
	CHECK(run("/", "") == EACCES);
	/* it goes on here */
	CHECK(execl("./nothing", "nothing", (char *)NULL) == -1 && errno == ENOENT);
	memset(line, 'x', sizeof(line));
	CHECK(execve("/bin/sh", (char *[]){ "sh", (char *)8, NULL }, NULL) == -1 && errno == EFAULT);
	CHECK(limit() == LIMIT);
	CHECK(open("/dev/null", O_RDONLY) == -1 && errno == EMFILE);
	CHECK(readlink("/proc/self/exe", line, sizeof(line)) > 0 && !strncmp(line, exe, strlen(exe)));
	empty();

	fill(0);
	CHECK(run(self, "full") == 7);
	CHECK(run("./script", "full") == 7);
	CHECK(spawn("full") == 7);
	empty();
	return check_done();
}
