/* SPDX-License-Identifier: MIT */
/* RET that pops its arguments, natively and interrupted at every moment: results, stack, registers. */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include "check.h"

/* sums its stack arguments and pops them; flags are ZF at the end */
#define POPS(name, bytes)                                                                          \
	__asm__(".text\n" #name ":\n"                                                              \
		"	mov 8(%rsp), %rax\n"                                                         \
		"	add " #bytes "(%rsp), %rax\n"                                                \
		"	cmp %rax, %rax\n"                                                            \
		"	ret $" #bytes "\n");                                                         \
	extern char name[];
POPS(pops8, 8)
POPS(pops16, 16)
POPS(pops4096, 4096)
POPS(pops65528, 65528)

/* calls f with `bytes` of arguments of which first and last are set; what is off in *wrong */
static long call(char *f, long bytes, long first, long last, long *wrong)
{
	long sum, zf, off;
	register long r10 __asm__("r10") = 0x1010, r11 __asm__("r11") = 0x1111, rcx __asm__("rcx") = 0xcccc;

	__asm__ volatile("mov %%rsp, %%rbx; sub $128, %%rsp; and $-16, %%rsp; mov %%rsp, %%r12\n\t"
			 "sub %[bytes], %%rsp; mov %[last], -8(%%r12); mov %[first], (%%rsp); call *%[f]\n\t"
			 "setz %%dl; movzbl %%dl, %%edx; sub %%rsp, %%r12; mov %%r12, %[off]; mov %%rbx, %%rsp"
			 : "=&a"(sum), "=&d"(zf), [off] "=&r"(off), "+r"(r10), "+r"(r11), "+r"(rcx)
			 : [f] "r"(f), [bytes] "r"(bytes), [first] "r"(first), [last] "r"(last)
			 : "rbx", "r12", "memory", "cc");
	*wrong += (zf != 1) + (off != 0) + (r10 != 0x1010) + (r11 != 0x1111) + (rcx != 0xcccc);
	return sum;
}

static long depth_sum;
static volatile sig_atomic_t ticks;
static long wrong_in_handler;

static void tick(int sig)
{
	(void)sig;
	ticks++;
	if (call(pops16, 16, 3, 4, &wrong_in_handler) != 7)
		wrong_in_handler++;
}

/* recursion whose frames are popped by their callees */
long recurse(long n, long *wrong);
long recurse(long n, long *wrong)
{
	if (!n)
		return 0;
	return call(pops16, 16, n, 1, wrong) + recurse(n - 1, wrong);
}

int main(void)
{
	struct itimerval t = { { 0, 100 }, { 0, 100 } };
	long wrong = 0;

	CHECK_EQ(call(pops8, 8, 5, 5, &wrong), 10);
	CHECK_EQ(call(pops16, 16, 1, 2, &wrong), 3);
	CHECK_EQ(call(pops4096, 4096, 10, 20, &wrong), 30);
	CHECK_EQ(call(pops65528, 65528, 100, 200, &wrong), 300);
	CHECK_EQ(recurse(300, &wrong), 300 * 301 / 2 + 300);
	signal(SIGALRM, tick);
	setitimer(ITIMER_REAL, &t, NULL);
	for (long n = 0; ticks < 100 && n < 20000000; n++) {
		if (call(pops16, 16, n, n + 1, &wrong) != 2 * n + 1 || (n % 64 == 0 && call(pops8, 8, n, n, &wrong) != 2 * n))
			wrong++;
		depth_sum += n % 1024 ? 0 : recurse(20, &wrong);
	}
	memset(&t, 0, sizeof(t));
	setitimer(ITIMER_REAL, &t, NULL);
	CHECK(ticks > 0);
	CHECK_EQ(wrong, 0);
	CHECK_EQ(wrong_in_handler, 0);
	return check_done();
}
