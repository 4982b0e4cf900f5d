/* SPDX-License-Identifier: MIT */
/*
 * The guest's vDSO: what the host's exports, which stays where it is, and the robust unlock of Linux 7.2. One page or
 * two of our own in front of the host's vDSO data, with symbols that lead to both; so programs find everything at
 * AT_SYSINFO_EHDR, by the dynamic linker or by walking the image. Built once, before the guest starts.
 *
 * The critical section of an unlock is [vdso_unlock[i].start, end): from behind the release to the first byte after
 * the store that clears the slot. sig/window.c finishes it for whoever is interrupted there.
 */
#include <linux/elf.h>
#include <linux/mman.h>
#include "kern/vma.h"
#include "load/load.h"
#include "rt/engine.h"

#define IMAGE_MAX (2 * PAGE_SIZE)
#define SYMS_MAX 64
#define NAMES_MAX 2048
#define FDES_MAX 128

#ifndef PT_GNU_EH_FRAME
#define PT_GNU_EH_FRAME 0x6474e550
#endif
#define DT_GNU_HASH 0x6ffffef5
#define SHN_TEXT 1 /* no section headers: any number that is not undefined */
#define VER_LINUX 2

struct verdef {
	u16 version, flags, ndx, cnt;
	u32 hash, aux, next;
	u32 name, aux_next; /* verdaux */
};

/* as the kernel's compiler makes them; the register contract is that of the ABI: old value in eax, lock in rdi,
 * slot in rdx, zero in rcx */
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

/* the host's image */
struct host {
	gaddr_t base;
	const Elf64_Sym *sym;
	u32 nsyms;
	const char *str;
	const u32 *eh_hdr;
};

static struct image {
	u8 *at;          /* where it is being put together; the addresses below are offsets from its start */
	u32 size;
	Elf64_Sym sym[SYMS_MAX];
	u32 nsyms;
	char names[NAMES_MAX];
	u32 names_size;
} im;

/* ---- reading the host's ------------------------------------------------------------------------------------------ */

static bool host_read(struct host *h)
{
	const Elf64_Ehdr *e = (const void *)h->base;
	const Elf64_Phdr *p = (const void *)(h->base + e->e_phoff);
	const Elf64_Dyn *d = NULL;
	const u32 *hash = NULL;

	if (memcmp(e->e_ident, ELFMAG, SELFMAG))
		return false;
	for (int i = 0; i < e->e_phnum; i++) {
		if (p[i].p_type == PT_DYNAMIC)
			d = (const void *)(h->base + p[i].p_offset);
		if (p[i].p_type == PT_GNU_EH_FRAME)
			h->eh_hdr = (const void *)(h->base + p[i].p_offset);
		if (p[i].p_type == PT_LOAD && p[i].p_vaddr != p[i].p_offset)
			return false; /* no vDSO has been linked to an address for many years */
	}
	for (; d && d->d_tag != DT_NULL; d++) {
		const void *at = (const void *)(h->base + d->d_un.d_ptr);

		if (d->d_tag == DT_SYMTAB)
			h->sym = at;
		if (d->d_tag == DT_STRTAB)
			h->str = at;
		if (d->d_tag == DT_HASH)
			hash = at;
	}
	/* the symbol table ends where the strings begin, if there is no old hash table */
	if (h->sym && h->str)
		h->nsyms = hash ? hash[1] : (u32)(((gaddr_t)h->str - (gaddr_t)h->sym) / sizeof(*h->sym));
	return h->nsyms;
}

/* ---- putting ours together --------------------------------------------------------------------------------------- */

static u32 put(const void *p, u32 n, u32 align)
{
	u32 at = (im.size + align - 1) & -align;

	if (at + n > IMAGE_MAX)
		return 0;
	if (p)
		memcpy(im.at + at, p, n);
	im.size = at + n;
	return at;
}

static u32 name(const char *s)
{
	u32 at = im.names_size, n = (u32)strlen(s) + 1;

	if (at + n > NAMES_MAX)
		return 0;
	memcpy(im.names + at, s, n);
	im.names_size += n;
	return at;
}

static void symbol(const char *s, u8 info, u16 shndx, u64 value, u64 size)
{
	if (im.nsyms == SYMS_MAX)
		return;
	im.sym[im.nsyms++] = (Elf64_Sym){ .st_name = name(s), .st_info = info, .st_shndx = shndx, .st_value = value,
					  .st_size = size };
}

static u32 sysv_hash(const char *s)
{
	u32 h = 0, g;

	for (; *s; s++) {
		h = (h << 4) + (u8)*s;
		g = h & 0xf0000000;
		h = (h ^ g >> 24) & ~g;
	}
	return h;
}

static u32 gnu_hash(const char *s)
{
	u32 h = 5381;

	for (; *s; s++)
		h = h * 33 + (u8)*s;
	return h;
}

/* one bucket, all symbols in it: there are two dozen */
static u32 put_sysv(void)
{
	u32 t[3 + SYMS_MAX];

	t[0] = 1;
	t[1] = im.nsyms;
	t[2] = im.nsyms > 1;
	for (u32 i = 0; i < im.nsyms; i++)
		t[3 + i] = i && i + 1 < im.nsyms ? i + 1 : 0;
	return put(t, (3 + im.nsyms) * 4, 8);
}

static u32 put_gnu(void)
{
	u32 t[7 + SYMS_MAX] = { 1, 1, 1, 6, 0xffffffff, 0xffffffff, 1 };

	for (u32 i = 1; i < im.nsyms; i++)
		t[6 + i] = (gnu_hash(im.names + im.sym[i].st_name) & ~1u) | (i + 1 == im.nsyms);
	return put(t, (6 + im.nsyms) * 4, 8);
}

static u32 put_versions(u32 soname, u32 linux26)
{
	struct verdef d[2] = {
		{ 1, 1, 1, 1, sysv_hash("linux-vdso.so.1"), 20, sizeof(*d), soname, 0 },
		{ 1, 0, VER_LINUX, 1, sysv_hash("LINUX_2.6"), 20, 0, linux26, 0 },
	};

	return put(d, sizeof(d), 8);
}

/* Unwind tables: ours say "the caller is at the top of the stack"; the host's stay where they are and are named. */
static u32 put_unwind(const struct host *h, u32 code, u32 code_size, u32 *hdr_size)
{
	struct { /* CIE: data alignment -8, CFA = rsp+8, return address at CFA-8; FDE: pcrel, sdata4 */
		u32 cie_len, cie_id;
		u8 cie[16];
		u32 fde_len, fde_cie;
		s32 start;
		u32 size, pad, end;
	} f = { 20, 0, { 1, 'z', 'R', 0, 1, 0x78, 16, 1, 0x1b, 12, 7, 8, 0x90, 1, 0, 0 }, 20, 28, 0, code_size, 0, 0 };
	u32 frame = put(&f, sizeof(f), 8), n = 0, hdr, t[3 + 2 * FDES_MAX];
	const u32 *host = h->eh_hdr;

	if (!frame)
		return 0;
	((typeof(f) *)(im.at + frame))->start = (s32)(code - (frame + 32));
	hdr = (im.size + 3) & -4u;
	if (host && (host[0] & 0xffff00ff) == 0x3b030001) /* udata4 count, datarel sdata4 table */
		n = min(host[2], (u32)FDES_MAX - 1);
	t[0] = 0x3b031b01;
	t[1] = frame - (hdr + 4);
	t[2] = n + 1;
	t[3] = code - hdr;
	t[4] = frame + 24 - hdr;
	for (u32 i = 0; i < 2 * n; i++)
		t[5 + i] = (u32)((s64)(s32)host[3 + i] + (s64)((gaddr_t)host - ((gaddr_t)im.at + hdr)));
	*hdr_size = (3 + 2 * (n + 1)) * 4;
	return put(t, *hdr_size, 4);
}

static void unlock_symbol(const char *s, const u8 *code, u32 size, int i, u32 slot_size)
{
	u32 at = put(code, size, 16);

	symbol(s, STB_GLOBAL << 4 | STT_FUNC, SHN_TEXT, at, size);
	eng.unlock[i].start = (gaddr_t)im.at + at + CS_START;
	eng.unlock[i].end = (gaddr_t)im.at + at + size - 2; /* ret, int3 */
	eng.unlock[i].slot_size = slot_size;
}

static void host_symbols(const struct host *h)
{
	for (u32 i = 1; i < h->nsyms; i++) {
		const Elf64_Sym *s = &h->sym[i];
		const char *n = h->str + s->st_name;

		if (!strncmp(n, "__vdso_futex_robust_list", 24))
			continue; /* its window would not be ours */
		if (s->st_shndx == SHN_ABS || s->st_shndx == SHN_UNDEF)
			continue;
		symbol(n, s->st_info, s->st_shndx, h->base + s->st_value - (gaddr_t)im.at, s->st_size);
	}
}

static bool build(const struct host *h, gaddr_t covers)
{
	struct {
		Elf64_Ehdr e;
		Elf64_Phdr p[4];
	} head = { .e = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT }, .e_type = ET_DYN,
			  .e_machine = EM_X86_64, .e_version = EV_CURRENT, .e_phoff = sizeof(Elf64_Ehdr),
			  .e_ehsize = sizeof(Elf64_Ehdr), .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 4 } };
	u32 soname, linux26, dyn, code, hdr, hdr_size = 0;
	u16 vers[SYMS_MAX];
	Elf64_Dyn d[] = { { DT_SONAME }, { DT_HASH }, { DT_GNU_HASH }, { DT_STRTAB }, { DT_SYMTAB }, { DT_STRSZ },
			  { DT_SYMENT }, { DT_VERDEF }, { DT_VERDEFNUM }, { DT_VERSYM }, { DT_NULL } };

	im.size = sizeof(head);
	im.names_size = im.nsyms = 1;
	soname = name("linux-vdso.so.1");
	linux26 = name("LINUX_2.6");
	symbol("LINUX_2.6", STB_GLOBAL << 4 | STT_OBJECT, SHN_ABS, 0, 0);
	host_symbols(h);
	code = (im.size + 15) & -16u;
	unlock_symbol("__vdso_futex_robust_list64_try_unlock", unlock64, sizeof(unlock64), 0, 8);
	unlock_symbol("__vdso_futex_robust_list32_try_unlock", unlock32, sizeof(unlock32), 1, 4);
	hdr = put_unwind(h, code, im.size - code, &hdr_size);
	d[0].d_un.d_val = soname;
	d[1].d_un.d_ptr = put_sysv();
	d[2].d_un.d_ptr = put_gnu();
	d[3].d_un.d_ptr = put(im.names, im.names_size, 1);
	d[4].d_un.d_ptr = put(im.sym, im.nsyms * (u32)sizeof(*im.sym), 8);
	d[5].d_un.d_val = im.names_size;
	d[6].d_un.d_val = sizeof(Elf64_Sym);
	d[7].d_un.d_ptr = put_versions(soname, linux26);
	d[8].d_un.d_val = 2;
	for (u32 i = 0; i < im.nsyms; i++)
		vers[i] = i ? VER_LINUX : 0;
	d[9].d_un.d_ptr = put(vers, im.nsyms * 2, 2);
	dyn = put(d, sizeof(d), 8);
	if (!dyn || !d[9].d_un.d_ptr || !hdr)
		return false;
	head.p[0] = (Elf64_Phdr){ PT_LOAD, PF_R | PF_X, 0, 0, 0, im.size, max(covers, (u64)im.size), PAGE_SIZE };
	head.p[1] = (Elf64_Phdr){ PT_DYNAMIC, PF_R, dyn, dyn, dyn, sizeof(d), sizeof(d), 8 };
	head.p[2] = (Elf64_Phdr){ PT_GNU_EH_FRAME, PF_R, hdr, hdr, hdr, hdr_size, hdr_size, 4 };
	head.p[3] = (Elf64_Phdr){ PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 0, 0, 8 };
	memcpy(im.at, &head, sizeof(head));
	return true;
}

/* The first mapping of a process lands right in front of the host's vDSO data on kernels that keep it among the other
 * mappings; those that put it above the stack have room there in any case. */
void vdso_reserve(void)
{
	long r = sys_6(__NR_mmap, 0, IMAGE_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	im.at = sys_failed(r) ? NULL : (u8 *)r;
}

/* right in front of the host's, so that one image covers both; else where it is */
static void place(gaddr_t front)
{
	gaddr_t want = front - IMAGE_MAX;
	long r;

	if ((gaddr_t)im.at == want)
		return;
	r = sys_6(__NR_mmap, want, IMAGE_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
		  -1, 0);
	if (r == (long)want) {
		sys2(__NR_munmap, im.at, IMAGE_MAX);
		im.at = (u8 *)want;
	} else if (!sys_failed(r)) {
		sys2(__NR_munmap, r, IMAGE_MAX); /* before Linux 4.17 */
	}
}

void vdso_build(void)
{
	struct host h = { .base = eng.vdso_lo };
	gaddr_t front = eng.vvar_lo && eng.vvar_lo < eng.vdso_lo ? eng.vvar_lo : eng.vdso_lo;
	gaddr_t at;

	if (!im.at)
		return;
	if (h.base)
		place(front);
	at = (gaddr_t)im.at;
	/* no vDSO on the host (vdso=0): the guest gets none either */
	if (!h.base || !host_read(&h) || !build(&h, at + IMAGE_MAX == front ? eng.vdso_hi - at : 0)) {
		sys2(__NR_munmap, at, IMAGE_MAX);
		memset(eng.unlock, 0, sizeof(eng.unlock));
		return;
	}
	sys3(__NR_mprotect, at, IMAGE_MAX, PROT_READ);
	vma_set(at, at + IMAGE_MAX, PROT_READ | PROT_EXEC);
	eng.vdso_guest = at;
}
