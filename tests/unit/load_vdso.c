/* SPDX-License-Identifier: MIT */
/*
 * load/vdso.c on copies of this machine's vDSO, changed into what other kernels have: the guest finds both unlock
 * functions by each of the tables, they work, everything else is where it was, and the windows are where the functions
 * are; or there is no window, and then no function of ours.
 *
 * Hosted build:
 *   gcc -std=gnu11 -g -O1 -fsanitize=address,undefined -fno-builtin -Iengine -Iinclude -Itests/lib tests/unit/load_vdso.c \
 *     engine/load/vdso.c engine/rt/{bug,engine,fmt,lock,log,map,pkey}.c
 * TAP on stdout.
 */
#define _GNU_SOURCE
#include <linux/auxvec.h>
#include <linux/elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "load/load.h"
#include "rt/engine.h"

#define SIZE (4 * PAGE_SIZE)
#define NAME64 "__vdso_futex_robust_list64_try_unlock"
#define NAME32 "__vdso_futex_robust_list32_try_unlock"
#define DEF_GNU_HASH 0x6ffffef5
#define EH_FRAME 0x6474e550

unsigned long getauxval(unsigned long); /* its header has another elf.h in it */

static u8 *image; /* where the guest's vDSO is */

/* ---- reading an image, by other ways than vdso.c ---- */

static u64 dyn(s64 tag)
{
	const Elf64_Ehdr *e = (void *)image;
	const Elf64_Phdr *p = (void *)(image + e->e_phoff);

	for (int i = 0; i < e->e_phnum; i++)
		if (p[i].p_type == PT_DYNAMIC)
			for (const Elf64_Dyn *d = (void *)(image + p[i].p_offset); d->d_tag; d++)
				if (d->d_tag == tag)
					return d->d_un.d_ptr;
	return 0;
}

static Elf64_Phdr *header(u32 type)
{
	const Elf64_Ehdr *e = (void *)image;
	Elf64_Phdr *p = (void *)(image + e->e_phoff);

	for (int i = 0; i < e->e_phnum; i++)
		if (p[i].p_type == type)
			return &p[i];
	return NULL;
}

static Elf64_Sym *symbol(u32 i)
{
	return (Elf64_Sym *)(image + dyn(DT_SYMTAB)) + i;
}

static const char *name_of(u32 i)
{
	return (const char *)image + dyn(DT_STRTAB) + symbol(i)->st_name;
}

static u32 elf_hash(const char *s)
{
	u32 h = 0, g;

	for (; *s; s++) {
		h = (h << 4) + (u8)*s;
		g = h & 0xf0000000;
		h = (h ^ g >> 24) & ~g;
	}
	return h;
}

/* index of the symbol, 0: none */
static u32 by_hash(const char *name)
{
	const u32 *t = (void *)(image + dyn(DT_HASH));

	for (u32 i = t[2 + elf_hash(name) % t[0]]; i; i = t[2 + t[0] + i])
		if (!strcmp(name_of(i), name))
			return i;
	return 0;
}

static u32 by_gnu_hash(const char *name)
{
	const u32 *t = (void *)(image + dyn(DEF_GNU_HASH));
	const u32 *bucket = t + 4 + 2 * t[2], *chain = bucket + t[0];
	const u64 *bloom = (const u64 *)(t + 4);
	u32 h = 5381, i;

	for (const char *s = name; *s; s++)
		h = h * 33 + (u8)*s;
	if (!(bloom[h / 64 % t[2]] >> h % 64 & bloom[h / 64 % t[2]] >> (h >> t[3]) % 64 & 1))
		return 0;
	for (i = bucket[h % t[0]]; i; i++) {
		if ((chain[i - t[1]] | 1) == (h | 1) && !strcmp(name_of(i), name))
			return i;
		if (chain[i - t[1]] & 1)
			break;
	}
	return 0;
}

static u32 count(const char *name)
{
	u32 n = 0, *t = (void *)(image + dyn(DT_HASH));

	for (u32 i = 1; i < t[1]; i++)
		n += !strcmp(name_of(i), name);
	return n;
}

/* the code's entry in the unwind table, by its binary search; its FDE must cover it */
static bool unwinds(u64 code)
{
	const Elf64_Phdr *p = header(EH_FRAME);
	const u8 *base = image + p->p_offset, *fde;
	const s32 *t = (void *)(base + 12);
	s32 n = *(s32 *)(base + 8), lo = 0, hi = n;
	s32 start;
	u32 size;

	for (s32 i = 1; i < n; i++)
		CHECK(t[2 * i] >= t[2 * (i - 1)]);
	while (hi - lo > 1) {
		s32 mid = (lo + hi) / 2;

		if (base + t[2 * mid] <= image + code)
			lo = mid;
		else
			hi = mid;
	}
	fde = base + t[2 * lo + 1];
	memcpy(&start, fde + 8, 4);
	memcpy(&size, fde + 12, 4);
	return image + code >= fde + 8 + start && image + code < fde + 8 + start + size;
}

/* ---- what must be true ---- */

static void works(const char *name, u32 which)
{
	u32 i = by_hash(name), word = 7, old;
	u64 slot = 0x1111222233334444, code;
	u32 (*unlock)(u32 *, u32, u64 *);
	u16 *ver = (void *)(image + dyn(DT_VERSYM));

	CHECK(i && i == by_gnu_hash(name));
	CHECK_EQ(count(name), 1);
	CHECK_EQ(ver[i], ver[by_hash("__vdso_clock_gettime")]);
	code = symbol(i)->st_value;
	unlock = (void *)(image + code);
	old = unlock(&word, 8, &slot);
	CHECK(old == 7 && word == 7 && slot == 0x1111222233334444);
	old = unlock(&word, 7, &slot);
	CHECK(old == 7 && !word && slot == (which ? 0x1111222200000000 : 0));
	CHECK_EQ(eng.unlock[which].start, (u64)image + code + 8);
	CHECK_EQ(eng.unlock[which].end, eng.unlock[which].start + (which ? 4 : 5));
	CHECK_EQ(eng.unlock[which].slot_size, which ? 4 : 8);
	CHECK(eng.unlock_lo <= (u64)image + code && eng.unlock_hi >= eng.unlock[which].end);
}

static void others_stay(void)
{
	const u8 *host = (void *)getauxval(AT_SYSINFO_EHDR);
	u8 *ours = image;
	u32 n = ((u32 *)(image + dyn(DT_HASH)))[1];

	for (u32 i = 1; i < n; i++) {
		const char *name = name_of(i);
		u64 value = symbol(i)->st_value, was;

		if (!strcmp(name, NAME64) || !strcmp(name, NAME32))
			continue;
		CHECK(by_hash(name) == i && by_gnu_hash(name) == i);
		image = (u8 *)host;
		was = symbol(by_hash(name))->st_value;
		image = ours;
		CHECK_EQ(value, was);
	}
	CHECK(unwinds(symbol(by_hash("__vdso_clock_gettime"))->st_value));
}

static void good(void)
{
	works(NAME64, 0);
	works(NAME32, 1);
	others_stay();
}

/* ---- the kernels ---- */

static void build(void)
{
	eng.vdso_lo = (gaddr_t)image;
	eng.vdso_hi = eng.vdso_lo + SIZE;
	memset(eng.unlock, 0, sizeof(eng.unlock));
	eng.unlock_lo = eng.unlock_hi = 0;
	vdso_build();
}

/* room behind it for more */
static void grow(void)
{
	Elf64_Phdr *p = header(PT_LOAD);

	p->p_memsz = p->p_filesz = PAGE_UP(p->p_memsz) + 8;
}

static void this_one(void)
{
	build();
	good();
	CHECK(unwinds(symbol(by_hash(NAME64))->st_value) && unwinds(symbol(by_hash(NAME32))->st_value));
}

static void today(void)
{
	static u8 was[SIZE];

	build();
	memcpy(was, image, SIZE);
	build();
	CHECK(!memcmp(was, image, SIZE));
	good();
}

static void other_compiler(void)
{
	u8 *f;

	build();
	f = image + symbol(by_hash(NAME64))->st_value;
	f[0] = 0x8b; /* mov %esi, %eax, the other way to say it */
	f[1] = 0xc6;
	build();
	good();
	CHECK(f[0] == 0x89);
}

static void without_compat(void)
{
	u64 at;

	build();
	at = symbol(by_hash(NAME64))->st_value;
	/* no such symbol: another name, and what was there is no code of anybody's */
	memset(image + symbol(by_hash(NAME32))->st_value, 0xcc, 8);
	memset((char *)name_of(by_hash(NAME32)), 'x', 8);
	grow();
	build();
	works(NAME64, 0);
	works(NAME32, 1);
	CHECK_EQ(symbol(by_hash(NAME64))->st_value, at);
}

static void too_short(void)
{
	build();
	symbol(by_hash(NAME64))->st_size = 8;
	image[symbol(by_hash(NAME64))->st_value] = 0x90;
	build();
	CHECK(!eng.unlock[0].end && eng.unlock[1].end);
	works(NAME32, 1);
}

static void no_room(void)
{
	static u8 was[SIZE];
	Elf64_Phdr *p = header(PT_LOAD);
	bool has = by_hash(NAME64);

	p->p_memsz = p->p_filesz = PAGE_UP(p->p_memsz) - 64;
	memcpy(was, image, SIZE);
	build();
	CHECK(has || (!memcmp(was, image, SIZE) && !eng.unlock[0].end && !eng.unlock[1].end && !eng.unlock_hi));
}

static void no_image(void)
{
	image[0] = 0;
	build();
	CHECK(!eng.unlock[0].end && !eng.unlock_hi);
}

/* the same pages, which nobody can write any more */
static void seal(void)
{
	int fd = memfd_create("vdso", MFD_ALLOW_SEALING);

	CHECK(write(fd, image, SIZE) == SIZE && !fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	CHECK(mmap(image, SIZE, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, fd, 0) == image);
}

static void sealed(void)
{
	bool has = by_hash(NAME64);

	seal();
	build();
	CHECK(has == !!by_hash(NAME64) && has == !!eng.unlock[0].end && has == !!eng.unlock_hi);
}

static void sealed_today(void)
{
	build();
	seal();
	build();
	good();
}

static void sealed_other(void)
{
	build();
	image[symbol(by_hash(NAME32))->st_value] = 0x90;
	seal();
	build();
	works(NAME64, 0);
	CHECK(!eng.unlock[1].end);
}

static const struct {
	const char *name;
	void (*f)(void);
} cases[] = {
	{ "this kernel's", this_one },
	{ "with the functions: left as it is", today },
	{ "with another compiler's function: replaced", other_compiler },
	{ "without 32-bit programs: one is there, one is added", without_compat },
	{ "a function that cannot be replaced has no window", too_short },
	{ "no room: left as it is", no_room },
	{ "no ELF image", no_image },
	{ "pages that cannot be written", sealed },
	{ "the same, with the functions", sealed_today },
	{ "the same, with another compiler's function", sealed_other },
};

int main(void)
{
	const u8 *host = (void *)getauxval(AT_SYSINFO_EHDR);
	int n = sizeof(cases) / sizeof(*cases), bad = 0;

	if (!host) {
		puts("1..0 # SKIP no vDSO here");
		return 77;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 0; i < n; i++) {
		int status;
		pid_t pid = fork();

		if (!pid) {
			image = mmap(NULL, SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			memcpy(image, host, PAGE_SIZE);
			memcpy(image, host, PAGE_UP(header(PT_LOAD)->p_memsz));
			cases[i].f();
			_exit(check_failed != 0);
		}
		waitpid(pid, &status, 0);
		printf("%sok %d - %s\n", status ? "not " : "", i + 1, cases[i].name);
		bad += status != 0;
	}
	printf("1..%d\n", n);
	return bad != 0;
}
