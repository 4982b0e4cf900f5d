/* SPDX-License-Identifier: MIT */
/* libs: -pthread
 * also: preempt=2
 * timeout: 90
 * alone: yes
 * verdict: clean unwinds
 * A storm: timers as fast as they go against three threads that compute, call, return, switch through tables, make system
 * calls and fault, while another process and another thread queue real-time signals to the process and to threads.
 * No queued signal is lost, comes twice, or out of order; each brings its value; nobody's result changes. Standard
 * signals may coalesce, but the last one is seen. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include "check.h"

#define THREADS 3
#define QUEUED 1200

static volatile int done;
static _Atomic long alarms, profs, wrong, got[3], faults;
static __thread int last_own = -1, in_handler;
static __thread sigjmp_buf back;

static unsigned long __attribute__((noinline)) fib(unsigned n)
{
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static void spoil(void)
{
	__asm__ volatile("mov $-1, %%rax; mov %%rax, %%rcx; mov %%rax, %%rdx; mov %%rax, %%rsi; mov %%rax, %%rdi; mov %%rax, %%r8;"
			 "mov %%rax, %%r9; mov %%rax, %%r10; mov %%rax, %%r11; cmp %%rax, %%rax; pcmpeqd %%xmm0, %%xmm0;"
			 "pcmpeqd %%xmm5, %%xmm5; pcmpeqd %%xmm15, %%xmm15"
			 ::: "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "xmm0", "xmm5", "xmm15", "cc");
}

static void on_timer(int signo, siginfo_t *si, void *p)
{
	int err = errno;

	if (signo == SIGALRM)
		alarms++;
	else
		profs++;
	spoil();
	if (fib(4) != 3)
		wrong++;
	errno = err;
}

/* to the process (0, 1: from another process) or to this thread (2) */
static void on_queued(int signo, siginfo_t *si, void *p)
{
	int which = signo - SIGRTMIN, err = errno;

	if (si->si_code != SI_QUEUE || si->si_signo != signo)
		wrong++;
	if (which == 2) {
		if (si->si_value.sival_int != last_own + 1)
			wrong++;
		last_own = si->si_value.sival_int;
	}
	got[which]++;
	spoil();
	errno = err;
}

static void on_fault(int signo, siginfo_t *si, void *p)
{
	if (si->si_addr != (void *)64)
		wrong++;
	faults++;
	siglongjmp(back, 1);
}

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

static unsigned long plus(unsigned long x) { return x + 7; }
static unsigned long times(unsigned long x) { return x * 5; }
static unsigned long turn(unsigned long x) { return x << 9 | x >> 55; }
static unsigned long (*const ways[4])(unsigned long) = { plus, times, turn, plus };

static unsigned long through_tables(unsigned long n)
{
	unsigned long x = 1;

	for (unsigned long i = 0; i < n; i++)
		x = ways[(x >> 3) & 3](x);
	return x;
}

static void faulting(void)
{
	if (sigsetjmp(back, 1) == 0)
		*(volatile int *)64 = 1;
}

static _Atomic int ready;
static int tids[THREADS];

static void *worker(void *p)
{
	unsigned long b = busy(3000), t = through_tables(3000), f = fib(15);
	char buf[64];
	int zero = open("/dev/zero", O_RDONLY);

	tids[(long)p] = gettid();
	ready++;
	while (!done) {
		struct timespec ns = { 0, 50000 };

		if (busy(3000) != b || through_tables(3000) != t || fib(15) != f)
			wrong++;
		for (int i = 0; i < 20; i++)
			if (read(zero, buf, sizeof(buf)) != sizeof(buf) || getpid() != syscall(SYS_getpid))
				wrong++;
		faulting();
		if (nanosleep(&ns, NULL) && errno != EINTR)
			wrong++;
	}
	close(zero);
	return (void *)(long)last_own;
}

static void send_all(pid_t to, int signo)
{
	union sigval v;

	for (v.sival_int = 0; v.sival_int < QUEUED; v.sival_int++)
		while (sigqueue(to, signo, v))
			if (errno != EAGAIN)
				_exit(1);
}

/* real-time signals to single threads, with numbers to see their order by */
static void *sender(void *p)
{
	for (int i = 0; i < QUEUED; i++)
		for (int t = 0; t < THREADS; t++) {
			siginfo_t si = { .si_signo = SIGRTMIN + 2, .si_code = SI_QUEUE };

			si.si_pid = getpid();
			si.si_value.sival_int = i;
			while (syscall(SYS_rt_tgsigqueueinfo, getpid(), tids[t], SIGRTMIN + 2, &si))
				if (errno != EAGAIN)
					wrong++;
		}
	return NULL;
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_timer, .sa_flags = SA_SIGINFO | SA_RESTART };
	struct itimerval fast = { { 0, 100 }, { 0, 100 } }, off = { { 0, 0 }, { 0, 0 } };
	pthread_t t[THREADS], s;
	sigset_t queued;
	pid_t child[2];
	int status;
	void *r;

	sigaction(SIGALRM, &sa, NULL);
	sigaction(SIGPROF, &sa, NULL);
	sa.sa_sigaction = on_fault;
	sigaction(SIGSEGV, &sa, NULL);
	sa.sa_sigaction = on_queued;
	for (int i = 0; i < 3; i++)
		sigaction(SIGRTMIN + i, &sa, NULL);
	for (long i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, worker, (void *)i), 0);
	while (ready < THREADS)
		usleep(100);
	/* the first thread only waits */
	sigfillset(&queued);
	pthread_sigmask(SIG_BLOCK, &queued, NULL);
	setitimer(ITIMER_REAL, &fast, NULL);
	setitimer(ITIMER_PROF, &fast, NULL);
	for (int i = 0; i < 2; i++) {
		child[i] = fork();
		if (child[i] == 0) {
			send_all(getppid(), SIGRTMIN + i);
			_exit(0);
		}
	}
	pthread_create(&s, NULL, sender, NULL);
	pthread_join(s, NULL);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(waitpid(child[i], &status, 0), child[i]);
		CHECK_EQ(status, 0);
	}
	while (got[0] < QUEUED || got[1] < QUEUED || got[2] < THREADS * QUEUED || alarms < 50 || profs < 3 || !faults)
		usleep(1000);
	usleep(20000);
	done = 1;
	for (int i = 0; i < THREADS; i++) {
		pthread_join(t[i], &r);
		CHECK_EQ(r, QUEUED - 1);
	}
	setitimer(ITIMER_REAL, &off, NULL);
	setitimer(ITIMER_PROF, &off, NULL);
	CHECK_EQ(got[0], QUEUED);
	CHECK_EQ(got[1], QUEUED);
	CHECK_EQ(got[2], THREADS * QUEUED);
	CHECK_EQ(wrong, 0);
	return check_done();
}
