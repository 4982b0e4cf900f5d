/* SPDX-License-Identifier: MIT */
/*
 * seccomp: the guest's filters, run by the engine before each of the guest's calls, with the guest's numbers and
 * instruction pointer. The host gets none: it would stop the engine's own calls. Filters are never freed, as threads
 * and children share them; they go through exec behind the record (load/replace.c). Called on engine stacks, no locks held.
 */
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <linux/signal.h>
#include "cpu/threads.h"
#include "kern/kern.h"
#include "kern/seccomp.h"
#include "kern/traced.h"

#define MAX_PATH 32768u /* MAX_INSNS_PER_PATH */
#define PENALTY 4
#define MAX_ERRNO_ 4095
#define FLAGS_KNOWN 0x3fu
#define FLAGS_LISTENER 0x28u /* NEW_LISTENER, WAIT_KILLABLE_RECV */

struct seccomp_filter {
	struct seccomp_filter *prev;
	u32 len;
	struct sock_filter insn[];
};

/* ---- what the kernel accepts ---- */

static bool jump_ok(const struct sock_filter *f, u32 at, u32 len)
{
	u32 left = len - at - 1;

	return BPF_OP(f->code) == BPF_JA ? f->k < left : f->jt < left && f->jf < left;
}

static bool insn_ok(const struct sock_filter *f, u32 at, u32 len)
{
	switch (f->code) {
	case BPF_LD | BPF_W | BPF_ABS:
		return f->k < sizeof(struct seccomp_data) && !(f->k & 3);
	case BPF_LD | BPF_W | BPF_LEN: case BPF_LDX | BPF_W | BPF_LEN:
	case BPF_LD | BPF_IMM: case BPF_LDX | BPF_IMM:
	case BPF_RET | BPF_K: case BPF_RET | BPF_A:
	case BPF_MISC | BPF_TAX: case BPF_MISC | BPF_TXA:
	case BPF_ALU | BPF_NEG:
	case BPF_ALU | BPF_ADD | BPF_K: case BPF_ALU | BPF_ADD | BPF_X:
	case BPF_ALU | BPF_SUB | BPF_K: case BPF_ALU | BPF_SUB | BPF_X:
	case BPF_ALU | BPF_MUL | BPF_K: case BPF_ALU | BPF_MUL | BPF_X:
	case BPF_ALU | BPF_AND | BPF_K: case BPF_ALU | BPF_AND | BPF_X:
	case BPF_ALU | BPF_OR | BPF_K: case BPF_ALU | BPF_OR | BPF_X:
	case BPF_ALU | BPF_XOR | BPF_K: case BPF_ALU | BPF_XOR | BPF_X:
	case BPF_ALU | BPF_DIV | BPF_X: case BPF_ALU | BPF_LSH | BPF_X: case BPF_ALU | BPF_RSH | BPF_X:
		return true;
	case BPF_ALU | BPF_DIV | BPF_K:
		return f->k;
	case BPF_ALU | BPF_LSH | BPF_K: case BPF_ALU | BPF_RSH | BPF_K:
		return f->k < 32;
	case BPF_LD | BPF_MEM: case BPF_LDX | BPF_MEM: case BPF_ST: case BPF_STX:
		return f->k < BPF_MEMWORDS;
	case BPF_JMP | BPF_JA:
	case BPF_JMP | BPF_JEQ | BPF_K: case BPF_JMP | BPF_JEQ | BPF_X:
	case BPF_JMP | BPF_JGT | BPF_K: case BPF_JMP | BPF_JGT | BPF_X:
	case BPF_JMP | BPF_JGE | BPF_K: case BPF_JMP | BPF_JGE | BPF_X:
	case BPF_JMP | BPF_JSET | BPF_K: case BPF_JMP | BPF_JSET | BPF_X:
		return jump_ok(f, at, len);
	}
	return false;
}

/* every scratch word that is loaded has been stored on all ways there; `valid`: len words, all ones */
static bool scratch_ok(const struct seccomp_filter *p, u16 *valid)
{
	u16 now = 0;

	for (u32 i = 0; i < p->len; i++) {
		const struct sock_filter *f = &p->insn[i];

		now &= valid[i];
		switch (f->code) {
		case BPF_ST: case BPF_STX:
			now |= (u16)(1u << f->k);
			break;
		case BPF_LD | BPF_MEM: case BPF_LDX | BPF_MEM:
			if (!(now >> f->k & 1))
				return false;
			break;
		case BPF_JMP | BPF_JA:
			valid[i + 1 + f->k] &= now;
			now = 0xffff;
			break;
		default:
			if (BPF_CLASS(f->code) != BPF_JMP)
				break;
			valid[i + 1 + f->jt] &= now;
			valid[i + 1 + f->jf] &= now;
			now = 0xffff;
		}
	}
	return true;
}

static bool program_ok(const struct seccomp_filter *p)
{
	u16 valid[BPF_MAXINSNS];

	for (u32 i = 0; i < p->len; i++)
		if (!insn_ok(&p->insn[i], i, p->len))
			return false;
	memset(valid, 0xff, p->len * sizeof(*valid));
	return BPF_CLASS(p->insn[p->len - 1].code) == BPF_RET && scratch_ok(p, valid);
}

/* The kernel counts what it makes of a program, not what it is given: bpf_convert_filter() of net/core/filter.c */
static u32 weight(const struct seccomp_filter *p)
{
	u32 n = 3;

	for (const struct sock_filter *f = p->insn; f < p->insn + p->len; f++) {
		n++;
		if (f->code == (BPF_RET | BPF_K))
			n++;
		else if (f->code == (BPF_ALU | BPF_DIV | BPF_X))
			n += 4;
		else if (BPF_CLASS(f->code) == BPF_JMP && BPF_OP(f->code) != BPF_JA)
			n += (BPF_SRC(f->code) == BPF_K && (s32)f->k < 0) +
			     (f->jf && (f->jt || BPF_OP(f->code) == BPF_JSET));
	}
	return n;
}

/* ---- running one ---- */

static u32 alu(u32 code, u32 a, u32 b)
{
	switch (BPF_OP(code)) {
	case BPF_ADD: return a + b;
	case BPF_SUB: return a - b;
	case BPF_MUL: return a * b;
	case BPF_DIV: return a / b;
	case BPF_AND: return a & b;
	case BPF_OR: return a | b;
	case BPF_XOR: return a ^ b;
	case BPF_LSH: return a << (b & 31);
	case BPF_RSH: return a >> (b & 31);
	}
	return -a;
}

static bool jumps(u32 code, u32 a, u32 b)
{
	switch (BPF_OP(code)) {
	case BPF_JEQ: return a == b;
	case BPF_JGT: return a > b;
	case BPF_JGE: return a >= b;
	}
	return a & b;
}

static u32 run(const struct seccomp_filter *p, const struct seccomp_data *d)
{
	u32 a = 0, x = 0, mem[BPF_MEMWORDS] = { 0 };

	for (const struct sock_filter *f = p->insn;; f++) {
		u32 b = BPF_SRC(f->code) == BPF_X ? x : f->k;

		switch (BPF_CLASS(f->code)) {
		case BPF_LD:
			if (BPF_MODE(f->code) == BPF_ABS)
				__builtin_memcpy(&a, (const u8 *)d + f->k, 4);
			else
				a = BPF_MODE(f->code) == BPF_MEM ? mem[f->k] : BPF_MODE(f->code) == BPF_LEN ? sizeof(*d) : f->k;
			break;
		case BPF_LDX:
			x = BPF_MODE(f->code) == BPF_MEM ? mem[f->k] : BPF_MODE(f->code) == BPF_LEN ? sizeof(*d) : f->k;
			break;
		case BPF_ST: mem[f->k] = a; break;
		case BPF_STX: mem[f->k] = x; break;
		case BPF_ALU:
			if (BPF_OP(f->code) == BPF_DIV && !b)
				return 0; /* SECCOMP_RET_KILL_THREAD */
			a = alu(f->code, a, b);
			break;
		case BPF_JMP:
			f += BPF_OP(f->code) == BPF_JA ? f->k : jumps(f->code, a, b) ? f->jt : f->jf;
			break;
		case BPF_RET:
			return BPF_RVAL(f->code) == BPF_A ? a : f->k;
		default:
			if (BPF_MISCOP(f->code) == BPF_TAX)
				x = a;
			else
				a = x;
		}
	}
}

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
		u32 r = run(f, d);

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
	if (!program_ok(f)) {
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
		total += weight(p) + PENALTY;
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

		if (!f || !get(from, f->insn, len * sizeof(f->insn[0])) || !program_ok(f))
			return false;
		*at = f;
		at = &f->prev;
	}
	return true;
}
