/* SPDX-License-Identifier: MIT */
/* The lines of gnomon doctor's table, and what they come to. Called by doctor.c and doctor_robust.c. */
#include "doctor.h"

static bool broken;

void doctor_line(enum state st, const char *what, const char *value, const char *means)
{
	static const char *const mark[] = { "ok", "-", "missing", "FAILS" };

	printf("  %-8s%-26s%s%s%s\n", mark[st], what, value, *value && *means ? ": " : "", means);
	if (st == BROKEN)
		broken = true;
}

bool doctor_broken(void)
{
	return broken;
}
