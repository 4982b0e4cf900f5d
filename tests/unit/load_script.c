/* SPDX-License-Identifier: MIT */
/*
 * #! lines: the arguments plan_exec() makes are those the kernel makes. Each script is run natively first; its
 * interpreter is this program, which prints what it was given.
 *
 * Hosted build:
 *   gcc -std=gnu11 -g -O1 -fsanitize=address,undefined -fno-builtin -Iengine -Iinclude tests/unit/load_script.c \
 *     engine/load/{elf,fd_room,interp,notes,open,plan,script}.c engine/rt/{bug,engine,fmt,lock,log,map,pkey}.c
 * TAP on stdout.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "kern/vma.h"
#include "load/load.h"
#include "rt/engine.h"

#define AT_FDCWD_ (-100)

void vma_set_flags(gaddr_t lo, gaddr_t hi, int prot, u32 flags)
{
	(void)lo, (void)hi, (void)prot;
}

void vma_set(gaddr_t lo, gaddr_t hi, int prot)
{
	vma_set_flags(lo, hi, prot, 0);
}

void vma_clear(gaddr_t lo, gaddr_t hi)
{
	(void)lo, (void)hi;
}

static char dir[32] = "/tmp/gnscriptXXXXXX";
static int number, failed;

static const char *in_dir(const char *name)
{
	static char buf[4][64];
	static int at;

	at = (at + 1) % 4;
	snprintf(buf[at], sizeof(buf[at]), "%s/%s", dir, name);
	return buf[at];
}

static void put_file(const char *path, const char *text, size_t n)
{
	FILE *f = fopen(path, "w");

	if (!f || fwrite(text, 1, n, f) != n || fclose(f) || chmod(path, 0755))
		abort();
}

/* "E<errno>" or the arguments, each in brackets */
static void run_native(const char *script, char *out, size_t size)
{
	int p[2], pid;
	ssize_t n, have = 0;

	if (pipe(p))
		abort();
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		long r;

		dup2(p[1], 1);
		close(p[0]);
		r = sys3(__NR_execve, script, ((char *[]){ "zero", "one", "two", NULL }), ((char *[]){ NULL }));
		printf("E%ld", -r);
		fflush(stdout);
		_exit(0);
	}
	close(p[1]);
	while ((n = read(p[0], out + have, size - 1 - (size_t)have)) > 0)
		have += n;
	out[have] = 0;
	close(p[0]);
	waitpid(pid, NULL, 0);
}

static void run_plan(const char *script, char *out, size_t size)
{
	static struct plan p;
	long r = plan_exec(&p, AT_FDCWD_, script, 0);
	size_t n = 0;

	if (r) {
		snprintf(out, size, "E%ld", -r);
		return;
	}
	for (u32 i = 0; i < p.nfront; i++)
		n += (size_t)snprintf(out + n, size - n, "[%s]", p.front[i]);
	snprintf(out + n, size - n, "[one][two]");
	plan_close(&p);
}

static void check(const char *name, const char *text, size_t len)
{
	static char native[4096], ours[4096];
	const char *script = in_dir("s");

	put_file(script, text, len);
	run_native(script, native, sizeof(native));
	run_plan(script, ours, sizeof(ours));
	printf("%sok %d - %s\n", strcmp(native, ours) ? "not " : "", ++number, name);
	if (strcmp(native, ours)) {
		printf("# native %s\n# plan   %s\n", native, ours);
		failed = 1;
	}
}

/* F: format with the interpreter's path as its only argument */
#define LINE(name, f)                                                             \
	do {                                                                      \
		char text_[1024];                                                 \
		check(name, text_, (size_t)snprintf(text_, sizeof(text_), f, i)); \
	} while (0)

static void lines(const char *i)
{
	LINE("plain", "#!%s\n");
	LINE("one argument", "#!%s -x\n");
	LINE("an argument with blanks inside", "#! %s  -x  y\tz \t \n");
	LINE("no newline", "#!%s");
	LINE("no newline, blank behind", "#!%s ");
	LINE("no newline, argument", "#!%s a b");
	LINE("carriage return", "#!%s\r\n");
	LINE("tabs", "#!\t%s\t\n");
	LINE("only blanks", "#!   \n#%s");
	LINE("nothing", "#!\n%s");
	check("short", "#!", 2);
	LINE("#! not at the start", " #!%s\n");
	LINE("a folder", "#!/tmp\n%s");
	LINE("no such interpreter", "#!%s/nope\n");
	LINE("relative interpreter", "#!./nope%s\n");
}

static void long_lines(const char *i)
{
	char text[600];

	for (int at = 250; at <= 258; at++) {
		int n = snprintf(text, sizeof(text), "#!%s ", i);

		memset(text + n, 'a', sizeof(text) - (size_t)n);
		text[at] = '\n';
		check("argument ends near byte 256", text, sizeof(text));
		memset(text, ' ', sizeof(text));
		memcpy(text, "#!", 2);
		memcpy(text + at - strlen(i), i, strlen(i));
		text[at] = '\n';
		check("path ends near byte 256", text, sizeof(text));
		text[at] = ' ';
		check("path ends near byte 256, blanks behind", text, sizeof(text));
		text[at] = 0;
		check("path ends near byte 256, NUL behind", text, sizeof(text));
	}
	check("NUL in the line", "#!/bin\0/true\n", 13);
	check("NUL first", "#!\0\n", 4);
}

static void chain(const char *i)
{
	char text[100];
	const char *prev = i;

	for (int n = 1; n <= 7; n++) {
		int len = snprintf(text, sizeof(text), "#!%s a%d\n", prev, n);
		char name[8];

		check("chain of scripts", text, (size_t)len);
		snprintf(name, sizeof(name), "c%d", n);
		prev = in_dir(name);
		put_file(prev, text, (size_t)len);
	}
}

int main(int argc, char **argv)
{
	char self[4096], i[64];
	ssize_t n;

	if (!strncmp(argv[0], "/tmp/gnscript", 13)) { /* we are the interpreter */
		for (int a = 0; a < argc; a++)
			printf("[%s]", argv[a]);
		return 0;
	}
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n < 0 || !mkdtemp(dir))
		return 1;
	self[n] = 0;
	snprintf(i, sizeof(i), "%s", in_dir("i"));
	if (symlink(self, i))
		return 1;
	eng.fd_base = 1 << 20;
	lines(i);
	long_lines(i);
	chain(i);
	printf("1..%d\n", number);
	snprintf(self, sizeof(self), "rm -rf %s", dir);
	return system(self) || failed;
}
