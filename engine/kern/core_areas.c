/* SPDX-License-Identifier: MIT */
/*
 * What of the guest's memory goes into its core: the areas of its own /proc/self/smaps, by the rules of
 * fs/coredump.c and /proc/self/coredump_filter. All threads stand still.
 */
#include <linux/elf.h>
#include <linux/mman.h>
#include "kern/core.h"
#include "kern/proc.h"

#define FILTER_ANON_PRIVATE 1u
#define FILTER_ANON_SHARED 2u
#define FILTER_MAPPED_PRIVATE 4u
#define FILTER_MAPPED_SHARED 8u
#define FILTER_ELF_HEADERS 16u
#define PAGEMAP_BATCH 512
#define PM_PRESENT (1ull << 63)
#define PM_SWAP (1ull << 62)
#define PM_FILE (1ull << 61)
#define NAME_AT 73

static u32 coredump_filter(void)
{
	char buf[32];
	long fd = sys3(__NR_open, "/proc/self/coredump_filter", 0, 0), n;

	n = fd < 0 ? -1 : sys3(__NR_read, fd, buf, sizeof(buf) - 1);
	sys1(__NR_close, fd);
	if (n <= 0)
		return FILTER_ANON_PRIVATE | FILTER_ANON_SHARED | FILTER_ELF_HEADERS;
	buf[n] = 0;
	return (u32)rt_strtou(buf, 16, &(const char *){ 0 });
}

/* a private page of its own anywhere in it: somebody wrote there */
static bool was_written(const struct core_area *a)
{
	u64 entry[PAGEMAP_BATCH];
	long fd = sys3(__NR_open, "/proc/self/pagemap", 0, 0), n = 0;
	bool found = fd < 0;

	for (gaddr_t at = a->start; !found && at < a->end; at += PAGEMAP_BATCH * PAGE_SIZE) {
		u64 pages = min((a->end - at) / PAGE_SIZE, (u64)PAGEMAP_BATCH);

		n = sys4(__NR_pread64, fd, entry, pages * 8, at / PAGE_SIZE * 8);
		for (long i = 0; i < n / 8 && !found; i++)
			found = entry[i] & PM_SWAP || (entry[i] & PM_PRESENT && !(entry[i] & PM_FILE));
	}
	sys1(__NR_close, fd);
	return found;
}

static bool is_elf(gaddr_t at)
{
	u32 word;

	return !rt_copy_from_guest(&word, at, 4) && word == 0x464c457f;
}

static u64 dump_size(const struct core_area *a, const char *name, bool shared, u32 filter)
{
	u64 whole = a->end - a->start;

	if (!strncmp(name, "[vdso]", 6))
		return whole;
	if (!strncmp(name, "[vvar", 5) || !strncmp(name, "[vsyscall]", 10))
		return 0;
	if (!a->name) /* shared memory without a file has one, "/dev/zero" or a memfd's */
		return filter & (shared ? FILTER_ANON_SHARED : FILTER_ANON_PRIVATE) ? whole : 0;
	if (shared)
		return filter & FILTER_MAPPED_SHARED ||
		       (filter & FILTER_ANON_SHARED && (!strncmp(name, "/dev/zero", 9) || !strncmp(name, "/memfd:", 7))) ? whole : 0;
	if (filter & FILTER_ANON_PRIVATE && was_written(a))
		return whole;
	if (filter & FILTER_MAPPED_PRIVATE)
		return whole;
	return filter & FILTER_ELF_HEADERS && !a->off && a->prot & PROT_READ && is_elf(a->start) ? PAGE_SIZE : 0;
}

static u32 keep_name(struct core_areas *c, const char *name, u32 len)
{
	u32 at = c->names_len;

	if (at + len + 1 > c->names_room)
		return 0;
	memcpy(c->names + at, name, len);
	c->names[at + len] = 0;
	c->names_len += len + 1;
	return at;
}

/* one line with an area: "start-end perms off dev inode  name" */
static void add(struct core_areas *c, const char *s, u32 len, u32 filter)
{
	struct core_area *a = &c->a[c->n];
	const char *end = s + len - 1, *p = s, *perms, *name;
	u64 inode;

	if (c->n == c->room)
		return;
	*a = (struct core_area){ 0 };
	a->start = rt_strtou(p, 16, &p);
	a->end = rt_strtou(p + 1, 16, &p);
	perms = p + 1;
	a->prot = (perms[0] == 'r' ? PROT_READ : 0) | (perms[1] == 'w' ? PROT_WRITE : 0) | (perms[2] == 'x' ? PROT_EXEC : 0);
	a->off = rt_strtou(perms + 5, 16, &p);
	rt_strtou(p + 1, 16, &p);
	rt_strtou(p + 1, 16, &p);
	inode = rt_strtou(p + 1, 10, &p);
	name = s + len > s + NAME_AT ? s + NAME_AT : end;
	if (inode && name < end)
		a->name = keep_name(c, name, (u32)(end - name));
	a->anon = !inode;
	a->size = dump_size(a, name < end ? name : "", perms[3] == 's', filter);
	c->n++;
}

static bool is_area(const char *s, u32 len)
{
	return len > 20 && ((*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'f'));
}

static void take_line(struct core_areas *c, const char *s, u32 len, u32 filter)
{
	if (is_area(s, len)) {
		add(c, s, len, filter);
		return;
	}
	if (!c->n || len < 8 || strncmp(s, "VmFlags:", 8))
		return;
	for (u32 i = 8; i + 2 < len; i++) /* MADV_DONTDUMP, memory of devices */
		if (s[i] == ' ' && s[i + 3] == ' ' && (!strncmp(s + i + 1, "dd", 2) || !strncmp(s + i + 1, "io", 2)))
			c->a[c->n - 1].size = 0;
}

/* the guest's smaps, in a file */
static long smaps(struct proc_lines *in, struct proc_text *out)
{
	long fd = sys2(__NR_memfd_create, "smaps", 1), host = sys3(__NR_open, "/proc/self/smaps", 0, 0);

	if (fd < 0 || host < 0)
		return -EIO;
	*in = (struct proc_lines){ .fd = (int)host };
	*out = (struct proc_text){ .fd = (int)fd };
	proc_maps(in, out, true);
	proc_flush(out);
	sys1(__NR_close, host);
	sys3(__NR_lseek, fd, 0, 0);
	return fd;
}

bool core_areas(struct core_areas *c)
{
	struct { struct proc_lines in; struct proc_text out; } *s = rt_map(sizeof(*s));
	u32 filter = coredump_filter(), len;
	const char *line;
	long fd;

	*c = (struct core_areas){ .room = 65500, .names_room = 8u << 20, .names_len = 1 };
	c->a = rt_map(c->room * sizeof(*c->a));
	c->names = rt_map(c->names_room);
	fd = s ? smaps(&s->in, &s->out) : -ENOMEM;
	if (!c->a || !c->names || fd < 0)
		return false;
	s->in = (struct proc_lines){ .fd = (int)fd };
	while ((line = proc_line(&s->in, &len)))
		take_line(c, line, len, filter);
	sys1(__NR_close, fd);
	return c->n;
}
