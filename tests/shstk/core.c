/* SPDX-License-Identifier: MIT */
/* flags: -mshstk */
#define _GNU_SOURCE
/* The core of a program that dies with a shadow stack: its NT_X86_SHSTK note holds SSP, its memory the shadow stack. Without
 * one there is no such note. */
#include <elf.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <stdlib.h>
#include "shstk.h"

#define NT_SHSTK 0x204

static char folder[] = "/tmp/shstk-core.XXXXXX";
static char *core;
static size_t size;

static void __attribute__((noinline)) deeper(void)
{
	out->v[0] = (long)rdssp();
	out->v[1] = out->v[0] ? *(long *)out->v[0] : 0;
	*(volatile int *)8 = 1;
}

static void with(void)
{
	must(chdir(folder));
	enable();
	deeper();
}

static void without(void)
{
	must(chdir(folder));
	deeper();
}

static void load_core(int pid)
{
	char path[64];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/core", folder);
	fd = open(path, O_RDONLY);
	if (fd < 0) {
		snprintf(path, sizeof(path), "%s/core.%d", folder, pid);
		fd = open(path, O_RDONLY);
	}
	CHECK(fd >= 0 && !fstat(fd, &st));
	size = (size_t)st.st_size;
	core = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(core != MAP_FAILED && !memcmp(core, ELFMAG, SELFMAG));
	close(fd);
	unlink(path);
}

/* the segment of a type; LOAD: that which has `at` in it */
static const Elf64_Phdr *segment(unsigned type, ul at)
{
	const Elf64_Ehdr *e = (const Elf64_Ehdr *)core;
	const Elf64_Phdr *p = (const Elf64_Phdr *)(core + e->e_phoff);

	for (int i = 0; i < e->e_phnum; i++)
		if (p[i].p_type == type && (type != PT_LOAD || (at >= p[i].p_vaddr && at < p[i].p_vaddr + p[i].p_filesz)))
			return &p[i];
	return NULL;
}

static const Elf64_Nhdr *note(unsigned type)
{
	const Elf64_Phdr *p = segment(PT_NOTE, 0);

	for (ul at = 0; at < p->p_filesz;) {
		const Elf64_Nhdr *n = (const Elf64_Nhdr *)(core + p->p_offset + at);

		if (n->n_type == type && n->n_namesz == 6 && !memcmp(n + 1, "LINUX", 6))
			return n;
		at += sizeof(*n) + ((n->n_namesz + 3) & ~3u) + ((n->n_descsz + 3) & ~3u);
	}
	return NULL;
}

static int dies(void (*f)(void))
{
	int st, pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		f();
		_exit(89);
	}
	CHECK(waitpid(pid, &st, 0) == pid);
	load_core(pid);
	return st;
}

static void test_with(void)
{
	const Elf64_Phdr *p;
	const Elf64_Nhdr *n;

	CHECK_EQ(dies(with) & 0x7f, SIGSEGV);
	n = note(NT_SHSTK);
	CHECK(n != NULL);
	CHECK_EQ(n->n_descsz, 8);
	CHECK(*(const long *)((const char *)(n + 1) + 8) == out->v[0]);
	p = segment(PT_LOAD, (ul)out->v[0]);
	CHECK(p != NULL);
	CHECK_EQ(p->p_flags & (PF_R | PF_W | PF_X), PF_R | PF_W);
	CHECK(*(const long *)(core + p->p_offset + ((ul)out->v[0] - p->p_vaddr)) == out->v[1]);
	munmap(core, size);
}

static void test_without(void)
{
	CHECK_EQ(dies(without) & 0x7f, SIGSEGV);
	CHECK(note(NT_SHSTK) == NULL);
	munmap(core, size);
}

int main(void)
{
	struct rlimit rl = { RLIM_INFINITY, RLIM_INFINITY };
	char pattern[128] = "";
	FILE *f;

	needs_shstk();
	f = fopen("/proc/sys/kernel/core_pattern", "r");
	if (f && (!fgets(pattern, sizeof(pattern), f) || strcmp(pattern, "core\n")))
		SKIP("core_pattern names no file in the folder");
	if (setrlimit(RLIMIT_CORE, &rl))
		SKIP("RLIMIT_CORE");
	mkdir("/tmp", 01777);
	CHECK(mkdtemp(folder) != NULL);
	test_with();
	test_without();
	CHECK(rmdir(folder) == 0);
	return 0;
}
