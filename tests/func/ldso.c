/* SPDX-License-Identifier: MIT */
/* launcher: /lib64/ld-linux-x86-64.so.2
 * args: a b
 * The dynamic linker called directly with a program. */
#define _GNU_SOURCE
#include <string.h>
#include "check.h"

int main(int argc, char **argv)
{
	char buf[4096] = "";
	ssize_t n = readlink("/proc/self/exe", buf, sizeof(buf) - 1);

	CHECK(n > 0 && strstr(buf, "ld-linux-x86-64.so.2"));
	CHECK_EQ(argc, 3);
	puts(argv[1]);
	return check_done();
}
