/* SPDX-License-Identifier: MIT */
/*
 * gnomon doctor: what this machine offers, what gnomon does with it, what is missing and what that costs.
 * Exit status 0 if programs can be checked here, 1 if not.
 */
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "config.h"
#include "doctor.h"
#include "dwlib.h"
#include "native.h"
#include "report.h"

static bool have_proc;
static struct native_facts native;
static const char *lacks; /* for programs' own shadow stacks; NULL: they are there */

static const char *yes(bool b)
{
	return b ? "yes" : "no";
}

/* first line of `file` that starts with `key`, its value without blanks in front; "" if none */
static const char *field(const char *file, const char *key, char *buf, size_t size)
{
	FILE *f = fopen(file, "re");
	const char *found = "";

	while (f && fgets(buf, (int)size, f)) {
		char *v;

		if (strncmp(buf, key, strlen(key)))
			continue;
		buf[strcspn(buf, "\n")] = 0;
		v = strchr(buf, ':');
		found = v ? v + 1 + strspn(v + 1, " \t") : buf;
		break;
	}
	if (f)
		fclose(f);
	return found;
}

/* the CPU's own name, "" if it does not tell */
static const char *cpu_name(unsigned name[13])
{
	memset(name, 0, 13 * sizeof(*name));
	for (unsigned i = 0; i < 3; i++) {
		unsigned *p = name + 4 * i;

		if (!__get_cpuid(0x80000002 + i, &p[0], &p[1], &p[2], &p[3]))
			break;
	}
	return (const char *)name + strspn((const char *)name, " ");
}

static void cpu(void)
{
	unsigned a, b = 0, c = 0, d = 0, ecx1 = 0, x = 0, xa, xc, xd, name[13];
	char size[64];

	__get_cpuid(1, &a, &x, &ecx1, &xd);
	__get_cpuid_count(7, 0, &a, &b, &c, &d);
	printf("CPU: %s\n", cpu_name(name));
	doctor_line(INFO, "shadow stacks (CET SHSTK)", yes(c & 1u << 7), "gnomon does not need them");
	doctor_line(INFO, "branch tracking (CET IBT)", yes(d & 1u << 20), "not used");
	if (getauxval(AT_HWCAP2) & 2)
		doctor_line(OK, "FSGSBASE", "yes", "");
	else
		doctor_line(BROKEN, "FSGSBASE", b & 1 ? "off in this kernel" : "no",
		     "check and run need it (a CPU of 2012 or later and Linux 5.9)");
	doctor_line(c & 1u << 4 ? OK : INFO, "protection keys (PKU)", yes(c & 1u << 4),
	     c & 1u << 4 ? "the program cannot write to the code cache and most of the engine; protect --seal: to none of it" :
		       "nothing but their addresses guards code cache and engine from the program");
	doctor_line(INFO, "AVX-512", yes(__builtin_cpu_supports("avx512f")), "");
	if (ecx1 & 1u << 27) {
		__cpuid_count(0xd, 0, xa, x, xc, xd);
		snprintf(size, sizeof(size), "%u bytes of state enabled, %u possible", x, xc);
		doctor_line(OK, "XSAVE", size, "");
	} else {
		doctor_line(MISSING, "XSAVE", "no", "signal frames carry no vector state above SSE");
	}
}

static void kernel(void)
{
	struct utsname un;

	uname(&un);
	printf("Kernel: %s %s\n", un.sysname, un.release);
	native_look(&native);
	lacks = native_lacks(&native);
	doctor_line(INFO, "user shadow stacks", yes(!lacks), lacks ? lacks : "'gnomon run' uses them (--engine=soft: it does not)");
	doctor_line(INFO, "page size", sysconf(_SC_PAGESIZE) == 4096 ? "4096" : "other", "");
}

/* everything the engine does to have executable memory, tried on one page */
static void memory(void)
{
	int fd = memfd_plain("gnomon-doctor");
	void *p;

	if (fd < 0) {
		doctor_line(BROKEN, "memfd_create", strerror(errno), "check and run need it for their report");
	} else {
		doctor_line(OK, "memfd_create", "yes", "");
		close(fd);
	}
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED || mprotect(p, 4096, PROT_READ | PROT_EXEC) < 0)
		doctor_line(BROKEN, "executable memory", strerror(errno),
		     "a security policy (SELinux execmem, MDWE) forbids code generation; every JIT fails here");
	else
		doctor_line(OK, "executable memory", "yes", "");
}

static void limit(enum state low, const char *name, int what, rlim_t least, const char *means)
{
	struct rlimit l;
	char text[64];

	getrlimit((__rlimit_resource_t)what, &l);
	if (l.rlim_cur == RLIM_INFINITY)
		snprintf(text, sizeof(text), "unlimited");
	else
		snprintf(text, sizeof(text), "%lu", (unsigned long)l.rlim_cur);
	doctor_line(l.rlim_cur < least ? low : OK, name, text, l.rlim_cur < least ? means : "");
}

/* what only /proc tells */
static void tunables(void)
{
	char buf[256];
	const char *v = field("/proc/sys/vm/max_map_count", "", buf, sizeof(buf));

	doctor_line(*v && atol(v) < 65530 ? MISSING : OK, "vm.max_map_count", v,
	     *v && atol(v) < 65530 ? "large programs may run out of mappings" : "");
	v = field("/proc/sys/kernel/yama/ptrace_scope", "", buf, sizeof(buf));
	doctor_line(INFO, "ptrace", *v == '3' ? "forbidden" : *v == '2' ? "root only" : *v == '1' ? "own children" : "allowed",
	     "only 'gnomon guard --supervise' and 'gnomon race' use it");
}

static void system_part(void)
{
	puts("System:");
	if (have_proc)
		doctor_line(OK, "/proc", "mounted", "");
	else
		doctor_line(MISSING, "/proc", "not mounted", "programs are checked, but reports show bare addresses, no modules and symbols");
	memory();
	if (have_proc)
		tunables();
	limit(BROKEN, "open files (ulimit -n)", RLIMIT_NOFILE, 32, "gnomon keeps 5 descriptors above the program's");
	limit(BROKEN, "file size (ulimit -f)", RLIMIT_FSIZE, sizeof(struct gn_board), "the report in memory counts as a file");
	limit(MISSING, "address space (ulimit -v)", RLIMIT_AS, 2ul << 30,
	      "shadow stacks and code caches reserve address space");
}

static void libraries(void)
{
	const char *why = NULL;
	char path[GN_PATH_MAX + 64];
	char *name;
	bool have;
	int fd = part_find(GN_ENGINE, path, sizeof(path));

	puts("Libraries and parts:");
	if (fd >= 0)
		doctor_line(OK, "engine", path, "");
	else
		doctor_line(BROKEN, "engine", "not found", "it belongs beside gnomon or in " GN_LIBEXECDIR);
	doctor_line(INFO, "C library", gnu_get_libc_version(), "");
	have = dwlib(&why);
	doctor_line(have ? OK : MISSING, "libdw", have ? "yes" : why,
	     have ? "" : "reports show modules and offsets, but no symbols (Debian: apt install libdw1)");
	name = demangle("_Z1fv");
	doctor_line(name ? OK : MISSING, "libstdc++", name ? "yes" : "no", name ? "" : "C++ names stay mangled");
	free(name);
}

int cmd_doctor(const struct command *cmd, int argc, char **argv)
{
	struct options o;
	char **rest;
	bool broken;

	options_parse(cmd, argc, argv, &o, &rest);
	if (*rest)
		usage_error(cmd, "doctor takes no operand: '%s'", *rest);
	have_proc = proc_mounted();
	cpu();
	kernel();
	system_part();
	libraries();
	doctor_robust();
	broken = doctor_broken();
	puts("Commands:");
	doctor_line(broken ? BROKEN : OK, "gnomon check", "", "translates, every return checked in software");
	doctor_line(broken && lacks ? BROKEN : OK, "gnomon run", "",
		    lacks ? "translates, shadow stacks as the program asks for them" : "natively, shadow stacks are the machine's");
	doctor_line(OK, "gnomon explain", "", "reads reports, needs nothing of the above but libdw for symbols");
	return stdout_done() ? GN_EXIT_USAGE : broken;
}
