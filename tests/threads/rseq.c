/* SPDX-License-Identifier: MIT */
/* libs: -pthread
 * also: preempt=7
 * modes: check tiny flush step
 * mode-reason: sealed code has no rseq (docs/rseq.md)
 * timeout: 60
 * verdict: clean
 * Restartable sequences: counters of CPUs that are exact whatever happens to the threads, aborts at preemption, signals and
 * faults with registers as they were, what rseq(2) says to wrong arguments, and the number of the CPU. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include "check.h"

#define THREADS 8
#define ROUNDS 3000

static struct rseq *area(void)
{
	return (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
}

/* descriptor 3, from 1 to 2, abort handler 4 with its signature, which jumps to the label `aborted` */
#define SECTION(sig)                                                             \
	".pushsection __rseq_cs, \"aw\"\n.balign 32\n"                             \
	"3:	.long 0, 0\n.quad 1f, 2f - 1f, 4f\n.popsection\n"                 \
	".pushsection __rseq_failure, \"ax\"\n.byte 0x0f, 0xb9, 0x3d\n.long " sig "\n" \
	"4:	jmp %l[aborted]\n.popsection\n"                                   \
	"	lea 3b(%%rip), %%rax\n	mov %%rax, 8(%[rseq])\n"
#define SIG "0x53053053"

/* 1: done, 0: aborted, -1: another CPU. `work` turns pass in the section */
static int add_one(long *counters, unsigned cpu, long work)
{
	struct rseq *rs = area();

	__asm__ goto volatile(
		SECTION(SIG)
		"1:	cmp %[cpu], 4(%[rseq])\n"
		"	jne %l[moved]\n"
		"	mov (%[at]), %%rdx\n"
		"	mov %[work], %%rcx\n"
		"5:	dec %%rcx\n"
		"	jns 5b\n"
		"	inc %%rdx\n"
		"	mov %%rdx, (%[at])\n"
		"2:\n"
		: : [rseq] "r"(rs), [cpu] "r"(cpu), [at] "r"(counters + cpu * 16), [work] "r"(work)
		: "rax", "rcx", "rdx", "memory", "cc" : aborted, moved);
	return 1;
aborted:
	return 0;
moved:
	return -1;
}

/* another shape: two stores, branches in the section, r8 to r11 named, and the flags that it leaves behind are looked at */
static int add_two(long *counters, unsigned cpu)
{
	struct rseq *rs = area();

	__asm__ goto volatile(
		SECTION(SIG)
		"1:	cmp %[cpu], 4(%[rseq])\n"
		"	jne %l[moved]\n"
		"	mov (%[at]), %%r10\n"
		"	xor %%r8d, %%r8d\n"
		"	mov $40, %%r11d\n"
		"6:	test $1, %%r11d\n"
		"	jz 5f\n"
		"	lea 1(%%r8), %%r8\n"
		"5:	dec %%r11d\n"
		"	jnz 6b\n"
		"	mov %%r8, %%r9\n"
		"	cmp $20, %%r9\n"
		"	jne %l[wrong]\n"
		"	lea 1(%%r10), %%r10\n"
		"	mov %%r10, (%[at])\n"
		"2:	jne %l[wrong]\n"
		: : [rseq] "r"(rs), [cpu] "r"(cpu), [at] "r"(counters + cpu * 16)
		: "rax", "r8", "r9", "r10", "r11", "memory", "cc" : aborted, moved, wrong);
	return 1;
aborted:
	return 0;
moved:
	return -1;
wrong:
	_exit(96);
}

/* a section that begins seven bytes in front of a page */
__asm__(".pushsection __rseq_cs, \"aw\"\n.balign 32\n"
	"3:	.long 0, 0\n.quad 1f, 2f - 1f, 4f\n.popsection\n"
	".pushsection .text.across, \"ax\"\n.balign 4096\n.skip 4096 - 18, 0x90\n"
	"add_across:\n	lea 3b(%rip), %rax\n	mov %rax, 8(%rsi)\n"
	"1:	cmp %edx, 4(%rsi)\n	jne 6f\n	mov (%rdi), %rcx\n	mov %ecx, %eax\n"
	"5:	dec %r8\n	jns 5b\n	inc %rcx\n	mov %rcx, (%rdi)\n"
	"2:	mov $1, %eax\n	ret\n"
	"6:	mov $-1, %eax\n	ret\n"
	".byte 0x0f, 0xb9, 0x3d\n.long " SIG "\n"
	"4:	xor %eax, %eax\n	ret\n.popsection\n");
int add_across(long *at, struct rseq *area, unsigned cpu, long unused, long work);

static long counters[1024 * 16] __attribute__((aligned(128)));
static _Atomic long aborts;
static pthread_t threads[THREADS];
static _Atomic int running;
static long work;

static void on_usr1(int signo)
{
}

static void *adds(void *p)
{
	for (long i = 0; i < ROUNDS; i++) {
		int r;

		for (;;) {
			unsigned cpu = area()->cpu_id_start;

			if (i % 3 == 0)
				r = add_across(counters + cpu * 16, area(), cpu, 0, i % 25 ? 0 : work);
			else
				r = i & 1 ? add_one(counters, cpu, i % 25 ? 0 : work) : add_two(counters, cpu);
			if (r > 0)
				break;
			aborts += !r;
		}
	}
	running--;
	return NULL;
}

static void counting(void)
{
	struct sigaction sa = { .sa_handler = on_usr1, .sa_flags = SA_RESTART };
	cpu_set_t all, one;
	long sum = 0;

	sigaction(SIGUSR1, &sa, NULL);
	sched_getaffinity(0, sizeof(all), &all);
	running = THREADS;
	work = 200000;
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, adds, NULL);
	for (unsigned n = 0; running; n++) {
		int cpu = (int)(n / THREADS) % CPU_SETSIZE;

		pthread_kill(threads[n % THREADS], SIGUSR1);
		if (CPU_ISSET(cpu, &all)) {
			CPU_ZERO(&one);
			CPU_SET(cpu, &one);
			pthread_setaffinity_np(threads[n % THREADS], sizeof(one), &one);
		}
		usleep(200);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 1024; i++)
		sum += counters[i * 16];
	CHECK_EQ(sum, THREADS * ROUNDS);
	CHECK(aborts > 0);
}

/* ---- one thread that stays in its section until something happens ---- */

static volatile unsigned long seen_rip, seen_cs, seen_addr;
extern const char spin_abort[];

static void on_signal(int signo, siginfo_t *si, void *p)
{
	ucontext_t *uc = p;

	if (seen_rip == (unsigned long)spin_abort)
		return;
	seen_rip = (unsigned long)uc->uc_mcontext.gregs[REG_RIP];
	seen_cs = area()->rseq_cs;
	seen_addr = (unsigned long)si->si_addr;
}

/* All registers have a value that must still be there in the abort handler; `at` is stored to in each turn. The second one has
 * another signature. */
#define SPIN(name, sig)                                                          \
	".pushsection __rseq_cs, \"aw\"\n.balign 32\n"                             \
	"3:	.long 0, 0\n.quad 1f, 2f - 1f, " name "_abort\n.popsection\n"      \
	"	.globl " name ", " name "_abort\n"                                    \
	name ":\n"                                                               \
	"	push %rbp\n	push %rbx\n	push %r12\n	push %r13\n	push %r14\n	push %r15\n" \
	"	lea 3b(%rip), %rax\n"                                                \
	"	mov %rsi, %rbx\n	mov %rdx, %rbp\n"                              \
	"	mov $0x101, %ecx\n	mov $0x102, %edx\n	mov $0x106, %esi\n"      \
	"	mov $0x108, %r8d\n	mov $0x109, %r9d\n	mov $0x10a, %r10d\n	mov $0x10b, %r11d\n" \
	"	mov $0x10c, %r12d\n	mov $0x10d, %r13d\n	mov $0x10e, %r14d\n	mov $0x10f, %r15d\n" \
	"	stc\n"                                                               \
	"	mov %rax, 8(%rbp)\n"                                                 \
	"1:	mov %rdi, (%rdi)\n"                                              \
	"	jmp 1b\n"                                                            \
	"2:	ud2\n"                                                           \
	".byte 0x0f, 0xb9, 0x3d\n.long " sig "\n"                                 \
	name "_abort:\n"                                                         \
	"	mov %rcx, 8(%rbx)\n	mov %rdx, 16(%rbx)\n	mov %rsi, 48(%rbx)\n	mov %rdi, 56(%rbx)\n" \
	"	mov %r8, 64(%rbx)\n	mov %r9, 72(%rbx)\n	mov %r10, 80(%rbx)\n	mov %r11, 88(%rbx)\n" \
	"	mov %r12, 96(%rbx)\n	mov %r13, 104(%rbx)\n	mov %r14, 112(%rbx)\n	mov %r15, 120(%rbx)\n" \
	"	setc (%rbx)\n"                                                       \
	"	pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n	pop %rbx\n	pop %rbp\n" \
	"	ret\n"
__asm__(SPIN("spin", SIG) SPIN("bad_spin", "0x12345678"));
extern const char bad_spin_abort[];
void spin(void *at, unsigned long out[16], struct rseq *area);
void bad_spin(void *at, unsigned long out[16], struct rseq *area);

static void check_registers(const void *at, const unsigned long r[16])
{
	CHECK_EQ(r[0] & 1, 1);
	CHECK_EQ(r[1], 0x101);
	CHECK_EQ(r[2], 0x102);
	CHECK_EQ(r[6], 0x106);
	CHECK(r[7] == (unsigned long)at);
	for (unsigned long i = 8; i < 16; i++)
		CHECK_EQ(r[i], 0x100 + i);
}

static void interrupted(void)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	struct itimerval often = { { 0, 300 }, { 0, 300 } };
	unsigned long r[16], at, hits = 0;
	char *none = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	sigaction(SIGALRM, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	while (!hits) {
		memset(r, 0, sizeof(r));
		seen_rip = 0;
		setitimer(ITIMER_REAL, &often, NULL);
		spin(&at, r, area());
		setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
		check_registers(&at, r);
		if (seen_rip == (unsigned long)spin_abort) { /* else it was preempted first */
			CHECK_EQ(seen_cs, 0);
			hits++;
		}
	}
	for (seen_rip = 0; !seen_rip;) { /* the same */
		memset(r, 0, sizeof(r));
		spin(none, r, area());
		check_registers(none, r);
	}
	CHECK(seen_rip == (unsigned long)spin_abort);
	CHECK(seen_addr == (unsigned long)none);
	CHECK_EQ(seen_cs, 0);
	signal(SIGSEGV, SIG_DFL);
}

static void bad_signature(void)
{
	struct itimerval often = { { 0, 300 }, { 0, 300 } };
	unsigned long r[16], at;
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };

		sigaction(SIGSEGV, &sa, NULL); /* does not help */
		setitimer(ITIMER_REAL, &often, NULL);
		bad_spin(&at, r, area());
		_exit(3);
	}
	waitpid(pid, &status, 0);
	CHECK_EQ(status & 0x7f, SIGSEGV);
}

/* ---- rseq(2) itself ---- */

static long call(void *p, unsigned len, int flags, unsigned sig)
{
	return syscall(SYS_rseq, p, len, flags, sig) ? -errno : 0;
}

static void show(const char *what, void *p, unsigned len, int flags, unsigned sig)
{
	printf("%s %ld\n", what, call(p, len, flags, sig));
}

static struct rseq own __attribute__((aligned(64)));
static char unaligned[128] __attribute__((aligned(64)));

static void *registers(void *p)
{
	unsigned len = __rseq_size < 32 ? 32 : __rseq_size;

	show("again", area(), len, 0, 0x53053053);
	show("other signature", area(), len, 0, 1);
	show("other area", &own, 32, 0, 0x53053053);
	show("wrong flag", area(), len, 8, 0x53053053);
	show("end, other signature", area(), len, 1, 7);
	show("end, other area", &own, len, 1, 0x53053053);
	show("end, other length", area(), len + 32, 1, 0x53053053);
	show("end, wrong flag", area(), len, 3, 0x53053053);
	show("end", area(), len, 1, 0x53053053);
	show("end again", area(), len, 1, 0x53053053);
	CHECK_EQ((int)area()->cpu_id, RSEQ_CPU_ID_UNINITIALIZED);
	show("unaligned", unaligned + 4, 32, 0, 1);
	show("short", &own, 31, 0, 1);
	show("wrong flag", &own, 32, 64, 1);
	show("the kernel's", (void *)0xffff800000000000, 32, 0, 1);
	show("begin", &own, 32, 0, 0x4242);
	CHECK(own.cpu_id == own.cpu_id_start && own.cpu_id < 1024);
	show("begin again", &own, 32, 0, 0x4242);
	show("other signature", &own, 32, 0, 1);
	show("end", &own, 32, 1, 0x4242);
	CHECK_EQ((int)own.cpu_id, RSEQ_CPU_ID_UNINITIALIZED);
	return NULL;
}

/* a section that the thread has no area for: it just runs */
static void *without(void *p)
{
	unsigned len = __rseq_size < 32 ? 32 : __rseq_size;
	static long mine[1024 * 16];

	CHECK_EQ(call(area(), len, 1, 0x53053053), 0);
	area()->cpu_id = 5;
	for (int i = 0; i < 50; i++)
		CHECK_EQ(i & 1 ? add_one(mine, 5, 10) : add_two(mine, 5), 1);
	CHECK_EQ(mine[5 * 16], 50);
	return NULL;
}

static void which_cpu(void)
{
	cpu_set_t all, one;
	unsigned cpu, node;

	sched_getaffinity(0, sizeof(all), &all);
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(i, &one);
		CHECK_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
		CHECK_EQ(sched_getcpu(), i);
		CHECK_EQ(area()->cpu_id, (unsigned)i);
		CHECK(syscall(SYS_getcpu, &cpu, &node, NULL) == 0 && cpu == (unsigned)i);
	}
	sched_setaffinity(0, sizeof(all), &all);
}

/* has no area */
static int shares_memory(void *p)
{
	return (int)-call(area(), __rseq_size < 32 ? 32 : __rseq_size, 1, 0x53053053);
}

static void children(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	unsigned len = __rseq_size < 32 ? 32 : __rseq_size;
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) { /* has its parent's */
		for (int i = 0; i < 1000;)
			i += add_one(counters, area()->cpu_id_start, 0) > 0;
		_exit(-call(area(), len, 0, 0x53053053));
	}
	waitpid(pid, &status, 0);
	CHECK_EQ(status, EBUSY << 8);
	pid = clone(shares_memory, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
	waitpid(pid, &status, 0);
	CHECK_EQ(status, EINVAL << 8);
}

int main(void)
{
	pthread_t t;

	if (!__rseq_size)
		SKIP("the C library has not registered rseq");
	counting();
	interrupted();
	bad_signature();
	pthread_create(&t, NULL, registers, NULL);
	pthread_join(t, NULL);
	pthread_create(&t, NULL, without, NULL);
	pthread_join(t, NULL);
	which_cpu();
	children();
	return check_done();
}
