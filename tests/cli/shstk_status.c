/* SPDX-License-Identifier: MIT */
/* Says whether the program has a shadow stack, and what ENABLE answers where it has none. It does not return. */
#include <stdio.h>
#include <unistd.h>

static inline long arch_prctl(long code, long arg)
{
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "0"(158), "D"(code), "S"(arg) : "rcx", "r11", "memory");
	return ret;
}

int main(void)
{
	unsigned long status = 99;

	arch_prctl(0x5005, (long)&status);
	printf("status %lu enable %ld\n", status, arch_prctl(0x5001, 1));
	fflush(stdout);
	_exit(0);
}
