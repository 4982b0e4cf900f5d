/* SPDX-License-Identifier: MIT */
/* flags: -O2 -mindirect-branch=thunk -fcf-protection=none
 * Indirect calls and jumps through retpolines.
 * expect: never-called at=__x86_indirect_thunk_rax
 * expect: never-called at=__x86_indirect_thunk_rdx
 * expect: never-called at=__x86_indirect_thunk_rcx
 * expect: never-called at=__x86_indirect_thunk_rbx
 * optional: 3 */
#include <stdio.h>

static int a(int x)
{
	return x + 1;
}
static int b(int x)
{
	return x * 3;
}
int (*volatile f[2])(int) = { a, b };

int main(void)
{
	int x = 1;

	for (int i = 0; i < 20; i++)
		x = f[i & 1](x) & 0xffff;
	printf("%d\n", x);
	return 0;
}
