/* SPDX-License-Identifier: MIT */
/*
 * A traced thread's system calls, births and images: where it stops for its tracer besides signals (sig/traced.c), and what
 * it does on its tracer's behalf. No process pays for it before it is traced: only then does cpu_up.syscall lead here.
 * Runs on the engine stack of the thread concerned.
 */
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/signal.h>
#include "cpu/cpu.h"
#include "cpu/threads.h"
#include "kern/proc.h"
#include "kern/shadow.h"
#include "kern/traced.h"
#include "kern/tracee.h"
#include "sig/traced.h"

#define MADE_BY_NO_CALL (~0ul) /* orig_rax */

/* ---- what the tracer has us do ---- */

static void forget_ranges(struct vcpu *v)
{
	struct traced *t = &v->traced;

	for (u32 i = 0; i < t->nranges; i++)
		cpu_invalidate(v, t->ranges[i][0], t->ranges[i][1]);
	t->nranges = 0;
}

static void serve(struct vcpu *v)
{
	struct traced *t = &v->traced;

	switch ((enum traced_request)t->request) {
	case TRACED_NOTHING:
		break;
	case TRACED_FORGET:
		forget_ranges(v);
		t->result = 0;
		break;
	case TRACED_SSP:
		ssp_leave(v);
		ssp_enter(v, t->value[0]);
		t->result = 0;
		break;
	case TRACED_PRCTL:
		t->result = traced_prctl(v, (u32)t->value[0], t->value[1]);
		break;
	case TRACED_POKE:
		t->result = shadow_poke(t->value[0], &t->value[1], 8);
		break;
	case TRACED_OPEN:
		t->result = proc_open_own(v, (enum proc_file)t->value[0], (long)t->value[1]);
		break;
	case TRACED_CLOSE:
		t->result = sys1(__NR_close, t->value[0]);
		break;
	case TRACED_PROGRAM:
		t->result = eng.fd_base + GN_FD_PROG;
		break;
	}
}

/* ---- system calls ---- */

static bool stops_at_calls(const struct traced *t)
{
	return t->mode == PTRACE_SYSCALL || t->mode == PTRACE_SYSEMU || t->mode == PTRACE_SYSEMU_SINGLESTEP;
}

/* PTRACE_CONT and its kind at the stop of a call: the signal is sent, not delivered at once */
static void call_stop(struct vcpu *v, enum traced_where where)
{
	struct traced *t = &v->traced;

	t->message = where == TRACED_ENTRY ? PTRACE_EVENTMSG_SYSCALL_ENTRY : PTRACE_EVENTMSG_SYSCALL_EXIT;
	traced_stop(v, where, SIGTRAP | (t->options & PTRACE_O_TRACESYSGOOD ? 0x80 : 0), NULL);
	if (t->signo)
		sys3(__NR_tgkill, v->pid, v->tid, t->signo);
}

/* the event that a clone with these flags is, if the tracer wants it */
static u32 birth_event(const struct traced *t, u64 flags, u64 exit_signal)
{
	u32 event = PTRACE_EVENT_FORK;

	if (flags & CLONE_UNTRACED)
		return 0;
	if (flags & CLONE_VFORK)
		event = PTRACE_EVENT_VFORK;
	else if (exit_signal != SIGCHLD)
		event = PTRACE_EVENT_CLONE;
	return t->options & 1u << event ? event : 0;
}

/* What is about to be born. The host reports it, unless memory is copied: then locks are held, and the engine does. False:
 * it could not be traced, and must not be */
static bool expect_child(struct vcpu *v, u32 nr)
{
	struct traced *t = &v->traced;
	struct kclone_args ca = { .exit_signal = SIGCHLD };

	switch (nr) {
	case __NR_fork:
		break;
	case __NR_vfork:
		ca.flags = CLONE_VFORK | CLONE_VM;
		break;
	case __NR_clone:
		ca.flags = v->gregs[RDI];
		ca.exit_signal = ca.flags & CSIGNAL;
		break;
	case __NR_clone3:
		if (rt_copy_from_guest(&ca, v->gregs[RDI], 64))
			return true;
		break;
	default:
		return true;
	}
	t->child_event = birth_event(t, ca.flags, ca.exit_signal);
	if (!t->child_event && ca.flags & CLONE_PTRACE)
		t->child_event = PTRACE_EVENT_STOP;
	if (t->child_event && t->barren) {
		t->child_event = 0;
		return false;
	}
	t->fork_event = ca.flags & CLONE_VM || t->child_event == PTRACE_EVENT_STOP ? 0 : t->child_event;
	return true;
}

static void report_child(struct vcpu *v)
{
	struct traced *t = &v->traced;
	u32 event = t->fork_event;
	long r = (long)v->gregs[RAX];

	t->child_event = t->fork_event = 0;
	if (!event || r <= 0)
		return;
	v->gregs[RAX] = (u64)-ENOSYS;
	t->message = (u64)r;
	traced_stop(v, TRACED_EVENT, SIGTRAP | (int)event << 8, NULL);
	v->gregs[RAX] = (u64)r;
}

/* how the kernel's own result looks where a call is to be made again */
static long restart_code(u32 nr, const u64 a[6])
{
	switch (sig_restart_of(nr, a)) {
	case RESTART_NEVER: return -EINTR;
	case RESTART_SYS: return -512;
	case RESTART_ALWAYS: return -513;
	case RESTART_NOHAND: return -514;
	case RESTART_BLOCK: return -516;
	}
	return -EINTR;
}

/* the stop behind a call, with the result the kernel would show there */
static void leave_call(struct vcpu *v, u32 nr, const u64 a[6], gaddr_t behind)
{
	u64 *rax = &v->gregs[RAX], result = *rax;
	bool again = v->rip == behind - 2 && result == nr && nr != __NR_rt_sigreturn;
	u64 shown = again || result == (u64)-EINTR ? (u64)restart_code(nr, a) : result;

	if (again)
		v->rip = behind;
	*rax = shown;
	call_stop(v, TRACED_EXIT);
	if (shown == result || *rax != shown || v->rip != behind)
		return;
	*rax = result;
	if (again)
		v->rip -= 2;
}

/* false: it is not to be made */
static bool enter_call(struct vcpu *v, u32 *nr)
{
	struct traced *t = &v->traced;
	bool emulated = t->mode != PTRACE_SYSCALL;

	v->gregs[RAX] = (u64)-ENOSYS;
	call_stop(v, TRACED_ENTRY);
	*nr = (u32)t->orig_rax;
	if (emulated || *nr == (u32)-1)
		return false;
	v->gregs[RAX] = *nr;
	return true;
}

/* the call itself: its number and arguments are what the tracer has left of them */
static void make_call(struct vcpu *v, u32 nr, u64 a[6])
{
	struct traced *t = &v->traced;
	const u64 *g = v->gregs;
	const u64 now[6] = { g[RDI], g[RSI], g[RDX], g[R10], g[R8], g[R9] };

	memcpy(a, now, sizeof(now));
	if (!expect_child(v, nr)) {
		v->gregs[RAX] = (u64)-ENOMEM;
		return;
	}
	t->calling = true;
	kern_syscall(v);
	t->calling = false;
	if (nr == __NR_rt_sigreturn) /* what was interrupted was none, as far as anybody can tell */
		t->orig_rax = MADE_BY_NO_CALL;
	report_child(v);
}

bool traced_seccomp(struct vcpu *v, u32 data)
{
	struct traced *t = &v->traced;

	if (!t->on || !(t->options & PTRACE_O_TRACESECCOMP))
		return false;
	v->gregs[RAX] = (u64)-ENOSYS;
	t->message = data;
	traced_stop(v, TRACED_EVENT, SIGTRAP | PTRACE_EVENT_SECCOMP << 8, NULL);
	return true;
}

static void call(struct vcpu *v)
{
	struct traced *t = &v->traced;
	u32 real = (u32)v->gregs[RAX], nr = real;
	bool resumed = t->resumed == v->rip - 2;
	gaddr_t behind = v->rip;
	u64 a[6] = { 0 };

	t->orig_rax = resumed ? __NR_restart_syscall : v->gregs[RAX];
	t->resumed = 0;
	if (!stops_at_calls(t) || enter_call(v, &nr)) {
		if (resumed && nr == __NR_restart_syscall)
			v->gregs[RAX] = nr = real;
		make_call(v, nr, a);
	}
	if (t->mode == PTRACE_SYSCALL)
		leave_call(v, nr, a, behind);
	traced_called(v, t->orig_rax);
	if (t->mode != PTRACE_SYSCALL && t->step)
		sig_fault(v, SIGTRAP, 1 /* TRAP_BRKPT */, v->rip, 1, 0);
}

static void traced_syscall(struct vcpu *v)
{
	if (v->traced.on)
		call(v);
	else
		kern_syscall(v);
}

/* a thread begins to be traced */
static void wire(void)
{
	cpu_up.syscall = traced_syscall;
}

void traced_init(void)
{
	traced_serve = serve;
	traced_wire = wire;
}

/* ---- how it begins ---- */

/*
 * A parent that runs natively, gnomon itself before all, would see the engine, and could not let it go on. It is told
 * nothing: the thread goes on untraced, as far as its program can tell traced.
 */
static bool nobody_to_trace(bool *first)
{
	static bool asked;

	if (tracee_is_engine((int)sys0(__NR_getppid)))
		return false;
	rt_log_once("ptrace(PTRACE_TRACEME): the parent does not run under gnomon and sees nothing of it");
	*first = !__atomic_exchange_n(&asked, true, __ATOMIC_RELAXED);
	return true;
}

long traced_me(struct vcpu *v)
{
	bool first;
	long r;

	if (v->traced.on)
		return -EPERM;
	if (nobody_to_trace(&first))
		return first ? 0 : -EPERM;
	memset(&v->traced, 0, sizeof(v->traced));
	traced_begin(v, false); /* before the first signal can stop us */
	r = sys4(__NR_ptrace, PTRACE_TRACEME, 0, 0, 0);
	if (r)
		v->traced.on = false;
	return r;
}

void traced_child(struct vcpu *v)
{
	struct traced *t = &v->traced;
	u8 info[128] = { SIGSTOP };
	bool seized = t->seized;
	u32 options = t->options;
	u64 call = t->orig_rax;

	if (!t->on && !t->child_event)
		return;
	if (!t->child_event) {
		memset(t, 0, sizeof(*t));
		return;
	}
	memset(t, 0, sizeof(*t));
	t->options = options;
	traced_begin(v, seized);
	v->gregs[RAX] = 0;
	traced_called(v, call);
	if (!seized) {
		sig_queue(v, SIGSTOP, info);
		return;
	}
	t->said = TRACED_SAID_INTERRUPT;
	__atomic_or_fetch(&v->pending, PEND_SIGNAL, __ATOMIC_SEQ_CST);
}

/* ---- exec ---- */

void traced_leave_image(const struct vcpu *v, struct gn_exec *rec)
{
	const struct traced *t = &v->traced;

	rec->traced = t->on ? GN_TRACED | (t->seized ? GN_TRACED_SEIZED : 0) : 0;
	rec->traced_options = t->options;
	rec->traced_mode = t->mode;
	rec->traced_tid = (u32)v->tid;
}

/* the stops of an execve that has come about, in the kernel's order */
void traced_enter_image(struct vcpu *v, const struct gn_exec *rec)
{
	s32 info[32] = { SIGTRAP, 0, SI_USER, 0, v->pid, (s32)sys0(__NR_getuid) };
	struct traced *t = &v->traced;

	if (!(rec->traced & GN_TRACED))
		return;
	traced_begin(v, rec->traced & GN_TRACED_SEIZED);
	t->options = rec->traced_options;
	t->mode = rec->traced_mode;
	t->orig_rax = __NR_execve;
	if (t->options & PTRACE_O_TRACEEXEC) {
		t->message = rec->traced_tid;
		v->gregs[RAX] = (u64)-ENOSYS;
		traced_stop(v, TRACED_EVENT, SIGTRAP | PTRACE_EVENT_EXEC << 8, NULL);
		v->gregs[RAX] = 0;
	}
	if (t->mode == PTRACE_SYSCALL)
		call_stop(v, TRACED_EXIT);
	traced_called(v, __NR_execve);
	if (!(t->options & PTRACE_O_TRACEEXEC) && !t->seized)
		sig_queue(v, SIGTRAP, (const u8 *)info);
}
