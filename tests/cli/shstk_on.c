/* SPDX-License-Identifier: MIT */
/* Asks for a shadow stack, calls and returns under it, gives it back. Prints what the kernel said and what it found. */
#include <stdio.h>
#include <unistd.h>

#define SHSTK_ENABLE 0x5001
#define SHSTK_DISABLE 0x5002
#define SHSTK_STATUS 0x5005

/* not through the C library: a function that was called before must not return after */
static inline long arch_prctl(long code, long arg)
{
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "0"(158), "D"(code), "S"(arg) : "rcx", "r11", "memory");
	return ret;
}

static int __attribute__((noinline)) fib(int n)
{
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

int main(void)
{
	long status = 0, ret;
	unsigned long ssp = 0;

	ret = arch_prctl(SHSTK_ENABLE, 1);
	__asm__ volatile("rdsspq %0" : "+r"(ssp));
	arch_prctl(SHSTK_STATUS, (long)&status);
	printf("enable %ld fib %d status %ld ssp %d\n", ret, fib(20), status, ssp != 0);
	ret = arch_prctl(SHSTK_DISABLE, 1);
	__asm__ volatile("rdsspq %0" : "=r"(ssp) : "0"(0ul));
	printf("disable %ld fib %d ssp %d\n", ret, fib(10), ssp != 0);
	fflush(stdout);
	_exit(0);
}
