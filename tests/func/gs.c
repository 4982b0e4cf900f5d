/* SPDX-License-Identifier: MIT */
/* Programs that use %gs themselves: arch_prctl, wrgsbase, every operand form, across calls, system calls, faults. */
/* libs: -pthread */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <pthread.h>
#include "regs.h"

static unsigned long area[64] __attribute__((aligned(64)));
static unsigned long other[64] __attribute__((aligned(64)));

PIECE(gs_load, "mov %gs:8, %rax; mov %gs:16, %r10; call 9f; mov %gs:24, %r11; ret; 9: ret");
PIECE(gs_store, "mov %r10, %gs:32; mov %r11, %gs:40; movb $7, %gs:48; movl $9, %gs:52; ret");
PIECE(gs_index, "mov $8, %r10d; mov $2, %r11d; mov %gs:(%r10,%r11,4), %rax; mov $16, %ecx; mov %gs:8(%rcx), %rdx; ret");
PIECE(gs_negative, "mov $-8, %rcx; mov %gs:16(%rcx), %rax; ret");
PIECE(gs_rmw, "lock addq $5, %gs:8; incq %gs:16; xchg %r10, %gs:24; cmpxchg %rcx, %gs:32; ret");
PIECE(gs_call, "call *%gs:56; ret");
PIECE(gs_jump, "jmp *%gs:56");
PIECE(gs_push, "push %gs:8; pop %rax; push %rax; pop %gs:16; ret");
PIECE(gs_rip, "mov %gs:8, %rax; cmp %rax, %gs:8; sete %cl; ret");
PIECE(gs_sse, "movups %gs:16, %xmm3; movups %xmm3, %gs:64; ret");
PIECE(gs_string, "mov $8, %esi; lodsq %gs:(%rsi), %rax; ret");
PIECE(gs_fs, "mov %fs:0, %rcx; mov %gs:8, %rax; mov %fs:0, %rdx; sub %rcx, %rdx; mov $0, %ecx; ret");
PIECE(gs_addr32, "mov $0x700000008, %rcx; mov %gs:(%ecx), %rax; ret");
PIECE(back, "ret");
PIECE(read_base, "rdgsbase %rax; rdgsbase %r10; call 9f; rdgsbase %r11; rdgsbase %ecx; ret; 9: ret");
PIECE(write_base, "rdgsbase %rcx; wrgsbase %rdi; mov %gs:8, %rax; wrgsbase %rcx; ret");
PIECE(write_base10, "rdgsbase %r11; mov %rdi, %r10; wrgsbase %r10; mov %gs:8, %rax; wrgsbase %r11; ret");
PIECE(read_selector, "mov %gs, %eax; ret");

static int faults;
static void handler(int signo, siginfo_t *si, void *p)
{
	ucontext_t *uc = p;
	unsigned long base = 0;

	syscall(SYS_arch_prctl, ARCH_GET_GS, &base);
	if (base == (unsigned long)area)
		faults++;
	uc->uc_mcontext.gregs[REG_RIP] += 2;
}

static void *thread(void *p)
{
	unsigned long base = 1;

	syscall(SYS_arch_prctl, ARCH_GET_GS, &base);
	/* a new thread has its creator's base */
	if (base != (unsigned long)area)
		return (void *)1;
	syscall(SYS_arch_prctl, ARCH_SET_GS, other);
	if (regs_run(regs_pattern(0), p).rax != 1001)
		return (void *)2;
	return NULL;
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
	extern void gs_load(void), gs_store(void), gs_index(void), gs_negative(void), gs_rmw(void), gs_call(void),
		gs_jump(void), gs_push(void), gs_rip(void), gs_sse(void), gs_string(void), gs_fs(void), gs_addr32(void),
		back(void), read_base(void), write_base(void), write_base10(void), read_selector(void);
	struct regs r, in;
	unsigned long base = 1;
	void *ret;
	pthread_t t;
	int status;

	CHECK_EQ(syscall(SYS_arch_prctl, ARCH_GET_GS, &base), 0);
	CHECK_EQ(base, 0);
	CHECK_EQ(regs_run(regs_pattern(0), read_selector).rax, 0);
	CHECK_EQ(syscall(SYS_arch_prctl, ARCH_SET_GS, area), 0);
	for (int again = 0; again < 4; again++) {
		for (int i = 0; i < 64; i++) {
			area[i] = 100u + (unsigned)i;
			other[i] = 1000u + (unsigned)i;
		}
		area[7] = (unsigned long)back;
		r = regs_run(regs_pattern(FL_ARITH), gs_load);
		CHECK_EQ(r.rax, 101);
		CHECK_EQ(r.r10, 102);
		CHECK_EQ(r.r11, 103);
		CHECK_EQ(r.flags & FL_ARITH, FL_ARITH);
		r = regs_run(regs_pattern(FL_ARITH), gs_store);
		CHECK_EQ(area[4], r.r10);
		CHECK_EQ(area[5], r.r11);
		CHECK_EQ(area[6], 9ul << 32 | 7);
		CHECK_EQ(r.flags & FL_ARITH, FL_ARITH);
		area[4] = 104;
		r = regs_run(regs_pattern(0), gs_index);
		CHECK_EQ(r.rax, 102);
		CHECK_EQ(r.rdx, 103);
		CHECK_EQ(regs_run(regs_pattern(0), gs_negative).rax, 101);
		in = regs_pattern(0);
		in.rax = 104;
		in.rcx = 7;
		r = regs_run(in, gs_rmw);
		CHECK_EQ(area[1], 106);
		CHECK_EQ(area[2], 103);
		CHECK_EQ(area[3], in.r10);
		CHECK_EQ(r.r10, 103);
		CHECK_EQ(area[4], 7);
		CHECK_EQ(r.flags & FL_ZF, FL_ZF);
		in = regs_pattern(FL_ARITH);
		regs_same("gs_call", regs_run(in, gs_call), in, FL_ARITH);
		regs_same("gs_jump", regs_run(in, gs_jump), in, FL_ARITH);
		CHECK_EQ(regs_run(in, gs_push).rax, 106);
		CHECK_EQ(area[2], 106);
		CHECK_EQ(regs_run(in, gs_rip).rcx & 0xff, 1);
		regs_run(in, gs_sse);
		CHECK_EQ(area[8], area[2]);
		CHECK_EQ(area[9], area[3]);
		CHECK_EQ(regs_run(in, gs_string).rax, 106);
		r = regs_run(in, gs_fs);
		CHECK_EQ(r.rax, 106);
		CHECK_EQ(r.rdx, 0);
		CHECK_EQ(regs_run(in, gs_addr32).rax, 106);
		if (getauxval(AT_HWCAP2) & 2) {
			r = regs_run(in, read_base);
			CHECK_EQ(r.rax, (unsigned long)area);
			CHECK_EQ(r.r10, (unsigned long)area);
			CHECK_EQ(r.r11, (unsigned long)area);
			CHECK_EQ(r.rcx, (unsigned)(unsigned long)area);
			in.rdi = (unsigned long)other;
			CHECK_EQ(regs_run(in, write_base).rax, 1001);
			CHECK_EQ(regs_run(in, write_base10).rax, 1001);
			CHECK_EQ(syscall(SYS_arch_prctl, ARCH_GET_GS, &base), 0);
			CHECK_EQ(base, (unsigned long)area);
		}
	}
	sigaction(SIGILL, &sa, NULL);
	for (int i = 0; i < 10; i++)
		__asm__ volatile("ud2");
	CHECK_EQ(faults, 10);
	area[1] = 77;
	pthread_create(&t, NULL, thread, (void *)gs_negative);
	pthread_join(t, &ret);
	CHECK_EQ(ret, 0);
	CHECK_EQ(regs_run(regs_pattern(0), gs_negative).rax, 77);
	if (fork() == 0)
		_exit((int)regs_run(regs_pattern(0), gs_negative).rax);
	wait(&status);
	CHECK_EQ(status, 77 << 8);
	CHECK_EQ((unsigned long)syscall(SYS_arch_prctl, ARCH_SET_GS, 0x8000000000000000ul), -1ul);
	return check_done();
}
