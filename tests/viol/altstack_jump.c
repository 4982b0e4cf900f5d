/* SPDX-License-Identifier: MIT */
/* siglongjmp out of a handler that ran on the alternate stack: unwinding, for signals leave the shadow stack where it is.
 * expect: unwind at=catches */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static sigjmp_buf buf;

static void __attribute__((noinline)) leave(int n)
{
	if (n == 0)
		siglongjmp(buf, 1);
	leave(n - 1);
	__asm__ volatile("" ::: "memory");
}

static void handler(int signo)
{
	leave(signo % 5);
}

static int __attribute__((noinline)) overflow(int n)
{
	char pad[4096];

	pad[n % 4096] = (char)n;
	return overflow(n + 1) + ((volatile char *)pad)[n % 4096];
}

static int __attribute__((noinline)) catches(int n)
{
	if (sigsetjmp(buf, 1))
		return 1;
	if (n % 2)
		raise(SIGSEGV);
	return overflow(0);
}

int main(void)
{
	stack_t alt = { .ss_sp = malloc(65536), .ss_size = 65536 };
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_ONSTACK };
	int sum = 0;

	sigaltstack(&alt, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	for (int i = 0; i < 10; i++)
		sum += catches(i);
	printf("%d\n", sum);
	return sum != 10;
}
