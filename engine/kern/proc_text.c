/* SPDX-License-Identifier: MIT */
/*
 * Buffered text in and out of descriptors, for the files of proc.h.
 */
#include "kern/proc.h"

void proc_flush(struct proc_text *t)
{
	u32 at = 0;

	while (at < t->n && !t->err) {
		long r = sys3(__NR_write, t->fd, t->buf + at, t->n - at);

		if (r == -EINTR)
			continue;
		if (r < 0)
			t->err = r;
		else
			at += (u32)r;
	}
	t->n = 0;
}

void proc_write(struct proc_text *t, const char *s, size_t n)
{
	while (n) {
		size_t some = min(n, sizeof(t->buf) - t->n);

		memcpy(t->buf + t->n, s, some);
		t->n += (u32)some;
		s += some;
		n -= some;
		if (t->n == sizeof(t->buf))
			proc_flush(t);
	}
}

void proc_printf(struct proc_text *t, const char *fmt, ...)
{
	char line[256];
	va_list ap;

	va_start(ap, fmt);
	rt_vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	proc_write(t, line, strlen(line));
}

const char *proc_line(struct proc_lines *in, u32 *len)
{
	for (;;) {
		char *start = in->buf + in->at;
		u32 have = in->n - in->at, n = 0;
		long r;

		while (n < have && start[n] != '\n')
			n++;
		if (n < have || have == sizeof(in->buf)) {
			n += n < have;
			in->at += n;
			*len = n;
			return start;
		}
		memmove(in->buf, start, have);
		in->at = 0;
		in->n = have;
		r = sys3(__NR_read, in->fd, in->buf + have, sizeof(in->buf) - have);
		if (r == -EINTR)
			continue;
		if (r <= 0)
			return NULL; /* every line of /proc ends in a newline */
		in->n += (u32)r;
	}
}
