/* SPDX-License-Identifier: MIT */
/* Signals of a traced child: it stops for each, with exact registers; the tracer looks at them and changes them, sees and
 * changes what came with the signal, and delivers it, another one, or none. Memory and registers by every request. */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include "tracer.h"

static volatile word shared_word = 0x1122334455667788;
static volatile int handled[65];
static volatile int codes[65];

static void on(int signo, siginfo_t *si, void *uc)
{
	handled[signo]++;
	codes[signo] = si->si_code;
}

static void install(int signo)
{
	struct sigaction sa = { .sa_sigaction = on, .sa_flags = SA_SIGINFO };

	sigaction(signo, &sa, NULL);
}

/* every register has a value of its own where it stops; what the tracer put into some is stored behind it */
static word seen[4];
static void registers(void)
{
	static word base[2] = { 0x3ff0000000000000, 0 };

	__asm__ volatile("push %%rbp; push %%rbx; movsd %1, %%xmm3; mov $1, %%eax; mov $2, %%ebx; mov $3, %%ecx; mov $4, %%edx; mov $5, %%esi; mov $6, %%edi;"
			 "mov $7, %%ebp; mov $8, %%r8d; mov $9, %%r9d; mov $10, %%r10d; mov $11, %%r11d; mov $12, %%r12d;"
			 "mov $13, %%r13d; mov $14, %%r14d; mov $15, %%r15d; stc; int3; setc %%cl;"
			 "pop %%rbx; pop %%rbp; lea %0, %%rdi; mov %%r10, (%%rdi); mov %%r11, 8(%%rdi); movzx %%cl, %%ecx; mov %%rcx, 16(%%rdi);"
			 "mov %%rax, 24(%%rdi)"
			 : "=m"(seen) : "m"(base) : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
			   "r15", "xmm3", "memory");
	_exit(seen[0] == 110 && seen[1] == 111 && seen[2] == 0 && seen[3] == 101 ? 7 : 8);
}

static void test_registers(void)
{
	pid_t pid = traced_child(registers);
	struct user_fpregs_struct fp;
	struct user_regs_struct r, again;
	struct iovec io = { &again, sizeof(again) };
	siginfo_t si;

	CHECK(is_stop(go(PTRACE_CONT, pid, 0), SIGTRAP));
	r = regs_of(pid);
	CHECK(r.rax == 1 && r.rbx == 2 && r.rcx == 3 && r.rdx == 4 && r.rsi == 5 && r.rdi == 6 && r.rbp == 7);
	CHECK(r.r8 == 8 && r.r9 == 9 && r.r10 == 10 && r.r11 == 11 && r.r12 == 12 && r.r13 == 13 && r.r14 == 14 && r.r15 == 15);
	CHECK(r.eflags & 1 && !(r.eflags & 0x100) && (long)r.orig_rax == -1);
	CHECK(r.cs == 0x33 && r.ss == 0x2b && r.ds == 0 && r.es == 0 && r.fs == 0 && r.gs == 0 && r.gs_base == 0 && r.fs_base);
	CHECK((TRACE(PTRACE_PEEKTEXT, pid, r.rip - 1, 0) & 0xffffff) == 0x920fcc); /* int3; setc */
	CHECK(TRACE(PTRACE_GETSIGINFO, pid, 0, &si) == 0 && si.si_signo == SIGTRAP && si.si_code == SI_KERNEL);
	CHECK(TRACE(PTRACE_GETFPREGS, pid, 0, &fp) == 0 && fp.xmm_space[12] == 0 && fp.xmm_space[13] == 0x3ff00000);
	CHECK(TRACE(PTRACE_GETREGSET, pid, NT_PRSTATUS, &io) == 0 && io.iov_len == sizeof(r) && !memcmp(&r, &again, sizeof(r)));
	io.iov_len = 24;
	CHECK(TRACE(PTRACE_GETREGSET, pid, NT_PRSTATUS, &io) == 0 && io.iov_len == 24);
	io.iov_len = 23;
	CHECK(TRACE(PTRACE_GETREGSET, pid, NT_PRSTATUS, &io) == -1 && errno == EINVAL);
	CHECK(TRACE(PTRACE_PEEKUSER, pid, offsetof(struct user_regs_struct, r11), 0) == 11);
	CHECK(TRACE(PTRACE_PEEKUSER, pid, 3, 0) == -1 && errno == EIO);
	r.r10 = 110;
	r.eflags &= ~1ul;
	CHECK(TRACE(PTRACE_SETREGS, pid, 0, &r) == 0);
	CHECK(TRACE(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, r11), 111) == 0);
	CHECK(TRACE(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, rax), 101) == 0);
	CHECK(TRACE(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, cs), 0) == -1 && errno == EIO);
	CHECK(WEXITSTATUS(go(PTRACE_CONT, pid, 0)) == 7);
}

static void memory(void)
{
	raise(SIGUSR1);
	_exit(shared_word == 42 ? 1 : 2);
}

static void test_memory(void)
{
	pid_t pid = traced_child(memory);
	word here;
	struct iovec local = { &here, 8 }, there = { (void *)&shared_word, 8 };

	CHECK(TRACE(PTRACE_PEEKDATA, pid, &shared_word, 0) == 0x1122334455667788);
	CHECK(process_vm_readv(pid, &local, 1, &there, 1, 0) == 8 && here == 0x1122334455667788);
	CHECK(TRACE(PTRACE_PEEKDATA, pid, 8, 0) == -1 && errno == EIO);
	CHECK(TRACE(PTRACE_POKEDATA, pid, 8, 0) == -1 && errno == EIO);
	CHECK(TRACE(PTRACE_POKEDATA, pid, &shared_word, 42) == 0);
	CHECK(shared_word != 42);
	CHECK(is_stop(go(PTRACE_CONT, pid, 0), SIGUSR1));
	CHECK(WEXITSTATUS(go(PTRACE_CONT, pid, 0)) == 1);
	CHECK(TRACE(PTRACE_PEEKDATA, pid, &shared_word, 0) == -1 && errno == ESRCH);
}

static void signals(void)
{
	union sigval val = { .sival_int = 77 };

	for (int i = 1; i <= 64; i++)
		if (i == SIGUSR1 || i == SIGUSR2 || i >= 34)
			install(i);
	raise(SIGUSR1); /* as it is */
	raise(SIGUSR1); /* dropped */
	raise(SIGUSR1); /* another */
	raise(SIGCHLD); /* ignored, and yet seen */
	sigqueue(getpid(), SIGRTMIN, val); /* changed */
	raise(SIGTERM); /* dropped */
	raise(SIGURG);
	raise(SIGUSR1); /* another, which ends it */
	_exit(9);
}

static void test_signals(void)
{
	pid_t pid = traced_child(signals);
	siginfo_t si;

	CHECK(is_stop(go(PTRACE_CONT, pid, 0), SIGUSR1));
	CHECK(TRACE(PTRACE_GETSIGINFO, pid, 0, &si) == 0 && si.si_code == SI_TKILL && si.si_pid == pid);
	CHECK(is_stop(go(PTRACE_CONT, pid, SIGUSR1), SIGUSR1));
	CHECK((int)TRACE(PTRACE_PEEKDATA, pid, &handled[SIGUSR1], 0) == 1);
	CHECK(is_stop(go(PTRACE_CONT, pid, 0), SIGUSR1));
	CHECK((int)TRACE(PTRACE_PEEKDATA, pid, &handled[SIGUSR1], 0) == 1);
	CHECK(is_stop(go(PTRACE_CONT, pid, SIGUSR2), SIGCHLD));
	CHECK((int)TRACE(PTRACE_PEEKDATA, pid, &handled[SIGUSR2], 0) == 1);
	CHECK((int)TRACE(PTRACE_PEEKDATA, pid, &codes[SIGUSR2], 0) == SI_USER);
	CHECK(is_stop(go(PTRACE_CONT, pid, SIGCHLD), SIGRTMIN));
	CHECK(TRACE(PTRACE_GETSIGINFO, pid, 0, &si) == 0 && si.si_code == SI_QUEUE && si.si_value.sival_int == 77);
	si.si_code = -77;
	CHECK(TRACE(PTRACE_SETSIGINFO, pid, 0, &si) == 0);
	CHECK(is_stop(go(PTRACE_CONT, pid, SIGRTMIN), SIGTERM));
	CHECK((int)TRACE(PTRACE_PEEKDATA, pid, &codes[SIGRTMIN], 0) == -77);
	CHECK(is_stop(go(PTRACE_CONT, pid, 0), SIGURG));
	CHECK(TRACE(PTRACE_CONT, pid, 0, 65) == -1 && errno == EIO);
	CHECK(is_stop(go(PTRACE_CONT, pid, SIGURG), SIGUSR1));
	CHECK(go(PTRACE_CONT, pid, SIGTERM) == SIGTERM);
}

static volatile int *volatile nowhere;
static volatile int target;
static void fault(void)
{
	*nowhere = 5;
	_exit(target == 5 ? 3 : 4);
}

/* a fault is repaired from outside */
static void test_fault(void)
{
	pid_t pid = traced_child(fault);
	struct user_regs_struct r;
	siginfo_t si;

	CHECK(is_stop(go(PTRACE_CONT, pid, 0), SIGSEGV));
	CHECK(TRACE(PTRACE_GETSIGINFO, pid, 0, &si) == 0 && si.si_code == SEGV_MAPERR && !si.si_addr);
	CHECK(is_stop(go(PTRACE_CONT, pid, 0), SIGSEGV)); /* once more: nothing has changed */
	r = regs_of(pid);
	if (!r.rax)
		r.rax = (word)&target;
	else
		r.rdx = (word)&target;
	CHECK(TRACE(PTRACE_SETREGS, pid, 0, &r) == 0);
	CHECK(WEXITSTATUS(go(PTRACE_CONT, pid, 0)) == 3);
}

static void mask(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	install(SIGUSR2);
	install(SIGUSR1);
	raise(SIGUSR2);
	raise(SIGUSR1);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	_exit(handled[SIGUSR2]);
}

/* what is blocked does not stop it, nor is it delivered while it is */
static void test_mask(void)
{
	pid_t pid = traced_child(mask);
	word set = 0;

	CHECK(is_stop(go(PTRACE_CONT, pid, 0), SIGUSR1));
	CHECK(TRACE(PTRACE_GETSIGMASK, pid, 8, &set) == 0 && set == 1ul << (SIGUSR2 - 1));
	CHECK(is_stop(go(PTRACE_CONT, pid, SIGUSR2), SIGUSR2)); /* blocked: nothing runs; then the one that was pending */
	CHECK(WEXITSTATUS(go(PTRACE_CONT, pid, SIGUSR2)) == 1);
}

static void stops(void)
{
	raise(SIGSTOP);
	raise(SIGSTOP);
	_exit(6);
}

static void test_group(void)
{
	pid_t pid = traced_child(stops);
	siginfo_t si;

	CHECK(is_stop(go(PTRACE_CONT, pid, 0), SIGSTOP));
	CHECK(TRACE(PTRACE_GETSIGINFO, pid, 0, &si) == 0);
	CHECK(is_stop(go(PTRACE_CONT, pid, SIGSTOP), SIGSTOP));
	CHECK(TRACE(PTRACE_GETSIGINFO, pid, 0, &si) == -1 && errno == EINVAL);
	CHECK(is_stop(go(PTRACE_CONT, pid, 0), SIGSTOP));
	CHECK(WEXITSTATUS(go(PTRACE_CONT, pid, 0)) == 6);
}

/* the character behind the first `mark` in an entry of its */
static char entry_has(pid_t pid, const char *name, const char *mark)
{
	char path[64], text[512], *at;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	at = strstr(text, mark);
	return at ? at[strlen(mark)] : 0;
}

static void test_entries(void)
{
	pid_t pid = traced_child(stops);

	CHECK(entry_has(pid, "status", "State:\t") == 't');
	CHECK(entry_has(pid, "stat", ") ") == 't');
	end(pid);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	test_registers();
	test_memory();
	test_signals();
	test_fault();
	test_mask();
	test_group();
	test_entries();
	CHECK(ptrace(PTRACE_CONT, getpid(), 0, 0) == -1 && errno == ESRCH);
	CHECK(ptrace(PTRACE_ATTACH, 0, 0, 0) == -1 && errno == ESRCH);
	CHECK(ptrace(PTRACE_ATTACH, getpid(), 0, 0) == -1 && errno == EPERM);
	return check_done();
}
