/* SPDX-License-Identifier: MIT */
/* libs: -pthread
 * timeout: 60
 * verdict: clean unwinds
 * Asynchronous signals: timers against computation and system calls, EINTR and SA_RESTART, masks, queues, nesting,
 * alternate stacks, siglongjmp, sigsuspend, sigwait, SIGCHLD, signals across fork and exec. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include "check.h"

static volatile sig_atomic_t hits, nested, order[8], norder;
static volatile int value;
static sigjmp_buf jump;

static void on(int signo, void (*f)(int), int flags)
{
	struct sigaction sa = { .sa_handler = f, .sa_flags = flags };

	sigaction(signo, &sa, NULL);
}

static void count(int signo)
{
	hits++;
}

static void timer(long us, long every)
{
	struct itimerval it = { { 0, every }, { 0, us } };

	setitimer(ITIMER_REAL, &it, NULL);
}

static unsigned long __attribute__((noinline)) fib(unsigned n)
{
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static long period = 300;

static void spoil(int signo)
{
	/* everything a handler may clobber */
	hits++;
	__asm__ volatile("mov $-1, %%rax; mov %%rax, %%rcx; mov %%rax, %%rdx; mov %%rax, %%rsi; mov %%rax, %%rdi; mov %%rax, %%r8;"
			 "mov %%rax, %%r9; mov %%rax, %%r10; mov %%rax, %%r11; cmp %%rax, %%rax; pcmpeqd %%xmm0, %%xmm0;"
			 "pcmpeqd %%xmm5, %%xmm5; pcmpeqd %%xmm15, %%xmm15"
			 ::: "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "xmm0", "xmm5", "xmm15", "cc");
	fib(5);
	/* not one that goes on, and slower and slower: where delivery takes longer than that nothing else would ever run */
	if (hits % 200 == 0)
		period *= 2;
	timer(period, 0);
}

/* a sum that uses every register and the flags; the same answer however often it is interrupted */
static unsigned long __attribute__((noinline)) busy(unsigned long n)
{
	unsigned long a;

	__asm__ volatile("xor %%eax, %%eax; mov %1, %%r10; mov $3, %%r11d; mov $5, %%r8d; mov $7, %%r9d; mov $11, %%esi; mov $13, %%edi;"
			 "pxor %%xmm5, %%xmm5; mov $1, %%ecx; movq %%rcx, %%xmm6;"
			 "1: add %%r11, %%rax; adc %%r8, %%r9; lea (%%rsi,%%rdi), %%rdx; xor %%rdx, %%rax; stc; call 2f; adc $0, %%rax;"
			 "lea 3f(%%rip), %%rdx; jmp *%%rdx; ud2; 3: paddq %%xmm6, %%xmm5; dec %%r10; jnz 1b;"
			 "movq %%xmm5, %%rdx; add %%rdx, %%rax; jmp 4f; 2: ret; 4:"
			 : "=&a"(a)
			 : "b"(n)
			 : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "xmm5", "xmm6", "cc", "memory");
	return a;
}

static void jumps(int signo)
{
	siglongjmp(jump, 1);
}

static void nest(int signo)
{
	order[norder++ & 7] = signo;
	if (signo == SIGUSR1) {
		nested++;
		raise(SIGUSR2);
		order[norder++ & 7] = -signo;
	}
}

static char *alt_lo, *alt_hi;
static void on_alt(int signo, siginfo_t *si, void *p)
{
	char here;
	stack_t ss;

	sigaltstack(NULL, &ss);
	CHECK(ss.ss_flags & SS_ONSTACK);
	CHECK(&here > alt_lo && &here < alt_hi);
	CHECK((char *)p > alt_lo && (char *)p < alt_hi);
	hits++;
	if (signo == SIGUSR1) {
		/* going on somewhere else on the same stack is allowed from here */
		((ucontext_t *)p)->uc_mcontext.gregs[REG_R12] ^= 0;
	}
}

static siginfo_t last;
static void keep(int signo, siginfo_t *si, void *p)
{
	last = *si;
	hits++;
}

/* the next one when the last one has been handled: none is merged with another */
static void *poke(void *p)
{
	for (int i = 0; i < 200; i++) {
		pthread_kill(*(pthread_t *)p, SIGUSR1);
		while (hits == i)
			usleep(200);
	}
	return NULL;
}

static int __attribute__((noinline)) overflow(int n)
{
	volatile char pad[4096];

	pad[0] = (char)n;
	return overflow(n + 1) + pad[0];
}

/* argv[1]: how often signals meet computation; an emulator of protection keys has no time for much of that */
int main(int argc, char **argv)
{
	static char alt[65536] __attribute__((aligned(16)));
	sigset_t set, old;
	struct timespec ts = { 0, 20000000 };
	int fd[2], status;
	const int rounds = argc > 1 ? atoi(argv[1]) : 60;
	unsigned long want;
	char c;

	/* timers against computation */
	want = busy(200000);
	on(SIGALRM, spoil, 0);
	timer(period, 0);
	for (int i = 0; i < rounds; i++) {
		CHECK_EQ(busy(200000), want);
		CHECK_EQ(fib(20), 6765);
	}
	timer(0, 0);
	CHECK(hits > 5);

	/* EINTR. The timer goes on: a signal that comes before the call has begun does not interrupt it */
	CHECK(pipe(fd) == 0);
	hits = 0;
	on(SIGALRM, count, 0);
	timer(5000, 5000);
	CHECK_EQ(read(fd[0], &c, 1), -1);
	CHECK_EQ(errno, EINTR);
	CHECK_EQ(poll(NULL, 0, -1), -1);
	CHECK_EQ(errno, EINTR);
	CHECK_EQ(nanosleep(&(struct timespec){ 10, 0 }, &ts), -1);
	CHECK_EQ(ts.tv_sec, 9);
	CHECK_EQ(pause(), -1);
	timer(0, 0);
	CHECK(hits >= 4);
	/* SA_RESTART: read goes on, poll does not */
	hits = 0;
	on(SIGALRM, count, SA_RESTART);
	if (fork() == 0) {
		usleep(60000);
		_exit(write(fd[1], "x", 1) != 1);
	}
	timer(5000, 5000);
	CHECK_EQ(read(fd[0], &c, 1), 1);
	CHECK_EQ(wait(&status) > 0 && status == 0, 1);
	CHECK(hits > 0);
	CHECK_EQ(poll(NULL, 0, -1), -1);
	CHECK_EQ(errno, EINTR);
	/* a restarted wait */
	timer(0, 0);
	hits = 0;
	if (fork() == 0) {
		usleep(60000);
		_exit(7);
	}
	timer(5000, 5000);
	CHECK(wait(&status) > 0);
	CHECK_EQ(status, 7 << 8);
	timer(0, 0);
	CHECK(hits > 0);

	/* blocked, pending, delivered in order on unblocking */
	on(SIGUSR1, nest, 0);
	on(SIGUSR2, nest, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, &old);
	raise(SIGUSR2);
	raise(SIGUSR1);
	raise(SIGUSR1);
	CHECK_EQ(norder, 0);
	sigpending(&set);
	CHECK(sigismember(&set, SIGUSR1) && sigismember(&set, SIGUSR2) && !sigismember(&set, SIGALRM));
	sigprocmask(SIG_SETMASK, &old, NULL);
	/* both frames are built before either runs: the one built last runs first */
	printf("%d %d %d %d %d\n", (int)norder, order[0], order[1], order[2], order[3]);
	norder = 0;
	raise(SIGUSR1);
	CHECK_EQ(norder, 3);
	CHECK(order[0] == SIGUSR1 && order[1] == SIGUSR2 && order[2] == -SIGUSR1);

	/* SA_NODEFER, SA_RESETHAND, the handler's mask */
	{
		struct sigaction sa = { .sa_handler = nest };

		sigaddset(&sa.sa_mask, SIGUSR2);
		sigaction(SIGUSR1, &sa, NULL);
		norder = 0;
		raise(SIGUSR1);
		CHECK(order[0] == SIGUSR1 && order[1] == -SIGUSR1 && order[2] == SIGUSR2);
		on(SIGUSR1, count, SA_RESETHAND);
		raise(SIGUSR1);
		sigaction(SIGUSR1, NULL, &sa);
		CHECK(sa.sa_handler == SIG_DFL);
	}
	/* sigqueue with a value; siginfo */
	{
		struct sigaction sa = { .sa_sigaction = keep, .sa_flags = SA_SIGINFO };
		union sigval v = { .sival_int = 4711 };

		sigaction(SIGRTMIN + 3, &sa, NULL);
		sigqueue(getpid(), SIGRTMIN + 3, v);
		CHECK_EQ(last.si_signo, SIGRTMIN + 3);
		CHECK_EQ(last.si_code, SI_QUEUE);
		CHECK_EQ(last.si_value.sival_int, 4711);
		CHECK_EQ(last.si_pid, getpid());
		sigaction(SIGUSR1, &sa, NULL);
		kill(getpid(), SIGUSR1);
		CHECK_EQ(last.si_code, SI_USER);
		raise(SIGUSR1);
		CHECK_EQ(last.si_code, SI_TKILL);
		/* real-time signals queue */
		hits = 0;
		sigemptyset(&set);
		sigaddset(&set, SIGRTMIN + 3);
		sigprocmask(SIG_BLOCK, &set, &old);
		for (v.sival_int = 0; v.sival_int < 10; v.sival_int++)
			sigqueue(getpid(), SIGRTMIN + 3, v);
		sigprocmask(SIG_SETMASK, &old, NULL);
		CHECK_EQ(hits, 10);
		/* SIGCHLD */
		sigaction(SIGCHLD, &sa, NULL);
		sigemptyset(&set);
		sigaddset(&set, SIGCHLD);
		sigprocmask(SIG_BLOCK, &set, &old);
		pid_t pid = fork();
		if (pid == 0)
			_exit(19);
		memset(&last, 0, sizeof(last));
		sigsuspend(&old);
		sigprocmask(SIG_SETMASK, &old, NULL);
		CHECK_EQ(last.si_signo, SIGCHLD);
		CHECK_EQ(last.si_code, CLD_EXITED);
		CHECK_EQ(last.si_status, 19);
		CHECK_EQ(last.si_pid, pid);
		wait(&status);
		on(SIGCHLD, SIG_DFL, 0);
	}
	/* sigtimedwait, signalfd */
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, &old);
	raise(SIGUSR2);
	ts = (struct timespec){ 1, 0 };
	CHECK_EQ(sigtimedwait(&set, &last, &ts), SIGUSR2);
	ts = (struct timespec){ 0, 1000 };
	CHECK_EQ(sigtimedwait(&set, &last, &ts), -1);
	CHECK_EQ(errno, EAGAIN);
	{
		int sfd = signalfd(-1, &set, 0);
		struct signalfd_siginfo si;

		raise(SIGUSR2);
		CHECK_EQ(read(sfd, &si, sizeof(si)), sizeof(si));
		CHECK_EQ(si.ssi_signo, SIGUSR2);
		close(sfd);
	}
	sigprocmask(SIG_SETMASK, &old, NULL);

	/* alternate stack */
	{
		struct sigaction sa = { .sa_sigaction = on_alt, .sa_flags = SA_SIGINFO | SA_ONSTACK };
		stack_t ss = { .ss_sp = alt, .ss_size = sizeof(alt) };

		alt_lo = alt;
		alt_hi = alt + sizeof(alt);
		CHECK_EQ(sigaltstack(&ss, NULL), 0);
		sigaction(SIGUSR1, &sa, NULL);
		hits = 0;
		for (int i = 0; i < 100; i++)
			raise(SIGUSR1);
		CHECK_EQ(hits, 100);
		/* a stack overflow is survived on it */
		sa.sa_handler = jumps;
		sa.sa_flags = SA_ONSTACK;
		sigaction(SIGSEGV, &sa, NULL);
		for (int i = 0; i < 3; i++)
			if (sigsetjmp(jump, 1) == 0)
				overflow(0);
			else
				hits++;
		CHECK_EQ(hits, 103);
		sigaltstack(NULL, &ss);
		CHECK_EQ(ss.ss_flags, 0);
	}
	/* out of computation and out of system calls by siglongjmp */
	on(SIGALRM, jumps, 0);
	for (int i = 0; i < 20; i++) {
		if (sigsetjmp(jump, 1) == 0) {
			timer(1000, 0);
			if (i & 1)
				for (;;)
					busy(1000);
			else
				for (;;)
					pause();
		}
		hits++;
	}
	CHECK_EQ(hits, 123);

	/* another thread pokes this one in read() and in code */
	{
		pthread_t me = pthread_self(), t;

		on(SIGUSR1, count, SA_RESTART);
		hits = 0;
		pthread_create(&t, NULL, poke, &me);
		for (int i = 0; i < rounds; i++)
			CHECK_EQ(busy(20000), busy(20000));
		while (pthread_tryjoin_np(t, NULL))
			usleep(100);
		CHECK_EQ(hits, 200);
	}
	/* what children and new programs inherit */
	on(SIGUSR1, count, 0);
	on(SIGUSR2, SIG_IGN, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fflush(stdout);
	if (fork() == 0) {
		execl("/bin/sh", "sh", "-c", "grep -E 'Sig(Blk|Ign|Cgt)' /proc/self/status", NULL);
		_exit(1);
	}
	wait(&status);
	CHECK_EQ(status, 0);
	/* death by an unhandled signal in the middle of work */
	if (fork() == 0) {
		on(SIGALRM, SIG_DFL, 0);
		timer(3000, 0);
		for (;;)
			busy(100);
	}
	wait(&status);
	CHECK_EQ(status & 0x7f, SIGALRM);
	/* stop and continue */
	pid_t pid = fork();
	if (pid == 0) {
		raise(SIGSTOP);
		_exit(5);
	}
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status));
	kill(pid, SIGCONT);
	waitpid(pid, &status, 0);
	CHECK_EQ(status, 5 << 8);
	return check_done();
}
