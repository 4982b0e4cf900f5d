/* SPDX-License-Identifier: MIT */
/* variant: dynamic:
 * variant: static: -static
 * The kernel's shared object is there, whole, and its functions work: called by their own addresses, through the C library,
 * from a signal handler, and in a child. */
#define _GNU_SOURCE
#include <elf.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include "check.h"

static const char *image, *strings;
static const Elf64_Sym *symbols;
static unsigned nsymbols;

static void parse(void)
{
	const Elf64_Ehdr *eh = (void *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Phdr *ph = (void *)((char *)eh + eh->e_phoff);

	image = (char *)eh;
	for (int i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type != PT_DYNAMIC)
			continue;
		for (const Elf64_Dyn *d = (void *)(image + ph[i].p_offset); d->d_tag; d++) {
			const char *p = image + d->d_un.d_ptr;

			if (d->d_tag == DT_STRTAB)
				strings = p;
			else if (d->d_tag == DT_SYMTAB)
				symbols = (void *)p;
			else if (d->d_tag == DT_HASH)
				nsymbols = ((unsigned *)p)[1];
			else if (d->d_tag == DT_GNU_HASH && !nsymbols)
				nsymbols = 0;
		}
	}
	if (!nsymbols && strings && symbols) /* no DT_HASH: the string table follows the symbols */
		nsymbols = (unsigned)(((char *)strings - (char *)symbols) / (long)sizeof(*symbols));
}

static void *function(const char *name)
{
	for (unsigned i = 0; i < nsymbols; i++)
		if (!strcmp(strings + symbols[i].st_name, name) && symbols[i].st_shndx)
			return (void *)(image + symbols[i].st_value);
	return NULL;
}

static long ns(const struct timespec *t)
{
	return t->tv_sec * 1000000000 + t->tv_nsec;
}

static void clocks(void)
{
	int (*get)(int, struct timespec *) = function("__vdso_clock_gettime");
	int (*res)(int, struct timespec *) = function("__vdso_clock_getres");
	static const int ids[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME, CLOCK_TAI, CLOCK_REALTIME_COARSE,
				   CLOCK_MONOTONIC_COARSE, CLOCK_PROCESS_CPUTIME_ID };
	struct timespec a, b, c;

	for (unsigned i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		CHECK_EQ(syscall(SYS_clock_gettime, ids[i], &a), 0);
		CHECK_EQ(get(ids[i], &b), 0);
		CHECK_EQ(clock_gettime(ids[i], &c), 0);
		CHECK(ns(&a) <= ns(&b) && ns(&b) <= ns(&c) && ns(&c) - ns(&a) < 10000000000);
		if (res) {
			CHECK_EQ(syscall(SYS_clock_getres, ids[i], &a), 0);
			CHECK_EQ(res(ids[i], &b), 0);
			CHECK_EQ(ns(&a), ns(&b));
		}
	}
	CHECK(get(77, &a) == -22);
}

static void others(void)
{
	int (*gettod)(struct timeval *, void *) = function("__vdso_gettimeofday");
	time_t (*get_time)(time_t *) = function("__vdso_time");
	long (*get_cpu)(unsigned *, unsigned *, void *) = function("__vdso_getcpu");
	struct timeval a, b;
	time_t t = 0;
	unsigned cpu = 77777, node = 77777;

	syscall(SYS_gettimeofday, &a, NULL);
	CHECK_EQ(gettod(&b, NULL), 0);
	CHECK(b.tv_sec - a.tv_sec >= 0 && b.tv_sec - a.tv_sec < 10);
	CHECK(get_time(&t) == t && t - a.tv_sec < 10);
	CHECK_EQ(get_cpu(&cpu, &node, NULL), 0);
	CHECK(cpu < 77777 && node < 77777);
}

static int handled;

static void on_signal(int signo)
{
	clocks();
	others();
	handled++;
}

int main(void)
{
	const Elf64_Ehdr *eh = (void *)getauxval(AT_SYSINFO_EHDR);
	int status;

	if (!eh)
		SKIP("no vDSO");
	CHECK(!memcmp(eh->e_ident, ELFMAG, SELFMAG) && eh->e_type == ET_DYN && eh->e_machine == EM_X86_64);
	parse();
	CHECK(nsymbols > 4);
	for (unsigned i = 1; i < nsymbols; i++)
		if (strncmp(strings + symbols[i].st_name, "__vdso_futex_robust_list", 24)) /* of Linux 7.2 */
			printf("%s\n", strings + symbols[i].st_name);
	for (int i = 0; i < 20; i++) {
		clocks();
		others();
	}
	signal(SIGUSR1, on_signal);
	raise(SIGUSR1);
	CHECK_EQ(handled, 1);
	fflush(stdout);
	if (fork() == 0) {
		clocks();
		others();
		_exit(check_failed);
	}
	wait(&status);
	CHECK_EQ(status, 0);
	return check_done();
}
