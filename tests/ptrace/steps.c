/* SPDX-License-Identifier: MIT */
/* PTRACE_SINGLESTEP: one instruction of the child's each time, of every kind; over system calls, into handlers, through
 * faults; and breakpoints as debuggers set them, in code that has run already. What is seen is printed and compared. */
#define _GNU_SOURCE
#include <fcntl.h>
#include "tracer.h"

extern const char piece[], piece_end[], call_piece[], call_end[];
__asm__(".text; .globl piece, piece_end, call_piece, call_end;"
	"piece: nop; inc %rax; mov %r10, %r11; push %rbx; pop %rcx; lea 5(%rip), %rdx; pushfq; popfq; call 1f; jmp 2f; 1: ret; 2:"
	"cmp %al, %al; jz 3f; nop; 3: jnz 4f; 4: mov $3, %ecx; 5: loop 5b; jrcxz 6f; nop; 6: lea 7f(%rip), %rax; jmp *%rax; nop; 7:"
	"lea buf(%rip), %rdi; mov $3, %ecx; rep stosb; xor %ecx, %ecx; rep stosb; mov %ss, %eax; mov %eax, %ss; nop; rdgsbase %rcx; nop;"
	"piece_end: ret;"
	"call_piece: mov $39, %eax; syscall; nop; nop; mov $39, %eax; syscall; call_end: ret;"
	".bss; buf: .skip 16; .text");

static volatile int handled;
static void handler(int signo)
{
	handled++;
}

static void run_piece(void)
{
	__asm__ volatile("sub $128, %%rsp; int3; call piece; add $128, %%rsp"
			 : : : "rax", "rcx", "rdx", "rdi", "rsi", "r8", "r9", "r10", "r11", "memory", "cc");
	_exit(1);
}

static void run_calls(void)
{
	signal(SIGUSR1, handler);
	__asm__ volatile("sub $128, %%rsp; int3; call call_piece; add $128, %%rsp"
			 : : : "rax", "rcx", "rdx", "rdi", "rsi", "r8", "r9", "r10", "r11", "memory", "cc");
	_exit(handled);
}

static void say(pid_t pid, const char *base, int s)
{
	struct user_regs_struct r = regs_of(pid);
	siginfo_t si;

	memset(&si, 0, sizeof(si));
	TRACE(PTRACE_GETSIGINFO, pid, 0, &si);
	printf("+%ld sig %d code %d tf %d rcx %ld nr %ld\n", (long)(r.rip - (word)base), WSTOPSIG(s), si.si_code, !!(r.eflags & 0x100),
	       r.rcx > 99 ? 99 : (long)r.rcx, (long)r.orig_rax);
}

static void test_piece(void)
{
	pid_t pid = traced_child(run_piece);
	int s, n = 0;

	CHECK(is_stop(go(PTRACE_CONT, pid, 0), SIGTRAP));
	do {
		s = go(PTRACE_SINGLESTEP, pid, 0);
		say(pid, piece, s);
	} while (WIFSTOPPED(s) && regs_of(pid).rip != (word)piece_end && ++n < 200);
	s = go(PTRACE_CONT, pid, 0);
	printf("status %x\n", s);
	end(pid);
}

static void test_calls(void)
{
	pid_t pid = traced_child(run_calls);
	int s;

	CHECK(is_stop(go(PTRACE_CONT, pid, 0), SIGTRAP));
	for (int i = 0; i < 4; i++)
		say(pid, call_piece, s = go(PTRACE_SINGLESTEP, pid, 0));
	s = go(PTRACE_SINGLESTEP, pid, SIGUSR1); /* into the handler */
	CHECK(regs_of(pid).rip == (word)handler);
	{
		siginfo_t si;
		int r = (int)TRACE(PTRACE_GETSIGINFO, pid, 0, &si);

		printf("handler: %x info %d code %d\n", s, r, si.si_code);
	}
	do
		s = go(PTRACE_SINGLESTEP, pid, 0);
	while (is_stop(s, SIGTRAP) && (regs_of(pid).rip < (word)call_piece || regs_of(pid).rip > (word)call_end));
	say(pid, call_piece, s);
	say(pid, call_piece, s = go(PTRACE_SYSCALL, pid, 0));
	say(pid, call_piece, s = go(PTRACE_SINGLESTEP, pid, 0));
	s = go(PTRACE_CONT, pid, 0);
	printf("status %x\n", s);
}

/* ---- breakpoints ---- */

static int ping[2], pong[2];
static volatile int result;

static int __attribute__((noinline, aligned(64))) hot(int x)
{
	__asm__ volatile("nop");
	return x * 2 + 1;
}

static void looper(void)
{
	char c;

	for (int round = 0; round < 4; round++) {
		result = 0;
		for (int i = 0; i < 1000; i++)
			result += hot(i);
		write(ping[1], "x", 1);
		read(pong[0], &c, 1);
	}
	for (int i = 0; i < 5; i++)
		result = hot(i);
	_exit(result);
}

static word poke_text(pid_t pid, word at, word byte)
{
	word old = TRACE(PTRACE_PEEKTEXT, pid, at, 0);

	CHECK(TRACE(PTRACE_POKETEXT, pid, at, (old & ~0xfful) | byte) == 0);
	return old & 0xff;
}

static int mem = -1;
static word poke_mem(pid_t pid, word at, word byte)
{
	unsigned char old = 0, new = byte;

	CHECK(pread(mem, &old, 1, at) == 1);
	CHECK(pwrite(mem, &new, 1, at) == 1);
	return old;
}

static word poke_seek(pid_t pid, word at, word byte)
{
	unsigned char old = 0, new = byte;

	CHECK(pread(mem, &old, 1, at) == 1);
	lseek(mem, at, SEEK_SET);
	CHECK(write(mem, &new, 1) == 1);
	return old;
}

/* steps over the breakpoint as debuggers do, each time */
static void hits(word (*poke)(pid_t, word, word))
{
	struct user_regs_struct r;
	char path[40];
	pid_t pid;
	word old;
	char c;
	int s, n = 0;

	CHECK(pipe(ping) == 0 && pipe(pong) == 0);
	pid = traced_child(looper);
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	mem = open(path, O_RDWR);
	CHECK(TRACE(PTRACE_CONT, pid, 0, 0) == 0);
	read(ping[0], &c, 1); /* it is translated, and linked to its caller */
	kill(pid, SIGURG);
	CHECK(is_stop(wait_status(pid), SIGURG));
	old = poke(pid, (word)hot, 0xcc);
	write(pong[1], "xxxx", 4);
	for (s = go(PTRACE_CONT, pid, 0); is_stop(s, SIGTRAP) && n < 2500; s = go(PTRACE_CONT, pid, 0)) {
		r = regs_of(pid);
		CHECK(r.rip == (word)hot + 1);
		n++;
		if (n == 1500) /* for good */
			poke(pid, (word)hot, old);
		r.rip--;
		CHECK(TRACE(PTRACE_SETREGS, pid, 0, &r) == 0);
		if (n >= 1500)
			continue;
		poke(pid, (word)hot, old);
		CHECK(is_stop(go(PTRACE_SINGLESTEP, pid, 0), SIGTRAP));
		CHECK(regs_of(pid).rip > (word)hot && regs_of(pid).rip < (word)hot + 16);
		poke(pid, (word)hot, 0xcc);
	}
	printf("%d hits, status %x\n", n, s);
	close(mem);
	close(ping[0]); close(ping[1]); close(pong[0]); close(pong[1]);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	test_piece();
	test_calls();
	hits(poke_text);
	hits(poke_mem);
	hits(poke_seek);
	return check_done();
}
