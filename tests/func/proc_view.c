/* SPDX-License-Identifier: MIT */
/* variant: dynamic:
 * variant: static: -static
 * variant: static-pie: -static-pie
 * args: one "two three"
 * verdict: clean unwinds
 * libs: -pthread
 * What the kernel tells a program about itself: auxiliary vector, /proc/self and its threads, however it was started. Printed,
 * so that it is compared with the native run; addresses as what they point to. */
#define _GNU_SOURCE
#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "check.h"

extern char **environ;
extern char __executable_start[], etext[];
static char big[1 << 20], cwd[4096];
static Elf64_auxv_t *auxv;

static long slurp(const char *path)
{
	long n = 0, r;
	int fd = open(path, O_RDONLY);

	while (fd >= 0 && (r = read(fd, big + n, sizeof(big) - 1 - n)) > 0)
		n += r;
	close(fd);
	big[n] = 0;
	return fd < 0 ? -1 : n;
}

/* text in which the working folder has another name natively and here, and NULs are visible */
static void show(const char *what, const char *s, long n)
{
	size_t len = strlen(cwd);

	printf("%s: ", what);
	for (long i = 0; i < n;) {
		if (n - i >= (long)len && !memcmp(s + i, cwd, len)) {
			printf("CWD");
			i += (long)len;
		} else {
			putchar(s[i] ? s[i] : '|');
			i++;
		}
	}
	if (!n || s[n - 1] != '\n')
		putchar('\n');
}

static void show_file(const char *path)
{
	long n = slurp(path);

	show(path, big, n < 0 ? 0 : n);
}

static void show_link(const char *path)
{
	char buf[4096];
	ssize_t n = readlink(path, buf, sizeof(buf));

	show(path, buf, n < 0 ? 0 : n);
}

static unsigned long aux(unsigned long type)
{
	for (Elf64_auxv_t *a = auxv; a->a_type; a++)
		if (a->a_type == type)
			return a->a_un.a_val;
	return 0;
}

static void show_auxv(void)
{
	long n, i = 0;

	for (Elf64_auxv_t *a = auxv; a->a_type; a++) {
		unsigned long v = a->a_un.a_val;

		switch (a->a_type) {
		case AT_SYSINFO_EHDR: printf("aux vdso %d\n", !memcmp((char *)v, ELFMAG, 4)); break;
		case AT_BASE: printf("aux base %d\n", !v || !memcmp((char *)v, ELFMAG, 4)); break;
		case AT_PHDR: printf("aux phdr %d\n", v > (unsigned long)__executable_start && v < (unsigned long)etext); break;
		case AT_ENTRY: printf("aux entry %#lx\n", v - (unsigned long)__executable_start); break;
		case AT_RANDOM: printf("aux random %d\n", v > (unsigned long)environ && (v & 15) < 16); break;
		case AT_EXECFN: show("aux execfn", (char *)v, (long)strlen((char *)v)); break;
		case AT_PLATFORM: printf("aux platform %s\n", (char *)v); break;
		case AT_BASE_PLATFORM: printf("aux base platform %s\n", (char *)v); break;
		default: printf("aux %lu %#lx\n", a->a_type, v);
		}
		i++;
	}
	n = slurp("/proc/self/auxv");
	for (i = 0; auxv[i].a_type; i++)
		;
	printf("auxv as in memory: %d\n", n == (i + 1) * 16 && !memcmp(big, auxv, (size_t)n));
}

/* strings of the initial stack: argv, environment, in this order and without gaps */
static void show_strings(int argc, char **argv)
{
	char *p = argv[0];
	int ok = 1, n = 0;

	for (int i = 0; i < argc; i++, p += strlen(p) + 1)
		ok &= argv[i] == p;
	for (; environ[n]; n++, p += strlen(p) + 1)
		ok &= environ[n] == p;
	/* natively the file name follows: docs/deviations.md */
	printf("strings in order: %d, environment of %d\n", ok, n);
	printf("argc under argv: %d\n", (int)((long *)argv)[-1] == argc);
	slurp("/proc/self/environ");
	printf("environ: %d\n", n == 0 || !memcmp(big, environ[0], (size_t)(p - environ[0])));
}

static void show_stat(char **argv)
{
	unsigned long f[60] = { 0 };
	unsigned long exe = (unsigned long)__executable_start;
	char *p, comm[64];
	int pid, n = 3;

	slurp("/proc/self/stat");
	p = strrchr(big, ')');
	*p = 0;
	sscanf(big, "%d (%63[^)]", &pid, comm);
	printf("stat pid %d comm %s state %c\n", pid == getpid(), comm, p[2]);
	for (p += 4; n < 60 && *p; n++)
		f[n + 1] = strtoul(p, &p, 10);
	printf("stat ppid %d threads %lu priority %ld nice %ld\n", f[4] == (unsigned long)getppid(), f[20], f[18], f[19]);
	printf("stat pgrp %d session %d tty %lu\n", f[5] == (unsigned long)getpgrp(), f[6] == (unsigned long)getsid(0), f[7]);
	printf("stat signals %#lx %#lx %#lx %#lx exit signal %lu\n", f[31], f[32], f[33], f[34], f[38]);
	printf("stat code %#lx %#lx data %#lx %#lx\n", f[26] - exe, f[27] - exe, f[45] - exe, f[46] - exe);
	for (n = 0; environ[n + 1]; n++)
		;
	printf("stat stack %d brk %d args %d %d env %d %d code %lu\n", f[28] == (unsigned long)argv - 8, f[47] >= f[46],
	       f[48] == (unsigned long)argv[0], f[49] == (unsigned long)environ[0], f[50] == (unsigned long)environ[0],
	       f[51] == (unsigned long)environ[n] + strlen(environ[n]) + 1, f[52]);
	printf("stat policy %lu rt %lu\n", f[41], f[40]);
}

static int same_key(const char *line, const char *key)
{
	return !strncmp(line, key, strlen(key)) && line[strlen(key)] == ':';
}

static void show_status(const char *path)
{
	static const char *const own[] = { "Tgid", "Ngid", "Pid", "PPid", "NStgid", "NSpid", "NSpgid", "NSsid", "Kthread", "FDSize", "SigQ",
					   "VmPeak", "VmSize", "VmHWM", "VmRSS", "RssAnon", "RssFile", "RssShmem", "VmData", "VmExe",
					   "VmLib", "VmPTE", "VmStk", "VmLck", "VmPin", "VmSwap", "HugetlbPages", "CoreDumping",
					   "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches", NULL };

	slurp(path);
	for (char *line = strtok(big, "\n"); line; line = strtok(NULL, "\n")) {
		int numbers = 0;

		for (int i = 0; own[i]; i++)
			numbers |= same_key(line, own[i]);
		if (numbers)
			*strchr(line, ':') = 0;
		printf("status %s\n", line);
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Named areas with rights and offsets; of smaps the flags too. Not the vDSO, which is in two parts: docs/deviations.md */
static void show_maps(const char *path)
{
	static char *lines[500];
	char name[4096] = "", perms[8];
	unsigned long lo, hi, off;
	int n = 0, at;

	slurp(path);
	for (char *line = strtok(big, "\n"); line && n < 500; line = strtok(NULL, "\n")) {
		char out[8192] = "";

		if (sscanf(line, "%lx-%lx %7s %lx %*s %*s%n", &lo, &hi, perms, &off, &at) >= 4) {
			while (line[at] == ' ')
				at++;
			strcpy(name, line + at);
			if (strcmp(name, "[vdso]") && (*name == '/' || *name == '['))
				snprintf(out, sizeof(out), "%s %s %lx", name, perms, off * (*name == '/'));
		} else if (*name && !strncmp(line, "VmFlags", 7) && strcmp(name, "[vdso]")) {
			snprintf(out, sizeof(out), "%s %s %lx %s", name, perms, off * (*name == '/'), line);
		}
		if (*out)
			lines[n++] = strdup(out);
	}
	qsort(lines, (size_t)n, sizeof(*lines), by_text);
	for (int i = 0; i < n; i++) {
		show(path, lines[i], (long)strlen(lines[i]));
		free(lines[i]);
	}
}

static pthread_barrier_t barrier;

static void *named(void *p)
{
	prctl(PR_SET_NAME, p);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return NULL;
}

static void show_tasks(void)
{
	pthread_t t[2];
	static char *lines[16];
	char path[300];
	struct dirent *e;
	int n = 0;
	DIR *d;

	pthread_barrier_init(&barrier, NULL, 3);
	pthread_create(&t[0], NULL, named, "worker");
	pthread_create(&t[1], NULL, named, "a (worse) name");
	pthread_barrier_wait(&barrier);
	d = opendir("/proc/self/task");
	while ((e = readdir(d))) {
		char link[4096];
		ssize_t len;

		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%s/stat", e->d_name);
		slurp(path);
		strrchr(big, ')')[1] = 0;
		asprintf(&lines[n++], "%s", strchr(big, '('));
		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", e->d_name);
		slurp(path);
		asprintf(&lines[n++], "comm %s", big);
		snprintf(path, sizeof(path), "/proc/self/task/%s/status", e->d_name);
		slurp(path);
		*strchr(big, '\n') = 0;
		asprintf(&lines[n++], "%s", big);
		snprintf(path, sizeof(path), "/proc/%s/exe", e->d_name);
		len = readlink(path, link, sizeof(link));
		show("task exe", link, len < 0 ? 0 : len);
	}
	closedir(d);
	qsort(lines, (size_t)n, sizeof(*lines), by_text);
	for (int i = 0; i < n; i++) {
		printf("task %s\n", lines[i]);
	}
	pthread_barrier_wait(&barrier);
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
}

static void show_all(int argc, char **argv)
{
	char name[32];

	for (int i = 0; i < argc; i++)
		show("arg", argv[i], (long)strlen(argv[i]));
	show_auxv();
	show_strings(argc, argv);
	show_file("/proc/self/cmdline");
	show_file("/proc/self/comm");
	prctl(PR_GET_NAME, name);
	printf("name %s\n", name);
	show_link("/proc/self/exe");
	show_link("/proc/self/cwd");
	show_link("/proc/self/root");
	show_stat(argv);
	show_status("/proc/self/status");
	show_file("/proc/self/personality");
	show_file("/proc/self/limits");
	show_file("/proc/self/oom_score_adj");
	show_file("/proc/self/timerslack_ns");
	show_file("/proc/self/coredump_filter");
}

/* a child's short view: how it was started */
static void show_start(int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		show(" arg", argv[i], (long)strlen(argv[i]));
	show(" execfn", (char *)aux(AT_EXECFN), (long)strlen((char *)aux(AT_EXECFN)));
	show_file("/proc/self/comm");
	show_link("/proc/self/exe");
	show_file("/proc/self/cmdline");
	slurp("/proc/self/stat");
	strrchr(big, ')')[1] = 0;
	printf(" stat %s\n", strchr(big, '('));
	slurp("/proc/self/environ");
	printf(" environ %d\n", !memcmp(big, environ[0] ? environ[0] : "", environ[0] ? strlen(environ[0]) : 0));
}

static void start(const char *how, int (*exec)(const char *), const char *self)
{
	int status;

	printf("started %s\n", how);
	fflush(stdout);
	if (fork() == 0) {
		setenv("VIEW", "start", 1);
		exec(self);
		perror("exec");
		_exit(99);
	}
	wait(&status);
	CHECK_EQ(status, 0);
}

static int put(const char *name, const char *text)
{
	int fd = open(name, O_CREAT | O_TRUNC | O_WRONLY, 0755);

	return write(fd, text, strlen(text)) < 0 || close(fd);
}

static int by_link(const char *self)
{
	symlink(self, "link");
	return execl("./link", "through a link", "x", NULL);
}

static int by_path(const char *self)
{
	char dir[4096];

	strcpy(dir, self);
	*strrchr(dir, '/') = 0;
	setenv("PATH", dir, 1);
	return execlp("prog", "by path", NULL);
}

static int by_relative(const char *self)
{
	char path[4096];

	chdir("/");
	snprintf(path, sizeof(path), "./%s", self + 1);
	return execl(path, path, NULL);
}

static int by_long_name(const char *self)
{
	char cmd[9000];

	snprintf(cmd, sizeof(cmd), "cp %s a_name_longer_than_fifteen_bytes", self);
	system(cmd);
	return execl("a_name_longer_than_fifteen_bytes", "short", NULL);
}

static int by_script(const char *self)
{
	char text[4200];

	snprintf(text, sizeof(text), "#!%s  one  argument \n", self);
	put("script", text);
	return execl("./script", "zero", "a", "b", NULL);
}

static int by_two_scripts(const char *self)
{
	char text[4200];

	snprintf(text, sizeof(text), "#!%s\n", self);
	put("inner", text);
	put("outer", "#!./inner opt\n");
	return execl("./outer", "zero", "a", NULL);
}

static int by_descriptor(const char *self)
{
	int fd = open(self, O_PATH | O_CLOEXEC);

	dup3(fd, 33, O_CLOEXEC);
	return (int)syscall(SYS_execveat, 33, "", (char *[]){ "by descriptor", NULL }, environ, AT_EMPTY_PATH);
}

static int by_folder(const char *self)
{
	char dir[4096];
	int fd;

	strcpy(dir, self);
	*strrchr(dir, '/') = 0;
	fd = open(dir, O_PATH | O_DIRECTORY);
	dup2(fd, 34);
	return (int)syscall(SYS_execveat, 34, "prog", (char *[]){ "by folder", NULL }, environ, 0);
}

static int by_proc(const char *self)
{
	return execl("/proc/self/exe", "by proc", NULL);
}

static int without_arguments(const char *self)
{
	return execve(self, (char *[]){ NULL }, environ);
}

static int without_environment(const char *self)
{
	return execve(self, (char *[]){ "start", NULL }, (char *[]){ "VIEW=start", NULL });
}

static void never(int signo)
{
}

int main(int argc, char **argv)
{
	char **p = environ, *self;
	sigset_t set;

	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	while (*p++)
		;
	auxv = (void *)p;
	if (!getcwd(cwd, sizeof(cwd)))
		return 1;
	if (getenv("VIEW")) {
		show_start(argc, argv);
		return 0;
	}
	show_maps("/proc/self/maps");
	show_maps("/proc/self/smaps");
	show_all(argc, argv);
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, never);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 3);
	sigprocmask(SIG_BLOCK, &set, NULL);
	kill(getpid(), SIGRTMIN + 3);
	prctl(PR_SET_NAME, "renamed (it) is");
	show_status("/proc/self/status");
	show_stat(argv);
	show_file("/proc/self/comm");
	show_tasks();
	self = realpath("/proc/self/exe", NULL);
	start("through a link", by_link, self);
	start("by the search path", by_path, self);
	start("by a relative path", by_relative, self);
	start("with a long name", by_long_name, self);
	start("as a script", by_script, self);
	start("as a script of a script", by_two_scripts, self);
	start("by a descriptor", by_descriptor, self);
	start("by a folder's descriptor", by_folder, self);
	start("as /proc/self/exe", by_proc, self);
	start("without arguments", without_arguments, self);
	start("without environment", without_environment, self);
	return check_done();
}
