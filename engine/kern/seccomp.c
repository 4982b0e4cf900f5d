/* SPDX-License-Identifier: MIT */
/*
 * seccomp: the guest's filters, run by the engine before each of the guest's calls, with the guest's numbers and
 * instruction pointer. The host gets none: it would stop the engine's own calls. Filters are never freed, as threads
 * and children share them; they go through exec behind the record (load/replace.c). Called on engine stacks, no locks held.
 */
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/signal.h>
#include "cpu/threads.h"
#include "kern/kern.h"
#include "kern/seccomp.h"
#include "kern/seccomp_bpf.h"
#include "kern/traced.h"

#define MAX_PATH 32768u /* MAX_INSNS_PER_PATH */
#define PENALTY 4
#define MAX_ERRNO_ 4095
#define FLAGS_KNOWN 0x3fu
#define FLAGS_LISTENER 0x28u /* NEW_LISTENER, WAIT_KILLABLE_RECV */

/* ---- before each call ---- */

static void __noreturn kill_thread(struct vcpu *v)
{
	const u64 status[6] = { SIGSYS };

	if (cpu_thread_count() > 1)
		sys_exit(v, status);
	sig_die(v, SIGSYS);
}

static bool strict(struct vcpu *v, u32 nr)
{
	if (nr == __NR_read || nr == __NR_write || nr == __NR_exit || nr == __NR_rt_sigreturn)
		return true;
	sys2(__NR_kill, v->pid, SIGKILL);
	return false;
}

static u32 verdict(const struct vcpu *v, const struct seccomp_data *d)
{
	u32 best = SECCOMP_RET_ALLOW;

	for (const struct seccomp_filter *f = v->seccomp; f; f = f->prev) {
		u32 r = bpf_run(f, d);

		if ((s32)(r & SECCOMP_RET_ACTION_FULL) < (s32)(best & SECCOMP_RET_ACTION_FULL))
			best = r;
	}
	return best;
}

static bool ask_tracer(struct vcpu *v, u32 data);

static bool obey(struct vcpu *v, const struct seccomp_data *d, bool again)
{
	u32 best = verdict(v, d);

	switch (best & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ALLOW:
	case SECCOMP_RET_LOG:
		return true;
	case SECCOMP_RET_ERRNO:
		v->gregs[RAX] = (u64)-(long)min(best & SECCOMP_RET_DATA, (u32)MAX_ERRNO_);
		return false;
	case SECCOMP_RET_TRAP:
		sig_sys(v, (int)(best & SECCOMP_RET_DATA), d->nr);
		return false;
	case SECCOMP_RET_TRACE:
		return again || ask_tracer(v, best & SECCOMP_RET_DATA);
	case SECCOMP_RET_USER_NOTIF: /* nobody listens */
		v->gregs[RAX] = (u64)-ENOSYS;
		return false;
	case SECCOMP_RET_KILL_THREAD:
		kill_thread(v);
	}
	sig_die(v, SIGSYS);
}

static bool filters_allow(struct vcpu *v, bool again)
{
	const u64 *g = v->gregs;
	const struct seccomp_data d = { .nr = (int)g[RAX], .arch = AUDIT_ARCH_X86_64, .instruction_pointer = v->rip,
					.args = { g[RDI], g[RSI], g[RDX], g[R10], g[R8], g[R9] } };

	return obey(v, &d, again);
}

/* SECCOMP_RET_TRACE. What the tracer has made of the call is judged once more, and not by it */
static bool ask_tracer(struct vcpu *v, u32 data)
{
	if (!traced_seccomp(v, data)) {
		v->gregs[RAX] = (u64)-ENOSYS;
		return false;
	}
	if ((s32)v->traced.orig_rax < 0)
		return false;
	v->gregs[RAX] = v->traced.orig_rax;
	return filters_allow(v, true);
}

bool seccomp_allows(struct vcpu *v, u32 nr)
{
	return v->seccomp_strict ? strict(v, nr) : filters_allow(v, false);
}

bool seccomp_allows32(struct vcpu *v, u32 nr)
{
	const u64 *g = v->gregs;
	const struct seccomp_data d = {
		.nr = (int)nr, .arch = AUDIT_ARCH_I386, .instruction_pointer = v->rip,
		.args = { (u32)g[RBX], (u32)g[RCX], (u32)g[RDX], (u32)g[RSI], (u32)g[RDI], (u32)g[RBP] },
	};

	return !v->seccomp || obey(v, &d, false);
}

/* ---- installing ---- */

static bool may_install(void)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2];

	if (sys5(__NR_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return true;
	return sys2(__NR_capget, &h, d) == 0 && d[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective & CAP_TO_MASK(CAP_SYS_ADMIN);
}

static struct seccomp_filter *filter_new(u32 len)
{
	struct seccomp_filter *f = rt_map(sizeof(*f) + len * sizeof(f->insn[0]));

	if (f)
		f->len = len;
	return f;
}

static void filter_free(struct seccomp_filter *f)
{
	rt_unmap(f, sizeof(*f) + f->len * sizeof(f->insn[0]));
}

/* the program of a struct sock_fprog */
static long copy_filter(gaddr_t from, struct seccomp_filter **ret)
{
	struct { u16 len; u64 at; } prog;
	struct seccomp_filter *f;

	if (rt_copy_from_guest(&prog, from, sizeof(prog)))
		return -EFAULT;
	if (!prog.len || prog.len > BPF_MAXINSNS)
		return -EINVAL;
	if (!may_install())
		return -EACCES;
	f = filter_new(prog.len);
	if (!f)
		return -ENOMEM;
	if (rt_copy_from_guest(f->insn, prog.at, prog.len * sizeof(f->insn[0]))) {
		filter_free(f);
		return -EFAULT;
	}
	if (!bpf_program_ok(f)) {
		filter_free(f);
		return -EINVAL;
	}
	*ret = f;
	return 0;
}

static bool is_ancestor(const struct seccomp_filter *of, const struct seccomp_filter *f)
{
	while (of && of != f)
		of = of->prev;
	return of == f;
}

/* all threads of the process get the caller's; or the id of one that has others */
static long sync_threads(struct vcpu *v, struct seccomp_filter *f)
{
	long bad = 0;

	cpu_threads_lock();
	for (struct vcpu *t = cpu_threads; t && !bad; t = t->next)
		if (t->pid == v->pid && (t->seccomp_strict || (t->seccomp && !is_ancestor(v->seccomp, t->seccomp))))
			bad = t->tid;
	for (struct vcpu *t = cpu_threads; t && !bad; t = t->next)
		if (t->pid == v->pid)
			__atomic_store_n(&t->seccomp, f, __ATOMIC_RELEASE);
	cpu_threads_unlock();
	return bad;
}

static long set_filter(struct vcpu *v, u32 flags, gaddr_t from)
{
	struct seccomp_filter *f;
	u32 total = 0;
	long r;

	if (flags & ~FLAGS_KNOWN)
		return -EINVAL;
	if (flags & FLAGS_LISTENER) {
		rt_log_once("seccomp: user notification is not possible under gnomon: EINVAL");
		return -EINVAL;
	}
	r = copy_filter(from, &f);
	if (r)
		return r;
	f->prev = v->seccomp;
	for (const struct seccomp_filter *p = f; p; p = p->prev)
		total += bpf_weight(p) + PENALTY;
	if (v->seccomp_strict || total - PENALTY > MAX_PATH) {
		r = v->seccomp_strict ? -EINVAL : -ENOMEM;
	} else if (flags & SECCOMP_FILTER_FLAG_TSYNC) {
		r = sync_threads(v, f);
		if (r && flags & SECCOMP_FILTER_FLAG_TSYNC_ESRCH)
			r = -ESRCH;
	} else {
		v->seccomp = f;
	}
	if (r)
		filter_free(f);
	return r;
}

static long set_strict(struct vcpu *v)
{
	if (v->seccomp)
		return -EINVAL;
	v->seccomp_strict = true;
	return 0;
}

static long action_available(gaddr_t at)
{
	u32 action;

	if (rt_copy_from_guest(&action, at, 4))
		return -EFAULT;
	switch (action) {
	case SECCOMP_RET_KILL_PROCESS: case SECCOMP_RET_KILL_THREAD: case SECCOMP_RET_TRAP: case SECCOMP_RET_ERRNO:
	case SECCOMP_RET_TRACE: case SECCOMP_RET_LOG: case SECCOMP_RET_ALLOW:
		return 0;
	}
	return -EOPNOTSUPP;
}

SYSCALL(seccomp)
{
	u32 flags = (u32)a[1];

	switch ((u32)a[0]) {
	case SECCOMP_SET_MODE_STRICT:
		return flags || a[2] ? -EINVAL : set_strict(v);
	case SECCOMP_SET_MODE_FILTER:
		return set_filter(v, flags, a[2]);
	case SECCOMP_GET_ACTION_AVAIL:
		return flags ? -EINVAL : action_available(a[2]);
	case SECCOMP_GET_NOTIF_SIZES:
		return sys3(__NR_seccomp, a[0], a[1], a[2]);
	}
	return -EINVAL;
}

long seccomp_prctl(struct vcpu *v, u64 mode, gaddr_t filter)
{
	switch (mode) {
	case SECCOMP_MODE_STRICT:
		return set_strict(v);
	case SECCOMP_MODE_FILTER:
		return set_filter(v, 0, filter);
	}
	return -EINVAL;
}

u32 seccomp_mode(const struct vcpu *v, u32 *filters)
{
	*filters = 0;
	for (const struct seccomp_filter *f = v->seccomp; f; f = f->prev)
		++*filters;
	return v->seccomp_strict ? SECCOMP_MODE_STRICT : v->seccomp ? SECCOMP_MODE_FILTER : SECCOMP_MODE_DISABLED;
}

/* ---- through exec: the newest first, each with its length in front ---- */

long seccomp_save(const struct vcpu *v, long (*put)(void *to, const void *from, size_t n), void *to)
{
	long r = 0;

	for (const struct seccomp_filter *f = v ? v->seccomp : NULL; f && !r; f = f->prev) {
		r = put(to, &f->len, sizeof(f->len));
		if (!r)
			r = put(to, f->insn, f->len * sizeof(f->insn[0]));
	}
	return r;
}

bool seccomp_restore(struct seccomp_filter **at, bool (*get)(void *from, void *to, size_t n), void *from)
{
	u32 len;

	while (get(from, &len, sizeof(len))) {
		struct seccomp_filter *f = len && len <= BPF_MAXINSNS ? filter_new(len) : NULL;

		if (!f || !get(from, f->insn, len * sizeof(f->insn[0])) || !bpf_program_ok(f))
			return false;
		*at = f;
		at = &f->prev;
	}
	return true;
}
