/* SPDX-License-Identifier: MIT */
/* String instructions in both directions and sizes, repeated, and stopped by a fault half-way. */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include "regs.h"

PIECE(movsb, "rep movsb; ret");
PIECE(movsq_down, "std; rep movsq; cld; ret");
PIECE(stosw, "rep stosw; ret");
PIECE(stosl_down, "std; rep stosl; call 9f; cld; ret; 9: ret");
PIECE(scasb, "repne scasb; ret");
PIECE(cmpsb, "repe cmpsb; ret");
PIECE(lodsb, "lodsb; mov %al, %dl; lodsw; ret");
PIECE(df_kept, "std; call 9f; movsb; movsb; jmp 8f; 9: ret; 8: lea 7f(%rip), %r10; jmp *%r10; 7: movsb; pushfq; pop %rax; cld; ret");
PIECE(scas_down, "std; mov $0, %eax; repne scasw; cld; ret");
PIECE(rep_zero, "xor %ecx, %ecx; rep movsb; repne scasb; repe cmpsb; ret");

static int faults;
static unsigned long at_rcx, at_rdi, at_rsi, at_rip;
static char *fix;

static void handler(int signo, siginfo_t *si, void *p)
{
	ucontext_t *uc = p;

	at_rcx = (unsigned long)uc->uc_mcontext.gregs[REG_RCX];
	at_rdi = (unsigned long)uc->uc_mcontext.gregs[REG_RDI];
	at_rsi = (unsigned long)uc->uc_mcontext.gregs[REG_RSI];
	at_rip = (unsigned long)uc->uc_mcontext.gregs[REG_RIP];
	if (++faults > 5)
		_exit(9);
	mprotect(fix, 4096, PROT_READ | PROT_WRITE);
}

int main(void)
{
	extern void movsb(void), movsq_down(void), stosw(void), stosl_down(void), scasb(void), cmpsb(void), lodsb(void),
		df_kept(void), scas_down(void), rep_zero(void);
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
	static char a[8192], b[8192];
	struct regs in = regs_pattern(0), r;
	char *m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (int again = 0; again < 3; again++) {
		for (int i = 0; i < 8192; i++)
			a[i] = (char)(i * 7 + again + 1) | 1;
		memset(b, 0, sizeof(b));
		in.rsi = (unsigned long)a;
		in.rdi = (unsigned long)b;
		in.rcx = 5000;
		r = regs_run(in, movsb);
		CHECK(!memcmp(a, b, 5000) && b[5000] == 0);
		CHECK_EQ(r.rcx, 0);
		CHECK_EQ(r.rsi, in.rsi + 5000);
		memset(b, 0, sizeof(b));
		in.rsi = (unsigned long)a + 792;
		in.rdi = (unsigned long)b + 792;
		in.rcx = 100;
		r = regs_run(in, movsq_down);
		CHECK(!memcmp(a, b, 800) == (a[0] == 0 && 0) || !memcmp(a + 8, b + 8, 792));
		CHECK_EQ(r.rdi, (unsigned long)b - 8);
		in.rdi = (unsigned long)b;
		in.rax = 0xabcd;
		in.rcx = 77;
		r = regs_run(in, stosw);
		CHECK(b[152] == (char)0xcd && b[153] == (char)0xab);
		in.rdi = (unsigned long)b + 400;
		in.rax = 0x01020304;
		r = regs_run(in, stosl_down);
		CHECK_EQ(r.rdi, (unsigned long)b + 400 - 77 * 4);
		CHECK(b[400] == 4 && b[403] == 1);
		memset(b, 5, sizeof(b));
		b[1234] = 9;
		in.rdi = (unsigned long)b;
		in.rcx = 5000;
		in.rax = 9;
		r = regs_run(in, scasb);
		CHECK_EQ(r.rdi, (unsigned long)b + 1235);
		CHECK_EQ(r.rcx, 5000 - 1235);
		CHECK_EQ(r.flags & FL_ZF, FL_ZF);
		memcpy(b, a, sizeof(b));
		b[999] ^= 0x10;
		in.rsi = (unsigned long)a;
		in.rdi = (unsigned long)b;
		r = regs_run(in, cmpsb);
		CHECK_EQ(r.rcx, 4000);
		CHECK_EQ(r.flags & FL_ZF, 0);
		r = regs_run(in, lodsb);
		CHECK_EQ(r.rdx & 0xff, (unsigned char)a[0]);
		CHECK_EQ(r.rax & 0xffff, (unsigned char)a[1] | (unsigned char)a[2] << 8);
		in.rsi = (unsigned long)a + 10;
		in.rdi = (unsigned long)b + 10;
		b[8] = b[9] = b[10] = 0;
		r = regs_run(in, df_kept);
		CHECK_EQ(r.rax & FL_DF, FL_DF);
		CHECK_EQ(r.rsi, (unsigned long)a + 7);
		CHECK(b[8] == a[8] && b[10] == a[10]);
		memset(b, 1, sizeof(b));
		b[20] = b[21] = 0;
		in.rdi = (unsigned long)b + 100;
		r = regs_run(in, scas_down);
		CHECK_EQ(r.rdi, (unsigned long)b + 18);
		r = regs_run(in, rep_zero);
		CHECK_EQ(r.rdi, in.rdi);
		CHECK_EQ(r.flags & FL_ARITH, FL_ZF | FL_PF);
	}
	/* a fault in the middle of a repeated instruction shows how far it got, and goes on from there */
	sigaction(SIGSEGV, &sa, NULL);
	fix = m + 4096;
	mprotect(fix, 4096, PROT_NONE);
	in.rsi = (unsigned long)a;
	in.rdi = (unsigned long)m;
	in.rcx = 6000;
	r = regs_run(in, movsb);
	CHECK_EQ(faults, 1);
	CHECK_EQ(at_rdi, (unsigned long)m + 4096);
	CHECK_EQ(at_rcx, 6000 - 4096);
	CHECK_EQ(at_rsi, (unsigned long)a + 4096);
	CHECK_EQ(at_rip, (unsigned long)movsb);
	CHECK(!memcmp(m, a, 6000));
	return check_done();
}
