/* SPDX-License-Identifier: MIT */
/*
 * Starting a guest: the board, the exec record, the descriptors of board.h, and execveat of the engine.
 * Everything is prepared before the child exists; the child runs in our memory (vfork), so that starting costs
 * the same whatever the command has mapped.
 */
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <signal.h>
#include <unistd.h>

#include "cli.h"

#ifndef HWCAP2_FSGSBASE
#define HWCAP2_FSGSBASE 2
#endif

#define WORK_WITHOUT "; 'gnomon explain' and 'gnomon doctor' work without"

/* The limit on the size of files holds for memfds and the writes to them too; the hard limit is what binds.
 * SIGXFSZ is blocked meanwhile. */
static struct rlimit fsize;

static void fsize_raise(void)
{
	struct rlimit wide;

	if (getrlimit(RLIMIT_FSIZE, &fsize) < 0 || fsize.rlim_cur == fsize.rlim_max)
		return;
	wide = fsize;
	wide.rlim_cur = fsize.rlim_max;
	setrlimit(RLIMIT_FSIZE, &wide);
}

static void fsize_restore(void)
{
	if (fsize.rlim_cur != fsize.rlim_max)
		setrlimit(RLIMIT_FSIZE, &fsize);
}

static int memfd(const char *name, size_t size)
{
	int fd = memfd_plain(name);

	if (fd < 0)
		die(GN_EXIT_USAGE, "memfd_create: %s" WORK_WITHOUT, reason(errno));
	if (ftruncate(fd, (off_t)size) < 0)
		die(GN_EXIT_USAGE, "memfd of %zu bytes: %s", size, reason(errno));
	return fd;
}

/* AMD's CPUs before Zen 3 have PEXT, but take a hundred cycles for it */
static bool has_fast_pext(void)
{
	return __builtin_cpu_supports("bmi2") && !__builtin_cpu_is("bdver4") && !__builtin_cpu_is("znver1") &&
	       !__builtin_cpu_is("znver2");
}

/* Intel's take six cycles for it */
static bool has_quick_loop(void)
{
	return __builtin_cpu_is("amd");
}

/* why --seal cannot be: from 6.12 on the kernel writes signal frames to memory whose key is closed */
static const char *seal_lacks(void)
{
	unsigned a, b, c = 0, d, major = 0, minor = 0;
	struct utsname un;

	uname(&un);
	sscanf(un.release, "%u.%u", &major, &minor);
	__get_cpuid_count(7, 0, &a, &b, &c, &d);
	return !(c & 1u << 4) ? "no protection keys here ('gnomon doctor')" :
	       major < 6 || (major == 6 && minor < 12) ? "needs Linux 6.12" : NULL;
}

/* one path a line; empty lines and those that begin with # say nothing */
static void read_deny_list(struct gn_board *b, const char *path)
{
	char line[GN_PATH_MAX + 2];
	size_t used = 0;
	FILE *f = fopen(path, "re");

	if (!f)
		die(GN_EXIT_USAGE, "%s: %s", path, reason(errno));
	while (fgets(line, sizeof(line), f)) {
		size_t n = strcspn(line, "\n");

		line[n] = 0;
		if (!n || *line == '#')
			continue;
		if (used + n + 2 > sizeof(b->deny))
			die(GN_EXIT_USAGE, "%s: more than %zu bytes of paths", path, sizeof(b->deny));
		memcpy(b->deny + used, line, n + 1);
		used += n + 1;
	}
	if (ferror(f))
		die(GN_EXIT_USAGE, "%s: %s", path, reason(errno));
	fclose(f);
}

static void make_board(struct guest *g, const struct options *o, enum gn_mode mode)
{
	struct gn_board *b;

	if (o->seal && seal_lacks())
		die(GN_EXIT_USAGE, "--seal: %s", seal_lacks());
	g->board_fd = memfd("gnomon-board", sizeof(*b));
	/* nobody who gets hold of the descriptor can make the others' mappings fault */
	fcntl(g->board_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
	b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE, MAP_SHARED, g->board_fd, 0);
	if (b == MAP_FAILED)
		die(GN_EXIT_USAGE, "mapping %zu MiB for the report: %s", sizeof(*b) >> 20, reason(errno));
	b->magic = GN_BOARD_MAGIC;
	b->version = GN_BOARD_VERSION;
	b->size = sizeof(*b);
	b->set.mode = mode;
	b->set.flags = (o->stop ? GN_OPT_STOP : 0) | (o->strict ? GN_OPT_STRICT : 0) |
		       (o->stats ? GN_OPT_STATS : 0) | (o->no_follow ? GN_OPT_NO_FOLLOW : 0) | (o->ibt ? GN_OPT_IBT : 0) | o->knobs |
		       (o->seal ? GN_OPT_SEAL : 0) |
		       (has_fast_pext() && !o->no_pext ? GN_OPT_PEXT : 0) |
		       (has_quick_loop() && !o->no_loop ? GN_OPT_LOOP : 0);
	b->set.policy = o->policy;
	b->set.fault_nth = o->fault_nth;
	b->set.flush_every = o->flush_every;
	b->set.yield_every = o->yield_every;
	b->set.bug_nth = o->bug_nth;
	b->set.crash_nth = o->crash_nth;
	b->set.enable = o->enable;
	if (o->deny_list)
		read_deny_list(b, o->deny_list);
	g->board = b;
}

static int make_exec(const char *path)
{
	/* gn_exec is mostly room for paths; only what is set is written, the rest reads as zero */
	int fd = memfd("gnomon-exec", sizeof(struct gn_exec));
	struct gn_exec head = { .magic = GN_BOARD_MAGIC, .flags = GN_EXEC_RAW };
	const char *base = strrchr(path, '/');
	char comm[sizeof(head.comm)] = "";
	size_t n = strlen(path) + 1;

	base = base ? base + 1 : path;
	memcpy(comm, base, strnlen(base, sizeof(comm) - 1));
	if (pwrite(fd, &head, offsetof(struct gn_exec, file), 0) < 0 ||
	    pwrite(fd, path, n, offsetof(struct gn_exec, file)) < 0 ||
	    pwrite(fd, path, n, offsetof(struct gn_exec, execfn)) < 0 ||
	    pwrite(fd, comm, sizeof(comm), offsetof(struct gn_exec, comm)) < 0)
		die(GN_EXIT_USAGE, "exec record: %s", reason(errno));
	return fd;
}

/* all of the block, until the child has put there what belongs there: under another gnomon, whose engine's descriptors are not
 * to be seen, that one makes way for them, which it does not for a vfork child. False: not here */
static bool take_block(int base, int fd)
{
	int i = 0;

	while (i < GN_FD_COUNT && fcntl(base + i, F_GETFD) < 0 && dup3(fd, base + i, O_CLOEXEC) >= 0)
		i++;
	if (i == GN_FD_COUNT)
		return true;
	while (i-- > 0)
		close(base + i);
	return false;
}

static void leave_block(int base)
{
	for (int i = 0; i < GN_FD_COUNT; i++)
		close(base + i);
}

/* lowest of GN_FD_COUNT consecutive descriptors that the program neither has nor is likely to reach; they are taken with fd */
static int free_base(int fd)
{
	struct rlimit lim;
	int base = GN_FD_BASE;

	getrlimit(RLIMIT_NOFILE, &lim);
	if (lim.rlim_cur < GN_FD_BASE + 8)
		base = (int)lim.rlim_cur - 8;
	for (; base >= 3; base--)
		if (take_block(base, fd))
			return base;
	die(GN_EXIT_USAGE, "the limit of %lu open files leaves none for gnomon, which needs %d in a row (ulimit -n)",
	    (unsigned long)lim.rlim_cur, GN_FD_COUNT);
}

struct plan {
	int from[GN_FD_PROG]; /* GN_FD_PROG itself is absent with GN_EXEC_RAW */
	int base;
	char **argv;
	volatile int error; /* of the child, 0 = started */
};

static void __attribute__((noreturn)) child(struct plan *p)
{
	for (int i = 0; i < GN_FD_PROG; i++)
		if (dup2(p->from[i], p->base + i) < 0)
			goto fail;
	signals_restore();
	syscall(SYS_execveat, p->base + GN_FD_ENGINE, "", p->argv, environ, AT_EMPTY_PATH);
fail:
	p->error = errno; /* the parent's memory, too */
	_exit(GN_EXIT_USAGE);
}

static int log_descriptor(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	/* closed: the engine gets a channel nobody reads */
	if (copy < 0)
		copy = fd_above_stdio(open("/dev/null", O_WRONLY | O_CLOEXEC));
	return copy;
}

void guest_start(struct guest *g, const struct options *o, enum gn_mode mode, char **argv)
{
	char path[GN_PATH_MAX], engine[GN_PATH_MAX + 64];
	struct plan plan = { .argv = argv };
	int r = which(argv[0], path, sizeof(path));
	pid_t pid;

	if (r < 0)
		die(r == -ENOENT ? GN_EXIT_NOTFOUND : GN_EXIT_NOEXEC, "%s: %s",
		    *argv[0] ? argv[0] : "''", strerror(-r));
	if (!(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE))
		die(GN_EXIT_USAGE, "programs may not use FSGSBASE here (needs Linux 5.9 and a CPU of 2012 or later)" WORK_WITHOUT);
	if (!proc_mounted() && !o->quiet)
		msg("/proc is not mounted: programs are checked, but reports show bare addresses");
	plan.from[GN_FD_ENGINE] = part_open(GN_ENGINE, engine, sizeof(engine));
	fsize_raise();
	make_board(g, o, mode);
	plan.from[GN_FD_BOARD] = g->board_fd;
	plan.from[GN_FD_EXEC] = make_exec(path);
	fsize_restore();
	plan.from[GN_FD_LOG] = log_descriptor(o->log_fd);
	plan.base = free_base(g->board_fd);

	pid = vfork();
	if (pid == 0)
		child(&plan);
	if (pid < 0)
		die(GN_EXIT_USAGE, "fork: %s", reason(errno));
	if (plan.error)
		die(GN_EXIT_USAGE, "cannot start %s: execveat: %s" WORK_WITHOUT, engine, reason(plan.error));
	g->pid = pid;
	leave_block(plan.base);
	close(plan.from[GN_FD_ENGINE]);
	close(plan.from[GN_FD_EXEC]);
	close(plan.from[GN_FD_LOG]);
}
