/* SPDX-License-Identifier: MIT */
/*
 * Protection keys as programs use them: what PKRU says where it may be changed from, what faults and what the fault says,
 * signal frames, threads, system calls, code that a key guards. Needs a CPU with keys and a kernel that lets programs
 * use them; tools/oracle pkeys has both.
 * flags: -pthread
 * also: far preempt=3
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <ucontext.h>
#include "pku.h"

#define DENY_ACCESS 1u
#define DENY_WRITE 2u
#define SI_PKEY(info) (*(unsigned *)((char *)(info) + 32))

static u32 start, pkru_at;

static u32 rights(u32 pkru, long key, u32 r)
{
	return (pkru & ~(3u << 2 * key)) | r << 2 * key;
}

static long key_new(u32 r)
{
	return syscall(SYS_pkey_alloc, 0, r);
}

static char *page_with(long key)
{
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK_EQ(syscall(SYS_pkey_mprotect, p, 4096, PROT_READ | PROT_WRITE, key), 0);
	return p;
}

/* ---- what a handler sees ---- */

static struct {
	int n, signo, code;
	unsigned long err, addr;
	u32 key, pkru, frame_pkru, has;
	u32 set, how; /* what it leaves in the frame: how 1: this value, 2: no PKRU, 3: no vector state at all */
	unsigned long skip;
} seen;

static void handler(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	char *x = (char *)uc->uc_mcontext.fpregs;
	unsigned long bv;

	seen.n++;
	seen.pkru = rdpkru();
	seen.signo = signo;
	seen.code = info->si_code;
	seen.err = (unsigned long)uc->uc_mcontext.gregs[REG_ERR];
	seen.addr = (unsigned long)info->si_addr;
	seen.key = SI_PKEY(info);
	memcpy(&bv, x + XSTATE_BV, 8);
	memcpy(&seen.frame_pkru, x + pkru_at, 4);
	seen.has = (bv & PKRU_BIT) != 0;
	uc->uc_mcontext.gregs[REG_RIP] += (greg_t)seen.skip;
	if (seen.how == 1) {
		memcpy(x + pkru_at, &seen.set, 4);
	} else if (seen.how == 2) {
		bv &= ~PKRU_BIT;
		memcpy(x + XSTATE_BV, &bv, 8);
	} else if (seen.how == 3) {
		uc->uc_mcontext.fpregs = NULL;
	}
	wrpkru(start | 8); /* comes to an end with this handler */
}

static void catch(int signo)
{
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };

	sigaction(signo, &sa, NULL);
}

/* a store, or a load, of 3 bytes of code */
static void store(char *p)
{
	__asm__ volatile("movb %%al, 64(%0)" : : "D"(p), "a"(0) : "memory");
}

static void load(char *p)
{
	__asm__ volatile("movb 64(%0), %%al" : : "D"(p) : "rax", "memory");
}

static void faults(void)
{
	long key = key_new(0);
	char *p = page_with(key);

	CHECK_EQ(rdpkru(), rights(start, key, 0));
	memset(&seen, 0, sizeof(seen));
	seen.skip = 3;
	catch(SIGSEGV);
	load(p);
	store(p);
	CHECK_EQ(seen.n, 0);
	wrpkru(rights(start, key, DENY_WRITE));
	load(p);
	CHECK_EQ(seen.n, 0);
	store(p);
	CHECK_EQ(seen.n, 1);
	CHECK_EQ(seen.signo, SIGSEGV);
	CHECK_EQ(seen.code, 4); /* SEGV_PKUERR */
	CHECK_EQ(seen.key, key);
	CHECK_EQ(seen.err & ~1ul, 0x26);
	CHECK_EQ(seen.addr, (unsigned long)p + 64);
	CHECK_EQ(seen.pkru, start);
	CHECK_EQ(seen.frame_pkru, rights(start, key, DENY_WRITE));
	CHECK_EQ(seen.has, 1);
	CHECK_EQ(rdpkru(), rights(start, key, DENY_WRITE));
	wrpkru(rights(start, key, DENY_ACCESS));
	load(p);
	CHECK_EQ(seen.n, 2);
	CHECK_EQ(seen.err & ~1ul, 0x24);
	seen.how = 1; /* the handler opens it, the store is made again */
	seen.skip = 0;
	seen.set = rights(start, key, 0);
	store(p);
	CHECK_EQ(seen.n, 3);
	CHECK_EQ(rdpkru(), rights(start, key, 0));
	seen.how = 2;
	raise(SIGSEGV);
	CHECK_EQ(seen.n, 4);
	CHECK_EQ(rdpkru(), 0);
	seen.how = 3;
	raise(SIGSEGV);
	CHECK_EQ(rdpkru(), start);
	munmap(p, 4096);
	CHECK_EQ(syscall(SYS_pkey_free, key), 0);
}

/* opens its stack before it touches it */
__asm__("opens:\n\t"
	"mov %rdx, %r8\n\txor %eax, %eax\n\txor %ecx, %ecx\n\txor %edx, %edx\n\twrpkru\n\t"
	"mov %r8, %rdx\n\tjmp on_alternate");
void opens(int signo, siginfo_t *info, void *context);
void on_alternate(int signo, siginfo_t *info, void *context);

void __attribute__((used)) on_alternate(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info;
	seen.n++;
	memcpy(&seen.frame_pkru, (char *)((ucontext_t *)context)->uc_mcontext.fpregs + pkru_at, 4);
}

/* a frame goes where its stack is, whatever the key of that says */
static void alternate_stack(void)
{
	struct sigaction sa = { .sa_sigaction = opens, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	struct utsname u;
	int major = 0, minor = 0;
	long key = key_new(0);
	stack_t ss = { .ss_size = 64 << 10 };

	uname(&u);
	sscanf(u.release, "%d.%d", &major, &minor);
	if (major * 100 + minor < 613 || key < 0)
		return;
	ss.ss_sp = mmap(NULL, ss.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sigaltstack(&ss, NULL);
	syscall(SYS_pkey_mprotect, ss.ss_sp, ss.ss_size, PROT_READ | PROT_WRITE, key);
	memset(&seen, 0, sizeof(seen));
	sigaction(SIGUSR1, &sa, NULL);
	wrpkru(rights(start, key, DENY_ACCESS));
	raise(SIGUSR1);
	CHECK_EQ(seen.n, 1);
	CHECK_EQ(seen.frame_pkru, rights(start, key, DENY_ACCESS));
	CHECK_EQ(rdpkru(), rights(start, key, DENY_ACCESS));
	ss.ss_flags = SS_DISABLE;
	sigaltstack(&ss, NULL);
	wrpkru(start);
	syscall(SYS_pkey_free, key);
}

/* ---- the instructions ---- */

/* both leave all else as it is */
static void registers(void)
{
	unsigned long r10 = 0x1111, r11 = 0x2222, flags, a = 0xffffffff00000000 | start, d = 0x100000000, c = 0x700000000;

	__asm__ volatile("mov %[r10], %%r10\n\tmov %[r11], %%r11\n\tstc\n\twrpkru\n\tpushf\n\tpop %[flags]\n\t"
			 "mov %%r10, %[r10]\n\tmov %%r11, %[r11]"
			 : [r10] "+r"(r10), [r11] "+r"(r11), [flags] "=r"(flags), "+a"(a), "+c"(c), "+d"(d)
			 : : "r10", "r11", "memory");
	CHECK(flags & 1);
	CHECK_EQ(r10, 0x1111);
	CHECK_EQ(r11, 0x2222);
	CHECK_EQ(a, 0xffffffff00000000 | start);
	CHECK_EQ(d, 0x100000000);
	CHECK_EQ(c, 0x700000000);
	__asm__ volatile("mov %[r10], %%r10\n\tclc\n\trdpkru\n\tpushf\n\tpop %[flags]\n\tmov %%r10, %[r10]"
			 : [r10] "+r"(r10), [flags] "=r"(flags), "+a"(a), "+c"(c), "+d"(d) : : "r10", "memory");
	CHECK(!(flags & 1));
	CHECK_EQ(r10, 0x1111);
	CHECK_EQ(a, start);
	CHECK_EQ(d, 0);
	CHECK_EQ(c, 0x700000000);
}

static void refused(void)
{
	u32 a = 0, c = 1, d = 0;

	memset(&seen, 0, sizeof(seen));
	seen.skip = 3;
	catch(SIGSEGV);
	wrpkru(start);
	__asm__ volatile("wrpkru" : "+a"(a), "+c"(c), "+d"(d) : : "memory");
	CHECK_EQ(seen.n, 1);
	CHECK_EQ(seen.code, SI_KERNEL);
	c = 0, d = 1;
	__asm__ volatile("wrpkru" : "+a"(a), "+c"(c), "+d"(d) : : "memory");
	CHECK_EQ(seen.n, 2);
	c = 1;
	__asm__ volatile("rdpkru" : "+a"(a), "+c"(c), "+d"(d) : : "memory");
	CHECK_EQ(seen.n, 3);
	CHECK_EQ(rdpkru(), start);
}

/* all that is written is read again, also for keys that nobody has; but key 0 has to stay open */
static void every_bit(void)
{
	for (int i = 2; i < 32; i++) {
		wrpkru(1u << i);
		CHECK_EQ(rdpkru(), 1u << i);
	}
	wrpkru(0xfffffffc);
	CHECK_EQ(rdpkru(), 0xfffffffc);
	wrpkru(start);
}

static char area[8192] __attribute__((aligned(64)));

static void xsave_xrstor(void)
{
	u32 other = rights(start, 3, 0), a, b, c, d;
	unsigned long bv;

	wrpkru(other);
	__asm__ volatile("xsave64 %0" : "=m"(area) : "a"(0x200), "d"(0) : "memory");
	memcpy(&a, area + pkru_at, 4);
	CHECK_EQ(a & 0x3fffffff, other & 0x3fffffff); /* gnomon's own key, the last one, shows in the image */
	wrpkru(start);
	__asm__ volatile("xrstor64 %0" : : "m"(area), "a"(0x200), "d"(0) : "memory");
	CHECK_EQ(rdpkru() & 0x3fffffff, other & 0x3fffffff);
	wrpkru(start);
	__asm__ volatile("xrstor %0" : : "m"(area), "a"(3), "d"(0) : "memory");
	CHECK_EQ(rdpkru(), start);
	a = rights(start, 2, DENY_WRITE) & ~1u;
	memcpy(area + pkru_at, &a, 4);
	__asm__ volatile("xrstor64 %0" : : "m"(area), "a"(~0u), "d"(~0u) : "memory");
	CHECK_EQ(rdpkru(), a);
	memcpy(&bv, area + XSTATE_BV, 8);
	bv &= ~PKRU_BIT;
	memcpy(area + XSTATE_BV, &bv, 8);
	__asm__ volatile("xrstor %0" : : "m"(area), "a"(0x200), "d"(0) : "memory");
	CHECK_EQ(rdpkru(), 0);
	__asm__("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "0"(13), "2"(1));
	if (a & 2) { /* the compact format */
		wrpkru(other);
		memset(area, 0, sizeof(area));
		__asm__ volatile("xsavec64 %0" : "=m"(area) : "a"(0x207), "d"(0) : "memory");
		wrpkru(start);
		__asm__ volatile("xrstor64 %0" : : "m"(area), "a"(0x207), "d"(0) : "memory");
		CHECK_EQ(rdpkru() & 0x3fffffff, other & 0x3fffffff);
	}
	wrpkru(start);
	memset(&seen, 0, sizeof(seen));
	seen.skip = 4;
	__asm__ volatile("xrstor64 (%%rdi)" : : "D"(area + 8), "a"(0x200), "d"(0) : "memory");
	CHECK_EQ(seen.n, 1);
	CHECK_EQ(seen.code, SI_KERNEL);
	__asm__ volatile("xrstor64 (%%rdi)" : : "D"(64), "a"(0x200), "d"(0) : "memory");
	CHECK_EQ(seen.n, 2);
	CHECK_EQ(seen.code, SEGV_MAPERR);
	CHECK_EQ(seen.err, 4);
	CHECK_EQ(rdpkru(), start);
}

/* ---- system calls, threads, processes ---- */

static void system_calls(void)
{
	long key = key_new(0);
	char *p = page_with(key);
	int fd[2];

	CHECK_EQ(pipe(fd), 0);
	CHECK_EQ(write(fd[1], "ab", 2), 2);
	wrpkru(rights(start, key, DENY_WRITE));
	CHECK_EQ(read(fd[0], p, 1), -1);
	CHECK_EQ(errno, EFAULT);
	CHECK_EQ(write(fd[1], p, 1), 1);
	wrpkru(rights(start, key, DENY_ACCESS));
	CHECK_EQ(write(fd[1], p, 1), -1);
	CHECK_EQ(errno, EFAULT);
	CHECK_EQ(syscall(SYS_clock_gettime, 0, p), -1);
	CHECK_EQ(errno, EFAULT);
	wrpkru(rights(start, key, 0));
	CHECK_EQ(syscall(SYS_clock_gettime, 0, p), 0);
	CHECK_EQ(syscall(SYS_pkey_alloc, 1, 0), -1);
	CHECK_EQ(syscall(SYS_pkey_alloc, 0, 4), -1);
	CHECK_EQ(syscall(SYS_pkey_mprotect, p, 4096, PROT_READ, 99), -1);
	CHECK_EQ(errno, EINVAL);
	CHECK_EQ(syscall(SYS_pkey_mprotect, p, 4096, PROT_READ, 15), -1);
	CHECK_EQ(errno, EINVAL);
	CHECK_EQ(syscall(SYS_pkey_free, 15), -1);
	CHECK_EQ(errno, EINVAL);
	CHECK_EQ(syscall(SYS_pkey_free, key), 0);
	CHECK_EQ(syscall(SYS_pkey_mprotect, p, 4096, PROT_READ, key), -1);
	CHECK_EQ(errno, EINVAL);
	CHECK_EQ(syscall(SYS_pkey_mprotect, p, 4096, PROT_READ, -1), 0);
	wrpkru(start);
	close(fd[0]);
	close(fd[1]);
}

static void *thread(void *arg)
{
	*(u32 *)arg = rdpkru();
	wrpkru(start | 0xc0);
	return NULL;
}

static void inherited(void)
{
	u32 want = rights(rights(start, 5, DENY_WRITE), 15, DENY_WRITE), had = 0;
	pthread_t t;
	int status;
	pid_t pid;

	wrpkru(want);
	pthread_create(&t, NULL, thread, &had);
	pthread_join(t, NULL);
	CHECK_EQ(had, want);
	CHECK_EQ(rdpkru(), want);
	pid = fork();
	if (!pid)
		_exit(rdpkru() != want);
	waitpid(pid, &status, 0);
	CHECK_EQ(status, 0);
	pid = fork();
	if (!pid)
		execl("/proc/self/exe", "pkeys", "start", NULL);
	waitpid(pid, &status, 0);
	CHECK_EQ(status, 0);
	wrpkru(start);
}

/* ---- code ---- */

/* a JIT that opens its code for as long as it writes there; and code that may be run and not be read */
static void code(void)
{
	static const char body[] = { (char)0xb8, 1, 0, 0, 0, (char)0xc3 }; /* mov eax, 1; ret */
	long key = key_new(DENY_WRITE);
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int (*f)(void) = (int (*)(void))p;

	memcpy(p, body, sizeof(body));
	CHECK_EQ(syscall(SYS_pkey_mprotect, p, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, key), 0);
	memset(&seen, 0, sizeof(seen));
	seen.skip = 3;
	CHECK_EQ(rdpkru(), rights(start, key, DENY_WRITE));
	for (int i = 1; i < 20; i++) {
		CHECK_EQ(f(), i);
		store(p);
		CHECK_EQ(seen.n, i);
		CHECK_EQ(seen.code, 4);
		wrpkru(rights(start, key, 0));
		p[1]++;
		wrpkru(rights(start, key, DENY_WRITE));
	}
	wrpkru(rights(start, key, 0));
	memset(p, 0x90, 4096 - sizeof(body));
	memcpy(p + 4096 - sizeof(body), body, sizeof(body));
	/* cpuid in front: one that gnomon's engine executes */
	memcpy(p, "\x53\x31\xc0\x0f\xa2\x5b", 6);
	wrpkru(rights(start, key, DENY_ACCESS));
	CHECK_EQ(f(), 1);
	munmap(p, 4096);
	wrpkru(start);
	syscall(SYS_pkey_free, key);
}

/* ---- signals at any moment ---- */

static volatile sig_atomic_t ticks, wrong;
static u32 one, two;

static void tick(int signo, siginfo_t *info, void *context)
{
	u32 pkru;

	(void)signo, (void)info;
	memcpy(&pkru, (char *)((ucontext_t *)context)->uc_mcontext.fpregs + pkru_at, 4);
	wrong += (pkru != one && pkru != two) || rdpkru() != start;
	ticks++;
}

static void storm(void)
{
	struct sigaction sa = { .sa_sigaction = tick, .sa_flags = SA_SIGINFO | SA_RESTART };
	struct itimerval every = { { 0, 500 }, { 0, 500 } }, never = { { 0, 0 }, { 0, 0 } };

	one = rights(start, 1, DENY_WRITE);
	two = rights(start, 2, DENY_WRITE);
	wrpkru(one);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	while (ticks < 200) {
		wrpkru(one);
		wrong += rdpkru() != one;
		wrpkru(two);
		wrong += rdpkru() != two;
	}
	setitimer(ITIMER_REAL, &never, NULL);
	CHECK_EQ(wrong, 0);
	wrpkru(start);
}

int main(int argc, char **argv)
{
	(void)argv;
	pkru_at = pkru_offset();
	start = rdpkru();
	if (argc > 1)
		return start != 0x55555554;
	registers();
	every_bit();
	faults();
	alternate_stack();
	refused();
	xsave_xrstor();
	system_calls();
	inherited();
	code();
	storm();
	return check_done();
}
