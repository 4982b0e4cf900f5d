/* SPDX-License-Identifier: MIT */
/* libs: -pthread
 * timeout: 30
 * verdict: clean unwinds
 * The small print of signal delivery: what sigaction refuses and what SA_RESETHAND leaves, nested frames and their masks,
 * real-time order, SS_AUTODISARM, stacks that are too small, a mask that lets a signal in for as long as a call
 * sleeps and no longer, and who takes a signal that was pending for the process. (DynamoRIO 2019, 3812, 7675) */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include "check.h"

#define SS_AUTODISARM (1u << 31) /* linux/signal.h, which does not go with signal.h */

static volatile int norder, order[64], values[64];
static sigjmp_buf out;

struct raw_action {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	unsigned long mask;
};

static void note(int signo, siginfo_t *si, void *p)
{
	order[norder & 63] = signo;
	values[norder++ & 63] = si->si_value.sival_int;
}

static void on(int signo, void (*f)(int, siginfo_t *, void *), int flags, int also)
{
	struct sigaction sa = { .sa_sigaction = f, .sa_flags = SA_SIGINFO | flags };

	if (also)
		sigaddset(&sa.sa_mask, also);
	sigaction(signo, &sa, NULL);
}

static void block(int how, int a, int b)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, a);
	if (b)
		sigaddset(&set, b);
	sigprocmask(how, &set, NULL);
}

static int blocked(int signo)
{
	sigset_t now;

	sigprocmask(SIG_BLOCK, NULL, &now);
	return sigismember(&now, signo);
}

static void actions(void)
{
	static const int bad[] = { 0, -1, 65, 1000, 0x7fffffff };
	struct raw_action ra = { .handler = SIG_IGN }, old;

	for (unsigned i = 0; i < 5; i++) {
		errno = 0;
		CHECK_EQ(syscall(SYS_rt_sigaction, bad[i], NULL, &old, 8), -1);
		CHECK_EQ(errno, EINVAL);
		CHECK_EQ(syscall(SYS_rt_sigaction, bad[i], &ra, NULL, 8), -1);
		CHECK_EQ(errno, EINVAL);
	}
	CHECK_EQ(syscall(SYS_rt_sigaction, SIGKILL, &ra, NULL, 8), -1);
	CHECK_EQ(syscall(SYS_rt_sigaction, SIGSTOP, &ra, NULL, 8), -1);
	CHECK_EQ(syscall(SYS_rt_sigaction, SIGKILL, NULL, &old, 8), 0);
	CHECK(old.handler == SIG_DFL);
	/* the handler goes, flags and mask stay */
	on(SIGUSR1, note, SA_RESETHAND | SA_NODEFER | SA_RESTART, SIGUSR2);
	raise(SIGUSR1);
	syscall(SYS_rt_sigaction, SIGUSR1, NULL, &old, 8);
	CHECK(old.handler == SIG_DFL);
	CHECK_EQ(old.flags & ~0x04000000ul, SA_SIGINFO | SA_RESETHAND | SA_NODEFER | SA_RESTART);
	CHECK_EQ(old.mask, 1ul << (SIGUSR2 - 1));
	/* ignoring drops what is pending */
	on(SIGUSR1, note, 0, 0);
	norder = 0;
	block(SIG_BLOCK, SIGUSR1, 0);
	raise(SIGUSR1);
	signal(SIGUSR1, SIG_IGN);
	on(SIGUSR1, note, 0, 0);
	block(SIG_UNBLOCK, SIGUSR1, 0);
	CHECK_EQ(norder, 0);
}

static void order_of_queue(void)
{
	union sigval v;

	/* lower numbers first, first come first served within one; as frames: what is built last runs first */
	for (int s = 0; s < 3; s++)
		on(SIGRTMIN + s, note, 0, 0);
	norder = 0;
	for (int s = 0; s < 3; s++)
		block(SIG_BLOCK, SIGRTMIN + s, 0);
	for (int i = 0; i < 4; i++)
		for (int s = 2; s >= 0; s--) {
			v.sival_int = 10 * s + i;
			sigqueue(getpid(), SIGRTMIN + s, v);
		}
	{
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
	}
	CHECK_EQ(norder, 12);
	for (int i = 0; i < norder; i++)
		printf("%d ", values[i]);
	printf("\n");
	/* a handler that blocks the others: strictly by number */
	for (int s = 0; s < 3; s++) {
		struct sigaction sa = { .sa_sigaction = note, .sa_flags = SA_SIGINFO };

		sigfillset(&sa.sa_mask);
		sigaction(SIGRTMIN + s, &sa, NULL);
	}
	norder = 0;
	for (int s = 0; s < 3; s++)
		block(SIG_BLOCK, SIGRTMIN + s, 0);
	for (int i = 0; i < 3; i++)
		for (int s = 2; s >= 0; s--) {
			v.sival_int = 10 * s + i;
			sigqueue(getpid(), SIGRTMIN + s, v);
		}
	{
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
	}
	CHECK_EQ(norder, 9);
	for (int i = 0; i < 9; i++)
		CHECK_EQ(values[i], 10 * (i / 3) + i % 3);
}

/* ---- masks that last as long as a call ---- */

static int inside_blocked;

static void look(int signo, siginfo_t *si, void *p)
{
	ucontext_t *uc = p;

	norder++;
	inside_blocked = blocked(SIGUSR1) | blocked(SIGUSR2) << 1;
	/* what comes back is the mask from before the call */
	CHECK(sigismember(&uc->uc_sigmask, SIGUSR1) && sigismember(&uc->uc_sigmask, SIGUSR2));
}

static void masks_of_calls(void)
{
	struct timespec zero = { 0, 0 }, longer = { 5, 0 };
	struct epoll_event ev = { .events = EPOLLIN };
	struct pollfd p = { .events = POLLIN };
	sigset_t only2, usr1_open;
	int fd[2], e, r;
	fd_set set;
	char c;

	on(SIGUSR1, look, 0, 0);
	on(SIGUSR2, look, 0, 0);
	block(SIG_BLOCK, SIGUSR1, SIGUSR2);
	sigemptyset(&usr1_open);
	sigaddset(&usr1_open, SIGUSR2);
	CHECK(pipe(fd) == 0);
	p.fd = fd[0];
	e = epoll_create1(0);
	epoll_ctl(e, EPOLL_CTL_ADD, fd[0], &ev);
	for (int ready = 0; ready < 2; ready++) {
		if (ready)
			CHECK_EQ(write(fd[1], "x", 1), 1);
		for (int kind = 0; kind < 4; kind++) {
			/* a signal is there already: sleeping is cut short, but what is ready comes first */
			norder = 0;
			raise(SIGUSR1);
			FD_ZERO(&set);
			FD_SET(fd[0], &set);
			errno = 0;
			r = kind == 0 ? ppoll(&p, 1, &longer, &usr1_open) :
			    kind == 1 ? pselect(fd[0] + 1, &set, NULL, NULL, &longer, &usr1_open) :
			    kind == 2 ? epoll_pwait(e, &ev, 1, 5000, &usr1_open) : ppoll(&p, 1, &zero, &usr1_open);
			if (ready) {
				CHECK_EQ(r, 1);
				CHECK_EQ(norder, 0);
				CHECK(blocked(SIGUSR1) && blocked(SIGUSR2));
				sigsuspend(&usr1_open); /* still pending */
				CHECK_EQ(norder, 1);
			} else {
				CHECK_EQ(r, -1);
				CHECK_EQ(errno, EINTR);
				CHECK_EQ(norder, 1);
			}
			CHECK_EQ(inside_blocked, 3); /* SIGUSR1 by itself, SIGUSR2 by the call's mask */
			CHECK(blocked(SIGUSR1) && blocked(SIGUSR2));
		}
	}
	/* nothing comes: the mask is back all the same */
	CHECK_EQ(read(fd[0], &c, 1), 1);
	norder = 0;
	raise(SIGUSR2);
	CHECK_EQ(ppoll(&p, 1, &zero, &usr1_open), 0);
	CHECK_EQ(norder, 0);
	CHECK(blocked(SIGUSR1) && blocked(SIGUSR2));
	sigemptyset(&only2);
	sigaddset(&only2, SIGUSR2);
	CHECK_EQ(sigwaitinfo(&only2, NULL), SIGUSR2);
	block(SIG_UNBLOCK, SIGUSR1, SIGUSR2);
	close(e);
	close(fd[0]);
	close(fd[1]);
}

/* ---- stacks ---- */

static char *alt_lo;
static size_t alt_size;
static stack_t at_entry;
static int depth_left, was_on;

static void on_alt(int signo, siginfo_t *si, void *p)
{
	char here;

	norder++;
	sigaltstack(NULL, &at_entry);
	was_on = &here >= alt_lo && &here < alt_lo + alt_size;
	if (depth_left-- > 0)
		raise(SIGUSR1);
}

static void jump_out(int signo, siginfo_t *si, void *p)
{
	CHECK_EQ(signo, SIGSEGV);
	CHECK_EQ(si->si_code, SI_KERNEL);
	siglongjmp(out, 1);
}

static int by_bad_stack(int handled)
{
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		static char small[16384];
		stack_t ss = { .ss_sp = small, .ss_size = sizeof(small) };

		on(SIGUSR1, note, 0, 0);
		if (handled) {
			on(SIGSEGV, jump_out, SA_ONSTACK, 0);
			sigaltstack(&ss, NULL);
		}
		if (sigsetjmp(out, 1))
			_exit(check_failed ? 8 : 7);
		/* raise with the stack pointer nowhere */
		__asm__ volatile("mov $0x1000, %%rsp; syscall; hlt" ::"a"(SYS_tgkill), "D"(getpid()), "S"((long)gettid()),
				 "d"(SIGUSR1) : "rcx", "r11", "memory");
	}
	waitpid(pid, &status, 0);
	return status;
}

static void stacks(void)
{
	stack_t ss, got;

	alt_size = 65536;
	alt_lo = mmap(NULL, alt_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ss = (stack_t){ .ss_sp = alt_lo, .ss_size = alt_size };
	/* nested on one alternate stack */
	CHECK_EQ(sigaltstack(&ss, NULL), 0);
	on(SIGUSR1, on_alt, SA_ONSTACK | SA_NODEFER, 0);
	norder = 0;
	depth_left = 4;
	raise(SIGUSR1);
	CHECK_EQ(norder, 5);
	CHECK(was_on);
	CHECK_EQ(at_entry.ss_flags, SS_ONSTACK);
	/* SS_AUTODISARM: disabled inside, back outside; a nested one goes on the current stack, which is this one */
	ss.ss_flags = (int)SS_AUTODISARM;
	CHECK_EQ(sigaltstack(&ss, NULL), 0);
	norder = 0;
	depth_left = 2;
	raise(SIGUSR1);
	CHECK_EQ(norder, 3);
	CHECK_EQ(at_entry.ss_flags, SS_DISABLE);
	sigaltstack(NULL, &got);
	CHECK_EQ((unsigned)got.ss_flags, SS_AUTODISARM);
	CHECK(got.ss_sp == alt_lo && got.ss_size == alt_size);
	/* what sigaltstack refuses */
	ss.ss_flags = SS_ONSTACK | SS_DISABLE;
	CHECK_EQ(sigaltstack(&ss, NULL), -1);
	CHECK_EQ(errno, EINVAL);
	ss.ss_flags = 0;
	ss.ss_size = 1024;
	CHECK_EQ(sigaltstack(&ss, NULL), -1);
	CHECK_EQ(errno, ENOMEM);
	ss.ss_flags = SS_DISABLE;
	CHECK_EQ(sigaltstack(&ss, NULL), 0);
	/* a frame that fits nowhere: SIGSEGV, handled on an alternate stack or not */
	CHECK_EQ(by_bad_stack(1), 7 << 8);
	CHECK_EQ(by_bad_stack(0), SIGSEGV);
}

/* an alternate stack that is used up ends the process; it must not run over what lies below */
static void used_up(void)
{
	char *lo = mmap(NULL, 3 * 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		stack_t ss = { .ss_sp = lo + 65536, .ss_size = 65536 };

		memset(lo, 'x', 65536);
		alt_lo = lo;
		on(SIGUSR1, on_alt, SA_ONSTACK | SA_NODEFER, 0);
		sigaltstack(&ss, NULL);
		depth_left = 1000;
		shared[0] = 1;
		raise(SIGUSR1);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	CHECK_EQ(status, SIGSEGV);
	CHECK_EQ(shared[0], 1);
}

/* ---- who takes it ---- */

static volatile int in_handler, leave_handler;

static void hold(int signo, siginfo_t *si, void *p)
{
	in_handler = 1;
	while (!leave_handler)
		syscall(SYS_futex, &leave_handler, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static void *waits(void *p)
{
	sigset_t set;
	int signo = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 5);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	while (!in_handler)
		usleep(100);
	sigwait(&set, &signo);
	leave_handler = 1;
	syscall(SYS_futex, &leave_handler, FUTEX_WAKE, 1, NULL, NULL, 0);
	return (void *)(long)signo;
}

/* two signals are pending for the process; the handler of the first blocks the second, which another thread may take */
static void takers(void)
{
	union sigval v = { .sival_int = 1 };
	sigset_t old, set;
	pthread_t t;
	void *got;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN + 5);
	sigprocmask(SIG_BLOCK, &set, &old);
	on(SIGUSR1, hold, 0, SIGRTMIN + 5);
	on(SIGRTMIN + 5, note, 0, 0);
	norder = 0;
	pthread_create(&t, NULL, waits, NULL);
	kill(getpid(), SIGUSR1);
	sigqueue(getpid(), SIGRTMIN + 5, v);
	sigprocmask(SIG_SETMASK, &old, NULL);
	pthread_join(t, &got);
	CHECK_EQ(got, SIGRTMIN + 5);
	CHECK_EQ(norder, 0);
}

int main(void)
{
	actions();
	order_of_queue();
	masks_of_calls();
	stacks();
	used_up();
	takers();
	return check_done();
}
