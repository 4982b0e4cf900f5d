/* SPDX-License-Identifier: MIT */
/* `run --engine=`: see native.h. Called before anything is prepared for the engine. */
#include <cpuid.h>
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "native.h"

#define ARCH_SHSTK_ENABLE 0x5001
#define ARCH_SHSTK_STATUS 0x5005

/* Not through the C library: the function that was called before the shadow stack was there cannot return after. */
static inline __attribute__((always_inline)) long raw2(long nr, long a, long b)
{
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "0"(nr), "D"(a), "S"(b) : "rcx", "r11", "memory");
	return ret;
}

/* nothing but being given one tells that no boot option, filter or hypervisor is in the way */
static bool try_enable(void)
{
	int st = 0;
	pid_t pid = fork();

	if (pid == 0) {
		raw2(SYS_exit_group, raw2(SYS_arch_prctl, ARCH_SHSTK_ENABLE, 1) != 0, 0);
		__builtin_unreachable();
	}
	while (pid > 0 && waitpid(pid, &st, 0) < 0 && errno == EINTR)
		;
	return pid > 0 && WIFEXITED(st) && WEXITSTATUS(st) == 0;
}

void native_look(struct native_facts *f)
{
	unsigned a, b, c = 0, d;
	unsigned long on = 0;
	struct utsname un;

	memset(f, 0, sizeof(*f));
	if (uname(&un) == 0)
		sscanf(un.release, "%d.%d", &f->major, &f->minor);
	f->cpu = __get_cpuid_count(7, 0, &a, &b, &c, &d) && c & 1u << 7;
	f->status = raw2(SYS_arch_prctl, ARCH_SHSTK_STATUS, (long)&on) == 0;
	f->enable = f->cpu && f->status && try_enable();
}

const char *native_lacks(const struct native_facts *f)
{
	if (!f->cpu)
		return "this CPU has no shadow stacks";
	if (f->major < 6 || (f->major == 6 && f->minor < 6))
		return "this kernel is older than Linux 6.6";
	if (!f->status)
		return "this kernel was built without user shadow stacks";
	if (!f->enable)
		return "this kernel gives programs no shadow stacks (nousershstk, or a filter of system calls)";
	return NULL;
}

const char *native_cannot(const struct options *o)
{
	return o->enable != GN_ENABLE_ABI ? "--enable" :
	       o->deny_list		  ? "--deny-list" :
	       o->report		  ? "--report" :
	       o->json_fd >= 0		  ? "--json-fd" :
	       o->ibt			  ? "--ibt" :
	       o->stats			  ? "--stats" :
	       o->tuned			  ? "-X" :
					    NULL;
}

bool native_wanted(const struct options *o, const struct native_facts *f)
{
	const char *why = native_cannot(o);

	if (o->engine != ENGINE_HARD)
		return o->engine == ENGINE_AUTO && !why && !native_lacks(f);
	if (why)
		die(GN_EXIT_USAGE, "--engine=hard: %s is known to the software engine only", why);
	why = native_lacks(f);
	if (why)
		die(GN_EXIT_USAGE, "--engine=hard: %s", why);
	return true;
}

void native_exec(char **argv)
{
	char path[GN_PATH_MAX];
	int r = which(argv[0], path, sizeof(path));

	if (r < 0)
		die(r == -ENOENT ? GN_EXIT_NOTFOUND : GN_EXIT_NOEXEC, "%s: %s", *argv[0] ? argv[0] : "''", strerror(-r));
	execv(path, argv);
	die(GN_EXIT_NOEXEC, "%s: %s", path, reason(errno));
}
