/* SPDX-License-Identifier: MIT */
/* flags: -mshstk */
#define _GNU_SOURCE
/* What a checkpoint does to a process with a shadow stack: stops it by ptrace in the middle of calls, reads SSP, status and
 * both stacks, unlocks, kills it; makes another one whose shadow stack stands at the same place with the same words, locked
 * again, and lets it return through the calls of the first. And what a debugger does: writes to the shadow stack. */
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include "shstk.h"

#define STACK_AT 0x300000000000ul
#define STACK_SIZE 0x10000ul
#define SHADOW_AT 0x200000000000ul
#define SHADOW_SIZE 0x4000ul
#define NT_SHSTK 0x204
#define ARCH_PRCTL 30
#define TRACE(request, pid, addr, data) ptrace(request, pid, (void *)(addr), (void *)(data))

static struct {
	struct user_regs_struct regs;
	ul ssp, status;
	char stack[STACK_SIZE];
	ul shadow[SHADOW_SIZE / 8];
} image;

static int __attribute__((noinline)) deep(int n)
{
	int r;

	if (!n) {
		sc(SYS_kill, sc(SYS_getpid), SIGSTOP);
		return 1;
	}
	r = deep(n - 1) + n;
	__asm__ volatile("" : "+r"(r));
	return r;
}

static void __attribute__((noinline, used)) work(void)
{
	quit(deep(5));
}

static void first(void)
{
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	mmap((void *)STACK_AT, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	enable();
	must(map_ss(SHADOW_AT, SHADOW_SIZE, SET_TOKEN) != SHADOW_AT);
	rstorssp(SHADOW_AT + SHADOW_SIZE - 8);
	must(prctl_(LOCK, SHSTK | WRSS));
	__asm__ volatile("mov %0, %%rsp; call work" : : "r"(STACK_AT + STACK_SIZE) : "memory");
	__builtin_unreachable();
}

static void second(void)
{
	ul i;

	ptrace(PTRACE_TRACEME, 0, 0, 0);
	mmap((void *)STACK_AT, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	memcpy((void *)STACK_AT, image.stack, STACK_SIZE);
	enable();
	enable_wrss();
	must(map_ss(SHADOW_AT, SHADOW_SIZE, 0) != SHADOW_AT);
	for (i = (image.ssp - SHADOW_AT) / 8; i < SHADOW_SIZE / 8; i++)
		wrss(SHADOW_AT + 8 * i, image.shadow[i]);
	wrss(image.ssp - 8, image.ssp | 1);
	rstorssp(image.ssp - 8);
	incssp(1);
	must(prctl_(DISABLE, WRSS));
	must(prctl_(LOCK, SHSTK | WRSS));
	sc(SYS_kill, sc(SYS_getpid), SIGSTOP);
	quit(91);
}

static pid_t start(void (*fn)(void))
{
	pid_t pid = fork();
	int st;

	if (!pid) {
		fn();
		_exit(92);
	}
	CHECK(waitpid(pid, &st, 0) == pid && WIFSTOPPED(st) && WSTOPSIG(st) == SIGSTOP);
	return pid;
}

static ul ssp_of(pid_t pid)
{
	ul ssp = 0;
	struct iovec io = { &ssp, 8 };

	CHECK(TRACE(PTRACE_GETREGSET, pid, NT_SHSTK, &io) == 0 && io.iov_len == 8);
	return ssp;
}

static long set_ssp(pid_t pid, ul ssp)
{
	struct iovec io = { &ssp, 8 };

	return TRACE(PTRACE_SETREGSET, pid, NT_SHSTK, &io);
}

static int read_memory(pid_t pid, ul at, void *to, ul n)
{
	struct iovec here = { to, n }, there = { (void *)at, n };

	return process_vm_readv(pid, &here, 1, &there, 1, 0) == (long)n;
}

static void checkpoint(void)
{
	pid_t pid = start(first);
	int st;

	image.ssp = ssp_of(pid);
	CHECK(image.ssp > SHADOW_AT && image.ssp < SHADOW_AT + SHADOW_SIZE);
	CHECK(TRACE(ARCH_PRCTL, pid, &image.status, STATUS) == 0 && image.status == SHSTK);
	CHECK(TRACE(ARCH_PRCTL, pid, SHSTK | WRSS, UNLOCK) == 0);
	CHECK(TRACE(PTRACE_GETREGS, pid, 0, &image.regs) == 0);
	CHECK(read_memory(pid, STACK_AT, image.stack, STACK_SIZE));
	CHECK(read_memory(pid, SHADOW_AT, image.shadow, SHADOW_SIZE));
	CHECK((ul)TRACE(PTRACE_PEEKDATA, pid, image.ssp, 0) == image.shadow[(image.ssp - SHADOW_AT) / 8]);
	printf("%ld words\n", (long)(SHADOW_AT + SHADOW_SIZE - image.ssp) / 8);
	kill(pid, SIGKILL);
	CHECK(waitpid(pid, &st, 0) == pid && st == SIGKILL);
}

static void restore(void)
{
	pid_t pid = start(second);
	int st;

	CHECK(ssp_of(pid) == image.ssp);
	CHECK(TRACE(PTRACE_SETREGS, pid, 0, &image.regs) == 0);
	CHECK(TRACE(PTRACE_CONT, pid, 0, 0) == 0);
	CHECK(waitpid(pid, &st, 0) == pid);
	printf("restored: status %x\n", st);
}

/* a word of the shadow stack is changed, put right, SSP moved: what the next returns say of it */
static void debug(int what)
{
	pid_t pid = start(first);
	ul ssp = ssp_of(pid), word;
	siginfo_t si;
	int st;

	word = (ul)TRACE(PTRACE_PEEKDATA, pid, ssp, 0);
	if (what)
		CHECK(TRACE(PTRACE_POKEDATA, pid, ssp, word ^ 16) == 0);
	if (what == 2)
		CHECK(TRACE(PTRACE_POKEDATA, pid, ssp, word) == 0);
	if (what == 3) {
		CHECK(set_ssp(pid, ssp + 8) == 0);
		CHECK(ssp_of(pid) == ssp + 8);
	}
	CHECK(TRACE(PTRACE_CONT, pid, 0, 0) == 0);
	CHECK(waitpid(pid, &st, 0) == pid);
	memset(&si, 0, sizeof(si));
	if (WIFSTOPPED(st)) {
		CHECK(TRACE(PTRACE_GETSIGINFO, pid, 0, &si) == 0);
		printf("debug %d: signal %d code %d\n", what, WSTOPSIG(st), si.si_code);
		CHECK(what != 1 || ssp_of(pid) == ssp);
		kill(pid, SIGKILL);
		CHECK(waitpid(pid, &st, 0) == pid);
	} else {
		printf("debug %d: status %x\n", what, st);
	}
}

int main(void)
{
	needs_shstk();
	setvbuf(stdout, NULL, _IOLBF, 0);
	checkpoint();
	restore();
	for (int what = 0; what < 4; what++)
		debug(what);
	return check_done();
}
