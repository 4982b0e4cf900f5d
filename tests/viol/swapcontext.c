/* SPDX-License-Identifier: MIT */
/* makecontext and swapcontext of a C library that knows no shadow stacks.
 * expect: stack-switch switcher_module=libc.so.6 switcher=swapcontext switcher_source=swapcontext.S
 * expect: stack-switch switcher_module=libc.so.6 switcher=setcontext */
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

static ucontext_t main_uc, uc[3];
static int current;
static long total;

static void body(int me)
{
	for (int i = 0; i < 20; i++) {
		total += me * 100 + i;
		swapcontext(&uc[me], &main_uc);
	}
}

int main(void)
{
	for (int i = 0; i < 3; i++) {
		getcontext(&uc[i]);
		uc[i].uc_stack.ss_sp = malloc(65536);
		uc[i].uc_stack.ss_size = 65536;
		uc[i].uc_link = &main_uc;
		makecontext(&uc[i], (void (*)(void))body, 1, i);
	}
	for (int round = 0; round < 21; round++)
		for (current = 0; current < 3; current++)
			swapcontext(&main_uc, &uc[current]);
	printf("%ld\n", total);
	return 0;
}
