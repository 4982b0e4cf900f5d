/* SPDX-License-Identifier: MIT */
/* What compilers do to the stack pointer: variable arrays, alignment, large frames, saved stacks. All of it is clean. */
#include <setjmp.h>

#include "labelled.h"

static NOINLINE void use(void *p, size_t n)
{
	memset(p, 1, n);
	sink += ((volatile char *)p)[n / 2];
}

static NOINLINE void vla(void)
{
	for (int i = 1; i < 20; i++) {
		char a[i * 40];

		use(a, sizeof(a));
	}
}

static NOINLINE void vla_nested(void)
{
	for (int i = 1; i < 6; i++) {
		char a[i * 100];

		use(a, sizeof(a));
		for (int k = 1; k < 4; k++) {
			char b[k * 10 + i];

			use(b, sizeof(b));
			if (k == 2 && i == 3)
				goto out;
		}
	}
out:
	sink++;
}

static NOINLINE void alloca_loop(void)
{
	for (int i = 1; i < 20; i++)
		use(__builtin_alloca((size_t)i * 16), (size_t)i * 16);
}

static NOINLINE void aligned_64(void)
{
	char a[100] __attribute__((aligned(64)));

	use(a, sizeof(a));
}

static NOINLINE long aligned_args_sum(long a, long b, long c, long d, long e, long f, long g, long h)
{
	char x[256] __attribute__((aligned(128)));

	use(x, sizeof(x));
	return a + b + c + d + e + f + g + h + x[3];
}

static NOINLINE void aligned_args(void)
{
	sink += aligned_args_sum(1, 2, 3, 4, 5, 6, 7, 8);
}

static NOINLINE void aligned_vla(void)
{
	for (int i = 1; i < 8; i++) {
		char a[64] __attribute__((aligned(256))), b[i * 30];

		use(a, sizeof(a));
		use(b, sizeof(b));
	}
}

static NOINLINE __attribute__((force_align_arg_pointer)) void realigned(void)
{
	char a[40];

	use(a, sizeof(a));
}

static NOINLINE void large_frame(void)
{
	char a[300000];

	use(a, sizeof(a));
}

static jmp_buf libc_env;

static NOINLINE void libc_setjmp(void)
{
	/* saved, never jumped to */
	if (setjmp(libc_env))
		abort();
	sink++;
}

static NOINLINE long many_args_sum(int n, ...)
{
	__builtin_va_list ap;
	long sum = 0;

	__builtin_va_start(ap, n);
	while (n--)
		sum += __builtin_va_arg(ap, long);
	__builtin_va_end(ap);
	return sum;
}

static NOINLINE void many_args(void)
{
	sink += many_args_sum(12, 1l, 2l, 3l, 4l, 5l, 6l, 7l, 8l, 9l, 10l, 11l, 12l);
}

/* assembly in the manner of cryptographic libraries: an aligned frame, the old stack pointer kept in it */
void crypto_frame_go(void *out);
__asm__(ASM_BEGIN(crypto_frame_go)
	"mov %rsp, %rax\npush %rbx\npush %rbp\npush %r12\nsub $200, %rsp\nand $-64, %rsp\nmov %rax, 152(%rsp)\n"
	"mov %rdi, (%rsp)\nmov (%rsp), %rcx\nmovq $9, (%rcx)\n"
	"mov 152(%rsp), %rsi\nmov -24(%rsi), %r12\nmov -16(%rsi), %rbp\nmov -8(%rsi), %rbx\nlea (%rsi), %rsp\nret\n"
	ASM_END(crypto_frame_go));

static NOINLINE void crypto_frame(void)
{
	long x;

	crypto_frame_go(&x);
	sink += x;
}

/* the frame in %r11, across calls of local subroutines that leave it alone */
void frame_r11_go(void *out);
__asm__(ASM_BEGIN(frame_r11_go)
	"lea 8(%rsp), %r11\npush %rbp\nmov %rsp, %rbp\nsub $96, %rsp\nand $-32, %rsp\ncall frame_r11_local\nmov -16(%r11), %rbp\n"
	"lea -8(%r11), %rsp\nret\n" ASM_END(frame_r11_go)
	ASM_BEGIN(frame_r11_local) "movq $4, (%rdi)\nret\n" ASM_END(frame_r11_local));

static NOINLINE void frame_r11(void)
{
	long x;

	frame_r11_go(&x);
	sink += x;
}

/* restored from a register that the callee keeps */
long kept_register_go(long n);
__asm__(ASM_BEGIN(kept_register_go)
	"push %rbx\nmov %rsp, %rbx\nsub %rdi, %rsp\nand $-16, %rsp\nmovq $6, (%rsp)\nmov (%rsp), %rax\nmov %rbx, %rsp\npop %rbx\nret\n"
	ASM_END(kept_register_go));

static NOINLINE void kept_register(void) { sink += kept_register_go(256); }

const struct labelled frames[] = {
	{ "vla", vla }, { "vla_nested", vla_nested }, { "alloca_loop", alloca_loop }, { "aligned_64", aligned_64 },
	{ "aligned_args", aligned_args }, { "aligned_vla", aligned_vla }, { "realigned", realigned }, { "large_frame", large_frame },
	{ "libc_setjmp", libc_setjmp }, { "many_args", many_args }, { "crypto_frame", crypto_frame }, { "frame_r11", frame_r11 },
	{ "kept_register", kept_register }, { 0 },
};
