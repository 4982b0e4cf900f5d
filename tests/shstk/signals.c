/* SPDX-License-Identifier: MIT */
/* flags: -mshstk */
#define _GNU_SOURCE
/*
 * What a signal's delivery leaves on the shadow stack, what rt_sigreturn demands of it, and faults that a handler
 * repairs.
 */
#include "shstk.h"

#define TOKEN (1ul << 63)

struct kaction {
	void *handler;
	ul flags;
	void *restorer;
	ul mask;
};

static volatile int mode;
static volatile ul at_ssp, word[2];

static void __attribute__((noinline, optimize("no-omit-frame-pointer"))) handler(int s)
{
	ul ssp = rdssp();

	at_ssp = ssp;
	word[0] = *(ul *)ssp;
	word[1] = *(ul *)(ssp + 8);
	switch (mode) {
	case 1: wrss(ssp + 8, 0); break;
	case 2: wrss(ssp, 0x1234); break;
	case 3: wrss(ssp + 8, word[1] + 1); break;
	case 4: wrss(ssp + 8, TOKEN | 0x7ffffffff000ul); break;
	case 5: wrss(ssp + 8, TOKEN | 0x10000ul); break;
	case 6: *(volatile ul *)((ul)__builtin_frame_address(0) + 8) = 0x4141; break;
	case 7: prctl_(DISABLE, SHSTK); break;
	}
	/* rt_sigreturn by hand, with the restorer's word popped and without */
	if (mode == 8)
		incssp(1);
	if (mode == 8 || mode == 9)
		__asm__ volatile("mov %0, %%rsp; mov $15, %%eax; syscall" : : "r"((ul)__builtin_frame_address(0) + 16));
}

static void *restorer_of(int signo)
{
	struct kaction ka = { 0 };

	sc(SYS_rt_sigaction, signo, 0, &ka, 8);
	return ka.restorer;
}

INLINE void delivered(int m, int flags)
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = flags };
	ul ssp;

	catch_faults();
	sigaction(SIGUSR1, &sa, NULL);
	out->v[6] = (long)restorer_of(SIGUSR1);
	enable();
	enable_wrss();
	mode = m;
	ssp = rdssp();
	out->v[5] = (long)ssp;
	sc(SYS_tgkill, sc(SYS_getpid), sc(SYS_gettid), SIGUSR1);
	out->v[0] = (long)(ssp - at_ssp);
	out->v[1] = word[0] == (ul)out->v[6];
	out->v[2] = word[1] == (ssp | TOKEN);
	out->v[3] = rdssp() == ssp;
	out->v[4] = (long)status();
}

static void __attribute__((noinline)) call(void)
{
	__asm__ volatile("" : : : "memory");
}

#define DELIVERED(name, m, flags) \
	static void name(void) { delivered(m, flags); call(); quit(0); }
DELIVERED(plain, 0, 0)
DELIVERED(on_altstack, 0, SA_ONSTACK)
DELIVERED(no_token, 1, 0)
DELIVERED(other_restorer, 2, 0)
DELIVERED(odd_token, 3, 0)
DELIVERED(kernel_token, 4, 0)
DELIVERED(wild_token, 5, 0)
DELIVERED(smashed, 6, 0)
DELIVERED(disables, 7, 0)
DELIVERED(by_hand, 8, 0)
DELIVERED(by_hand_not_popped, 9, 0)

/* handlers on handlers */
static volatile int depth;
static void nest(int s)
{
	if (++depth < 20)
		sc(SYS_tgkill, sc(SYS_getpid), sc(SYS_gettid), s);
}

static void nested(void)
{
	struct sigaction sa = { .sa_handler = nest, .sa_flags = SA_NODEFER };
	ul ssp;

	sigaction(SIGUSR1, &sa, NULL);
	enable();
	ssp = rdssp();
	sc(SYS_tgkill, sc(SYS_getpid), sc(SYS_gettid), SIGUSR1);
	out->v[0] = depth;
	out->v[1] = rdssp() == ssp;
	quit(0);
}

static void no_restorer(void)
{
	struct kaction ka = { .handler = handler };

	sc(SYS_rt_sigaction, SIGUSR1, &ka, 0, 8);
	enable();
	sc(SYS_kill, sc(SYS_getpid), SIGUSR1);
	quit(0);
}

static void null_restorer(void)
{
	struct kaction ka = { .handler = handler, .flags = 0x04000000 };

	sc(SYS_rt_sigaction, SIGUSR1, &ka, 0, 8);
	enable();
	sc(SYS_kill, sc(SYS_getpid), SIGUSR1);
	quit(0);
}

static void nowhere(void)
{
	struct sigaction sa = { .sa_handler = handler };
	ul p;

	catch_faults();
	sigaction(SIGUSR1, &sa, NULL);
	p = map_ss(0, 0x1000, SET_TOKEN);
	enable();
	rstorssp(p + 0xff8);
	sc(SYS_munmap, p, 0x1000);
	sc(SYS_kill, sc(SYS_getpid), SIGUSR1);
	quit(0);
}

/* #CP is a fault: with the word put right the RET is executed again */
static volatile ul good;
static volatile int repairs;
static void repair(int s, siginfo_t *info, void *uc)
{
	greg_t *g = ((ucontext_t *)uc)->uc_mcontext.gregs;

	out->v[repairs] = info->si_code == 10 && !info->si_addr && g[REG_TRAPNO] == 21 && g[REG_ERR] == 1;
	*(ul *)g[REG_RSP] = good;
	repairs++;
}

static void __attribute__((noinline, optimize("no-omit-frame-pointer"))) victim(void)
{
	volatile ul *ret = (ul *)__builtin_frame_address(0) + 1;

	good = *ret;
	*ret = 0x4141;
}

static void repaired(void)
{
	struct sigaction sa = { .sa_sigaction = repair, .sa_flags = SA_SIGINFO };
	ul ssp;

	sigaction(SIGSEGV, &sa, NULL);
	enable();
	ssp = rdssp();
	for (int i = 0; i < 5; i++)
		victim();
	out->v[8] = rdssp() == ssp;
	quit(0);
}

/* the kernel keeps the last fault's number: frames of signals that are none show it */
static void sticky(int s, siginfo_t *info, void *uc)
{
	greg_t *g = ((ucontext_t *)uc)->uc_mcontext.gregs;

	out->v[2] = g[REG_TRAPNO];
	out->v[3] = g[REG_ERR];
}

static void sticky_numbers(void)
{
	struct sigaction sa = { .sa_sigaction = repair, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &sa, NULL);
	sa.sa_sigaction = sticky;
	sigaction(SIGUSR1, &sa, NULL);
	enable();
	victim();
	sc(SYS_tgkill, sc(SYS_getpid), sc(SYS_gettid), SIGUSR1);
	quit(0);
}

/* installed by a 32-bit call, a handler is 32-bit code, which the CPU does not go to with a shadow stack above 4 GiB */
static void of_32_bits(void)
{
	struct {
		unsigned handler, mask, flags, restorer;
	} *act = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_32BIT | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct sigaction old;
	long r;

	catch_faults();
	act->handler = (unsigned)(ul)act;
	__asm__ volatile("int $0x80" : "=a"(r) : "0"(67l), "b"((long)SIGUSR1), "c"(act), "d"(0l) : "memory", "r8", "r9", "r10", "r11");
	out->v[0] = r;
	__asm__ volatile("int $0x80" : "=a"(r) : "0"(67l), "b"((long)SIGUSR1), "c"(0l), "d"(act + 1) : "memory", "r8", "r9", "r10", "r11");
	out->v[1] = r;
	out->v[2] = act[1].handler == act->handler && !act[1].flags;
	sigaction(SIGUSR1, NULL, &old);
	out->v[3] = (ul)old.sa_handler == (ul)act;
	out->v[4] = old.sa_flags;
	__asm__ volatile("int $0x80" : "=a"(r) : "0"(174l), "b"((long)SIGUSR2), "c"(act), "d"(0l), "S"(4l) : "memory", "r8", "r9", "r10", "r11");
	out->v[5] = r;
	__asm__ volatile("int $0x80" : "=a"(r) : "0"(67l), "b"((long)SIGKILL), "c"(act), "d"(0l) : "memory", "r8", "r9", "r10", "r11");
	out->v[6] = r;
	enable();
	sc(SYS_tgkill, sc(SYS_getpid), sc(SYS_gettid), SIGUSR1);
	quit(0);
}

int main(void)
{
	needs_shstk();
	for (int i = 0; i < 3; i++) {
		CHECK_ENDS(i == 0 ? plain : i == 1 ? on_altstack : by_hand, 0);
		CHECK_EQ(out->v[0], 16);
		CHECK_EQ(out->v[1], 1);
		CHECK_EQ(out->v[2], 1);
		CHECK_EQ(out->v[3], 1);
		CHECK_EQ(out->v[4], 3);
	}
	CHECK_FAULT(no_token, SIGSEGV, 0x80, 0, 0);
	CHECK_CP(other_restorer, 1);
	CHECK_FAULT(odd_token, SIGSEGV, 0x80, 0, 0);
	CHECK_FAULT(kernel_token, SIGSEGV, 0x80, 0, 0);
	CHECK_KILLED(wild_token, SIGSEGV);
	CHECK_CP(smashed, 1);
	CHECK_ENDS(disables, 0);
	CHECK_EQ(out->v[4], 0);
	CHECK_FAULT(by_hand_not_popped, SIGSEGV, 0x80, 0, 0);
	CHECK_ENDS(nested, 0);
	CHECK_EQ(out->v[0], 20);
	CHECK_EQ(out->v[1], 1);
	CHECK_KILLED(no_restorer, SIGSEGV);
	CHECK_KILLED(null_restorer, SIGSEGV);
	CHECK_KILLED(nowhere, SIGSEGV);
	CHECK_ENDS(repaired, 0);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(out->v[i], 1);
	CHECK_EQ(out->v[8], 1);
	CHECK_FAULT(of_32_bits, SIGSEGV, 0x80, 13, 0);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(out->v[i], i == 2 || i == 3);
	CHECK_EQ(out->v[5], -EINVAL);
	CHECK_EQ(out->v[6], -EINVAL);
	CHECK_ENDS(sticky_numbers, 0);
	CHECK_EQ(out->v[2], 21);
	CHECK_EQ(out->v[3], 1);
	return check_done();
}
