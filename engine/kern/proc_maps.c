/* SPDX-License-Identifier: MIT */
/*
 * /proc/self/maps and smaps as the guest must see them. Each area of the host is cut where the engine's memory, the
 * guest's protections (kern/vma) or the emulated program break say so; and areas that the host has apart only
 * because the engine guards some of their pages are put together again. Layout of a line: fs/proc/task_mmu.c.
 */
#include "kern/proc.h"
#include "kern/vma.h"

#define NAME_COLUMN 73
#define DETAIL_MAX 4096 /* what smaps says about one area */

struct line {
	gaddr_t start, end;
	u64 off;
	char host[5], perms[5];
	char dev[32];           /* device and inode, as they are */
	bool file;              /* has an inode: offsets count */
	bool shadow;            /* a shadow stack of the guest's */
	u32 name_len;
	char name[4096 + 32];
};

struct maps {
	struct proc_text *out;
	bool smaps;
	bool held;              /* `last` is complete but for what may join it */
	struct line last, cur;
	u32 detail_len, last_len;
	char detail[DETAIL_MAX];
	char last_detail[DETAIL_MAX]; /* smaps: of a shadow stack, which another piece may join */
};

static const char *word(const char *s, const char *end, char *to, size_t size)
{
	size_t n = 0;

	while (s < end && *s == ' ')
		s++;
	for (; s < end && *s != ' ' && *s != '\n'; s++)
		if (n + 1 < size)
			to[n++] = *s;
	to[n] = 0;
	return s;
}

static bool parse(struct line *l, const char *s, u32 len)
{
	const char *end = s + len;
	char inode[24], dev[8];

	if (!len || (*s > '9' && (*s < 'a' || *s > 'f')) || end[-1] != '\n')
		return false;
	l->start = rt_strtou(s, 16, &s);
	if (*s++ != '-')
		return false;
	l->end = rt_strtou(s, 16, &s);
	s = word(s, end, l->host, sizeof(l->host));
	l->off = rt_strtou(s + 1, 16, &s);
	s = word(s, end, dev, sizeof(dev));
	s = word(s, end, inode, sizeof(inode));
	rt_snprintf(l->dev, sizeof(l->dev), "%s %s", dev, inode);
	l->file = strcmp(inode, "0");
	while (s < end && *s == ' ')
		s++;
	l->name_len = (u32)min((size_t)(end - 1 - s), sizeof(l->name));
	memcpy(l->name, s, l->name_len);
	return true;
}

static void print_line(struct proc_text *out, const struct line *l)
{
	char head[128];
	int n = rt_snprintf(head, sizeof(head), "%08lx-%08lx %s %08lx %s ", l->start, l->end, l->perms, l->off,
			    l->dev);

	if (l->name_len)
		while (n < NAME_COLUMN)
			head[n++] = ' ';
	proc_write(out, head, (size_t)n);
	proc_write(out, l->name, l->name_len);
	proc_write(out, "\n", 1);
}

static bool starts(const char *s, u32 len, const char *with)
{
	size_t n = strlen(with);

	return len >= n && !memcmp(s, with, n);
}

static void print_flags(struct proc_text *out, const struct line *l, const char *s, u32 len)
{
	const char *end = s + len;
	char flag[8];

	proc_printf(out, "VmFlags:%s%s%s", l->perms[0] == 'r' ? " rd" : "", l->perms[1] == 'w' ? " wr" : "",
		    l->perms[2] == 'x' ? " ex" : "");
	if (l->shadow) { /* shared memory for the host */
		proc_printf(out, " mr mw me ac sd nh ss \n");
		return;
	}
	for (s += 8; s < end;) {
		s = word(s, end, flag, sizeof(flag));
		if (*flag && strcmp(flag, "rd") && strcmp(flag, "wr") && strcmp(flag, "ex"))
			proc_printf(out, " %s", flag);
		while (s < end && (*s == ' ' || *s == '\n'))
			s++;
	}
	proc_write(out, " \n", 2);
}

/* The block behind a line of smaps. Pages of an area that is cut are counted for its first piece: the sum of
 * everything is right. */
static void print_detail(struct maps *m, const struct line *l, const char *s, u32 size, bool first)
{
	const char *end = s + size;

	while (s < end) {
		const char *nl = s;
		u32 len;

		while (nl < end && *nl != '\n')
			nl++;
		len = (u32)(nl - s);
		if (starts(s, len, "VmFlags:"))
			print_flags(m->out, l, s, len);
		else if (starts(s, len, "Size:"))
			proc_printf(m->out, "Size:           %8lu kB\n", (l->end - l->start) / 1024);
		else if (!first && len > 3 && !memcmp(nl - 3, " kB", 3) && !starts(s, len, "KernelPageSize:") &&
			 !starts(s, len, "MMUPageSize:"))
			proc_printf(m->out, "%.*s%8u kB\n", (int)min(len, 16u), s, 0);
		else
			proc_write(m->out, s, len + 1);
		s = nl + 1;
	}
}

/* the next line of a block of smaps: its length, 0 at the end */
static u32 detail_line(const char *s, const char *end)
{
	u32 len = 0;

	while (s + len < end && s[len] != '\n')
		len++;
	return s + len < end ? len + 1 : 0;
}

/* The counts of two pieces of what is one area for the guest are added. Line by line: both blocks are the same kernel's */
static void add_detail(struct maps *m)
{
	const char *s = m->last_detail, *end = s + m->last_len, *add = m->detail, *add_end = add + m->detail_len;
	char sum[DETAIL_MAX];
	u32 n = 0, len, add_len;

	while ((len = detail_line(s, end)) && (add_len = detail_line(add, add_end)) && n + len + 24 < sizeof(sum)) {
		const char *a = s, *b = add;

		while (a < s + len && *a++ != ':')
			;
		while (b < add + add_len && *b++ != ':')
			;
		if (len > 4 && !memcmp(s + len - 4, " kB\n", 4) && !starts(s, len, "KernelPageSize:") &&
		    !starts(s, len, "MMUPageSize:")) {
			while (*a == ' ')
				a++;
			while (*b == ' ')
				b++;
			n += (u32)rt_snprintf(sum + n, sizeof(sum) - n, "%.*s%8lu kB\n", (int)min(len, 16u), s,
					      rt_strtou(a, 10, &a) + rt_strtou(b, 10, &b));
		} else {
			memcpy(sum + n, s, len);
			n += len;
		}
		s += len;
		add += add_len;
	}
	memcpy(m->last_detail, sum, n);
	m->last_len = n;
}

/* KiB of [start, end) that are there: not what this mapping has shown, but what the alias has written, too */
static u64 present(gaddr_t start, gaddr_t end)
{
	u8 there[512];
	u64 n = 0;

	for (gaddr_t at = start; at < end; at += sizeof(there) * PAGE_SIZE) {
		u64 size = min(end - at, sizeof(there) * PAGE_SIZE);

		if (sys3(__NR_mincore, at, size, there))
			break;
		for (u64 i = 0; i < size / PAGE_SIZE; i++)
			n += there[i] & 1;
	}
	return n * (PAGE_SIZE / 1024);
}

/* A shadow stack is shared memory for the host, private for the guest: what it has of pages is written, and its own */
static void private_detail(struct maps *m, const struct line *l)
{
	static const char *const all[] = { "Rss:", "Pss:", "Pss_Dirty:", "Private_Dirty:", "Referenced:", "Anonymous:" };
	static const char *const kept[] = { "Size:", "KernelPageSize:", "MMUPageSize:", "Locked:" };
	const char *s = m->detail, *end = s + m->detail_len;
	u64 kb = present(l->start, l->end);
	char to[DETAIL_MAX];
	u32 n = 0, len;

	for (; (len = detail_line(s, end)) && n + len + 24 < sizeof(to); s += len) {
		bool is_kept = len <= 4 || memcmp(s + len - 4, " kB\n", 4);
		u64 value = 0;

		for (u32 i = 0; i < ARRAY_SIZE(kept); i++)
			is_kept |= starts(s, len, kept[i]);
		for (u32 i = 0; i < ARRAY_SIZE(all); i++)
			value = starts(s, len, all[i]) ? kb : value;
		if (is_kept)
			memcpy(to + n, s, len);
		n += is_kept ? len : (u32)rt_snprintf(to + n, sizeof(to) - n, "%.*s%8lu kB\n", (int)min(len, 16u), s, value);
	}
	memcpy(m->detail, to, n);
	m->detail_len = n;
}

/* apart for the host only because of a guard, or because the guest's rights differ where the host's do not */
static bool joins(const struct line *a, const struct line *b)
{
	if (a->shadow || b->shadow)
		return a->shadow && b->shadow && a->end == b->start && !memcmp(a->perms, b->perms, 4);
	return a->end == b->start && !memcmp(a->perms, b->perms, 4) && memcmp(a->host, b->host, 4) &&
	       !strcmp(a->dev, b->dev) && a->name_len == b->name_len && !memcmp(a->name, b->name, a->name_len) &&
	       (!a->file || a->off + (a->end - a->start) == b->off);
}

static void flush_last(struct maps *m)
{
	if (m->held)
		print_line(m->out, &m->last);
	if (m->held && m->smaps)
		print_detail(m, &m->last, m->last_detail, m->last_len, true);
	m->held = false;
}

static void print_piece(struct maps *m, const struct line *l, bool first)
{
	if (m->smaps && l->shadow)
		private_detail(m, l);
	if (m->held && joins(&m->last, l)) {
		m->last.end = l->end;
		memcpy(m->last.host, l->host, sizeof(l->host));
		if (m->smaps && (first || l->shadow))
			add_detail(m);
		return;
	}
	flush_last(m);
	if (m->smaps && !l->shadow) {
		print_line(m->out, l);
		print_detail(m, l, m->detail, m->detail_len, first);
		return;
	}
	m->last = *l;
	m->held = true;
	if (m->smaps) {
		memcpy(m->last_detail, m->detail, m->detail_len);
		m->last_len = m->detail_len;
	}
}

/* Rights and name of the piece that starts at p->start; shortens it to where they change. False: not for the guest's
 * eyes. What the kernel maps by itself has a name; memory without one that is not in the tree is the engine's, such as
 * the shadow stacks it keeps to itself in check mode. */
static bool describe(struct line *p)
{
	gaddr_t brk_lo = eng.brk_start, brk_hi = PAGE_UP(mm_brk());
	struct vma a = { .start = 0 };
	gaddr_t run;
	int prot = vma_prot(p->start, &run);

	if (run > p->start) /* [vsyscall] lies behind everything the tree can hold */
		p->end = min(p->end, run);
	memcpy(p->perms, p->host, sizeof(p->perms));
	if (prot >= 0) {
		p->perms[0] = prot & PROT_READ ? 'r' : '-';
		p->perms[1] = prot & PROT_WRITE ? 'w' : '-';
		p->perms[2] = prot & PROT_EXEC ? 'x' : '-';
	} else if (!p->name_len || starts(p->name, p->name_len, "/dev/zero (deleted)")) {
		return false;
	}
	p->shadow = vma_find(p->start, &a) && a.start <= p->start && (a.flags & VMA_SHSTK);
	if (p->shadow) { /* shared memory for the host, private memory of the guest's */
		p->perms[3] = 'p';
		memcpy(p->dev, "00:00 0", 8);
		p->off = p->name_len = 0;
		p->file = false;
	}
	if (brk_hi <= brk_lo || p->file || p->name_len || p->end <= brk_lo || p->start >= brk_hi)
		return true;
	if (p->start < brk_lo) {
		p->end = brk_lo;
	} else {
		p->end = min(p->end, brk_hi);
		p->name_len = 6;
		memcpy(p->name, "[heap]", 6);
	}
	return true;
}

static void print_area(struct maps *m)
{
	struct line *l = &m->cur, piece;
	gaddr_t at = l->start;
	bool first = true;

	while (at < l->end) {
		struct rt_range own;

		piece = *l;
		piece.start = at;
		if (rt_range_after(at, &own) && own.start < l->end) {
			if (own.start <= at) {
				at = own.end;
				continue;
			}
			piece.end = own.start;
		}
		if (l->file)
			piece.off = l->off + (at - l->start);
		if (describe(&piece)) {
			print_piece(m, &piece, first);
			first = false;
		}
		at = piece.end;
	}
}

void proc_maps(struct proc_lines *in, struct proc_text *out, bool smaps)
{
	struct maps *m = rt_map(sizeof(*m));
	const char *s;
	bool have = false;
	u32 len;

	if (!m) {
		out->err = -ENOMEM;
		return;
	}
	m->out = out;
	m->smaps = smaps;
	while ((s = proc_line(in, &len))) {
		struct line next;

		if (parse(&next, s, len)) {
			if (have)
				print_area(m);
			m->cur = next;
			m->detail_len = 0;
			have = true;
		} else if (m->detail_len + len <= DETAIL_MAX) {
			memcpy(m->detail + m->detail_len, s, len);
			m->detail_len += len;
		}
	}
	if (have)
		print_area(m);
	flush_last(m);
	rt_unmap(m, sizeof(*m));
}
