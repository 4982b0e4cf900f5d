/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes the loader's header handling (engine/load: open, script, plan, elf, interp) with damaged and invented
 * ELF files and #! lines. The kernel is asked first: the same file is exec'ed natively under ptrace and what came
 * of it (errno, killed behind the point of no return, or a memory map) is what the loader must say. Besides, no
 * mapping that existed may change, and nothing may be mapped that was not reported to kern/vma.
 *
 * Hosted build, ASan where possible:
 *   gcc -std=gnu11 -g -O1 -fsanitize=address,undefined -fno-builtin -Iengine -Iinclude tests/unit/load_fuzz.c \
 *     engine/load/{elf,fd_room,interp,notes,open,plan,script}.c engine/rt/{bug,engine,fmt,lock,log,map,pkey}.c
 * Usage: load_fuzz [CASES [SEED]]. TAP on stdout.
 * fuzz: 50000 @SEED@
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <signal.h>

#include "kern/vma.h"
#include "load/load.h"
#include "rt/engine.h"

#define AT_FDCWD_ (-100)
#define AT_EMPTY_PATH_ 0x1000
#define FILE_MAX (64 << 10)
#define LINES 400

enum { LOADED, REFUSED, KILLED }; /* what came of an exec */
struct outcome {
	int what, err;
};

struct line {
	u64 lo, hi, off, ino;
	int prot;
	char name[24];
};
struct maps {
	int n;
	struct line l[LINES];
};

static u64 rng_state;
static u8 seed_file[FILE_MAX];
static size_t seed_size;
static struct maps before, after, native;
static char maps_text[256 << 10];

/* what the loader reported */
static struct { u64 lo, hi; int prot; } seen[4096];
static int nseen;

void vma_set_flags(gaddr_t lo, gaddr_t hi, int prot, u32 flags)
{
	if (nseen < 4096) {
		seen[nseen].lo = lo;
		seen[nseen].hi = hi;
		seen[nseen++].prot = prot;
	}
}

void vma_set(gaddr_t lo, gaddr_t hi, int prot)
{
	vma_set_flags(lo, hi, prot, 0);
}

void vma_clear(gaddr_t lo, gaddr_t hi)
{
	(void)lo, (void)hi;
	nseen = 0;
}

static int seen_prot(u64 addr)
{
	for (int i = nseen - 1; i >= 0; i--)
		if (addr >= seen[i].lo && addr < seen[i].hi)
			return seen[i].prot;
	return -1;
}

static u64 rnd(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return rng_state;
}

static void read_maps(struct maps *m, int pid)
{
	char path[40], *p = maps_text;
	size_t have = 0;
	long n, fd;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	fd = sys3(__NR_open, path, 0, 0);
	while ((n = sys3(__NR_read, fd, maps_text + have, sizeof(maps_text) - 1 - have)) > 0)
		have += (size_t)n;
	sys1(__NR_close, fd);
	maps_text[have] = 0;
	for (m->n = 0; *p && m->n < LINES; p = strchr(p, '\n') + 1) {
		struct line *l = &m->l[m->n++];
		const char *q;

		l->lo = rt_strtou(p, 16, &q);
		l->hi = rt_strtou(q + 1, 16, &q);
		l->prot = (q[1] == 'r' ? 1 : 0) | (q[2] == 'w' ? 2 : 0) | (q[3] == 'x' ? 4 : 0);
		l->off = rt_strtou(q + 6, 16, &q);
		q = strchr(q + 1, ' '); /* over the device */
		l->ino = rt_strtou(q + 1, 10, &q);
		while (*q == ' ')
			q++;
		for (n = 0; n < 23 && q[n] && q[n] != '\n'; n++)
			l->name[n] = q[n];
		l->name[n] = 0;
	}
}

static const struct line *line_at(const struct maps *m, u64 addr)
{
	for (int i = 0; i < m->n; i++)
		if (addr >= m->l[i].lo && addr < m->l[i].hi)
			return &m->l[i];
	return NULL;
}

static bool same_page(const struct line *a, const struct line *b, u64 addr_a, u64 addr_b)
{
	return a && b && a->ino == b->ino && (!a->ino || a->off + addr_a - a->lo == b->off + addr_b - b->lo);
}

static void fail(const char *what, u64 a, u64 b)
{
	printf("# %s: %llx %llx\n", what, (unsigned long long)a, (unsigned long long)b);
	fflush(stdout);
	_exit(1);
}

/* everything that was there is there; everything new was reported (or, after an error, there is nothing new) */
static void check_own_maps(bool loaded)
{
	for (int i = 0; i < before.n; i++)
		for (u64 a = before.l[i].lo; a < before.l[i].hi;) {
			const struct line *l = line_at(&after, a);

			if (!same_page(&before.l[i], l, a, a) || before.l[i].prot != l->prot)
				if (strcmp(before.l[i].name, "[stack]"))
					fail("a mapping that was there changed", a, before.l[i].hi);
			a = l ? l->hi : a + PAGE_SIZE;
		}
	for (int i = 0; i < after.n; i++)
		for (u64 a = after.l[i].lo; a < after.l[i].hi;) {
			const struct line *l = line_at(&before, a);
			u64 end = after.l[i].hi;

			if (l) {
				a = l->hi;
				continue;
			}
			for (int j = 0; j < before.n; j++)
				if (before.l[j].lo > a)
					end = min(end, before.l[j].lo);
			if (!strcmp(after.l[i].name, "[stack]")) {
				a = end;
				continue;
			}
			if (!loaded || seen_prot(a) < 0 || seen_prot(end - 1) < 0)
				fail(loaded ? "mapped but not reported" : "left mapped after an error", a, end);
			a = end;
		}
}

/* the image looks as the kernel's does, page by page */
static void check_like_native(const struct elf_image *img, u64 ino)
{
	u64 theirs = ~0ull, ours = ~0ull, shift;

	for (int i = 0; i < native.n; i++)
		if (native.l[i].ino == ino)
			theirs = min(theirs, native.l[i].lo);
	for (int i = 0; i < after.n; i++)
		if (after.l[i].ino == ino)
			ours = min(ours, after.l[i].lo);
	if (theirs == ~0ull && ours == ~0ull)
		return;
	shift = img->bias ? theirs - ours : 0;
	for (int i = 0; i < native.n; i++) {
		struct line *l = &native.l[i];

		if (l->lo - shift < img->lo || l->lo - shift >= img->hi || (l->name[0] == '[' && l->name[1] != 'h'))
			continue;
		if (l->ino != ino && (l->ino || img->bias == 0)) /* its interpreter, or what else stands there */
			continue;
		for (u64 a = l->lo; a < l->hi && a - shift < img->hi;) {
			const struct line *o = line_at(&after, a - shift);

			if (!same_page(l, o, a, a - shift))
				fail("native maps another thing here", a, a - shift);
			if (seen_prot(a - shift) != l->prot)
				fail("native gives another protection here", a - shift, (u64)l->prot);
			a += PAGE_SIZE;
			if (l->hi - a > 64 * PAGE_SIZE && (l->hi - a) % (1 << 20))
				a += 32 * PAGE_SIZE;
		}
	}
}

/* exec natively, stop at the first instruction and look */
static struct outcome ask_kernel(int fd)
{
	char *argv[] = { "x", NULL };
	int st, pid = fork();

	if (pid == 0) {
		long r;

		ptrace(PTRACE_TRACEME, 0, 0, 0);
		r = sys5(__NR_execveat, fd, "", argv, argv + 1, AT_EMPTY_PATH_);
		_exit((int)-r);
	}
	waitpid(pid, &st, 0);
	if (WIFEXITED(st))
		return (struct outcome){ REFUSED, WEXITSTATUS(st) };
	if (WIFSIGNALED(st) || WSTOPSIG(st) != SIGTRAP) {
		kill(pid, SIGKILL);
		waitpid(pid, &st, 0);
		return (struct outcome){ KILLED, 0 };
	}
	read_maps(&native, pid);
	kill(pid, SIGKILL);
	waitpid(pid, &st, 0);
	return (struct outcome){ LOADED, 0 };
}

/* The kernel places a shared object by the mapping of its first segment; one without bytes in the file has none
 * and lands at address 0, where it is killed. Nobody builds such files; ours run. */
static bool first_segment_empty(const struct elf_file *f)
{
	for (int i = 0; i < f->eh.e_phnum; i++)
		if (f->ph[i].p_type == PT_LOAD)
			return f->eh.e_type == ET_DYN && f->ph[i].p_filesz == 0;
	return false;
}

static void judge(struct outcome k, struct outcome e)
{
	/* a place of its own for ET_EXEC is what the kernel has and this process has not */
	if (e.what == KILLED && (e.err == EEXIST || e.err == ENOMEM))
		return;
	/* found before the point of no return is better than behind it */
	if (k.what != e.what || (k.what == REFUSED && k.err != e.err)) {
		printf("# kernel: %s %d, loader: %s %d\n", "loaded \0refused\0killed " + 8 * k.what, k.err,
		       "loaded \0refused\0killed " + 8 * e.what, e.err);
		fflush(stdout);
		_exit(2);
	}
}

static void try_load(int fd, struct outcome k)
{
	static struct plan p;
	static struct elf_file f;
	struct outcome e = { LOADED, 0 };
	struct elf_image img;
	bool whatever = false;
	long r;

	alarm(20);
	read_maps(&before, getpid());
	r = plan_exec(&p, fd, "", AT_EMPTY_PATH_);
	if (r)
		e = (struct outcome){ REFUSED, (int)-r };
	else if (p.kind == PLAN_HOST || p.rec.depth)
		_exit(0); /* nothing of ours */
	if (!r) {
		r = elf_open(&f, p.fd, seed_size);
		BUG_ON(r);
		if (k.what == KILLED && first_segment_empty(&f))
			_exit(0);
		/* of images this large the place alone decides whether the kernel finds room */
		whatever = !elf_measure(&f, &img) && (img.hi - img.lo > 1ul << 30 || img.entry > 1ul << 30) &&
			   k.what == KILLED;
		r = elf_map_image(&f, 0, &img);
		if (r)
			e = (struct outcome){ KILLED, (int)-r };
		elf_close(&f);
		if (!r && img.entry >= TASK_SIZE_MAX && !p.interp[0])
			whatever = true; /* too far for us; for the kernel it depends on the place */
	}
	read_maps(&after, getpid());
	check_own_maps(!r);
	if (whatever)
		_exit(0);
	judge(k, e);
	if (e.what == LOADED && img.hi - img.lo <= 1ul << 30) {
		struct exec_file x;

		if (!exec_open(fd, "", AT_EMPTY_PATH_, &x)) {
			struct { u64 dev, ino; u8 rest[128]; } st;

			sys2(__NR_fstat, x.fd, &st);
			check_like_native(&img, st.ino);
		}
	}
	_exit(0);
}

static u64 odd_number(u64 was)
{
	static const u64 list[] = { 0, 1, 2, 0xfff, 0x1000, 0x1001, 0x200000, 0x400000, 0x7fffffff, 0x80000000,
				    0xffffffff, 0x100000000, 0x7ffffffff000, 0x7fffffffe000, 0x800000000000,
				    0x7fffffffffffffff, 0x8000000000000000, 0xfffffffffffff000, ~0ull, 0x555555554000,
				    65536, 4096, 4097, 0x10007fff8000, 0x7fff7000 };

	switch (rnd() % 6) {
	case 0: return list[rnd() % ARRAY_SIZE(list)];
	case 1: return was + (rnd() % 3 - 1) * 0x1000;
	case 2: return was ^ (1ull << rnd() % 64);
	case 3: return rnd() >> rnd() % 64;
	case 4: return was + rnd() % 64;
	}
	return PAGE_DOWN(rnd() >> (16 + rnd() % 40));
}

static void invent_phdr(Elf64_Phdr *ph, u64 *next)
{
	static const u32 types[] = { PT_LOAD, PT_LOAD, PT_LOAD, PT_LOAD, PT_GNU_STACK, PT_NULL, PT_PHDR, PT_NOTE };

	memset(ph, 0, sizeof(*ph));
	ph->p_type = types[rnd() % ARRAY_SIZE(types)];
	ph->p_flags = rnd() % 8;
	ph->p_offset = rnd() % 0x9000;
	ph->p_vaddr = *next + (ph->p_offset & 0xfff) + (rnd() % 4) * 0x1000;
	ph->p_filesz = rnd() % 4 ? rnd() % 0x5000 : 0;
	ph->p_memsz = ph->p_filesz + (rnd() % 2 ? rnd() % 0x8000 : 0);
	ph->p_align = rnd() % 4 ? 0x1000 : 1ull << rnd() % 30;
	if (rnd() % 8)
		*next = PAGE_UP(ph->p_vaddr + ph->p_memsz);
}

static void mutate(u8 *file, size_t *size)
{
	Elf64_Ehdr *eh = (void *)file;
	Elf64_Phdr *ph = (void *)(file + 64);
	int hits = 1 + (int)(rnd() % 3);
	u64 next = 0;

	if (rnd() % 3 == 0) { /* headers of our own making */
		eh->e_type = rnd() % 2 ? ET_EXEC : ET_DYN;
		eh->e_phoff = 64;
		eh->e_phnum = (u16)(rnd() % 10);
		next = eh->e_type == ET_EXEC ? 0x400000 + (rnd() % 2 ? PAGE_DOWN(rnd() % 0x10000000000) : 0)
					     : (rnd() % 3 ? 0 : PAGE_DOWN(rnd() % 0x1000000));
		eh->e_entry = next;
		for (int i = 0; i < eh->e_phnum; i++)
			invent_phdr(&ph[i], &next);
		hits = (int)(rnd() % 3);
	}
	while (hits--) {
		u32 i = (u32)(rnd() % 14);
		u64 *field = (u64 *)&ph[i];

		switch (rnd() % 5) {
		case 0: /* any byte of the headers */
			file[rnd() % 900] = (u8)rnd();
			break;
		case 1: { /* a field of the file header */
			static const u8 at[] = { 16, 18, 20, 24, 32, 40, 48, 52, 54, 56, 58 };
			u64 n = odd_number(*(u16 *)(file + 54));

			memcpy(file + at[rnd() % sizeof(at)], &n, rnd() % 2 ? 2 : 8);
			break;
		}
		case 2:
			ph[i].p_type = (u32)(rnd() % 8);
			break;
		default: /* a field of a program header */
			field += 1 + rnd() % 6;
			*field = odd_number(*field);
		}
	}
	if (rnd() % 10 == 0)
		*size = rnd() % (rnd() % 2 ? 1200 : *size);
}

static void invent_script(u8 *file, size_t *size)
{
	static const char *const parts[] = { "#!", " ", "\t", "/bin/true", "/bin/sh", "\n", "-x", "\0", "/nope", "a",
					     "/bin", "                                                  ", "\r" };
	size_t n = 2;

	memcpy(file, "#!", 2);
	while (n < 400 && rnd() % 12) {
		const char *s = parts[rnd() % ARRAY_SIZE(parts)];
		size_t len = max(strlen(s), (size_t)1);

		memcpy(file + n, s, len);
		n += len;
	}
	*size = n;
}

static void show(const u8 *file)
{
	const Elf64_Ehdr *eh = (const void *)file;
	const Elf64_Phdr *ph = (const void *)(file + 64);

	printf("# %.60s type %x machine %x entry %lx phoff %lx phentsize %x phnum %d\n", file + 2, eh->e_type,
	       eh->e_machine, (long)eh->e_entry, (long)eh->e_phoff, eh->e_phentsize, eh->e_phnum);
	for (int i = 0; i < 14 && i < eh->e_phnum; i++, ph++)
		printf("# %x flags %x off %lx vaddr %lx filesz %lx memsz %lx align %lx\n", ph->p_type, ph->p_flags,
		       (long)ph->p_offset, (long)ph->p_vaddr, (long)ph->p_filesz, (long)ph->p_memsz,
		       (long)ph->p_align);
}

static int one_case(u8 *file, size_t size)
{
	int fd = memfd_create("fuzz", 0), st, pid;
	struct outcome k;

	fchmod(fd, 0755);
	if (write(fd, file, size) != (ssize_t)size)
		abort();
	st = (int)sys3(__NR_open, (snprintf(maps_text, 64, "/proc/self/fd/%d", fd), maps_text), 0, 0);
	close(fd); /* a file open for writing cannot be run */
	fd = st;
	seed_size = size;
	k = ask_kernel(fd);
	pid = fork();
	if (pid == 0)
		try_load(fd, k);
	waitpid(pid, &st, 0);
	close(fd);
	return st;
}

int main(int argc, char **argv)
{
	long cases = argc > 1 ? atol(argv[1]) : 1500, bad = 0;
	u64 seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	static u8 file[FILE_MAX];
	size_t base, size;
	int fd = (int)sys3(__NR_open, "/bin/true", 0, 0);

	base = (size_t)sys3(__NR_read, fd, seed_file, FILE_MAX);
	close(fd);
	eng.fd_base = 1 << 20;
	printf("1..1\n");
	for (long i = 0; i < cases; i++) {
		int st;

		rng_state = (seed + (u64)i) * 0x9e3779b97f4a7c15ull + 1;
		rnd(), rnd(), rnd();
		memcpy(file, seed_file, base);
		size = base;
		if (rnd() % 8)
			mutate(file, &size);
		else
			invent_script(file, &size);
		if (cases == 1) /* one alone: show it */
			show(file);
		fflush(stdout);
		st = one_case(file, size);
		if (st) {
			printf("# case with seed %llu: status %x\n", (unsigned long long)(seed + (u64)i), st);
			if (++bad == 20)
				break;
		}
	}
	printf("%s 1 - loader agrees with the kernel on %ld damaged files\n", bad ? "not ok" : "ok", cases);
	return bad != 0;
}
