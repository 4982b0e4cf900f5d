/* SPDX-License-Identifier: MIT */
/*
 * gnomon guard: the library into LD_PRELOAD, a supervisor if asked for, and then this process becomes the program.
 * The program keeps its id, its parent and its terminal; there is nothing between it and whoever started it.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config.h"
#include "gnomon/exit.h"
#include "tracee.h"

#define LIBRARY "libgnomon-guard.so"

/* beside this program, or where it is installed, which is looked for from here first: both may have been moved */
static const char *library(void)
{
	static const char *const below[] = { "", GN_LIBEXEC_TO_LIB "/" };
	static char path[4096 + 256];
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	self[n > 0 ? n : 0] = 0;
	slash = strrchr(self, '/');
	for (size_t i = 0; slash && i < sizeof(below) / sizeof(*below); i++) {
		snprintf(path, sizeof(path), "%.*s/%s" LIBRARY, (int)(slash - self), self, below[i]);
		if (!access(path, R_OK))
			return path;
	}
	return access(GN_LIBDIR "/" LIBRARY, R_OK) ? NULL : GN_LIBDIR "/" LIBRARY;
}

/* 1: no interpreter, so nobody reads LD_PRELOAD; 0: it has one; -1: no 64-bit ELF file */
static int is_static(const char *program)
{
	Elf64_Ehdr e;
	int fd = open(program, O_RDONLY | O_CLOEXEC), found = 1;

	if (fd < 0)
		return -1;
	if (read(fd, &e, sizeof(e)) != sizeof(e) || memcmp(e.e_ident, ELFMAG, SELFMAG) ||
	    e.e_ident[EI_CLASS] != ELFCLASS64 || e.e_phentsize != sizeof(Elf64_Phdr)) {
		close(fd);
		return -1;
	}
	for (int i = 0; i < e.e_phnum; i++) {
		Elf64_Phdr p;

		if (pread(fd, &p, sizeof(p), (off_t)(e.e_phoff + (unsigned)i * sizeof(p))) != sizeof(p))
			break;
		if (p.p_type == PT_INTERP)
			found = 0;
	}
	close(fd);
	return found;
}

void preload_set(const char *program, bool supervised)
{
	const char *lib = library(), *old = getenv("LD_PRELOAD");
	char *list;

	if (!lib)
		die(GN_EXIT_USAGE, "no " LIBRARY " beside gnomon-guard or in " GN_LIBDIR);
	/* what ld.so takes for the end of a name or replaces */
	if (strpbrk(lib, " :$"))
		die(GN_EXIT_USAGE, "%s: LD_PRELOAD cannot name a path with blanks, colons or dollar signs", lib);
	if (is_static(program) == 1 && !supervised)
		msg("%s is static: the preloaded library does not reach it; --supervise does", program);
	if (asprintf(&list, "%s%s%s", lib, old && *old ? ":" : "", old ? old : "") < 0 || setenv("LD_PRELOAD", list, 1))
		die(GN_EXIT_USAGE, "no memory");
	free(list);
}

void program_exec(const char *program, char **argv)
{
	execve(program, argv, environ);
	die(errno == ENOENT ? GN_EXIT_NOTFOUND : GN_EXIT_NOEXEC, "%s: %s", argv[0], strerror(errno));
}

/* nobody's child: the program must not find one that it did not make */
static void __attribute__((noreturn)) detach(pid_t pid, int report, bool verbose)
{
	if (fork())
		_exit(0);
	setsid();
	if (chdir("/") || dup2(report, 1) < 0)
		_exit(1);
	if (verbose)
		dup2(msg_fd, 2);
	else
		close(2);
	close(0);
	close_range(3, ~0u, 0);
	msg_fd = verbose ? 2 : -1;
	supervise(pid, 1);
}

static void start_supervisor(bool verbose)
{
	int p[2], e = EIO, status;
	pid_t child, self = getpid();

	if (pipe2(p, O_CLOEXEC) < 0)
		die(GN_EXIT_USAGE, "pipe: %s", strerror(errno));
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY); /* Yama, until the supervisor holds us */
	child = fork();
	if (child == 0)
		detach(self, p[1], verbose);
	if (child < 0)
		die(GN_EXIT_USAGE, "fork: %s", strerror(errno));
	close(p[1]);
	waitpid(child, &status, 0);
	if (read(p[0], &e, sizeof(e)) != sizeof(e) || e)
		die(GN_EXIT_USAGE, "cannot supervise: ptrace: %s (a debugger or tracer holds this process, or the system "
		    "forbids tracing; 'gnomon doctor' says which)", strerror(e));
	close(p[0]);
	prctl(PR_SET_PTRACER, 0);
}

int guard_run(const struct settings *s, char **argv)
{
	if (s->preload)
		preload_set(s->program, s->supervise);
	if (s->supervise)
		start_supervisor(s->verbose);
	program_exec(s->program, argv);
}
