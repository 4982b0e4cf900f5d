/* SPDX-License-Identifier: MIT */
/*
 * From a relocated engine to the guest's first instruction: finds the engine's descriptors, reads the exec record,
 * loads the program, wires the floors together. One thread, the engine's start stack, host signals as they
 * were inherited; errors end the process here and nowhere else.
 */
#include <asm/signal.h>
#include <linux/auxvec.h>
#include <linux/elf.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/personality.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include "cpu/threads.h"
#include "gnomon/exit.h"
#include "kern/core.h"
#include "kern/kern.h"
#include "kern/marks.h"
#include "kern/report.h"
#include "kern/seccomp.h"
#include "kern/robust.h"
#include "kern/shadow.h"
#include "kern/traced.h"
#include "kern/vma.h"
#include "load/load.h"
#include "rt/engine.h"
#include "sig/sig.h"

#define HWCAP2_FSGSBASE 2
#define SHSTK_DEFAULT_CAP (4ul << 30) /* the kernel's; the engine's own limit is lower */

extern char __ehdr_start[] __attribute__((visibility("hidden")));
extern char _end[] __attribute__((visibility("hidden")));

/* large, and of no use on a stack that is never unwound */
static struct plan plan;
static struct gn_exec record;
static struct seccomp_filter *filters; /* that the program before had */
static char interp[GN_PATH_MAX];

static const char *error_text(long err)
{
	switch (-err) {
	case ENOENT: return "No such file or directory";
	case EACCES: return "Permission denied";
	case EPERM: return "Operation not permitted";
	case ENOEXEC: return "Exec format error";
	case ENOMEM: return "Cannot allocate memory";
	case ENOTDIR: return "Not a directory";
	case ELOOP: return "Too many levels of symbolic links or #! lines";
	case ENAMETOOLONG: return "File name too long";
	case ELIBBAD: return "Accessing a corrupted shared library";
	case E2BIG: return "Argument list too long";
	case EEXIST: return "its addresses are taken";
	case EINVAL: return "Invalid argument";
	case EIO: return "Input/output error";
	case EFAULT: return "Bad address";
	case EMFILE: return "Too many open files";
	case ENOSYS: return "Function not implemented";
	case ETXTBSY: return "Text file busy";
	}
	return NULL;
}

static void __noreturn cannot_run(const char *path, const char *culprit, const char *why, long err)
{
	const char *text = error_text(err);
	char num[24];

	if (!text) {
		rt_snprintf(num, sizeof(num), "error %ld", -err);
		text = num;
	}
	rt_die(err == -ENOENT ? GN_EXIT_NOTFOUND : GN_EXIT_NOEXEC, "%s: %s%s%s%s%s%s", path, why,
	       *why && culprit ? ", " : "", culprit ? culprit : "", *why || culprit ? ": " : "", text,
	       err == -ENOENT && culprit && !*why ? " (interpreter)" : "");
}

/* AT_EXECFN "/dev/fd/N" tells that we were started through a descriptor, and which */
static int base_descriptor(const struct initial *in)
{
	const char *s, *end;
	u64 val, n;

	if (!stack_aux(in, AT_EXECFN, &val))
		return -1;
	s = (const char *)val;
	if (strncmp(s, "/dev/fd/", 8))
		return -1;
	n = rt_strtou(s + 8, 10, &end);
	return end == s + 8 || *end || n > 0x7ffffff0 ? -1 : (int)n;
}

static bool read_record(int fd)
{
	u8 *p = (u8 *)&record;
	size_t have = 0;

	while (have < sizeof(record)) {
		long r = sys4(__NR_pread64, fd, p + have, sizeof(record) - have, have);

		if (r == -ESPIPE)
			r = sys3(__NR_read, fd, p + have, sizeof(record) - have);
		if (r == -EINTR)
			continue;
		if (r <= 0)
			break;
		have += (size_t)r;
	}
	record.file[GN_PATH_MAX - 1] = record.execfn[GN_PATH_MAX - 1] = 0;
	record.comm[sizeof(record.comm) - 1] = 0;
	return have == sizeof(record) && record.magic == GN_BOARD_MAGIC;
}

struct record_reader {
	int fd;
	u64 at;
};

static bool more_record(void *from, void *to, size_t n)
{
	struct record_reader *in = from;
	u8 *p = to;

	while (n) {
		long r = sys4(__NR_pread64, in->fd, p, n, in->at);

		if (r == -ESPIPE)
			r = sys3(__NR_read, in->fd, p, n);
		if (r == -EINTR)
			continue;
		if (r <= 0)
			return false;
		p += r;
		in->at += (u64)r;
		n -= (size_t)r;
	}
	return true;
}

static bool map_board(int fd)
{
	long r = sys_6(__NR_mmap, NULL, sizeof(struct gn_board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct gn_board *b = (struct gn_board *)r;

	if (sys_failed(r)) {
		if (r == -ENOMEM)
			rt_die(GN_EXIT_USAGE, "no room for the report's %lu MiB of shared memory (ulimit -v too small?)",
			       sizeof(*b) >> 20);
		return false;
	}
	rt_own_range(b, sizeof(*b));
	if (b->magic != GN_BOARD_MAGIC || b->version != GN_BOARD_VERSION || b->size < sizeof(*b))
		return false;
	eng.board = b;
	eng.set = b->set;
	rt_pkey_init(eng.set.flags & GN_OPT_SEAL);
	if (unlikely(eng.set.flags & GN_OPT_SEAL) && !rt_pkey.sealed)
		rt_die(GN_EXIT_USAGE, "--seal: the kernel gives out no protection key");
	rt_pkey_tag(b, sizeof(*b), PROT_READ | PROT_WRITE);
	rt_fault_nth = eng.set.fault_nth;
	return true;
}

static void attach(const struct initial *in)
{
	u64 stat_size = 0;

	eng.fd_base = base_descriptor(in);
	if (eng.fd_base < 0)
		goto by_hand;
	/* a file of the right size, or touching the mapping would be SIGBUS */
	stat_size = (u64)sys3(__NR_lseek, eng.fd_base + GN_FD_BOARD, 0, 2 /* SEEK_END */);
	if (sys_failed((long)stat_size) || stat_size < sizeof(struct gn_board))
		goto by_hand;
	if (sys2(__NR_fcntl, eng.fd_base + GN_FD_LOG, F_GETFD) >= 0)
		rt_log_fd = eng.fd_base + GN_FD_LOG;
	if (!map_board(eng.fd_base + GN_FD_BOARD) || !read_record(eng.fd_base + GN_FD_EXEC))
		goto by_hand;
	if (!seccomp_restore(&filters, more_record, &(struct record_reader){ eng.fd_base + GN_FD_EXEC, sizeof(record) }))
		rt_die(GN_EXIT_USAGE, "the program's seccomp filters were lost in exec");
	engine_fd_idle(eng.fd_base + GN_FD_EXEC);
	return;
by_hand:
	rt_die(GN_EXIT_USAGE, "gnomon-engine is started by gnomon, not by hand");
}

/* the engine's variables, by its own program headers */
static void tag_image(void)
{
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)__ehdr_start;
	const Elf64_Phdr *ph = (const Elf64_Phdr *)(__ehdr_start + eh->e_phoff);

	for (int i = 0; i < eh->e_phnum; i++) {
		u64 start = (u64)__ehdr_start + ph[i].p_vaddr;

		if (ph[i].p_type == PT_LOAD && ph[i].p_flags & PF_W)
			rt_pkey_tag((void *)PAGE_DOWN(start), PAGE_UP(start + ph[i].p_memsz) - PAGE_DOWN(start),
				    PROT_READ | PROT_WRITE);
	}
}

static void host_features(const struct initial *in)
{
	u64 hwcap2 = 0;

	stack_aux(in, AT_HWCAP2, &hwcap2);
	if (!(hwcap2 & HWCAP2_FSGSBASE))
		rt_die(GN_EXIT_USAGE, "programs may not use FSGSBASE here (needs Linux 5.9 and a CPU of 2012 or later)");
	eng.no_randomize = sys1(__NR_personality, 0xffffffff) & ADDR_NO_RANDOMIZE;
	eng.engine_lo = PAGE_DOWN((u64)__ehdr_start);
	eng.engine_hi = PAGE_UP((u64)_end);
	rt_own_range((void *)eng.engine_lo, eng.engine_hi - eng.engine_lo);
	tag_image();
}

/* the file was found fit before this exec; what fails now would have been the kernel's SIGSEGV */
static void __noreturn fail_late(const char *why, const char *culprit, long err)
{
	struct ksigaction dfl = { 0 };
	u64 segv = 1ull << (SIGSEGV - 1);
	const char *text = error_text(err);

	rt_log("%s: %s%s%s: %s", record.file, why, *culprit ? ", " : "", culprit, text ? text : "refused");
	sys4(__NR_rt_sigaction, SIGSEGV, &dfl, NULL, 8);
	sys4(__NR_rt_sigprocmask, SIG_UNBLOCK, &segv, NULL, 8);
	sys3(__NR_tgkill, sys0(__NR_getpid), sys0(__NR_gettid), SIGSEGV);
	rt_die(128 + SIGSEGV, "not killed");
}

static void __noreturn run_on_host(struct initial *in, const char *path)
{
	long r;

	if (eng.set.flags & GN_OPT_STRICT)
		rt_die(GN_EXIT_NOEXEC, "%s: %s: refused (--strict)", path, plan.why);
	report_native(path, plan.why);
	r = replace_host(NULL, AT_FDCWD, path, 0, in->argv, in->envp);
	cannot_run(path, NULL, "", r);
}

/* The user's command: nothing is planned yet. Gives the program's descriptor if it can be loaded right here,
 * else becomes something else. */
static int plan_raw(struct initial *in)
{
	char *path = record.file;
	bool sh = false;
	long r = plan_exec(&plan, AT_FDCWD, path, 0);

	if (r == -ENOEXEC && !plan.culprit && plan_is_text(AT_FDCWD, path)) {
		r = plan_exec(&plan, AT_FDCWD, "/bin/sh", 0); /* as execvp(3) */
		sh = true;
	}
	if (r)
		cannot_run(path, plan.culprit, plan.why, r);
	if (sh && plan.kind == PLAN_ENGINE && !plan.nfront) {
		plan.front[plan.nfront++] = "/bin/sh";
		plan.front[plan.nfront++] = path;
	}
	if (plan.kind == PLAN_HOST)
		run_on_host(in, path);
	if (plan.nfront) {
		r = replace_engine(NULL, &plan, in->argv, in->envp);
		cannot_run(path, NULL, "", r);
	}
	record = plan.rec;
	sys3(__NR_dup3, plan.fd, eng.fd_base + GN_FD_PROG, 0);
	plan_close(&plan);
	return eng.fd_base + GN_FD_PROG;
}

static void load(struct initial *in)
{
	bool raw = record.flags & GN_EXEC_RAW;
	int fd = raw ? plan_raw(in) : eng.fd_base + GN_FD_PROG;
	const char *why;
	long size, r;

	rt_strlcpy(eng.exe, record.file, sizeof(eng.exe));
	rt_strlcpy(eng.execfn, record.execfn, sizeof(eng.execfn));
	rt_strlcpy(eng.comm, record.comm, sizeof(eng.comm));
	eng.depth = record.depth;
	size = sys3(__NR_lseek, fd, 0, 2 /* SEEK_END */);
	r = size < 0 ? size : program_load(fd, (u64)size, in, &why, interp);
	if (r && raw)
		cannot_run(record.file, *interp ? interp : NULL, size < 0 ? "its descriptor" : why, r);
	if (r)
		fail_late(size < 0 ? "its descriptor" : why, interp, r);
	vma_set_flags(eng.stack_lo, eng.stack_hi, PROT_READ | PROT_WRITE | (eng.stack_exec ? PROT_EXEC : 0),
		      VMA_GROWSDOWN);
	sys5(__NR_prctl, PR_SET_NAME, eng.comm, 0, 0, 0);
}

/* Calls and returns need one to be translated at all; whether it is the guest's is a matter of v->shstk_on. */
static void start_shadow_stack(struct vcpu *v)
{
	struct { u64 cur, max; } lim = { 0, 0 };
	long r;

	sys4(__NR_prlimit64, 0, RLIMIT_STACK, NULL, &lim);
	lim.cur = min(lim.cur, SHSTK_DEFAULT_CAP);
	r = shstk_first(v, min(PAGE_UP(max(lim.cur, PAGE_SIZE)), (u64)SHSTK_SIZE_MAX));
	if (r)
		rt_die(GN_EXIT_USAGE, "no room for a shadow stack: %s (ulimit -v too small?)",
		       error_text(r) ? error_text(r) : "refused");
	v->shstk_on = eng.set.mode != GN_MODE_RUN;
}

/* what a BUG block says besides the condition. Host handlers find bugs too, with everything blocked */
static void describe_bug(void)
{
	u64 sync = 1ull << (SIGSEGV - 1) | 1ull << (SIGBUS - 1);

	report_bug();
	sys4(__NR_rt_sigprocmask, SIG_UNBLOCK, &sync, NULL, 8);
	cpu_describe(vcpu_self());
}

static void wire(void)
{
	cpu_up.syscall = kern_syscall;
	cpu_up.prot = vma_prot;
	cpu_up.guard_code = vma_guard_code;
	cpu_up.fork = kern_fork;
	cpu_up.shadow = shadow_at;
	cpu_up.int80 = kern_int80;
	cpu_up.at_entry = marks_at_entry;
	cpu_up.wants_endbr = marks_wants_endbr;
	cpu_up.shadow_new = shadow_new;
	cpu_child_init = kern_child_init;
	cpu_up.vsyscall = eng.vsyscall ? kern_vsyscall : NULL;
	cpu_up.deliver = sig_deliver;
	cpu_up.fault = sig_fault;
	cpu_up.report = report_violation;
	cpu_up.write_fault = vma_write_fault;
	cpu_up.interrupted = robust_interrupted;
	cpu_up.slot_lost = robust_drop;
	cpu_up.dying = robust_hold;
	cpu_up.alive = robust_release;
	cpu_up.unlock_used = sig_watch_deaths;
}

void __noreturn start_main(u64 *sp)
{
	struct initial in;
	struct vcpu *v;
	long r;

	stack_parse(&in, sp);
	attach(&in);
	host_features(&in);
	if (vma_init())
		rt_die(GN_EXIT_USAGE, "no memory for the map of the program's memory (ulimit -v too small?)");
	program_host_maps(&in);
	load(&in);
	wire();
	v = cpu_first_thread();
	if (!v)
		rt_die(GN_EXIT_USAGE, "no memory for the first thread (ulimit -v too small?)");
	rt_bug_hook = describe_bug;
	v->rip = eng.entry;
	v->gregs[RSP] = eng.start_stack;
	v->rflags = 0x202;
	v->seccomp = filters;
	sig_init();
	if (sig_thread_init(v, NULL) || kern_init(v))
		rt_die(GN_EXIT_USAGE, "no memory for the first thread (ulimit -v too small?)");
	start_shadow_stack(v);
	r = marks_start(v);
	if (r)
		rt_die(GN_EXIT_USAGE, "no room for the program's shadow stack: %s",
		       error_text(r) ? error_text(r) : "refused");
	report_exec(eng.exe);
	core_init(v);
	traced_enter_image(v, &record);
	cpu_run(v);
}
