/* SPDX-License-Identifier: MIT */
/* Messages: whole lines, from any thread, names escaped so that one message stays one line. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit.h"
#include "progress.h"
#include "text.h"

bool had_trouble, silenced;

static void put(const char *what, const char *fmt, va_list ap)
{
	char *text = NULL;
	size_t n = 0, done = 0;
	FILE *f = open_memstream(&text, &n);

	if (!f)
		return;
	if (silenced) {
		fclose(f);
		free(text);
		return;
	}
	progress_hide();
	fputs("gnomon: ", f);
	if (what)
		fprintf(f, "%s: ", shown(what));
	vfprintf(f, fmt, ap);
	fputc('\n', f);
	fclose(f);
	while (text && done < n) {
		ssize_t r = write(2, text + done, n - done);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			break;
		done += (size_t)r;
	}
	free(text);
}

void msg(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put(NULL, fmt, ap);
	va_end(ap);
}

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put(NULL, fmt, ap);
	va_end(ap);
	_exit(GN_EXIT_USAGE); /* other threads may be at work: nothing of theirs is torn down under them */
}

void trouble(const char *what, const char *fmt, ...)
{
	va_list ap;

	__atomic_store_n(&had_trouble, true, __ATOMIC_RELAXED); /* only read when the threads have ended */
	va_start(ap, fmt);
	put(what, fmt, ap);
	va_end(ap);
}

/* is there a control character, a backslash or anything that is not ASCII among eight? */
static bool odd(uint64_t w)
{
	const uint64_t ones = 0x0101010101010101ull, high = ones << 7;
	uint64_t backslash = w ^ ones * '\\', del = w ^ ones * 0x7f;

	return (w | ((w - ones * 0x20) & ~w) | ((backslash - ones) & ~backslash) | ((del - ones) & ~del)) & high;
}

/* nearly every name is shown as it is */
static bool plain(const char *s, size_t n)
{
	uint64_t w;

	for (; n >= 8; s += 8, n -= 8) {
		memcpy(&w, s, 8);
		if (odd(w))
			return false;
	}
	memset(&w, ' ', 8);
	memcpy(&w, s, n);
	return !odd(w);
}

const char *shown(const char *name)
{
	const unsigned char *s = (const unsigned char *)name;
	size_t n = strlen(name);
	char *t;

	if (plain(name, n))
		return name;
	t = text_room(n * 4 + 1);
	n = 0;
	while (*s) {
		int k = *s < 0x80 ? 1 : utf8_length(s);

		if (*s < 0x20 || *s == 0x7f || *s == '\\' || !k) {
			n += (size_t)sprintf(t + n, *s == '\\' ? "\\\\" : *s == '\n' ? "\\n" : "\\x%02x", *s);
			s++;
			continue;
		}
		memcpy(t + n, s, (size_t)k);
		n += (size_t)k;
		s += k;
	}
	t[n] = 0;
	return t;
}

int stdout_done(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	msg("standard output: %s", strerror(errno));
	return GN_EXIT_USAGE;
}
