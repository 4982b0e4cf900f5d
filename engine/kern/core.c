/* SPDX-License-Identifier: MIT */
/*
 * A core of the guest, written by the engine: the host's would be one of the engine. Where core_pattern names a plain file and
 * RLIMIT_CORE has room for it, the signals whose default action writes one come to the engine first; the others' deaths are
 * the host's. Called by the thread that dies, on its engine stack, guest state exact, with no lock held.
 */
#include <linux/elf.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/resource.h>
#include "cpu/threads.h"
#include "kern/core.h"
#include "rt/engine.h"
#include "sig/freeze.h"

#define CHUNK 65536
#define PR_GET_DUMPABLE_ 3
#define AT_MOST (~0ul >> 1)

struct limit {
	u64 cur, max;
};

struct out {
	int fd, mem, pagemap;
	u64 at, left; /* RLIMIT_CORE counts what is written, not holes */
	bool failed;
	u8 buf[CHUNK];
};

/* ---- where it goes ---- */

static long read_file(const char *path, char *buf, size_t size)
{
	long fd = sys3(__NR_open, path, O_RDONLY | O_CLOEXEC, 0), n;

	n = fd < 0 ? fd : sys3(__NR_read, fd, buf, size - 1);
	sys1(__NR_close, fd);
	if (n < 0)
		return n;
	while (n && buf[n - 1] == '\n')
		n--;
	buf[n] = 0;
	return n;
}

static void add_name(char *to, size_t size, const char *what)
{
	size_t n = strlen(to);

	for (; *what && n + 1 < size; what++)
		to[n++] = *what == '/' ? '!' : *what;
	to[n] = 0;
}

/* what %c of core_pattern stands for */
static void conversion(char *to, size_t size, char c, const struct vcpu *v, int signo, bool *pid_used)
{
	struct { char s[6][65]; } uts = { 0 };
	struct limit lim = { 0, 0 };
	char text[32] = "";

	switch (c) {
	case 'p': case 'P': *pid_used = true; rt_snprintf(text, sizeof(text), "%d", v->pid); break;
	case 'i': case 'I': rt_snprintf(text, sizeof(text), "%d", v->tid); break;
	case 'u': rt_snprintf(text, sizeof(text), "%d", (int)sys0(__NR_getuid)); break;
	case 'g': rt_snprintf(text, sizeof(text), "%d", (int)sys0(__NR_getgid)); break;
	case 's': rt_snprintf(text, sizeof(text), "%d", signo); break;
	case 'd': rt_snprintf(text, sizeof(text), "%d", (int)sys1(__NR_prctl, PR_GET_DUMPABLE_)); break;
	case 't': rt_snprintf(text, sizeof(text), "%ld", sys1(__NR_time, 0)); break;
	case 'c':
		sys4(__NR_prlimit64, 0, RLIMIT_CORE, NULL, &lim);
		rt_snprintf(text, sizeof(text), "%lu", lim.cur);
		break;
	case 'e': sys5(__NR_prctl, 16 /* PR_GET_NAME */, text, 0, 0, 0); break;
	case 'f': add_name(to, size, strrchr(eng.exe, '/') ? strrchr(eng.exe, '/') + 1 : eng.exe); return;
	case 'E': add_name(to, size, eng.exe); return;
	case 'h':
		if (!sys1(__NR_uname, &uts))
			add_name(to, size, uts.s[1]);
		return;
	case '%': rt_strlcpy(text, "%", sizeof(text)); break;
	}
	add_name(to, size, text);
}

/* the name of the core; false: none is written by us */
static bool core_name(const struct vcpu *v, int signo, char *to, size_t size)
{
	char pattern[160], uses_pid[8] = "0";
	bool pid_used = false;
	size_t n;

	if (read_file("/proc/sys/kernel/core_pattern", pattern, sizeof(pattern)) < 0)
		rt_strlcpy(pattern, "core", sizeof(pattern));
	if (*pattern == '|' || *pattern == '@') {
		rt_log_once("/proc/sys/kernel/core_pattern is no file: the core of process %d is one of the engine", v->pid);
		return false;
	}
	read_file("/proc/sys/kernel/core_uses_pid", uses_pid, sizeof(uses_pid));
	memset(to, 0, size);
	for (const char *p = pattern; *p; p++) {
		n = strlen(to);
		if (*p == '%' && p[1])
			conversion(to, size, *++p, v, signo, &pid_used);
		else if (*p != '%' && n + 1 < size)
			to[n] = *p;
	}
	if (*uses_pid != '0' && !pid_used)
		rt_snprintf(to + strlen(to), size - strlen(to), ".%d", v->pid);
	return *to;
}

/* ---- the file ---- */

static void write_out(struct out *o, const void *from, u64 n)
{
	const u8 *p = from;

	if (o->failed)
		return;
	if (n > o->left) {
		o->failed = true;
		return;
	}
	o->left -= n;
	while (n) {
		long r = sys4(__NR_pwrite64, o->fd, p, n, o->at);

		if (r <= 0) {
			o->failed = true;
			return;
		}
		p += r;
		o->at += (u64)r;
		n -= (u64)r;
	}
}

/* pages of zeroes that nobody has touched become a hole; what cannot be read, too */
static void write_pages(struct out *o, const struct core_area *a, gaddr_t at, u64 n)
{
	u64 entry[CHUNK / PAGE_SIZE] = { 0 };
	bool known = a->anon && sys4(__NR_pread64, o->pagemap, entry, n / PAGE_SIZE * 8, at / PAGE_SIZE * 8) > 0;

	for (u64 i = 0; i < n / PAGE_SIZE && !o->failed; i++) {
		u64 from = at + i * PAGE_SIZE;

		if ((known && !(entry[i] >> 62)) || sys4(__NR_pread64, o->mem, o->buf, PAGE_SIZE, from) != (long)PAGE_SIZE)
			o->at += PAGE_SIZE;
		else
			write_out(o, o->buf, PAGE_SIZE);
	}
}

static void write_area(struct out *o, const struct core_area *a)
{
	for (u64 done = 0; done < a->size && !o->failed; done += CHUNK)
		write_pages(o, a, a->start + done, min(a->size - done, (u64)CHUNK));
}

static void write_heads(struct out *o, const struct core_areas *c, u64 notes_size)
{
	u64 off = sizeof(Elf64_Ehdr) + (c->n + 1ul) * sizeof(Elf64_Phdr);
	Elf64_Ehdr e = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_CORE, .e_machine = EM_X86_64, .e_version = EV_CURRENT, .e_phoff = sizeof(e),
		.e_ehsize = sizeof(e), .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = (u16)(c->n + 1),
	};
	Elf64_Phdr p = { .p_type = PT_NOTE, .p_offset = off, .p_filesz = notes_size, .p_align = 4 };

	write_out(o, &e, sizeof(e));
	write_out(o, &p, sizeof(p));
	off = PAGE_UP(off + notes_size);
	for (u32 i = 0; i < c->n; i++) {
		const struct core_area *a = &c->a[i];

		p = (Elf64_Phdr){ .p_type = PT_LOAD, .p_offset = off, .p_vaddr = a->start, .p_filesz = a->size,
				  .p_memsz = a->end - a->start, .p_align = PAGE_SIZE,
				  .p_flags = (a->prot & PROT_READ ? PF_R : 0) | (a->prot & PROT_WRITE ? PF_W : 0) |
					     (a->prot & PROT_EXEC ? PF_X : 0) };
		write_out(o, &p, sizeof(p));
		off += a->size;
	}
}

static void write_core(struct vcpu *v, const u8 info[128], int fd, u64 limit)
{
	struct out *o = rt_map(sizeof(*o));
	struct core_areas c;
	u64 size, room;
	u8 *notes;

	if (!o || !core_areas(&c))
		return;
	notes = core_notes(v, info, &c, &size, &room);
	if (!notes)
		return;
	o->fd = fd;
	o->left = limit;
	o->mem = (int)sys3(__NR_open, "/proc/self/mem", O_RDONLY | O_CLOEXEC, 0);
	o->pagemap = (int)sys3(__NR_open, "/proc/self/pagemap", O_RDONLY | O_CLOEXEC, 0);
	write_heads(o, &c, size);
	write_out(o, notes, size);
	o->at = PAGE_UP(o->at);
	for (u32 i = 0; i < c.n; i++)
		write_area(o, &c.a[i]);
	sys2(__NR_ftruncate, fd, o->at);
}

/* ---- when ---- */

/*
 * The host says in the wait status whether it has written a core, and its own would take the place of ours. It gets a folder
 * that vanishes with the process. False: we are not privileged to make one, and it writes none.
 */
static bool nowhere(void)
{
	long fs = sys2(__NR_fsopen, "tmpfs", 1 /* FSOPEN_CLOEXEC */), at, filter;

	if (fs < 0)
		return false;
	sys5(__NR_fsconfig, fs, 6 /* FSCONFIG_CMD_CREATE */, 0, 0, 0);
	at = sys3(__NR_fsmount, fs, 1 /* FSMOUNT_CLOEXEC */, 0);
	if (at < 0 || sys1(__NR_fchdir, at))
		return false;
	filter = sys3(__NR_open, "/proc/self/coredump_filter", O_WRONLY, 0);
	sys3(__NR_write, filter, "0", 1);
	return true;
}

static void core(struct vcpu *v, int signo, const u8 info[128])
{
	struct limit lim = { 0, 0 }, none;
	char name[512];
	long fd;

	sys4(__NR_prlimit64, 0, RLIMIT_CORE, NULL, &lim);
	if (v->pid != kern_pid || lim.cur < PAGE_SIZE || sys1(__NR_prctl, PR_GET_DUMPABLE_) != 1 ||
	    !core_name(v, signo, name, sizeof(name)) || !freeze_others(v))
		return;
	sys1(__NR_unlink, name);
	fd = sys3(__NR_open, name, O_CREAT | O_RDWR | O_NOFOLLOW | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0) {
		write_core(v, info, (int)fd, min(lim.cur, AT_MOST));
		sys1(__NR_close, fd);
	}
	none = (struct limit){ 0, lim.max };
	if (fd < 0 || *name == '/' || !nowhere())
		sys4(__NR_prlimit64, 0, RLIMIT_CORE, &none, NULL);
}

static void watch(struct vcpu *v)
{
	struct limit lim = { 0, 0 };

	sys4(__NR_prlimit64, 0, RLIMIT_CORE, NULL, &lim);
	if (lim.cur)
		sig_watch_cores(v);
}

void core_init(struct vcpu *v)
{
	sig_core = core;
	watch(v);
}

SYSCALL(setrlimit)
{
	long r = kern_host(v, __NR_setrlimit, a);

	if (!r && (u32)a[0] == RLIMIT_CORE)
		watch(v);
	return r;
}

SYSCALL(prlimit64)
{
	long r = kern_host(v, __NR_prlimit64, a);

	if (!r && (u32)a[1] == RLIMIT_CORE && a[2])
		watch(v);
	return r;
}
