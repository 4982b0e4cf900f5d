/* SPDX-License-Identifier: MIT */
/*
 * From an open ELF file to a process image: program, interpreter, break, stack, and what the host kernel is told
 * about them. Called once by start/, on the engine's own stack, before any guest code; load_elf_binary() of the
 * kernel behind its point of no return.
 */
#include <linux/auxvec.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include "kern/vma.h"
#include "load/load.h"
#include "rt/engine.h"

#define BRK_GAP (1ul << 30)        /* arch_randomize_brk() */
#define BRK_GAP_BELOW (32ul << 20) /* where the host's break cannot be moved */
#define PIE_TRIES 8

static u64 random_pages(u64 range)
{
	u64 r = 0;

	if (eng.no_randomize)
		return 0;
	sys3(__NR_getrandom, &r, sizeof(r), 0);
	return PAGE_DOWN(r % range);
}

static bool host_break_movable(void)
{
	u32 size = 0;

	return sys5(__NR_prctl, PR_SET_MM, PR_SET_MM_MAP_SIZE, &size, 0, 0) == 0 &&
	       size >= sizeof(struct prctl_mm_map);
}

/*
 * A position-independent program with an interpreter. Where the kernel lets us move its break, anywhere the
 * kernel itself could have put it; else just below the break the kernel chose for the engine, so that the
 * heap grows from behind the image as it does natively.
 */
static long map_pie(const struct elf_file *f, struct elf_image *img, bool movable)
{
	u64 brk = (u64)sys1(__NR_brk, 0), base, size;
	long r = elf_measure(f, img);

	if (r)
		return r;
	size = img->hi - img->lo;
	for (int i = 0; i < PIE_TRIES; i++) {
		if (movable)
			base = ET_DYN_BASE + random_pages(1ul << 40);
		else
			base = PAGE_DOWN(brk) - size - random_pages(BRK_GAP_BELOW);
		base &= ~(img->align - 1);
		if (!base || base > TASK_SIZE_MAX - size)
			break;
		r = elf_map_image(f, base, img);
		if (r != -EEXIST)
			return r;
	}
	return elf_map_image(f, 0, img);
}

/* where the guest's heap starts, and whether the host's brk(2) can serve it */
static void place_break(const struct elf_image *img, bool is_dyn, bool interp, bool movable)
{
	u64 host = (u64)sys1(__NR_brk, 0);

	eng.brk_emulated = false;
	eng.brk_start = host;
	if (is_dyn && !interp)
		return; /* the kernel keeps the break of such programs away from them, as it did for us */
	if (movable) {
		eng.brk_start = PAGE_UP(img->brk) + (eng.no_randomize ? 0 : PAGE_SIZE + random_pages(BRK_GAP));
		return;
	}
	if (is_dyn && img->hi <= host && host - img->hi <= BRK_GAP_BELOW + img->align)
		return;
	eng.brk_start = PAGE_UP(img->brk);
	eng.brk_emulated = true;
}

/* /proc/self/stat, /proc/self/auxv, brk(2): the kernel's own record of the image */
static void tell_kernel(void)
{
	struct prctl_mm_map m = {
		.start_code = eng.start_code,
		.end_code = max(eng.end_code, eng.start_code + 1),
		.start_data = min(eng.start_data, eng.end_data),
		.end_data = eng.end_data,
		.start_brk = eng.brk_start,
		.brk = eng.brk_start,
		.start_stack = eng.start_stack,
		.arg_start = eng.arg_start,
		.arg_end = eng.arg_end,
		.env_start = eng.env_start,
		.env_end = eng.env_end,
		.auxv = (void *)eng.auxv_at,
		.auxv_size = eng.auxv_size,
		.exe_fd = ~0u,
	};
	u64 host = (u64)sys1(__NR_brk, 0);

	if (eng.brk_emulated)
		m.start_brk = m.brk = host;
	eng.mm_told = sys5(__NR_prctl, PR_SET_MM, PR_SET_MM_MAP, &m, sizeof(m), 0) == 0;
	if (!eng.mm_told && !eng.brk_emulated && eng.brk_start != host)
		eng.brk_emulated = true;
}

static long load_interp(const char *path, struct elf_image *img, const char **why)
{
	long r = interp_load(path, img);

	if (r)
		*why = "its interpreter";
	return r;
}

long program_load(int fd, u64 size, struct initial *in, const char **why, char interp[GN_PATH_MAX])
{
	struct elf_image prog, ld = { 0 };
	struct elf_file f;
	bool dyn, movable = host_break_movable();
	long r, ilen;

	*why = "its ELF headers";
	interp[0] = 0;
	r = elf_open(&f, fd, size);
	if (r)
		return r;
	dyn = f.eh.e_type == ET_DYN;
	ilen = elf_interp(&f, interp);
	if (ilen < 0) {
		elf_close(&f);
		return ilen;
	}
	*why = "mapping it";
	r = dyn && ilen ? map_pie(&f, &prog, movable) : elf_map_image(&f, 0, &prog);
	eng.stack_exec = elf_exec_stack(&f);
	elf_close(&f);
	if (!r && ilen)
		r = load_interp(interp, &ld, why);
	if (r)
		return r;
	eng.prog_entry = prog.entry;
	eng.entry = ilen ? ld.entry : prog.entry;
	if (eng.entry >= TASK_SIZE_MAX)
		return -EINVAL;
	eng.start_code = prog.start_code;
	eng.end_code = prog.end_code;
	eng.start_data = prog.start_data;
	eng.end_data = prog.end_data;
	place_break(&prog, dyn, ilen != 0, movable);
	stack_finish(in, &prog, f.eh.e_phnum, ilen ? ld.bias : 0);
	tell_kernel();
	return 0;
}

/* one line of /proc/self/maps */
static void host_mapping(u64 start, u64 end, const char *name)
{
	if (!strcmp(name, "[stack]")) {
		eng.stack_lo = start;
		eng.stack_hi = end;
	} else if (!strcmp(name, "[vdso]")) {
		eng.vdso_lo = start;
		eng.vdso_hi = end;
		vma_set(start, end, PROT_READ | PROT_EXEC);
	} else if (!strcmp(name, "[vsyscall]")) {
		eng.vsyscall = true;
	} else if (!strncmp(name, "[vvar", 5)) {
		vma_set(start, end, PROT_READ);
	}
}

static char *parse_line(char *p)
{
	char *eol = strchr(p, '\n'), *name;
	const char *q;
	u64 start, end;

	if (!eol)
		return NULL;
	*eol = 0;
	start = rt_strtou(p, 16, &q);
	end = rt_strtou(q + (*q == '-'), 16, &q);
	name = strchr(q, '[');
	if (name)
		host_mapping(start, end, name);
	return eol + 1;
}

static bool parse_maps(void)
{
	char buf[8192];
	size_t have = 0;
	long fd = sys3(__NR_open, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0), n;

	if (fd < 0)
		return false;
	while ((n = sys3(__NR_read, fd, buf + have, sizeof(buf) - 1 - have)) > 0) {
		char *p = buf, *next;

		have += (size_t)n;
		buf[have] = 0;
		while ((next = parse_line(p)))
			p = next;
		have -= (size_t)(p - buf);
		memmove(buf, p, have);
	}
	sys1(__NR_close, fd);
	return eng.stack_hi != 0;
}

/* without /proc: the stack ends behind the kernel's copy of the path, the vDSO's headers tell its size */
static void guess_maps(const struct initial *in)
{
	u64 val;

	if (stack_aux(in, AT_EXECFN, &val)) {
		eng.stack_hi = PAGE_UP(val + strlen((char *)val) + 1 + 8);
		eng.stack_lo = PAGE_DOWN((gaddr_t)in->argv) - (128ul << 10);
	}
	if (stack_aux(in, AT_SYSINFO_EHDR, &val)) {
		const Elf64_Ehdr *eh = (const void *)val;

		eng.vdso_lo = val;
		eng.vdso_hi = PAGE_UP(val + eh->e_shoff + (u64)eh->e_shnum * eh->e_shentsize);
		vma_set(eng.vdso_lo, eng.vdso_hi, PROT_READ | PROT_EXEC);
	}
}

void program_host_maps(const struct initial *in)
{
	eng.stack_hi = eng.vdso_hi = 0;
	if (!parse_maps())
		guess_maps(in);
	vdso_build();
}
