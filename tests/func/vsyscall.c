/* SPDX-License-Identifier: MIT */
/* verdict: unwinds
 * The calls of the vsyscall page, which old static programs make. The kernel returns from them itself and leaves the
 * caller's word on the shadow stack, so the next return finds its own deeper. */
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include "regs.h"

PIECE(get_time, "mov $0xffffffffff600400, %rax; xor %edi, %edi; call *%rax; mov %rax, %rdx; xor %eax, %eax; ret");
PIECE(get_cpu, "mov $0xffffffffff600800, %rax; call *%rax; ret");

static int has_page(void)
{
	char line[512];
	FILE *f = fopen("/proc/self/maps", "r");
	int found = 0;

	while (f && fgets(line, sizeof(line), f))
		found |= strstr(line, "[vsyscall]") && strstr(line, "x");
	return found;
}

int main(void)
{
	long (*get_timeofday)(void *, void *) = (void *)0xffffffffff600000;
	extern void get_time(void), get_cpu(void);
	struct regs in = regs_pattern(FL_ARITH), want;
	struct timeval a, b, c;
	unsigned cpu = 77777, node = 77777;
	time_t before;

	if (!has_page())
		SKIP("the kernel has no vsyscall page");
	for (int i = 0; i < 3; i++) {
		gettimeofday(&a, NULL);
		CHECK_EQ(get_timeofday(&b, NULL), 0);
		gettimeofday(&c, NULL);
		CHECK(a.tv_sec <= b.tv_sec && b.tv_sec <= c.tv_sec);
		before = time(NULL); /* which lags behind gettimeofday by up to a tick, as the page's does */
		want = in;
		want.rax = want.rdi = 0;
		want.rdx = 0;
		in = regs_run(in, get_time);
		CHECK(in.rdx >= (unsigned long)before && in.rdx <= (unsigned long)time(NULL));
		in.rdx = 0;
		regs_same("get_time", in, want, 0); /* rcx and r11 too are as they were */
		in = want = regs_pattern(FL_ARITH);
		in.rdi = want.rdi = (unsigned long)&cpu;
		in.rsi = want.rsi = (unsigned long)&node;
		want.rax = 0;
		regs_same("get_cpu", regs_run(in, get_cpu), want, FL_ARITH);
		CHECK(cpu < 77777 && node < 77777);
		in = regs_pattern(FL_ARITH);
	}
	return check_done();
}
