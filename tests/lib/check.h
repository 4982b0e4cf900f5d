/* SPDX-License-Identifier: MIT */
/*
 * The whole test framework: CHECK() counts and says what is wrong, check_done() prints the TAP plan and gives the
 * exit status; SKIP() leaves with 77 and a reason. Works with a libc and, with CHECK_FREESTANDING defined, without.
 * Output must be the same natively and translated: no addresses, ids or times.
 */
#ifndef CHECK_H
#define CHECK_H

static int check_count, check_failed;

#ifdef CHECK_FREESTANDING

typedef unsigned long check_word;

static inline long check_sys3(long nr, long a, long b, long c)
{
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "0"(nr), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return ret;
}

static inline void check_puts(const char *s)
{
	long n = 0;

	while (s[n])
		n++;
	check_sys3(1, 1, (long)s, n);
}

static inline void check_hex(check_word x)
{
	char buf[19] = "0x0000000000000000";

	for (int i = 17; i >= 2; i--, x >>= 4)
		buf[i] = "0123456789abcdef"[x & 15];
	check_puts(buf);
}

static inline void check_exit(int status)
{
	check_sys3(231, status, 0, 0);
	__builtin_unreachable();
}

#define check_flush()

#else /* hosted */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef unsigned long check_word;

#define check_puts(s) fputs(s, stdout)
#define check_hex(x) printf("%#lx", (check_word)(x))
#define check_flush() fflush(stdout)
static inline void check_exit(int status)
{
	fflush(stdout);
	_exit(status);
}

#endif

#define CHECK_STR2(x) #x
#define CHECK_STR(x) CHECK_STR2(x)

/* with CHECK_TELL each check says what it saw where it expects a constant: what tests/shstk records on a real kernel */
#ifdef CHECK_TELL
#define check_tell(what, got, constant)                                          \
	do {                                                                     \
		if (constant) {                                                  \
			check_puts(what " ");                                    \
			check_hex(got);                                          \
			check_puts("\n");                                        \
			check_flush();                                           \
		}                                                                \
	} while (0)
#else
#define check_tell(what, got, constant)
#endif

#define CHECK(cond)                                                              \
	do {                                                                     \
		int holds_ = !!(cond);                                           \
		check_count++;                                                   \
		check_tell(#cond, holds_, 1);                                    \
		if (!holds_) {                                                   \
			check_failed++;                                          \
			check_puts("not ok - " __FILE__ ":" CHECK_STR(__LINE__) ": " #cond "\n"); \
			check_flush();                                           \
		}                                                                \
	} while (0)

#define CHECK_EQ(got, want)                                                      \
	do {                                                                     \
		check_word got_ = (check_word)(got), want_ = (check_word)(want); \
		check_count++;                                                   \
		check_tell(#got, got_, __builtin_constant_p(want));              \
		if (got_ != want_) {                                             \
			check_failed++;                                          \
			check_puts("not ok - " __FILE__ ":" CHECK_STR(__LINE__) ": " #got " is "); \
			check_hex(got_);                                         \
			check_puts(", not ");                                    \
			check_hex(want_);                                        \
			check_puts("\n");                                        \
			check_flush();                                           \
		}                                                                \
	} while (0)

#define SKIP(reason)                                                             \
	do {                                                                     \
		check_puts("1..0 # SKIP " reason "\n");                          \
		check_exit(77);                                                  \
	} while (0)

/* the exit status */
static inline int check_done(void)
{
	if (!check_failed)
		check_puts("ok\n");
	check_flush();
	return check_failed != 0;
}

#endif
