/* SPDX-License-Identifier: MIT */
/*
 * Programs that do their worst: hostile CASE. What each prints, and how it ends, is the same natively.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define TASK_TOP 0x7ffffffff000ul
#define NOINLINE __attribute__((noinline, noclone))

static void say(const char *what)
{
	if (write(1, what, strlen(what)) < 0)
		_exit(90);
}

/* ---- its own stack ---- */

static void NOINLINE smash(unsigned char with)
{
	volatile unsigned char *p = __builtin_frame_address(0);

	for (int i = -64; i < 2000; i++)
		p[i] = with;
}

static void stack_garbage(void)
{
	smash(0x41);
}

static void stack_zeroes(void)
{
	smash(0);
}

/* up to its end, and over it */
static void stack_all(void)
{
	volatile unsigned char *p = __builtin_frame_address(0);

	for (;;)
		*p++ = 0x55;
}

static void stack_nowhere(void)
{
	__asm__ volatile("mov $0x10, %%rsp; push %%rax" : : : "memory");
}

static void stack_into_code(void)
{
	__asm__ volatile("lea say(%%rip), %%rsp; add $16, %%rsp; call say" : : : "memory");
}

static int NOINLINE deeper(volatile int n)
{
	volatile char room[4000];

	room[0] = (char)n;
	return deeper(n + 1) + room[0];
}

static void stack_overflow(void)
{
	deeper(0);
}

static void stack_unmapped(void)
{
	char line[256];
	unsigned long lo = 0, hi = 0;
	FILE *f = fopen("/proc/self/maps", "r");

	while (fgets(line, sizeof(line), f))
		if (strstr(line, "[stack]"))
			sscanf(line, "%lx-%lx", &lo, &hi);
	syscall(SYS_munmap, lo, hi - lo);
	_exit(7);
}

/* ---- what is not its own ---- */

struct range {
	unsigned long lo, hi;
} own[4096];
static int nown;

static void read_maps(void)
{
	char line[4096];
	FILE *f = fopen("/proc/self/maps", "r");

	for (nown = 0; nown < 4096 && fgets(line, sizeof(line), f); nown++)
		sscanf(line, "%lx-%lx", &own[nown].lo, &own[nown].hi);
	fclose(f);
}

static int is_own(unsigned long a)
{
	for (int i = 0; i < nown; i++)
		if (a >= own[i].lo && a < own[i].hi)
			return 1;
	return 0;
}

/* addresses the kernel can read and the program does not have: the engine's. None natively */
static int find(unsigned long *at, int most)
{
	int fd[2], n = 0;
	char c;

	if (pipe(fd))
		_exit(91);
	for (int i = 0; i + 1 < nown && n < most; i++)
		for (unsigned long a = own[i].hi, k = 0; a < own[i + 1].lo && k < 3000 && n < most; a += 0x10000, k++)
			if (write(fd[1], (void *)a, 1) == 1) {
				at[n++] = a;
				if (read(fd[0], &c, 1) != 1)
					_exit(92);
			}
	close(fd[0]);
	close(fd[1]);
	return n;
}

static unsigned long found[512];
static sigjmp_buf back;
static volatile int code;

static void on_fault(int signo, siginfo_t *si, void *p)
{
	code = si->si_code;
	siglongjmp(back, signo);
}

static void handle_faults(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGILL, &sa, NULL);
}

/* into the engine, and everywhere around it: nothing is there */
static void jump_around(void)
{
	unsigned long tries[64];
	int n, wrong = 0;

	read_maps();
	n = find(found, 512);
	handle_faults();
	for (int i = 0; i < 32; i++)
		tries[i] = own[nown / 2].hi + ((unsigned long)i << 20);
	for (int i = 0; i < n + 32; i++) {
		unsigned long a = i < n ? found[i] + (unsigned long)i % 64 : tries[i - n];
		int s;

		if (is_own(a))
			continue;
		s = sigsetjmp(back, 1);
		if (!s)
			((void (*)(void))a)();
		wrong += s != SIGSEGV || code != SEGV_MAPERR;
	}
	say(wrong ? "something was there\n" : "nothing was there\n");
}

static void map_over(void)
{
	int n;

	read_maps();
	n = find(found, 512);
	for (int i = 0; i < n; i++) {
		unsigned long a = found[i] & -4096ul;

		munmap((void *)a, 4096);
		mprotect((void *)a, 4096, PROT_READ);
		madvise((void *)a, 4096, MADV_DONTNEED);
		mmap((void *)a, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
		mremap((void *)a, 4096, 8192, MREMAP_MAYMOVE);
	}
	for (int i = 0; i < n; i++)
		mmap((void *)(found[i] & -4096ul), 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	say("alive\n");
}

static void unmap_all(void)
{
	syscall(SYS_munmap, 4096, TASK_TOP - 4096);
	_exit(8);
}

static void unmap_rest(void)
{
	unsigned long here = (unsigned long)unmap_rest & -4096ul, sp = (unsigned long)__builtin_frame_address(0) & -4096ul;
	unsigned long bounds[] = { 4096, here - 4096, here + 8192, sp - 65536, sp + 8192, TASK_TOP };
	long r;

	for (int i = 0; i < 6; i += 2)
		if (bounds[i] < bounds[i + 1])
			__asm__ volatile("syscall" : "=a"(r) : "0"(SYS_munmap), "D"(bounds[i]), "S"(bounds[i + 1] - bounds[i])
					 : "rcx", "r11", "memory");
	for (volatile int i = 0; i < 100000; i++)
		;
	__asm__ volatile("syscall" : : "a"(SYS_exit_group), "D"(9) : "memory");
}

static void protect_all(void)
{
	read_maps();
	for (int i = 0; i < nown; i++)
		syscall(SYS_mprotect, own[i].lo, own[i].hi - own[i].lo, PROT_NONE);
	_exit(10);
}

/* ---- no more of anything ---- */

static void *waits(void *p)
{
	static volatile int *go;

	go = p;
	while (!__atomic_load_n(go, __ATOMIC_ACQUIRE))
		syscall(SYS_futex, go, 128, 0, NULL); /* FUTEX_WAIT | PRIVATE */
	return NULL;
}

static void threads(void)
{
	static pthread_t t[20000];
	static int go;
	struct rlimit few = { 6ul << 30, 6ul << 30 };
	pthread_attr_t a;
	int n = 0, r;

	setrlimit(RLIMIT_AS, &few);
	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, 16 << 20);
	while (n < 20000 && !(r = pthread_create(&t[n], &a, waits, &go)))
		n++;
	say(r == EAGAIN && n > 10 ? "no more threads\n" : "what?\n");
	__atomic_store_n(&go, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &go, 129, INT32_MAX);
	for (int i = 0; i < n; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < 20; i++) {
		if (pthread_create(&t[i], &a, waits, &go))
			say("not again\n");
		pthread_join(t[i], NULL);
	}
	say("ended\n");
}

static void descriptors(void)
{
	int n = 0, status;
	pid_t pid;

	while (open("/dev/null", O_RDONLY) >= 0)
		n++;
	say(errno == EMFILE && n > 100 ? "no more descriptors\n" : "what?\n");
	pid = fork();
	if (pid == 0) {
		for (int i = 10; i < 20; i++)
			close(i);
		execl("/bin/sh", "sh", "-c", "exit 3", NULL);
		_exit(errno == EMFILE ? 3 : 4);
	}
	waitpid(pid, &status, 0);
	say(status == 3 << 8 ? "child\n" : "no child\n");
}

static void close_all(void)
{
	for (int i = 3; i < 70000; i++)
		close(i);
	syscall(SYS_close_range, 3, ~0u, 0);
	say("closed\n");
}

static void memory(void)
{
	struct rlimit few = { 5ul << 30, 5ul << 30 };
	unsigned long got = 0;

	setrlimit(RLIMIT_AS, &few);
	for (unsigned long size = 1ul << 30; size >= 4096; size /= 2)
		while (mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) != MAP_FAILED)
			got += size;
	say(errno == ENOMEM && got > 1ul << 30 ? "no more memory\n" : "what?\n");
	qsort(own, 100, sizeof(own[0]), (int (*)(const void *, const void *))memcmp);
	say("code goes on\n");
}

static void mappings(void)
{
	long n = 0;
	char *p = mmap(NULL, 1ul << 30, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	while (n < 260000 && !mprotect(p + 4096 * n, 4096, PROT_NONE))
		n += 2;
	say(errno == ENOMEM && n > 1000 ? "no more mappings\n" : n >= 260000 ? "no more mappings\n" : "what?\n");
	qsort(own, 100, sizeof(own[0]), (int (*)(const void *, const void *))memcmp);
	munmap(p, 1ul << 30);
	say("code goes on\n");
}

/* ---- signals ---- */

static void again(int signo)
{
	raise(signo);
}

static void nested(void)
{
	struct sigaction sa = { .sa_handler = again, .sa_flags = SA_NODEFER };

	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
}

static void fault_in_handler(int signo)
{
	*(volatile int *)8 = 1;
}

static void nested_faults(void)
{
	struct sigaction sa = { .sa_handler = fault_in_handler, .sa_flags = SA_NODEFER };

	sigaction(SIGSEGV, &sa, NULL);
	*(volatile int *)8 = 1;
}

static void fault_while_blocked(void)
{
	struct sigaction sa = { .sa_handler = fault_in_handler };

	sigaction(SIGSEGV, &sa, NULL);
	*(volatile int *)8 = 1;
}

static void no_place_for_frame(void)
{
	struct sigaction sa = { .sa_handler = again, .sa_flags = SA_ONSTACK };
	stack_t ss = { .ss_sp = (void *)0x10000, .ss_size = 65536 };

	sigaltstack(&ss, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	say("still here\n");
}

static void false_frame(void)
{
	static unsigned long frame[512];

	memset(frame, 0x41, sizeof(frame));
	__asm__ volatile("mov %0, %%rsp; mov $15, %%eax; syscall" : : "r"(frame + 8) : "memory");
}

static void every_signal(void)
{
	char line[64];

	for (int s = 1; s < 65; s++) {
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
			if (s != SIGSTOP && s != SIGTSTP && s != SIGTTIN && s != SIGTTOU)
				kill(getpid(), s);
			_exit(1);
		}
		waitpid(pid, &status, 0);
		snprintf(line, sizeof(line), "%d %x\n", s, (unsigned)status);
		say(line);
	}
}

static volatile int stop;

static void on_any(int signo)
{
}

/* at itself, as fast as it can, while it changes everything about them */
static void storm(void)
{
	struct sigaction sa = { .sa_handler = on_any };
	sigset_t all, none;

	sigfillset(&all);
	sigemptyset(&none);
	for (int i = 0; i < 3000; i++) {
		int s = 1 + i % 31;

		if (s == SIGKILL || s == SIGSTOP)
			continue;
		sa.sa_flags = i & 1 ? SA_RESTART : SA_NODEFER;
		sigaction(s, &sa, NULL);
		sigprocmask(SIG_SETMASK, i & 4 ? &all : &none, NULL);
		kill(getpid(), s);
		sigprocmask(SIG_SETMASK, &none, NULL);
	}
	say("survived\n");
	signal(SIGTERM, SIG_DFL);
	kill(getpid(), SIGTERM);
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
#define CASE(f) { #f, f }
	CASE(stack_garbage), CASE(stack_zeroes), CASE(stack_all), CASE(stack_nowhere), CASE(stack_into_code), CASE(stack_overflow),
	CASE(stack_unmapped), CASE(jump_around), CASE(map_over), CASE(unmap_all), CASE(unmap_rest), CASE(protect_all), CASE(threads),
	CASE(descriptors), CASE(close_all), CASE(memory), CASE(mappings), CASE(nested), CASE(nested_faults),
	CASE(fault_while_blocked), CASE(no_place_for_frame), CASE(false_frame), CASE(every_signal), CASE(storm),
};

int main(int argc, char **argv)
{
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (argc < 2)
			puts(cases[i].name);
		else if (!strcmp(argv[1], cases[i].name))
			cases[i].run();
	}
	return 0;
}
