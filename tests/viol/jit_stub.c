/* SPDX-License-Identifier: MIT */
/* Generated code that is entered by a return.
 * expect: never-called at=enter */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

__asm__(".text\n.globl enter\n.type enter, @function\nenter:\n	mov %rdi, %rax\n	push %rax\n	ret\n.size enter, . - enter\n");
int enter(void *);

int main(void)
{
	static const unsigned char code[] = { 0xb8, 42, 0, 0, 0, 0xc3 };
	unsigned char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int sum = 0;

	memcpy(p, code, sizeof(code));
	for (int i = 0; i < 10; i++)
		sum += enter(p);
	printf("%d\n", sum);
	return 0;
}
