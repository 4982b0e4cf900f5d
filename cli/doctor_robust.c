/* SPDX-License-Identifier: MIT */
/*
 * gnomon doctor's part about robust mutexes: which of kernel, vDSO, guard and supervisor keeps the kernel from writing
 * into memory that was a lock. Each is tried, not looked up.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config.h"
#include "doctor.h"

#define ROBUST_UNLOCK 512 /* FUTEX_ROBUST_UNLOCK, Linux 7.2 */

static bool kernel_unlocks(void)
{
	uint32_t word = 0, *pop = &word;
	long r;

	/* a kernel that does not know the flag answers ENOSYS and touches nothing */
	r = syscall(SYS_futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG | ROBUST_UNLOCK, 0, NULL, &pop, 0);
	return r >= 0 || errno != ENOSYS;
}

static bool vdso_unlocks(void)
{
	void *vdso = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);

	return vdso && dlsym(vdso, "__vdso_futex_robust_list64_try_unlock");
}

/* 0 or errno; where gnomon-guard looks for its library */
static int guard_missing(void)
{
	static const char *const below[] = { "", GN_LIBEXEC_TO_LIB "/" };
	char part[GN_PATH_MAX + 64], path[GN_PATH_MAX + 256];
	int fd = part_find(GN_GUARD, part, sizeof(part));

	if (fd < 0)
		return ENOENT;
	close(fd);
	*strrchr(part, '/') = 0;
	for (size_t i = 0; i < sizeof(below) / sizeof(*below); i++) {
		snprintf(path, sizeof(path), "%s/%s" GN_GUARD_LIBRARY, part, below[i]);
		if (!access(path, R_OK))
			return 0;
	}
	return access(GN_LIBDIR "/" GN_GUARD_LIBRARY, R_OK) ? errno : 0;
}

/* what the library's table of threads lies in: 0 or errno */
static int no_wipe(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int e = p == MAP_FAILED || madvise(p, 4096, MADV_WIPEONFORK) ? errno : 0;

	if (p != MAP_FAILED)
		munmap(p, 4096);
	return e;
}

/* is a child's end told before it comes? 0 or errno */
static int trace_denied(void)
{
	int e = 0, status;
	pid_t pid = fork();

	if (pid < 0)
		return errno;
	if (!pid)
		for (;;)
			pause();
	if (ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACEEXIT) < 0)
		e = errno;
	kill(pid, SIGKILL);
	if (waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status)) {
		ptrace(PTRACE_CONT, pid, 0, 0);
		waitpid(pid, &status, __WALL);
	} else if (!e) {
		e = ENOSYS; /* it died without a word */
	}
	return e;
}

void doctor_robust(void)
{
	bool kernel = kernel_unlocks(), vdso = vdso_unlocks();
	int guard = guard_missing(), wipe = no_wipe(), trace = trace_denied();
	const char *elsewhere = "Linux 7.2 has it, and what runs under 'gnomon run' or 'gnomon check'";

	puts("Robust mutexes (docs/robust.md):");
	doctor_line(kernel ? OK : INFO, "unlock in the kernel", kernel ? "yes" : "no",
		    kernel ? "for programs whose C library uses it" : elsewhere);
	doctor_line(vdso ? OK : INFO, "unlock in the vDSO", vdso ? "yes" : "no", vdso ? "the same" : elsewhere);
	if (guard)
		doctor_line(MISSING, "guard", strerror(guard), "'gnomon guard' needs gnomon-guard and its library");
	else if (wipe)
		doctor_line(MISSING, "guard", strerror(wipe), "its library does nothing without MADV_WIPEONFORK (Linux 4.14)");
	else
		doctor_line(OK, "guard", "yes", "programs as they are; memory unmapped or replaced");
	doctor_line(trace ? MISSING : OK, "supervisor", trace ? strerror(trace) : "yes",
		    trace ? "this system forbids tracing (Yama, a container, another tracer)"
			  : "programs as they are; memory reused in place too, SIGKILL");
	if (guard || (wipe && trace))
		doctor_line(MISSING, "so programs as they are", "not protected", "");
	else
		doctor_line(OK, "so programs as they are", trace ? "gnomon guard" : "gnomon guard --supervise", "protects them");
}
