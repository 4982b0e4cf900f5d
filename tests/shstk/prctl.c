/* SPDX-License-Identifier: MIT */
/* flags: -mshstk */
#define _GNU_SOURCE
/* arch_prctl's order of decisions; features and locks over fork and exec. */
#include "shstk.h"

static void fresh(void)
{
	static const ul bits[] = { 0, 3, 4, 8, 1ul << 63, ~0ul };

	for (int i = 0; i < 6; i++) {
		out->v[0] += prctl_(ENABLE, bits[i]) != -EINVAL;
		out->v[0] += prctl_(DISABLE, bits[i]) != -EINVAL;
	}
	out->v[1] = prctl_(ENABLE, WRSS);
	out->v[2] = prctl_(DISABLE, WRSS);
	out->v[3] = prctl_(DISABLE, SHSTK);
	out->v[4] = prctl_(STATUS, 8);
	out->v[5] = prctl_(0x5006, 1);
	out->v[6] = prctl_(0x3001, 1);
	quit(0);
}

static void on(void)
{
	ul ssp;

	enable();
	ssp = rdssp();
	out->v[0] = status();
	out->v[1] = prctl_(ENABLE, SHSTK) || rdssp() != ssp;
	out->v[2] = prctl_(DISABLE, WRSS);
	out->v[3] = prctl_(ENABLE, WRSS);
	out->v[4] = status();
	out->v[5] = prctl_(DISABLE, 3);
	out->v[6] = prctl_(DISABLE, SHSTK);
	out->v[7] = status();
	out->v[8] = rdssp();
	out->v[9] = prctl_(ENABLE, SHSTK);
	out->v[10] = status();
	quit(0);
}

static void unlock_enables(void)
{
	out->v[0] = prctl_(UNLOCK, SHSTK);
	out->v[1] = status();
	out->v[2] = prctl_(UNLOCK, 0);
	quit(0);
}

static void locked(void)
{
	prctl_(LOCK, SHSTK);
	out->v[0] = prctl_(ENABLE, SHSTK);
	out->v[1] = prctl_(ENABLE, 3);                  /* before the number of bits is looked at */
	out->v[2] = prctl_(DISABLE, 1ul << 63 | SHSTK);
	out->v[3] = prctl_(ENABLE, WRSS);
	out->v[4] = prctl_(LOCK, 1ul << 40);
	out->v[5] = prctl_(ENABLE, 1ul << 40);
	out->v[6] = prctl_(UNLOCK, SHSTK);
	out->v[7] = prctl_(ENABLE, 0);
	quit(0);
}

static void inherited(void)
{
	int st = -1;
	long p;

	enable();
	enable_wrss();
	prctl_(LOCK, WRSS);
	p = sc(SYS_fork);
	if (!p) {
		out->v[0] = status();
		out->v[1] = prctl_(DISABLE, WRSS);
		out->v[2] = prctl_(DISABLE, SHSTK);
		quit(0);
	}
	sc(SYS_wait4, p, &st, 0, 0);
	out->v[3] = status();
	quit(0);
}

static void execs(void)
{
	char *argv[] = { "prog", "after", NULL }, *env[] = { NULL };

	enable();
	prctl_(LOCK, ~0ul);
	sc(SYS_execve, "/proc/self/exe", argv, env);
	quit(88);
}

static void limited(void)
{
	struct { ul cur, max; } lim = { 0, 0 }, small = { 0x3001, 0x3001 };

	if (sc(SYS_prlimit64, 0, 3, &small, NULL))
		quit(91);
	out->v[0] = prctl_(ENABLE, SHSTK);
	out->v[1] = rdssp() & 0xfff;
	prctl_(DISABLE, SHSTK);
	if (sc(SYS_prlimit64, 0, 3, &lim, NULL))
		quit(91);
	out->v[2] = prctl_(ENABLE, SHSTK);
	quit(0);
}

int main(int argc, char **argv)
{
	if (argc > 1) /* after exec */
		return status() == 0 && rdssp() == 0 && prctl_(DISABLE, SHSTK) == 0 ? 5 : 6;
	needs_shstk();
	CHECK_ENDS(fresh, 0);
	CHECK_EQ(out->v[0], 0);
	CHECK_EQ(out->v[1], -EPERM);
	CHECK_EQ(out->v[2], -EPERM);
	CHECK_EQ(out->v[3], 0);
	CHECK_EQ(out->v[4], -EFAULT);
	CHECK_EQ(out->v[5], -EINVAL);
	CHECK_EQ(out->v[6], -EINVAL);
	CHECK_ENDS(on, 0);
	CHECK_EQ(out->v[0], 1);
	for (int i = 1; i < 4; i++)
		CHECK_EQ(out->v[i], 0);
	CHECK_EQ(out->v[4], 3);
	CHECK_EQ(out->v[5], -EINVAL);
	for (int i = 6; i < 10; i++)
		CHECK_EQ(out->v[i], 0);
	CHECK_EQ(out->v[10], 1);
	CHECK_ENDS(unlock_enables, 0);
	CHECK_EQ(out->v[0], 0);
	CHECK_EQ(out->v[1], 1);
	CHECK_EQ(out->v[2], -EINVAL);
	CHECK_ENDS(locked, 0);
	for (int i = 0; i < 7; i++)
		CHECK_EQ(out->v[i], i == 4 ? 0 : -EPERM);
	CHECK_EQ(out->v[7], -EINVAL);
	CHECK_ENDS(inherited, 0);
	CHECK_EQ(out->v[0], 3);
	CHECK_EQ(out->v[1], -EPERM);
	CHECK_EQ(out->v[2], 0);
	CHECK_EQ(out->v[3], 3);
	CHECK_ENDS(execs, 5);
	CHECK_ENDS(limited, 0);
	CHECK_EQ(out->v[0], 0);
	CHECK_EQ(out->v[1], 0);
	CHECK_EQ(out->v[2], -EINVAL);
	return check_done();
}
