/* SPDX-License-Identifier: MIT */
/*
 * The guest's vDSO: the host's, with the robust unlock of Linux 7.2 added where the host is older. The image ends in the
 * middle of a page; the new functions go behind its end, with a symbol table, hash tables and unwind table that know
 * them, and its headers are turned to those. A host that has the functions, but made by another compiler, so that
 * nobody here knows where their windows are, gets these in their place. The pages are this process's own from then on.
 * Once, before the guest starts. Where the pages cannot be written (system mappings sealed, Linux 6.15) the guest has
 * the host's as it is.
 *
 * The critical section of an unlock is [eng.unlock[i].start, end): from behind the release to the first byte after the
 * store that clears the slot. sig/window.c finishes it for whoever is interrupted there.
 */
#include <linux/elf.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include "load/load.h"
#include "rt/engine.h"

#ifndef PT_GNU_EH_FRAME
#define PT_GNU_EH_FRAME 0x6474e550
#endif
#define DT_GNU_HASH 0x6ffffef5
#define EH_HDR_KIND 0x3b031b01u /* version 1; frame pcrel sdata4, count udata4, table datarel sdata4 */
#define SYMS_MAX 64
#define NAMES_MAX 2048
#define FDES_MAX 64
#define PAGES_MAX 4

/* as the kernel's compiler makes them; the registers are part of the ABI: old value in eax, lock in rdi, slot in rdx,
 * zero in rcx */
static const u8 unlock64[] = {
	0x89, 0xf0,             /* mov    %esi, %eax */
	0x31, 0xc9,             /* xor    %ecx, %ecx */
	0xf0, 0x0f, 0xb1, 0x0f, /* lock cmpxchg %ecx, (%rdi) */
	0x75, 0x03,             /* jnz    1f              start */
	0x48, 0x89, 0x0a,       /* mov    %rcx, (%rdx)    success */
	0xc3,                   /* 1: ret                 end */
	0xcc,
};
static const u8 unlock32[] = {
	0x89, 0xf0, 0x31, 0xc9, 0xf0, 0x0f, 0xb1, 0x0f, 0x75, 0x02,
	0x89, 0x0a,             /* mov    %ecx, (%rdx) */
	0xc3, 0xcc,
};
#define CS_START 8
#define CS_BEHIND 2 /* ret, int3 */
#define CS_PAD 1    /* int3 */

static const struct {
	const char *name;
	const u8 *code;
	u32 size, slot_size;
} functions[] = {
	{ "__vdso_futex_robust_list64_try_unlock", unlock64, sizeof(unlock64), 8 },
	{ "__vdso_futex_robust_list32_try_unlock", unlock32, sizeof(unlock32), 4 },
};
#define FUNCTIONS ((u32)ARRAY_SIZE(functions))

static struct place {
	u32 code;     /* in the image; 0: nowhere, or unknown there */
	bool host;    /* the host has one */
	bool changed; /* it is so only if the image can be put back */
} where[FUNCTIONS];

static struct image {
	u8 base[PAGES_MAX * PAGE_SIZE]; /* a copy, which is changed and put back */
	u32 size, room; /* used, and up to the end of its last page */
	Elf64_Phdr *load, *eh;
	Elf64_Dyn *sym, *str, *strsz, *versym, *hash, *gnu;
	u32 nsyms, names_size;
	Elf64_Sym syms[SYMS_MAX];
	u16 vers[SYMS_MAX];
	char names[NAMES_MAX];
} im;

static void *at(const Elf64_Dyn *d)
{
	return im.base + d->d_un.d_ptr;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static void dynamic(Elf64_Dyn *d)
{
	for (; d->d_tag != DT_NULL; d++)
		switch (d->d_tag) {
		case DT_SYMTAB: im.sym = d; break;
		case DT_STRTAB: im.str = d; break;
		case DT_STRSZ: im.strsz = d; break;
		case DT_VERSYM: im.versym = d; break;
		case DT_HASH: im.hash = d; break;
		case DT_GNU_HASH: im.gnu = d; break;
		}
}

static bool read_image(void)
{
	Elf64_Ehdr *e = (void *)im.base;
	Elf64_Phdr *p = (void *)(im.base + e->e_phoff);

	if (memcmp(e->e_ident, ELFMAG, SELFMAG))
		return false;
	for (int i = 0; i < e->e_phnum; i++) {
		if (p[i].p_type == PT_LOAD)
			im.load = &p[i];
		if (p[i].p_type == PT_GNU_EH_FRAME)
			im.eh = &p[i];
		if (p[i].p_type == PT_DYNAMIC)
			dynamic((void *)(im.base + p[i].p_offset));
	}
	if (!im.load || im.load->p_vaddr || im.load->p_offset || !im.sym || !im.str || !im.strsz || !im.versym)
		return false;
	/* the strings follow the symbols, if there is no hash table that counts them */
	im.nsyms = im.hash ? ((u32 *)at(im.hash))[1] : (u32)(((u8 *)at(im.str) - (u8 *)at(im.sym)) / sizeof(Elf64_Sym));
	im.names_size = (u32)im.strsz->d_un.d_val;
	if (im.nsyms + FUNCTIONS > SYMS_MAX || im.names_size + 128 > NAMES_MAX)
		return false;
	memcpy(im.syms, at(im.sym), im.nsyms * sizeof(Elf64_Sym));
	memcpy(im.vers, at(im.versym), im.nsyms * sizeof(u16));
	memcpy(im.names, at(im.str), im.names_size);
	return true;
}

static const Elf64_Sym *find(const char *name)
{
	for (u32 i = 1; i < im.nsyms; i++)
		if (im.syms[i].st_name < im.names_size && !strcmp(im.names + im.syms[i].st_name, name))
			return &im.syms[i];
	return NULL;
}

/*
 * What the host has of the functions. Its own, if they are these bytes, stay; another compiler's give way, which they
 * can because these are as short as can be.
 */
static void host_functions(void)
{
	for (u32 i = 0; i < FUNCTIONS; i++) {
		const Elf64_Sym *s = find(functions[i].name);
		u32 n = functions[i].size - CS_PAD;

		where[i] = (struct place){ .host = s };
		if (!s)
			continue;
		if (memcmp(im.base + s->st_value, functions[i].code, n)) {
			if (s->st_size < n) {
				rt_log_once("%s of this kernel looks strange: its window is not guarded", functions[i].name);
				continue;
			}
			memcpy(im.base + s->st_value, functions[i].code, n);
			where[i].changed = true;
		}
		where[i].code = (u32)s->st_value;
	}
}

/* ---- writing: everything goes behind what is there --------------------------------------------------------------- */

static u32 put(const void *p, u32 n, u32 align)
{
	u32 to = (im.size + align - 1) & -align;

	if (!im.room || to + n > im.room) {
		im.room = 0;
		return 0;
	}
	memcpy(im.base + to, p, n);
	im.size = to + n;
	return to;
}

static u32 put_function(u32 i, u16 version, u16 section)
{
	u32 code = put(functions[i].code, functions[i].size, 16), n = (u32)strlen(functions[i].name) + 1;

	im.vers[im.nsyms] = version;
	im.syms[im.nsyms++] = (Elf64_Sym){ .st_name = im.names_size, .st_info = STB_GLOBAL << 4 | STT_FUNC,
					   .st_shndx = section, .st_value = code, .st_size = functions[i].size };
	memcpy(im.names + im.names_size, functions[i].name, n);
	im.names_size += n;
	where[i] = (struct place){ .code = code, .changed = true };
	return code;
}

/* one bucket with all symbols in it: there are two dozen */
static void put_hash(void)
{
	u32 t[3 + SYMS_MAX] = { 1, im.nsyms, 1 };

	for (u32 i = 1; i < im.nsyms; i++)
		t[3 + i] = i + 1 < im.nsyms ? i + 1 : 0;
	if (im.hash)
		im.hash->d_un.d_ptr = put(t, (3 + im.nsyms) * 4, 8);
}

static u32 gnu_hash(const char *s)
{
	u32 h = 5381;

	for (; *s; s++)
		h = h * 33 + (u8)*s;
	return h;
}

static void put_gnu_hash(void)
{
	/* buckets, first symbol, words and shift of a filter that lets all pass, the bucket */
	u32 t[7 + SYMS_MAX] = { 1, 1, 1, 6, 0xffffffff, 0xffffffff, 1 };

	for (u32 i = 1; i < im.nsyms; i++)
		t[6 + i] = (gnu_hash(im.names + im.syms[i].st_name) & ~1u) | (i + 1 == im.nsyms);
	if (im.gnu)
		im.gnu->d_un.d_ptr = put(t, (6 + im.nsyms) * 4, 8);
}

/* "the caller's frame is at the top of the stack", for the new code; behind the host's entries, which are relative to
 * their table's place */
static void put_unwind(u32 code, u32 size)
{
	struct {
		u32 cie_len, cie_id;
		u8 cie[16]; /* "zR", alignment 1 and -8, return address 16, pcrel sdata4; CFA = rsp+8, it lies below */
		u32 fde_len, fde_cie;
		s32 start;
		u32 size, pad[2];
	} f = { 20, 0, { 1, 'z', 'R', 0, 1, 0x78, 16, 1, 0x1b, 12, 7, 8, 0x90, 1, 0, 0 }, 20, 28, 0, size, { 0, 0 } };
	u32 frame, to, n, t[3 + 2 * FDES_MAX], *host;

	if (!im.eh)
		return;
	host = (u32 *)(im.base + im.eh->p_offset);
	n = host[2];
	if (host[0] != EH_HDR_KIND || n >= FDES_MAX)
		return;
	frame = (im.size + 7) & -8u;
	f.start = (s32)(code - (frame + offsetof(typeof(f), start)));
	if (put(&f, sizeof(f), 8) != frame)
		return;
	to = (im.size + 3) & -4u;
	t[0] = EH_HDR_KIND;
	t[1] = host[1] + (u32)im.eh->p_offset - to;
	t[2] = n + 1;
	for (u32 i = 0; i < 2 * n; i++)
		t[3 + i] = host[3 + i] + (u32)im.eh->p_offset - to;
	t[3 + 2 * n] = code - to;
	t[4 + 2 * n] = frame + (u32)offsetof(typeof(f), fde_len) - to;
	if (put(t, (3 + 2 * (n + 1)) * 4, 4) != to)
		return;
	im.eh->p_offset = im.eh->p_vaddr = im.eh->p_paddr = to;
	im.eh->p_filesz = im.eh->p_memsz = (3 + 2 * (n + 1)) * 4;
}

/* what all of it takes, so that nothing is begun that cannot be ended */
static bool fits(void)
{
	u32 n = im.nsyms + FUNCTIONS;

	return im.size + 64 + (3 + n) * 4 + (6 + n) * 4 + n * 26 + im.names_size + 128 + 64 + (3 + 2 * FDES_MAX) * 4 + 64 <=
	       im.room;
}

/* those that the host has not */
static void add_functions(void)
{
	const Elf64_Sym *model = find("__vdso_clock_gettime");
	u16 version = model ? im.vers[model - im.syms] : 2;
	u16 section = model ? model->st_shndx : 1;
	u32 code = 0, end;

	((Elf64_Ehdr *)im.base)->e_shoff = 0; /* the section headers lie where the new tables go */
	((Elf64_Ehdr *)im.base)->e_shnum = ((Elf64_Ehdr *)im.base)->e_shstrndx = 0;
	for (u32 i = 0; i < FUNCTIONS; i++) {
		u32 to = where[i].host ? 0 : put_function(i, version, section);

		code = code ? code : to;
	}
	end = im.size;
	put_hash();
	put_gnu_hash();
	im.sym->d_un.d_ptr = put(im.syms, im.nsyms * (u32)sizeof(Elf64_Sym), 8);
	im.versym->d_un.d_ptr = put(im.vers, im.nsyms * (u32)sizeof(u16), 2);
	im.str->d_un.d_ptr = put(im.names, im.names_size, 1);
	im.strsz->d_un.d_val = im.names_size;
	put_unwind(code, end - code);
	im.load->p_filesz = im.load->p_memsz = im.size;
}

/* Through /proc/self/mem it leaves no trace in the mapping; without /proc by making it writable for a moment. Guest code
 * is read, not run. */
static bool put_back(void)
{
	int fd = (int)sys3(__NR_open, "/proc/self/mem", O_WRONLY | O_CLOEXEC, 0);
	bool good = fd >= 0 && sys4(__NR_pwrite64, fd, im.base, im.room, eng.vdso_lo) == (long)im.room;

	if (fd >= 0)
		sys1(__NR_close, fd);
	if (good)
		return true;
	if (sys3(__NR_mprotect, eng.vdso_lo, im.room, PROT_READ | PROT_WRITE))
		return false;
	memcpy((void *)eng.vdso_lo, im.base, im.room);
	sys3(__NR_mprotect, eng.vdso_lo, im.room, PROT_READ | PROT_EXEC);
	return true;
}

static bool missing(void)
{
	bool any = false;

	for (u32 i = 0; i < FUNCTIONS; i++)
		any |= !where[i].host;
	return any;
}

static bool changed(void)
{
	bool any = false;

	for (u32 i = 0; i < FUNCTIONS; i++)
		any |= where[i].changed;
	return any;
}

static void windows(bool written)
{
	for (u32 i = 0; i < FUNCTIONS; i++) {
		gaddr_t code = eng.vdso_lo + where[i].code;

		if (!where[i].code || (where[i].changed && !written))
			continue;
		eng.unlock[i].start = code + CS_START;
		eng.unlock[i].end = code + functions[i].size - CS_BEHIND;
		eng.unlock[i].slot_size = functions[i].slot_size;
		eng.unlock_lo = eng.unlock_lo ? min(eng.unlock_lo, code) : code;
		eng.unlock_hi = max(eng.unlock_hi, eng.unlock[i].end);
	}
}

void vdso_build(void)
{
	u64 size = min(eng.vdso_hi - eng.vdso_lo, sizeof(im.base));

	if (!eng.vdso_lo)
		return; /* vdso=0: the guest has none either */
	memcpy(im.base, (void *)eng.vdso_lo, size);
	if (!read_image())
		return;
	im.size = (u32)im.load->p_memsz;
	im.room = (u32)PAGE_UP(im.size);
	if (im.room > size)
		return;
	host_functions();
	if (missing() && fits())
		add_functions();
	BUG_ON(!im.room);
	windows(!changed() || put_back());
}
