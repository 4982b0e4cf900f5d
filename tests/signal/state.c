/* SPDX-License-Identifier: MIT */
/* flags: -O1 -fno-pie -no-pie
 * libs: -pthread
 * args: @WORK@/states
 * timeout: 60
 * A handler sees the program between two instructions, wherever it interrupts. The native run writes down, by the trap flag,
 * every state that a stretch of code goes through: all registers, flags, two vector registers, the word on the stack. In
 * every run a storm of signals then looks up what it finds in that list. (DynamoRIO 2358, 3812; FEX 5901, PR 5401) */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include "check.h"

#define MAX 4096
#define TF 0x100ul
#define FLAGS 0xcd5ul /* CF PF AF ZF SF OF DF */
#define WANTED 4000   /* signals that found the stretch */

struct state {
	unsigned long rip, r[15], rsp, flags, xmm[4], top;
};

static struct state list[MAX];
static int nlist, first_at[4096];
static volatile long hits, bad;
static struct state odd;
static volatile int record;
unsigned long stretch_rsp, stretch_word = 0x1122334455667788, stretch_mem[4] = { 3, 5, 7, 11 }, stretch_saved;
unsigned char stretch_text[32] = "some text to be moved about";
unsigned char stretch_copy[32];
void stretch_leaf(void);
void (*stretch_pointer)(void) = stretch_leaf;
extern char stretch_begin[], stretch_end[];
void stretch(void);

/* begins with every register set, so that each time is like the first */
__asm__(
"	.text\n"
"	.globl	stretch, stretch_begin, stretch_end, stretch_leaf\n"
"stretch:\n"
"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
"	mov %rsp, stretch_rsp(%rip)\n"
"stretch_begin:\n"
"	mov $0x1111, %eax; mov $7, %ecx; mov $0x3333, %edx; mov $0x4444, %ebx; mov $0x6666, %ebp\n"
"	mov $0x7777, %esi; mov $0x8888, %edi; mov $0x99, %r8d; mov $0xaa, %r9d; mov $0xbb, %r10d; mov $0xcc, %r11d\n"
"	mov $0xdd, %r12d; mov $0xee, %r13d; mov $0xff, %r14d; mov $0x10, %r15d\n"
"	movq stretch_word(%rip), %xmm0; movdqa %xmm0, %xmm5; xor %eax, %eax\n"
"stretch_set:\n"
"	/* r10 and r11 at work, together and apart, with flags alive */\n"
"	add %r10, %r11; adc %r11, %r10; lea 3(%r10,%r11,2), %rax; imul $77, %r10, %r9; xchg %r10, %r11\n"
"	mov stretch_mem+8(%rip), %r11; add stretch_mem(%rip), %r10; cmp %r10, %r11; setb %r12b; cmovb %r10, %r13\n"
"	push %r11; pop %r8; mov %r10, -16(%rsp); mov -16(%rsp), %r14; bswap %r11; not %r10\n"
"	/* loops and branches */\n"
"1:	inc %r15; loop 1b\n"
"	mov $3, %ecx\n"
"2:	dec %ecx; jnz 2b\n"
"	jrcxz 3f; ud2\n"
"3:	stc; jnc 4f; cmc; jnc 5f\n"
"4:	ud2\n"
"5:	call stretch_leaf\n"
"	call *stretch_pointer(%rip)\n"
"	lea stretch_leaf(%rip), %r10; call *%r10\n"
"	lea stretch_leaf(%rip), %r11; stc; call *%r11; adc $0, %rax\n"
"	push $5; call 6f; jmp 7f\n"
"6:	mov 8(%rsp), %r10; ret $8\n"
"7:	mov $1, %edx; lea 8f(%rip), %rax; lea (%rax,%rdx,4), %rax; jmp *%rax\n"
"8:	ud2; nop; nop; inc %r11d; call stretch_deep\n"
"	/* strings, vectors, system calls, what the engine does itself */\n"
"	lea stretch_text(%rip), %rsi; lea stretch_copy(%rip), %rdi; mov $9, %ecx; cld; rep movsb\n"
"	paddd %xmm0, %xmm5; pxor %xmm0, %xmm5; punpcklbw %xmm5, %xmm0\n"
"	mov $39, %eax; syscall; stretch_unseen: xor %eax, %eax; mov %eax, %ecx; mov $1, %r11d\n"
"stretch_r11: call 9f\n"
"9:	pop %r10; sub %r10, %r10\n"
"	xor %eax, %eax; xor %ecx, %ecx; cpuid; xor %eax, %eax; xor %ebx, %ebx; xor %ecx, %ecx; xor %edx, %edx\n"
"stretch_end:\n"
"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
"	ret\n"
"stretch_leaf:\n"
"	lea 5(%rax,%r10), %rax; xor %r11, %rdx; ret\n"
"stretch_deep:\n"
"	push %r10; push %r11; call stretch_deeper; pop %r11; pop %r10; ret\n"
"stretch_deeper:\n"
"	mov %r10, -8(%rsp); add $1, %r10; call stretch_leaf; call *stretch_pointer(%rip); ret\n"
"stretch_last:\n");
extern char stretch_set[], stretch_last[], stretch_r11[], stretch_unseen[]; /* SYSRET with the trap flag steps over the instruction behind it */

static int inside(unsigned long rip)
{
	return rip >= (unsigned long)stretch_set && rip < (unsigned long)stretch_last &&
	       !(rip >= (unsigned long)stretch_end && rip < (unsigned long)stretch_leaf) && rip != (unsigned long)stretch_unseen;
}

static void take(struct state *s, const ucontext_t *uc)
{
	static const int order[15] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RBP, REG_RSI, REG_RDI, REG_R8,
				       REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15 };
	const greg_t *g = uc->uc_mcontext.gregs;

	memset(s, 0, sizeof(*s));
	s->rip = (unsigned long)g[REG_RIP];
	for (int i = 0; i < 15; i++)
		s->r[i] = (unsigned long)g[order[i]];
	s->rsp = (unsigned long)g[REG_RSP] - stretch_rsp;
	s->flags = (unsigned long)g[REG_EFL] & FLAGS;
	memcpy(s->xmm, &uc->uc_mcontext.fpregs->_xmm[0], 16);
	memcpy(s->xmm + 2, &uc->uc_mcontext.fpregs->_xmm[5], 16);
	s->top = s->rsp < -64ul || s->rsp == 0 ? 0 : *(unsigned long *)g[REG_RSP];
	/* what is this process' own: its id, and the flags that SYSCALL leaves in r11 with the trap flag among them */
	if (s->r[0] == (unsigned long)getpid())
		s->r[0] = 0xdeadbeef;
	if (s->rip > (unsigned long)stretch_unseen && s->rip < (unsigned long)stretch_r11)
		s->r[10] = 0;
}

static void on_trap(int signo, siginfo_t *si, void *p)
{
	ucontext_t *uc = p;

	if (inside((unsigned long)uc->uc_mcontext.gregs[REG_RIP]) && nlist < MAX)
		take(&list[nlist++], uc);
	if (!record)
		uc->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TF;
}

static void on_signal(int signo, siginfo_t *si, void *p)
{
	struct state s;
	int i;

	if (!inside((unsigned long)((ucontext_t *)p)->uc_mcontext.gregs[REG_RIP]))
		return;
	take(&s, p);
	hits++;
	for (i = 0; i < nlist; i++)
		if (list[i].rip == s.rip && !memcmp(&list[i], &s, sizeof(s)))
			return;
	if (!bad++)
		odd = s;
}

static void record_all(const char *path)
{
	struct sigaction sa = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };
	int fd;

	sigaction(SIGTRAP, &sa, NULL);
	record = 1;
	__asm__ volatile("pushfq; orl $0x100, (%%rsp); popfq" ::: "cc", "memory");
	stretch();
	record = 0;
	__asm__ volatile("nop");
	if (nlist < 100 || nlist == MAX)
		SKIP("the trap flag does not work here");
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (write(fd, list, (size_t)nlist * sizeof(list[0])) != nlist * (long)sizeof(list[0]))
		check_exit(1);
	close(fd);
}

static void report(void)
{
	static const char *const names[] = { "rax", "rcx", "rdx", "rbx", "rbp", "rsi", "rdi", "r8",
					     "r9", "r10", "r11", "r12", "r13", "r14", "r15" };

	printf("at stretch_begin+%#lx, no such state\n", odd.rip - (unsigned long)stretch_begin);
	for (int k = 0; k < nlist; k++) {
		if (list[k].rip != odd.rip)
			continue;
		printf("one that there is differs in:");
		for (int i = 0; i < 15; i++)
			if (list[k].r[i] != odd.r[i])
				printf(" %s %lx not %lx", names[i], odd.r[i], list[k].r[i]);
		if (list[k].rsp != odd.rsp)
			printf(" rsp %lx not %lx", odd.rsp, list[k].rsp);
		if (list[k].flags != odd.flags)
			printf(" flags %lx not %lx", odd.flags, list[k].flags);
		if (memcmp(list[k].xmm, odd.xmm, sizeof(odd.xmm)))
			printf(" xmm");
		if (list[k].top != odd.top)
			printf(" (rsp) %lx not %lx", odd.top, list[k].top);
		printf("\n");
	}
}

static volatile int done;
static void *poke(void *p)
{
	while (!done)
		for (int i = 0; i < 20; i++)
			pthread_kill(*(pthread_t *)p, SIGUSR1);
	return NULL;
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART };
	struct itimerval fast = { { 0, 61 }, { 0, 61 } };
	int fd = open(argv[1], O_RDONLY);
	pthread_t me = pthread_self(), t;

	if (fd < 0) {
		record_all(argv[1]);
	} else {
		nlist = (int)(read(fd, list, sizeof(list)) / (long)sizeof(list[0]));
		close(fd);
	}
	CHECK(nlist > 100);
	sigaction(SIGALRM, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	setitimer(ITIMER_REAL, &fast, NULL);
	pthread_create(&t, NULL, poke, &me);
	while (hits < WANTED)
		for (int i = 0; i < 100; i++)
			stretch();
	done = 1;
	pthread_join(t, NULL);
	fast = (struct itimerval){ { 0, 0 }, { 0, 0 } };
	setitimer(ITIMER_REAL, &fast, NULL);
	if (bad)
		report();
	CHECK_EQ(bad, 0);
	return check_done();
}
