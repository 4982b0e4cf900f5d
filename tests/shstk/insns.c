/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
/* The instructions of shadow stacks: what they do, and how they fault. */
/* flags: -mshstk -no-pie */
#include "shstk.h"

static void __attribute__((noinline)) nested(int n)
{
	if (n)
		nested(n - 1);
	__asm__ volatile("" : : : "memory");
}

#define OFF(name, code) \
	static void name(void) { catch_faults(); code; quit(0); }
OFF(off_incssp, incssp(1))
OFF(off_rstorssp, rstorssp(map_ss(0, 0x1000, 1) + 0xff8))
OFF(off_saveprevssp, saveprevssp())
OFF(off_wrss, wrss(map_ss(0, 0x1000, 1), 1))

static void off_rdssp(void)
{
	ul r = 0x1234567800000055ul;

	__asm__ volatile("rdsspd %k0" : "+r"(r)); /* a NOP: the upper half stays, too */
	quit(r == 0x1234567800000055ul ? 0 : 1);
}

#define ON(name, code)                 \
	static void name(void)         \
	{                              \
		ul p;                  \
		catch_faults();        \
		enable();              \
		p = map_ss(0, 0x2000, 1); \
		out->v[0] = p;         \
		code;                  \
		quit(0);               \
	}
/* SSP to the end of a shadow stack with nothing behind it */
#define EMPTY_AT 0x220000000000
#define TO_EMPTY p = map_ss(EMPTY_AT, 0x1000, 1); out->v[0] = p + 0x1000; rstorssp(p + 0xff8); incssp(1)
#define ONW(name, code) ON(name, enable_wrss(); code)
ON(wrss_not_allowed, wrss(p, 1))
ONW(wrss_unaligned, wrss(p + 4, 1))
ONW(wrss_ordinary, p = out->v[0] = (ul)&out->v[8]; wrss(p, 1))
ONW(wrss_nothing, sc(SYS_munmap, p, 0x2000); wrss(p, 1))
ONW(wrss_readonly, sc(SYS_mprotect, p, 0x1000, PROT_READ); wrss(p, 1))
ONW(wrss_good, wrss(p, 0x77); __asm__ volatile("wrssd %1, 8(%0)" : : "r"(p), "r"(0x88) : "memory");
    out->v[1] = *(ul *)p; out->v[2] = ((ul *)p)[1])
ON(wruss, __asm__ volatile("wrussq %1, (%0)" : : "r"(p), "r"(1ul) : "memory"))
ON(setssbsy, __asm__ volatile("setssbsy"))
ON(clrssbsy, __asm__ volatile("clrssbsy (%0)" : : "r"(p) : "memory"))
ON(rstorssp_none, rstorssp(p + 0x1000))
ON(rstorssp_unaligned, rstorssp(p + 0x1ffc))
ON(rstorssp_ordinary, out->v[8] = (long)((ul)&out->v[9] | 1); rstorssp((ul)&out->v[8]))
ON(rstorssp_nothing, sc(SYS_munmap, p, 0x2000); rstorssp(p + 0x1ff8))
ONW(rstorssp_32bit, wrss(p + 8, p + 16); rstorssp(p + 8)) /* bit 0 clear: a token of 32-bit code */
ON(incssp_nothing, TO_EMPTY; incssp(1))
ON(incssp_zero, TO_EMPTY; incssp(0)) /* one access all the same */
ON(store, *(volatile ul *)(p + 0x1000) = 1)
ON(exchange, __asm__ volatile("lock incq (%0)" : : "r"(p + 0x1ff8) : "memory"))
ON(saveprevssp_none, __asm__ volatile(".balign 16, 0x90; .nops 11; call 1f; int3; 1: clc; saveprevssp" : : : "memory", "cc"))
ON(saveprevssp_carry, rstorssp(p + 0x1ff8); __asm__ volatile("stc; saveprevssp" : : : "memory", "cc"))

static void moves(void)
{
	ul a, b, p, q;

	enable();
	a = rdssp();
	p = map_ss(0, 0x2000, SET_TOKEN);
	rstorssp(p + 0x1ff8);
	out->v[0] = rdssp() == p + 0x1ff8 && *(ul *)(p + 0x1ff8) == (a | 3);
	saveprevssp();
	out->v[1] = rdssp() == p + 0x2000 && *(ul *)(a - 8) == (a | 1);
	nested(200);
	q = map_ss(0, 0x1000, SET_TOKEN);
	rstorssp(q + 0xff8);
	saveprevssp();
	nested(50);
	rstorssp(a - 8);
	saveprevssp();
	out->v[2] = rdssp() == a;
	nested(10);
	rstorssp(p + 0x1ff8);
	incssp(1); /* drops the token: nothing is left to come back to */
	out->v[3] = rdssp() == p + 0x2000;
	nested(10);
	b = *(ul *)(a - 8);
	out->v[4] = b != (a | 1);
	quit(0);
}

static void flags(void)
{
	ul f, p;

	enable();
	p = map_ss(0, 0x1000, SET_TOKEN);
	__asm__ volatile("push $0x8d5; popfq; rstorssp (%1); pushfq; pop %0" : "=&r"(f) : "r"(p + 0xff8) : "memory", "cc");
	out->v[0] = (long)(f & 0x8d5);
	quit(0);
}

static void unwinds(void)
{
	ul a, b = 0;

	enable();
	a = rdssp();
	__asm__ volatile("subq $128, %%rsp; call 1f; int3; 1: call 2f; int3; 2: call 3f; int3; 3: rdsspq %0;"
			 "incsspq %1; addq $152, %%rsp" : "+r"(b) : "r"(3ul) : "memory");
	out->v[0] = (long)(a - b);
	out->v[1] = rdssp() == a;
	__asm__ volatile("subq $128, %%rsp; call 1f; 1: rdsspq %0; addq $136, %%rsp" : "+r"(b) : : "memory"); /* pushes nothing */
	out->v[2] = b == a;
	__asm__ volatile("subq $128, %%rsp; call 1f; int3; 1: mov $2, %%eax; incsspd %%eax; rdsspq %0; addq $136, %%rsp"
			 : "+r"(b) : : "rax", "memory");
	out->v[3] = b == a;
	quit(0);
}

static void smash(void)
{
	catch_faults();
	enable();
	__asm__ volatile("subq $128, %%rsp; call 1f; int3; 1: leaq 2f(%%rip), %%rax; movq %%rax, (%%rsp); 3: ret; 2:"
			 "leaq 3b(%%rip), %%rax; addq $128, %%rsp" : : : "rax", "memory");
	quit(0);
}

static void smash_imm(void)
{
	catch_faults();
	enable();
	__asm__ volatile("subq $128, %%rsp; push %%rax; call 1f; int3; 1: leaq 2f(%%rip), %%rax; movq %%rax, (%%rsp); ret $8; 2:"
			 "addq $128, %%rsp" : : : "rax", "memory");
	quit(0);
}

static void empty(void)
{
	ul p;

	catch_faults();
	enable();
	TO_EMPTY;
	__asm__ volatile("leaq 1f(%%rip), %%rax; pushq %%rax; ret; 1:" : : : "rax", "memory");
	quit(0);
}

static void far_return(void)
{
	catch_faults();
	enable();
	__asm__ volatile("subq $128, %%rsp; call 1f; int3; 1: call 2f; int3; 2: call 3f; int3; 3: movl %%cs, %%eax; pushq %%rax;"
			 "leaq 4f(%%rip), %%rax; pushq %%rax; lretq; 4:" : : : "rax", "memory");
	quit(0);
}

static struct __attribute__((packed)) {
	unsigned at;
	unsigned short cs;
} far_to;

static void far_call(void)
{
	ul a, b = 0, c = 0;

	enable();
	a = rdssp();
	__asm__ volatile("movw %%cs, 4+%0; leaq 1f(%%rip), %%rax; movl %%eax, %0; subq $128, %%rsp; lcall *%0; jmp 2f;"
			 "1: rdsspq %1; lretl; 2: addq $128, %%rsp; rdsspq %2" : "+m"(far_to), "+r"(b), "+r"(c) : : "rax", "memory");
	out->v[0] = (long)(a - b);
	out->v[1] = c == a;
	quit(0);
}

static void overflow(void)
{
	ul p;

	catch_faults();
	enable();
	p = map_ss(0, 0x1000, 1);
	rstorssp(p + 0xff8);
	__asm__ volatile("1: call 2f; int3; 2: jmp 1b" : : : "memory");
}

/* a mapping cut by mprotect is one stack; so are two that touch */
static void crosses(void)
{
	ul p = 0x210000000000, q;

	enable();
	if (map_ss(p + 0x2000, 0x2000, 1) != (long)p + 0x2000 || map_ss(p, 0x2000, 0) != (long)p)
		quit(1);
	rstorssp(p + 0x3ff8);
	saveprevssp();
	for (int i = 0; i < 20; i++)
		nested(800);
	sc(SYS_mprotect, p, 0x1000, PROT_NONE);
	sc(SYS_mprotect, p, 0x1000, PROT_READ | PROT_WRITE);
	for (int i = 0; i < 20; i++)
		nested(1800);
	q = rdssp();
	sc(SYS_munmap, p, 0x1000);
	for (int i = 0; i < 20; i++)
		nested(1100);
	quit(q == p + 0x4000 ? 0 : 1);
}

int main(void)
{
	needs_shstk();
	CHECK_UD(off_incssp);
	CHECK_UD(off_rstorssp);
	CHECK_UD(off_saveprevssp);
	CHECK_UD(off_wrss);
	CHECK_ENDS(off_rdssp, 0);
	CHECK_UD(wrss_not_allowed);
	CHECK_GP(wrss_unaligned);
	CHECK_FAULT(wrss_ordinary, SIGSEGV, 2, 14, 0x47);
	CHECK_EQ(out->fault.addr, out->v[0]);
	CHECK_FAULT(wrss_nothing, SIGSEGV, 1, 14, 0x46);
	CHECK_EQ(out->fault.addr, out->v[0]);
	CHECK_FAULT(wrss_readonly, SIGSEGV, 2, 14, 0x46);
	CHECK_ENDS(wrss_good, 0);
	CHECK_EQ(out->v[1], 0x77);
	CHECK_EQ(out->v[2], 0x88);
	CHECK_GP(wruss);
	CHECK_UD(setssbsy);
	CHECK_UD(clrssbsy);
	CHECK_CP(rstorssp_none, 4);
	CHECK_GP(rstorssp_unaligned);
	CHECK_FAULT(rstorssp_ordinary, SIGSEGV, 2, 14, 0x45);
	CHECK_FAULT(rstorssp_nothing, SIGSEGV, 1, 14, 0x44);
	CHECK_EQ(out->fault.addr, out->v[0] + 0x1ff8);
	CHECK_CP(rstorssp_32bit, 4);
	CHECK_FAULT(incssp_nothing, SIGSEGV, 1, 14, 0x44);
	CHECK_EQ(out->fault.addr, out->v[0]);
	CHECK_FAULT(incssp_zero, SIGSEGV, 1, 14, 0x44);
	CHECK_FAULT(store, SIGSEGV, 2, 14, 7);
	CHECK_EQ(out->fault.addr, out->v[0] + 0x1000);
	CHECK_FAULT(exchange, SIGSEGV, 2, 14, 7);
	CHECK_GP(saveprevssp_none);
	CHECK_GP(saveprevssp_carry);
	CHECK_ENDS(moves, 0);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(out->v[i], 1);
	CHECK_ENDS(flags, 0);
	CHECK_EQ(out->v[0], 0);
	CHECK_ENDS(unwinds, 0);
	CHECK_EQ(out->v[0], 24);
	for (int i = 1; i < 4; i++)
		CHECK_EQ(out->v[i], 1);
	CHECK_CP(smash, 1);
	CHECK_CP(smash_imm, 1);
	CHECK_FAULT(empty, SIGSEGV, 1, 14, 0x44);
	CHECK_EQ(out->fault.addr, out->v[0]);
	CHECK_CP(far_return, 2);
	CHECK_ENDS(far_call, 0);
	CHECK_EQ(out->v[0], 24);
	CHECK_EQ(out->v[1], 1);
	CHECK_KILLED(overflow, SIGSEGV);
	CHECK_ENDS(crosses, 0);
	return check_done();
}
