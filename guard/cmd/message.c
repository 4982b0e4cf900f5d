/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tracee.h"

int msg_fd = 2;

static void line(const char *fmt, va_list ap)
{
	char buf[1024] = "gnomon: ";
	int n = vsnprintf(buf + 8, sizeof(buf) - 9, fmt, ap);

	if (n < 0)
		return;
	n = n > (int)sizeof(buf) - 10 ? (int)sizeof(buf) - 10 : n;
	buf[8 + n] = '\n';
	if (msg_fd >= 0 && write(msg_fd, buf, (size_t)n + 9) < 0)
		msg_fd = -1; /* nobody reads */
}

void msg(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line(fmt, ap);
	va_end(ap);
}

void die(int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line(fmt, ap);
	va_end(ap);
	exit(status);
}
