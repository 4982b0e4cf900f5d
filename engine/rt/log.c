/* SPDX-License-Identifier: MIT */
/*
 * The engine's own text channel. One write(2) a line, so that lines of different processes do not mix. A
 * channel whose reader is gone costs the guest nothing: SIGPIPE is held off and eaten. [as-safe] [no-fp]
 */
#include <asm/signal.h>
#include "rt/rt.h"

int rt_log_fd = 2;

#define SIGPIPE_BIT (1ull << (SIGPIPE - 1))

/* writes all of it or gives up silently: there is nobody left to tell */
void rt_log_write(const char *s, size_t n)
{
	u64 pipe = SIGPIPE_BIT, old = 0, before = 0;
	long r;

	sys4(__NR_rt_sigprocmask, SIG_BLOCK, &pipe, &old, 8);
	sys2(__NR_rt_sigpending, &before, 8);
	while (n) {
		r = sys3(__NR_write, rt_log_fd, s, n);
		if (r == -EINTR)
			continue;
		if (r <= 0)
			break;
		s += r;
		n -= (size_t)r;
	}
	if (n && r == -EPIPE && !(before & SIGPIPE_BIT)) {
		struct { long sec, nsec; } now = { 0, 0 };

		sys4(__NR_rt_sigtimedwait, &pipe, NULL, &now, 8);
	}
	sys4(__NR_rt_sigprocmask, SIG_SETMASK, &old, NULL, 8);
}

/* prefix, text, newline; a line too long is cut but keeps its newline */
static void log_line(const char *fmt, va_list ap)
{
	char buf[1024];
	int n = rt_snprintf(buf, sizeof(buf), "gnomon[%d/%d]: ", (int)sys0(__NR_getpid), (int)sys0(__NR_gettid));

	n += rt_vsnprintf(buf + n, sizeof(buf) - 1 - (size_t)n, fmt, ap);
	buf[n++] = '\n';
	rt_log_write(buf, (size_t)n);
}

void rt_log(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(fmt, ap);
	va_end(ap);
}

void __noreturn rt_die(int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(fmt, ap);
	va_end(ap);
	for (;;)
		sys1(__NR_exit_group, status);
}
