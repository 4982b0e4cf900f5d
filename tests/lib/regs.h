/* SPDX-License-Identifier: MIT */
/*
 * Runs a piece of assembly with all general registers (but rsp) and the flags set from a structure and stores
 * all of them behind it. Not reentrant. The piece is called; it may use the stack.
 */
#ifndef REGS_H
#define REGS_H

#include <string.h>
#include "check.h"

struct regs {
	unsigned long rax, rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15, flags;
};

extern struct regs regs_area;
extern void regs_call(void (*piece)(void));

__asm__(".bss\n"
	".balign 64\n"
	".globl regs_area\n"
	"regs_area: .skip 128\n"
	"regs_piece: .skip 8\n"
	"regs_sp: .skip 8\n"
	".globl regs_rsp_moved\n"
	"regs_rsp_moved: .skip 8\n"
	".text\n"
	".globl regs_call\n"
	".type regs_call, @function\n"
	"regs_call:\n"
	"	push %rbx\n	push %rbp\n	push %r12\n	push %r13\n	push %r14\n	push %r15\n"
	"	sub $8, %rsp\n"
	"	mov %rdi, regs_piece(%rip)\n"
	"	mov %rsp, regs_sp(%rip)\n"
	"	pushq regs_area+120(%rip)\n	popfq\n"
	"	mov regs_area+0(%rip), %rax\n	mov regs_area+8(%rip), %rcx\n"
	"	mov regs_area+16(%rip), %rdx\n	mov regs_area+24(%rip), %rbx\n"
	"	mov regs_area+32(%rip), %rbp\n	mov regs_area+40(%rip), %rsi\n"
	"	mov regs_area+48(%rip), %rdi\n	mov regs_area+56(%rip), %r8\n"
	"	mov regs_area+64(%rip), %r9\n	mov regs_area+72(%rip), %r10\n"
	"	mov regs_area+80(%rip), %r11\n	mov regs_area+88(%rip), %r12\n"
	"	mov regs_area+96(%rip), %r13\n	mov regs_area+104(%rip), %r14\n"
	"	mov regs_area+112(%rip), %r15\n"
	"	call *regs_piece(%rip)\n"
	"	mov %rax, regs_area+0(%rip)\n	mov %rcx, regs_area+8(%rip)\n"
	"	mov %rdx, regs_area+16(%rip)\n	mov %rbx, regs_area+24(%rip)\n"
	"	mov %rbp, regs_area+32(%rip)\n	mov %rsi, regs_area+40(%rip)\n"
	"	mov %rdi, regs_area+48(%rip)\n	mov %r8, regs_area+56(%rip)\n"
	"	mov %r9, regs_area+64(%rip)\n	mov %r10, regs_area+72(%rip)\n"
	"	mov %r11, regs_area+80(%rip)\n	mov %r12, regs_area+88(%rip)\n"
	"	mov %r13, regs_area+96(%rip)\n	mov %r14, regs_area+104(%rip)\n"
	"	mov %r15, regs_area+112(%rip)\n"
	"	pushfq\n	popq regs_area+120(%rip)\n"
	"	cld\n"
	"	mov %rsp, %rax\n	sub regs_sp(%rip), %rax\n	mov %rax, regs_rsp_moved(%rip)\n"
	"	mov regs_sp(%rip), %rsp\n"
	"	add $8, %rsp\n"
	"	pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n	pop %rbp\n	pop %rbx\n"
	"	ret\n");

extern long regs_rsp_moved;

#define FL_CF 0x001ul
#define FL_PF 0x004ul
#define FL_AF 0x010ul
#define FL_ZF 0x040ul
#define FL_SF 0x080ul
#define FL_DF 0x400ul
#define FL_OF 0x800ul
#define FL_ARITH (FL_CF | FL_PF | FL_AF | FL_ZF | FL_SF | FL_OF)

static struct regs regs_pattern(unsigned long flags)
{
	struct regs r = {
		0x1111111111111111, 0x2222222222222222, 0x3333333333333333, 0x4444444444444444,
		0x5555555555555555, 0x6666666666666666, 0x7777777777777777, 0x8888888888888888,
		0x9999999999999999, 0xa0a0a0a0a0a0a0a0, 0xb1b1b1b1b1b1b1b1, 0xc2c2c2c2c2c2c2c2,
		0xd3d3d3d3d3d3d3d3, 0xe4e4e4e4e4e4e4e4, 0xf5f5f5f5f5f5f5f5, 0x202,
	};

	r.flags |= flags;
	return r;
}

/* runs `piece` with `in`; returns all registers behind it */
static struct regs regs_run(struct regs in, void (*piece)(void))
{
	regs_area = in;
	regs_call(piece);
	return regs_area;
}

/* every register is as in `want`; `name` says which piece */
static void regs_same(const char *name, struct regs got, struct regs want, unsigned long flags_mask)
{
	static const char *const names[] = { "rax", "rcx", "rdx", "rbx", "rbp", "rsi", "rdi", "r8", "r9", "r10",
					     "r11", "r12", "r13", "r14", "r15", "flags" };
	const unsigned long *g = &got.rax, *w = &want.rax;

	for (int i = 0; i < 16; i++) {
		unsigned long mask = i == 15 ? flags_mask : ~0ul;

		check_count++;
		if ((g[i] ^ w[i]) & mask) {
			check_failed++;
			printf("not ok - %s: %s is %#lx, not %#lx\n", name, names[i], g[i], w[i]);
		}
	}
	check_count++;
	if (regs_rsp_moved) {
		check_failed++;
		printf("not ok - %s: rsp moved by %ld\n", name, regs_rsp_moved);
	}
}

/* the piece changes nothing but what the statement says about `w` */
#define REGS(piece, flags, mask, ...)                                       \
	do {                                                                \
		extern void piece(void);                                    \
		struct regs in_ = regs_pattern(flags), w = in_;             \
		w = in_;                                                    \
		{ __VA_ARGS__; }                                            \
		regs_same(#piece, regs_run(in_, piece), w, mask);           \
	} while (0)

#define PIECE(name, body)                                                  \
	__asm__(".text\n.balign 16\n.globl " #name "\n.type " #name ", @function\n" #name ":\n" body "\n")

#endif
