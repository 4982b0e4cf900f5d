/* SPDX-License-Identifier: MIT */
/*
 * ELF files: checking their headers and mapping their segments as fs/binfmt_elf.c does (load_elf_phdrs,
 * total_mapping_size, elf_load). Two things differ on purpose: host mappings never get PROT_EXEC (the guest's
 * view of it is kept by kern/vma), and everything is measured before anything is mapped, so that no header can
 * reach memory outside its own image. Called while one thread exists (start) or, up to elf_measure(), from exec.
 */
#include <linux/mman.h>
#include "kern/vma.h"
#include "load/load.h"
#include "rt/engine.h"

#define PHDRS_MAX 65536 /* bytes; the kernel's limit */

enum elf_kind elf_classify(const u8 head[HEAD_SIZE])
{
	const Elf64_Ehdr *eh = (const void *)head; /* e_type and e_machine stand at the same place in Elf32 */

	if (memcmp(eh->e_ident, ELFMAG, SELFMAG))
		return ELF_NONE;
	if (eh->e_type != ET_EXEC && eh->e_type != ET_DYN)
		return ELF_FOREIGN;
	if (eh->e_machine == EM_X86_64)
		/* the kernel does not look at the class here; the size of the headers tells x32 apart */
		return eh->e_ident[EI_CLASS] == ELFCLASS32 ? ELF_COMPAT : ELF_NATIVE;
	return eh->e_machine == EM_386 || eh->e_machine == EM_486 ? ELF_COMPAT : ELF_FOREIGN;
}

static long read_at(int fd, void *buf, size_t n, u64 off)
{
	u8 *p = buf;

	while (n) {
		long r = (s64)off < 0 ? -EINVAL : sys4(__NR_pread64, fd, p, n, off);

		if (r == -EINTR)
			continue;
		if (r <= 0)
			return r ? r : -EIO;
		p += r;
		off += (u64)r;
		n -= (size_t)r;
	}
	return 0;
}

long elf_open(struct elf_file *f, int fd, u64 size)
{
	u8 head[HEAD_SIZE] = { 0 };
	size_t n;

	*f = (struct elf_file){ .fd = fd, .size = size };
	if (sys4(__NR_pread64, fd, head, sizeof(head), 0) < 0)
		return -EIO;
	if (elf_classify(head) != ELF_NATIVE)
		return -ENOEXEC;
	memcpy(&f->eh, head, sizeof(f->eh));
	n = f->eh.e_phnum * sizeof(Elf64_Phdr);
	if (f->eh.e_phentsize != sizeof(Elf64_Phdr) || n == 0 || n > PHDRS_MAX)
		return -ENOEXEC;
	f->ph = rt_map(n);
	if (!f->ph)
		return -ENOMEM;
	if (read_at(fd, f->ph, n, f->eh.e_phoff)) {
		elf_close(f);
		return -ENOEXEC;
	}
	if (unlikely(eng.set.flags & GN_OPT_IBT)) {
		long features = elf_features(fd);

		f->ibt = features > 0 && features & ELF_IBT;
	}
	return 0;
}

void elf_close(struct elf_file *f)
{
	if (f->ph)
		rt_unmap(f->ph, f->eh.e_phnum * sizeof(Elf64_Phdr));
	f->ph = NULL;
}

long elf_interp(const struct elf_file *f, char path[GN_PATH_MAX])
{
	for (u32 i = 0; i < f->eh.e_phnum; i++) {
		const Elf64_Phdr *ph = &f->ph[i];
		long r;

		if (ph->p_type != PT_INTERP)
			continue;
		if (ph->p_filesz > GN_PATH_MAX || ph->p_filesz < 2)
			return -ENOEXEC;
		r = read_at(f->fd, path, ph->p_filesz, ph->p_offset);
		if (r)
			return r;
		if (path[ph->p_filesz - 1])
			return -ENOEXEC;
		return (long)strlen(path) + 1;
	}
	return 0;
}

bool elf_exec_stack(const struct elf_file *f)
{
	bool x = false;

	for (u32 i = 0; i < f->eh.e_phnum; i++)
		if (f->ph[i].p_type == PT_GNU_STACK)
			x = f->ph[i].p_flags & PF_X;
	return x;
}

static int guest_prot(u32 p_flags)
{
	return (p_flags & PF_R ? PROT_READ : 0) | (p_flags & PF_W ? PROT_WRITE : 0) |
	       (p_flags & PF_X ? PROT_EXEC : 0);
}

/* page bounds of a segment; false if it maps nothing */
static bool seg_pages(const Elf64_Phdr *ph, u64 bias, u64 *lo, u64 *hi)
{
	if (ph->p_type != PT_LOAD || ph->p_memsz == 0)
		return false;
	*lo = PAGE_DOWN(bias + ph->p_vaddr);
	*hi = PAGE_UP(bias + ph->p_vaddr + ph->p_memsz);
	return true;
}

static bool seg_sane(const Elf64_Phdr *ph)
{
	if (ph->p_vaddr >= TASK_SIZE_MAX || ph->p_filesz > ph->p_memsz || ph->p_memsz > TASK_SIZE_MAX ||
	    TASK_SIZE_MAX - ph->p_memsz < ph->p_vaddr)
		return false;
	if (!ph->p_filesz)
		return true;
	/* offsets mmap(2) would refuse */
	return (ph->p_vaddr - ph->p_offset) % PAGE_SIZE == 0 && (s64)ph->p_offset >= 0 &&
	       (s64)(ph->p_offset + ph->p_filesz + PAGE_SIZE) > 0;
}

long elf_measure(const struct elf_file *f, struct elf_image *img)
{
	u64 lo = ~0ull, hi = 0;

	*img = (struct elf_image){ .align = PAGE_SIZE, .start_code = ~0ull };
	for (u32 i = 0; i < f->eh.e_phnum; i++) {
		const Elf64_Phdr *ph = &f->ph[i];
		u64 end = ph->p_vaddr + ph->p_filesz;

		if (ph->p_type != PT_LOAD)
			continue;
		if (!seg_sane(ph))
			return -EINVAL;
		lo = min(lo, ph->p_vaddr);
		hi = max(hi, ph->p_vaddr + ph->p_memsz);
		if ((ph->p_align & (ph->p_align - 1)) == 0)
			img->align = max(img->align, ph->p_align);
		if (ph->p_offset <= f->eh.e_phoff && f->eh.e_phoff - ph->p_offset < ph->p_filesz)
			img->phdr = f->eh.e_phoff - ph->p_offset + ph->p_vaddr;
		if (ph->p_flags & PF_X) {
			img->start_code = min(img->start_code, ph->p_vaddr);
			img->end_code = max(img->end_code, end);
		}
		img->start_data = max(img->start_data, ph->p_vaddr);
		img->end_data = max(img->end_data, end);
	}
	if (lo < hi) {
		img->lo = PAGE_DOWN(lo);
		img->hi = PAGE_UP(hi);
	}
	img->brk = hi;
	img->entry = f->eh.e_entry;
	if (img->start_code == ~0ull)
		img->start_code = 0;
	return 0;
}

static void move_image(struct elf_image *img, u64 bias)
{
	img->bias = bias;
	img->lo += bias;
	img->hi += bias;
	img->entry += bias;
	img->phdr += bias;
	img->brk += bias;
	img->start_code += bias;
	img->end_code += bias;
	img->start_data += bias;
	img->end_data += bias;
}

/* lowest page range of the image at or above `from`, segments that touch or overlap taken together */
static bool next_piece(const struct elf_file *f, u64 bias, u64 from, u64 *lo, u64 *hi)
{
	u64 a, b;
	bool grown;

	*lo = ~0ull;
	for (u32 i = 0; i < f->eh.e_phnum; i++)
		if (seg_pages(&f->ph[i], bias, &a, &b) && b > from && a < *lo) {
			*lo = a;
			*hi = b;
		}
	if (*lo == ~0ull)
		return false;
	*lo = max(*lo, from);
	do {
		grown = false;
		for (u32 i = 0; i < f->eh.e_phnum; i++)
			if (seg_pages(&f->ph[i], bias, &a, &b) && a <= *hi && b > *hi) {
				*hi = b;
				grown = true;
			}
	} while (grown);
	return true;
}

/* address space, inaccessible as yet: exactly there, or anywhere */
static long reserve(u64 addr, u64 size, bool there)
{
	long r = sys_6(__NR_mmap, addr, size, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (there ? MAP_FIXED_NOREPLACE : 0), -1, 0);

	if (sys_failed(r) || !there || (u64)r == addr)
		return r;
	sys2(__NR_munmap, r, size); /* kernels before 4.17 take the address for a hint */
	return -EEXIST;
}

static void unmap_pieces(const struct elf_file *f, u64 bias, u64 upto)
{
	u64 lo, hi = 0;

	while (next_piece(f, bias, hi, &lo, &hi) && lo < upto)
		sys2(__NR_munmap, lo, hi - lo);
}

/* ET_EXEC: each piece at its own address */
static long reserve_fixed(const struct elf_file *f)
{
	u64 lo, hi = 0;

	while (next_piece(f, 0, hi, &lo, &hi)) {
		long r = reserve(lo, hi - lo, true);

		if (sys_failed(r)) {
			unmap_pieces(f, 0, lo);
			return r;
		}
	}
	return 0;
}

/* ET_DYN: one reservation for everything, then the holes are given back. The new bias goes to *bias */
static long reserve_dyn(const struct elf_file *f, gaddr_t base, const struct elf_image *img, u64 *bias)
{
	u64 size = img->hi - img->lo, slack = img->align > PAGE_SIZE && !base ? img->align : 0, at, lo, hi, prev;
	long r;

	*bias = 0;
	if (!size)
		return 0; /* no segments: the kernel maps nothing and goes on */
	if (slack > TASK_SIZE_MAX)
		return -ENOMEM;
	r = reserve(base, size + slack, base != 0);
	if (sys_failed(r))
		return r;
	at = (u64)r;
	if (slack) { /* aligned up, the rest goes */
		u64 want = (at + slack - 1) & ~(slack - 1);

		if (want > at)
			sys2(__NR_munmap, at, want - at);
		if (at + slack > want)
			sys2(__NR_munmap, want + size, at + slack - want);
		at = want;
	}
	*bias = at - img->lo;
	for (prev = at; next_piece(f, *bias, prev, &lo, &hi); prev = hi)
		if (lo > prev)
			sys2(__NR_munmap, prev, lo - prev);
	if (at + size > prev)
		sys2(__NR_munmap, prev, at + size - prev);
	return 0;
}

/* clears from the end of the file's bytes to the end of their last page, as padzero() */
static long clear_tail(const struct elf_file *f, const Elf64_Phdr *ph, u64 from)
{
	if (from % PAGE_SIZE == 0 || !(ph->p_flags & PF_W))
		return 0;
	if (PAGE_DOWN(ph->p_offset + ph->p_filesz) >= f->size)
		return -EFAULT; /* that page lies behind the end of the file: touching it is SIGBUS */
	memset((void *)from, 0, PAGE_UP(from) - from);
	return 0;
}

static long map_segment(const struct elf_file *f, const Elf64_Phdr *ph, u64 bias)
{
	int prot = guest_prot(ph->p_flags);
	u64 lo, hi, mid;
	long r = 0;

	if (!seg_pages(ph, bias, &lo, &hi))
		return 0;
	mid = lo;
	if (ph->p_filesz) {
		mid = PAGE_UP(bias + ph->p_vaddr + ph->p_filesz);
		r = sys_6(__NR_mmap, lo, mid - lo, vma_host_prot(prot), MAP_PRIVATE | MAP_FIXED, f->fd,
			  PAGE_DOWN(ph->p_offset));
		if (sys_failed(r))
			return r;
		r = ph->p_memsz > ph->p_filesz ? clear_tail(f, ph, bias + ph->p_vaddr + ph->p_filesz) : 0;
		if (r)
			return r;
		vma_set_flags(lo, mid, prot, f->ibt && prot & PROT_EXEC ? VMA_IBT : 0);
	}
	if (mid < hi) { /* bss is read-write whatever the header says */
		r = sys_6(__NR_mmap, mid, hi - mid, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		if (sys_failed(r))
			return r;
		vma_set(mid, hi, PROT_READ | PROT_WRITE | (prot & PROT_EXEC));
	}
	return 0;
}

long elf_map_image(const struct elf_file *f, gaddr_t base, struct elf_image *img)
{
	u64 bias = 0;
	long r = elf_measure(f, img);

	if (r)
		return r;
	if (f->eh.e_type == ET_DYN)
		r = reserve_dyn(f, base, img, &bias);
	else
		r = reserve_fixed(f);
	if (sys_failed(r))
		return r;
	move_image(img, bias);
	for (u32 i = 0; i < f->eh.e_phnum; i++) {
		r = map_segment(f, &f->ph[i], bias);
		if (r) {
			unmap_pieces(f, bias, ~0ull);
			vma_clear(img->lo, img->hi);
			return r;
		}
	}
	return 0;
}
