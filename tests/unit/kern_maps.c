/* SPDX-License-Identifier: MIT */
/*
 * kern/sys_mm and kern/sys_proc against the kernel: the same random mmap, munmap, mprotect, mremap and madvise calls
 * are made in two processes, natively in one, through kern_syscall() in the other; results and what
 * /proc/self/maps says of the region must be the same after each. Code pages are guarded at random in between.
 * Then the engine's descriptors: the numbers a guest sees are those it would see natively.
 *
 * Hosted build:
 *   gcc -std=gnu11 -g -O1 -fno-builtin -Wno-unused-parameter -Iengine -Iinclude -Itests/lib tests/unit/kern_maps.c \
 *     engine/kern/{alias,dispatch,guard,kthread,proc_fd,proc_maps,proc_status,proc_text,restart,robust,robust_code,robust_maps}.c \
 *     engine/kern/{shadow,shadow_fork,shadow_mm,vma,marks,seccomp,seccomp_bpf,sys_arch_prctl,sys_clone,sys_fd,sys_forced,sys_futex,sys_int80}.c \
 *     engine/kern/{sys_madvise,sys_mm,sys_mremap,sys_poll,sys_prctl,sys_proc,sys_rseq,sys_shm,sys_signal}.c \
 *     engine/xlate/decode{,_tables,_vec}.c engine/load/notes.c \
 *     engine/rt/{bug,engine,fmt,lock,log,map,pkey}.c engine/rt/fault.S -x c <(tools/gen_syscalls.py engine/kern/syscalls.tbl /dev/stdout)
 * Usage: kern_maps [ROUNDS [SEED]]. TAP on stdout.
 * fuzz: 300000 @SEED@
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "check.h"
#include "cpu/threads.h"
#include "cpu/window.h"
#include "kern/kern.h"
#include "kern/report.h"
#include "kern/robust.h"
#include "kern/traced.h"
#include "kern/tracee.h"
#include "kern/vma.h"

#define PAGES 64
#define BASE 0x300000000000ul
#define AREA_END (BASE + PAGES * PAGE_SIZE)

/* ---- floors that are not here ---- */

struct cpu_upcalls cpu_up;
void (*cpu_child_init)(struct vcpu *v, bool shares_vm);
enum sig_restart (*sig_restart_of)(long nr, const u64 args[6]);
static u64 mask;

long cpu_clone(struct vcpu *v, const struct kclone_args *ca, size_t size) { return -ENOSYS; }
u32 cpu_thread_count(void) { return 2; }
struct vcpu *cpu_threads;
void cpu_threads_lock(void) { }
void cpu_threads_unlock(void) { }
void cpu_stats(struct vcpu *v) { (void)v; }
void cpu_thread_exit(struct vcpu *v, int status) { _exit(status); }
bool cpu_thread_leave(struct vcpu *v) { return false; }
void sig_thread_exit(struct vcpu *v) { }
void sig_after_fork(struct vcpu *v) { }
void sig_sys(struct vcpu *v_, int reason, int nr) { abort(); }
void sig_die(struct vcpu *v_, int signo) { abort(); }
bool sig_quit(struct vcpu *v) { return true; }
bool sig_host_kills(struct vcpu *v, int signo) { return false; }
bool rseq_in_page(gaddr_t page) { (void)page; return false; }
bool rseq_has_area(const struct vcpu *v) { return false; }
void rseq_registered(struct vcpu *v, gaddr_t area, u32 sig) { }
void rseq_forget(struct vcpu *v) { }
void cpu_invalidate(struct vcpu *v, gaddr_t start, gaddr_t end) { }
void shstk_adopt(struct vcpu *v, gaddr_t lo, u64 size) { v->own_lo = lo; v->own_size = size; }
long ssp_home(struct vcpu *v) { return 0; }
bool win_view(gaddr_t at, struct shstk *ret) { return false; }
long win_make(gaddr_t at) { return -ENOMEM; }
long win_attach(gaddr_t lo, gaddr_t hi) { return 0; }
void win_protect(gaddr_t lo, gaddr_t hi, int prot) { }
void win_zero(gaddr_t lo, gaddr_t hi) { }
void win_detach(gaddr_t lo, gaddr_t hi) { }
void win_forget(gaddr_t lo, gaddr_t hi) { }
void report_forget(gaddr_t start, gaddr_t end) { }
void report_after_fork(void) { }
void report_exit(int status) { }
long sig_action(struct vcpu *v, int n, const struct ksigaction *act, struct ksigaction *old)
{
	memset(old, 0, sizeof(*old));
	return 0;
}
u64 sig_mask(struct vcpu *v) { return mask; }
bool sig_set_mask(struct vcpu *v, u64 m)
{
	mask = m;
	return true;
}
long sig_altstack(struct vcpu *v, const struct kstack *ss, struct kstack *old) { return 0; }
long sig_return(struct vcpu *v) { return 0; }
u64 sig_pending(struct vcpu *v) { return 0; }
long sig_timedwait(struct vcpu *v, u64 set, u8 info[128], const s64 timeout[2]) { return -EAGAIN; }
long sig_suspend(struct vcpu *v, u64 m) { return -EINTR; }
long sig_safe_syscall(struct vcpu *v, long nr, const u64 a[6])
{
	return sys_6(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}
long sig_safe_syscall_mask(struct vcpu *v, long nr, const u64 a[6], u64 *m)
{
	return sig_safe_syscall(v, nr, a);
}
void cpu_hold_others(struct vcpu *v) { }
void cpu_release_others(void) { }
void sig_finish_window(struct vcpu *v) { }
SYSCALL(exec) { return -ENOSYS; }
SYSCALL(execat) { return -ENOSYS; }
SYSCALL(wait4) { return -ENOSYS; }
SYSCALL(waitid) { return -ENOSYS; }
SYSCALL(ptrace) { return -ENOSYS; }
SYSCALL(setrlimit) { return -ENOSYS; }
SYSCALL(prlimit64) { return sig_safe_syscall(v, __NR_prlimit64, a); }
bool tracee_any;
void tracee_written(int pid, gaddr_t at, u64 n) { }
void tracee_after_fork(void) { }
bool proc_tracee_exe(struct vcpu *v, char *path) { return false; }
bool proc_tracee_open(struct vcpu *v, const char *path, u64 flags, long *r) { return false; }
void traced_init(void) { }
bool traced_seccomp(struct vcpu *v, u32 data) { return false; }
void traced_child(struct vcpu *v) { }

/* ---- both sides ---- */

static struct vcpu vcpu, *v = &vcpu;
static bool guest;

static char last_call[160];

static long call(long nr, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
	if (!guest)
		return sys_6(nr, a, b, c, d, e, f);
	v->gregs[RAX] = (u64)nr;
	v->gregs[RDI] = a;
	v->gregs[RSI] = b;
	v->gregs[RDX] = c;
	v->gregs[R10] = d;
	v->gregs[R8] = e;
	v->gregs[R9] = f;
	kern_syscall(v);
	return (long)v->gregs[RAX];
}

static u32 seed;

static u32 rnd(u32 n)
{
	seed = seed * 1664525u + 1013904223u;
	return (u32)((u64)(seed >> 8) * n >> 24);
}

static const char *const what = "/proc/self/maps";

/* the lines of the region; returns bytes */
static size_t region(char *to, size_t size, bool trace)
{
	static char all[1 << 20];
	long fd = call(__NR_open, (u64)what, O_RDONLY | O_CLOEXEC, 0, 0, 0, 0), r;
	size_t n = 0, len = 0;

	if (fd < 0)
		return (size_t)snprintf(to, size, "open: %ld\n", fd);
	while ((r = call(__NR_read, (u64)fd, (u64)all + n, sizeof(all) - 1 - n, 0, 0, 0)) > 0)
		n += (size_t)r;
	call(__NR_close, (u64)fd, 0, 0, 0, 0, 0);
	all[n] = 0;
	for (char *s = all; *s;) {
		char *nl = strchr(s, '\n');
		u64 lo, hi;

		if (!nl)
			break;
		*nl = 0;
		if (sscanf(s, "%lx-%lx", &lo, &hi) == 2 && hi > BASE && lo < AREA_END)
			len += (size_t)snprintf(to + len, size - len, "%s\n", s);
		s = nl + 1;
	}
	return len;
}

/* One random call. Every number is drawn on both sides alike. */
static long step(int file)
{
	u32 op = rnd(16), from = rnd(PAGES), n = 1 + rnd(rnd(3) ? 4 : PAGES - from), to = rnd(PAGES), m = 1 + rnd(6),
	    prot = rnd(8), pick = rnd(16);
	u64 at = BASE + from * PAGE_SIZE, len = n * PAGE_SIZE, dst = BASE + to * PAGE_SIZE;

	if (from + n > PAGES)
		len = (PAGES - from) * PAGE_SIZE;
	if (to + m > PAGES)
		m = PAGES - to;
	if (pick == 0)
		len -= 100; /* rounding */
	if (pick == 1)
		at += 5; /* misaligned */
	snprintf(last_call, sizeof(last_call), "op %u, pages %u..%u, to %u..%u, prot %u, pick %u", op, from, from + n, to,
		 to + m, prot, pick);
	switch (op) {
	case 0 ... 4:
		return call(__NR_mmap, at, len, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, ~0ul, 0);
	case 5 ... 6:
		return call(__NR_mmap, at, len, prot, MAP_PRIVATE | MAP_FIXED, (u64)file, (u64)m * PAGE_SIZE);
	case 7:
		return call(__NR_mmap, at, len, prot, MAP_SHARED | MAP_FIXED_NOREPLACE, (u64)file, 0);
	case 8 ... 9:
		return call(__NR_munmap, at, len, 0, 0, 0, 0);
	case 10 ... 13:
		return call(__NR_mprotect, at, len, prot, 0, 0, 0);
	case 14:
		return call(__NR_mremap, at, PAGE_SIZE * (1 + pick % 3), PAGE_SIZE * m, MREMAP_MAYMOVE | MREMAP_FIXED,
			    dst, 0);
	default:
		return call(__NR_madvise, at, len, MADV_DONTNEED, 0, 0, 0);
	}
}

static void guard_some(void)
{
	for (u32 i = 0; i < 8; i++) {
		gaddr_t page = BASE + (u64)(random() % PAGES) * PAGE_SIZE;
		int prot = vma_prot(page, NULL);

		if (prot >= 0 && (prot & PROT_EXEC))
			vma_guard_code(page);
	}
}

struct result {
	long ret;
	size_t len;
	char text[64 << 10];
};

/* the native side: answers in a pipe */
static void native(int out, u32 rounds, int file)
{
	static struct result r;

	for (u32 i = 0; i < rounds; i++) {
		r.ret = step(file);
		r.len = region(r.text, sizeof(r.text), false);
		if (write(out, &r, offsetof(struct result, text)) < 0 || write(out, r.text, r.len) < 0)
			_exit(1);
	}
	_exit(0);
}

static bool read_all(int fd, void *to, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t r = read(fd, (char *)to + at, n - at);

		if (r <= 0)
			return false;
		at += (size_t)r;
	}
	return true;
}

static void compare(u32 rounds, int file)
{
	static struct result want, got;
	int fds[2], status;
	pid_t pid;

	if (pipe(fds))
		abort();
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		native(fds[1], rounds, file);
	}
	close(fds[1]);
	guest = true;
	for (u32 i = 0; i < rounds; i++) {
		if (!read_all(fds[0], &want, offsetof(struct result, text)) || !read_all(fds[0], want.text, want.len)) {
			CHECK(!"native side ended early");
			break;
		}
		got.ret = step(file);
		guard_some();
		got.len = region(got.text, sizeof(got.text), true);
		CHECK_EQ(got.ret, want.ret);
		CHECK(got.len == want.len && !memcmp(got.text, want.text, got.len));
		if (check_failed) {
			printf("# call %u: %s: %ld, not %ld\n# --- native\n%.*s# --- engine\n%.*s", i, last_call, got.ret, want.ret, (int)want.len, want.text, (int)got.len,
			       got.text);
			break;
		}
	}
	close(fds[0]);
	waitpid(pid, &status, 0);
}

static void descriptors(void)
{
	int first = open("/dev/null", O_RDONLY);
	char link[64], exe[64] = "";
	long fd;

	eng.fd_base = 100;
	for (int i = 0; i < GN_FD_COUNT; i++)
		dup2(first, 100 + i);
	rt_log_fd = 100 + GN_FD_LOG;
	close(first);
	/* what is opened behind the guest's back does not take its numbers */
	fd = call(__NR_open, (u64)what, O_RDONLY, 0, 0, 0, 0);
	CHECK_EQ(fd, first);
	CHECK_EQ(fcntl((int)fd, F_GETFD), 0);
	CHECK_EQ(fcntl((int)fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	CHECK_EQ(call(__NR_close, (u64)fd, 0, 0, 0, 0, 0), 0);
	CHECK_EQ(call(__NR_close, 102, 0, 0, 0, 0, 0), -EBADF);
	CHECK_EQ(call(__NR_fstat, 102, (u64)link, 0, 0, 0, 0), -EBADF);
	CHECK_EQ(call(__NR_dup2, 102, 50, 0, 0, 0, 0), -EBADF);
	CHECK_EQ(call(__NR_readlink, (u64)"/proc/self/exe", (u64)exe, sizeof(exe), 0, 0, 0), 9);
	CHECK(!strcmp(exe, "/dev/null"));
	CHECK_EQ(call(__NR_readlink, (u64)"/proc/self/exe", (u64)exe, 0, 0, 0, 0), -EINVAL);
	CHECK_EQ(call(__NR_open, (u64)"/proc/self/exe", O_RDWR, 0, 0, 0, 0), -ETXTBSY);
	/* the guest wants one of ours */
	CHECK_EQ(call(__NR_dup2, 1, 102, 0, 0, 0, 0), 102);
	CHECK(eng.fd_base != 100 && !eng_owns_fd(102));
	CHECK(fcntl(eng.fd_base + GN_FD_PROG, F_GETFD) >= 0);
	CHECK_EQ(rt_log_fd, eng.fd_base + GN_FD_LOG);
	CHECK_EQ(fcntl(100, F_GETFD), -1);
	CHECK_EQ(call(__NR_close, 102, 0, 0, 0, 0, 0), 0);
	/* everything goes but ours */
	CHECK_EQ(dup2(1, 70), 70);
	CHECK_EQ(call(__NR_close_range, 60, ~0u, 0, 0, 0, 0), 0);
	CHECK_EQ(fcntl(70, F_GETFD), -1);
	CHECK(fcntl(eng.fd_base + GN_FD_PROG, F_GETFD) >= 0);
	CHECK_EQ(call(__NR_close_range, (u64)eng.fd_base, (u64)eng.fd_base, 1 << 20, 0, 0, 0), -EINVAL);
	CHECK_EQ(call(__NR_close_range, (u64)eng.fd_base, (u64)eng.fd_base, 0, 0, 0, 0), 0);
	CHECK_EQ(call(__NR_close_range, 9, 8, 0, 0, 0, 0), -EINVAL);
}

/* shadow-stack-abi.md section 2 */
static void shadow_stacks(void)
{
	u64 st = 7, gs = 7;

	eng.set.mode = GN_MODE_RUN;
#define AP(code, arg) call(__NR_arch_prctl, code, (u64)(arg), 0, 0, 0, 0)
	CHECK_EQ(AP(0x5005, &st), 0);
	CHECK_EQ(st, 0);
	CHECK_EQ(AP(0x5001, 2), -EPERM);        /* WRSS before SHSTK */
	CHECK_EQ(AP(0x5002, 2), -EPERM);
	CHECK_EQ(AP(0x5002, 1), 0);             /* off already */
	CHECK_EQ(AP(0x5001, 3), -EINVAL);
	CHECK_EQ(AP(0x5001, 4), -EINVAL);
	CHECK_EQ(AP(0x5001, 0), -EINVAL);
	CHECK_EQ(AP(0x5001, 1), 0);
	CHECK_EQ(AP(0x5001, 1), 0);
	CHECK_EQ(AP(0x5004, 2), 0);             /* UNLOCK of oneself enables */
	CHECK_EQ(AP(0x5005, &st), 0);
	CHECK_EQ(st, 3);
	CHECK_EQ(AP(0x5003, 0x8000000000000001), 0);
	CHECK_EQ(AP(0x5002, 1), -EPERM);
	CHECK_EQ(AP(0x5004, 1), -EPERM);
	CHECK_EQ(AP(0x5001, 0x8000000000000002), -EPERM);
	CHECK_EQ(AP(0x5001, 6), -EINVAL);
	CHECK_EQ(AP(0x5002, 2), 0);
	CHECK_EQ(AP(0x5005, &st), 0);
	CHECK_EQ(st, 1);
	CHECK_EQ(AP(0x3001, &st), -EINVAL);
	CHECK_EQ(AP(0x1001, 0x1234), 0);
	CHECK_EQ(AP(0x1004, &gs), 0);
	CHECK_EQ(gs, 0x1234);
	CHECK_EQ(AP(0x1001, 1ul << 60), -EPERM);
}

static void numbers(void)
{
	CHECK_EQ(call(__NR_getpid, 0, 0, 0, 0, 0, 0), getpid());
	CHECK_EQ(call(0xdeadbeef00000000 | __NR_getpid, 0, 0, 0, 0, 0, 0), getpid());
	CHECK_EQ(call(-1, 0, 0, 0, 0, 0, 0), -ENOSYS);
	CHECK_EQ(call(0x40000000 | __NR_getpid, 0, 0, 0, 0, 0, 0), -ENOSYS);
	CHECK_EQ(call(400, 0, 0, 0, 0, 0, 0), -ENOSYS);
	CHECK_EQ(call(471, 0, 0, 0, 0, 0, 0), -ENOSYS);
	for (u32 i = 0; i < kern_nr_syscalls; i++)
		CHECK(kern_syscalls[i].class == SYS_NONE || *kern_syscall_names[i]);
}

int main(int argc, char **argv)
{
	u32 rounds = argc > 1 ? (u32)atoi(argv[1]) : 3000;
	char name[] = "/tmp/gnomonXXXXXX";
	int file = mkstemp(name);

	seed = argc > 2 ? (u32)atoi(argv[2]) : 1;
	unlink(name);
	if (ftruncate(file, 128 * PAGE_SIZE))
		abort();
	eng.mm_told = true;
	eng.fd_base = 1 << 20;
	v->pid = v->tid = getpid();
	CHECK_EQ(vma_init(), 0);
	CHECK_EQ(kern_init(v), 0);
	compare(rounds, file);
	guest = true;
	numbers();
	descriptors();
	shadow_stacks();
	return check_done();
}
