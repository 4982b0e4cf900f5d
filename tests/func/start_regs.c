/* SPDX-License-Identifier: MIT */
/* variant: static: -nostdlib -static -ffreestanding -fno-stack-protector -fcf-protection=none
 * variant: static-pie: -nostdlib -static-pie -fPIE -ffreestanding -fno-stack-protector -Wl,--no-dynamic-linker
 * variant: dynamic: -nostdlib -ffreestanding -fPIE -pie -fno-stack-protector -Wl,-dynamic-linker,/lib64/ld-linux-x86-64.so.2
 * args: one "two words" ""
 * The first instruction of a program: registers, flags, the initial stack with its alignment, arguments,
 * environment and auxiliary vector as the kernel makes them. No libc. */
#define CHECK_FREESTANDING
#include "check.h"
#include <elf.h>

__asm__(".text\n.globl _start\n_start:\n"
	"	mov %rsp, start_regs(%rip)\n	mov %rax, 8+start_regs(%rip)\n	mov %rbx, 16+start_regs(%rip)\n"
	"	mov %rcx, 24+start_regs(%rip)\n	mov %rdx, 32+start_regs(%rip)\n	mov %rbp, 40+start_regs(%rip)\n"
	"	mov %rsi, 48+start_regs(%rip)\n	mov %rdi, 56+start_regs(%rip)\n	mov %r8, 64+start_regs(%rip)\n"
	"	mov %r9, 72+start_regs(%rip)\n	mov %r10, 80+start_regs(%rip)\n	mov %r11, 88+start_regs(%rip)\n"
	"	mov %r12, 96+start_regs(%rip)\n	mov %r15, 104+start_regs(%rip)\n"
	"	pushfq\n	pop %rax\n	mov %rax, 112+start_regs(%rip)\n"
	"	sub $8, %rsp\n	stmxcsr (%rsp)\n	mov (%rsp), %eax\n	mov %eax, 120+start_regs(%rip)\n"
	"	fnstcw (%rsp)\n	movzwl (%rsp), %eax\n	mov %eax, 124+start_regs(%rip)\n"
	"	movq %xmm0, %rax\n	mov %rax, 128+start_regs(%rip)\n"
	"	movq %xmm15, %rax\n	mov %rax, 136+start_regs(%rip)\n"
	"	and $-16, %rsp\n	xor %ebp, %ebp\n	call begin\n	ud2\n");

unsigned long start_regs[20] __attribute__((visibility("hidden")));
extern char __ehdr_start[] __attribute__((visibility("hidden")));
extern char _start[] __attribute__((visibility("hidden")));

static int same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static int ends_with(const char *s, const char *end)
{
	const char *p = s;
	int n = 0;

	while (*p)
		p++;
	while (end[n])
		n++;
	return p - s >= n && same(p - n, end);
}

#ifdef __PIE__
#define DYNAMIC_INTERP_POSSIBLE 1
#endif

void __attribute__((used)) begin(void)
{
	unsigned long *sp = (unsigned long *)start_regs[0], argc = *sp, n = 0;
	char **argv = (char **)(sp + 1), **envp, *top;
	Elf64_auxv_t *av;
	unsigned long aux[64], seen = 0;
	const Elf64_Ehdr *eh = (const void *)__ehdr_start;

	for (int i = 0; i < 64; i++)
		aux[i] = 0;
	CHECK_EQ(start_regs[0] & 15, 0);
	CHECK_EQ(argc, 4);
	CHECK(ends_with(argv[0], "/prog"));
	CHECK(same(argv[1], "one") && same(argv[2], "two words") && same(argv[3], ""));
	CHECK(!argv[4]);
	envp = argv + argc + 1;
	top = argv[0];
	for (unsigned long i = 0; i < argc; i++) {
		CHECK(argv[i] == top);
		while (*top)
			top++;
		top++;
	}
	while (envp[n]) {
		CHECK(envp[n] == top);
		while (*top)
			top++;
		top++;
		n++;
	}
	for (unsigned long i = 0; i < n; i++)
		if (envp[i][0] == 'T' && envp[i][1] == 'Z') {
			check_puts(envp[i]);
			check_puts("\n");
		}
	av = (Elf64_auxv_t *)(envp + n + 1);
	for (; av->a_type; av++) {
		check_hex(av->a_type);
		check_puts(" ");
		if (av->a_type < 64) {
			CHECK(!(seen >> av->a_type & 1));
			seen |= 1ul << av->a_type;
			aux[av->a_type] = av->a_un.a_val;
		}
	}
	check_puts("\n");
	CHECK_EQ(aux[AT_PAGESZ], 4096);
	CHECK_EQ(aux[AT_PHENT], 56);
	CHECK_EQ(aux[AT_PHNUM], eh->e_phnum);
	CHECK_EQ(aux[AT_PHDR], (unsigned long)__ehdr_start + eh->e_phoff);
	CHECK_EQ(aux[AT_ENTRY], (unsigned long)_start);
	CHECK_EQ(aux[AT_CLKTCK], 100);
	CHECK_EQ(aux[AT_FLAGS], 0);
	CHECK_EQ(aux[AT_SECURE], 0);
	CHECK(aux[AT_RANDOM] > start_regs[0]);
	CHECK(aux[AT_PLATFORM] && same((char *)aux[AT_PLATFORM], "x86_64"));
	CHECK(same((char *)aux[AT_EXECFN], argv[0]));
	{
		const Elf64_Ehdr *vdso = (const void *)aux[AT_SYSINFO_EHDR];

		CHECK(vdso && vdso->e_ident[1] == 'E' && vdso->e_ident[2] == 'L' && vdso->e_machine == EM_X86_64);
		CHECK_EQ((unsigned long)vdso & 4095, 0);
	}
	{
		unsigned a = 1, b, c, d;

		__asm__("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
		CHECK_EQ(aux[AT_HWCAP], d);
	}
	check_hex(aux[AT_BASE] != 0);
	check_hex(aux[AT_HWCAP2]);
	check_hex(aux[AT_MINSIGSTKSZ]);
	check_puts("\n");
	/* the kernel clears the registers of a static program; behind ld.so they are ld.so's */
	if (!aux[AT_BASE]) {
		for (int i = 1; i < 14; i++)
			CHECK_EQ(start_regs[i], 0);
		CHECK_EQ(start_regs[14] & ~0x200ul, 0x2);
		CHECK_EQ(start_regs[15] & 0xffffffff, 0x1f80);
		CHECK_EQ(start_regs[15] >> 32, 0x37f);
		CHECK_EQ(start_regs[16], 0);
		CHECK_EQ(start_regs[17], 0);
	}
	/* brk begins page-aligned or not, behind the program; and grows */
	{
		unsigned long b = (unsigned long)check_sys3(12, 0, 0, 0);

		CHECK(b > 4096);
		CHECK_EQ(check_sys3(12, (long)b + 10000, 0, 0), (long)b + 10000);
		for (unsigned long i = 0; i < 10000; i++)
			((volatile char *)b)[i] = 1;
		CHECK_EQ(check_sys3(12, (long)b, 0, 0), (long)b);
	}
	check_exit(check_done());
}
