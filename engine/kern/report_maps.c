/* SPDX-License-Identifier: MIT */
/*
 * The record of a violation: which file, and which place in it, each of its addresses is. One pass over /proc/self/maps, on a
 * guest thread's engine stack; report.c holds its lock.
 */
#include <asm/fcntl.h>
#include <linux/prctl.h>

#include "kern/report_maps.h"
#include "rt/engine.h"
#include "rt/rt.h"

union report_rec report_rec;
static u32 rec_end; /* bytes of rec in use */

#define ADDRS (6 + GN_FRAMES)
static struct gn_addr *want[ADDRS];
static u32 nwant;

static char maps_buf[16384];

/* a string once, at the end of the record; 0 if there is no room */
static u32 add_string(const char *s, size_t n)
{
	static u32 last;
	u32 at = rec_end;

	if (rec_end > sizeof(report_rec.v) && strlen((char *)report_rec.bytes + last) == n &&
	    !memcmp(report_rec.bytes + last, s, n))
		return last; /* segments of one file follow each other */
	if (n + 1 > sizeof(report_rec.bytes) - 8 - rec_end)
		return 0;
	memcpy(report_rec.bytes + at, s, n);
	report_rec.bytes[at + n] = 0;
	rec_end += (u32)n + 1;
	last = at;
	return at;
}

/* "lo-hi perms offset dev inode   path" */
static void maps_line(char *s, size_t n)
{
	const char *p = s, *path;
	u64 lo, hi, off;
	u32 str = 0;
	bool named = false;

	s[n] = 0;
	lo = rt_strtou(p, 16, &p);
	if (*p++ != '-')
		return;
	hi = rt_strtou(p, 16, &p);
	if (strlen(p) < 6)
		return;
	p += 6;
	off = rt_strtou(p, 16, &p);
	for (int field = 0; field < 2; field++) { /* dev, inode */
		while (*p == ' ')
			p++;
		while (*p && *p != ' ')
			p++;
	}
	while (*p == ' ')
		p++;
	path = p;
	if (!*path && lo < eng.stack_hi && hi > eng.stack_lo)
		path = "[stack]";
	for (u32 i = 0; i < nwant; i++) {
		struct gn_addr *a = want[i];

		if (a->addr < lo || a->addr >= hi)
			continue;
		if (!named && *path) {
			str = add_string(path, strlen(path));
			named = true;
		}
		a->path = str;
		if (*path == '/' || !strcmp(path, "[vdso]"))
			a->file_off = a->addr - lo + off;
		if (a == &report_rec.v.stack) {
			report_rec.v.stack_lo = lo;
			report_rec.v.stack_hi = hi;
		}
	}
}

/* the table is large for some programs and a path may be, so it goes by in pieces */
static void read_maps(void)
{
	long fd = sys4(__NR_openat, -100 /* AT_FDCWD */, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
	size_t have = 0;

	if (fd < 0)
		return;
	for (;;) {
		size_t start = 0;
		long r = sys3(__NR_read, fd, maps_buf + have, sizeof(maps_buf) - 1 - have);

		if (r == -EINTR)
			continue;
		if (r <= 0)
			break;
		have += (size_t)r;
		for (size_t i = have - (size_t)r; i < have; i++) {
			if (maps_buf[i] != '\n')
				continue;
			maps_line(maps_buf + start, i - start);
			start = i + 1;
		}
		memmove(maps_buf, maps_buf + start, have - start);
		have -= start;
		if (have == sizeof(maps_buf) - 1)
			have = 0; /* no line is that long */
	}
	sys1(__NR_close, fd);
}

static void add_addr(struct gn_addr *a, gaddr_t addr)
{
	gaddr_t end;
	int prot;

	a->addr = addr;
	if (!addr)
		return;
	want[nwant++] = a;
	if (!cpu_up.prot)
		return;
	prot = cpu_up.prot(PAGE_DOWN(addr), &end);
	a->prot = prot < 0 ? 0 : (u32)prot & 7;
}

u32 report_resolve(const struct violation *x)
{
	struct gn_violation *v = &report_rec.v;

	memset(v, 0, sizeof(*v));
	rec_end = sizeof(*v);
	nwant = 0;
	v->class = x->class;
	v->rsp = x->rsp;
	v->ssp = x->ssp;
	v->depth = x->depth;
	v->nframes = min(x->nframes, (u32)GN_FRAMES);
	sys2(__NR_prctl, PR_GET_NAME, v->comm);
	add_addr(&v->ret, x->ret);
	add_addr(&v->expected, x->expected);
	add_addr(&v->actual, x->actual);
	add_addr(&v->call, x->call);
	add_addr(&v->switcher, x->switcher);
	for (u32 i = 0; i < v->nframes; i++)
		add_addr(&v->frames[i], x->frames[i]);
	add_addr(&v->stack, x->rsp);
	read_maps();
	while (rec_end & 7)
		report_rec.bytes[rec_end++] = 0;
	return rec_end;
}
