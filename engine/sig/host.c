/* SPDX-License-Identifier: MIT */
/*
 * The host's handler, for every signal: on the thread's host alternate stack, all signals blocked. It records,
 * turns an interrupted cache address into exact guest state, and redirects the thread; it never runs guest code
 * and takes no lock.
 */
#include <linux/signal.h>
#include "rt/engine.h"
#include "sig/ctx.h"
#include "sig/traced.h"
#include "xlate/recipe.h"

#define TF 0x100ul
#define DF 0x400ul
#define PF_PRESENT 1u
#define PF_KEY 0x20u
#define AC 0x40000ul /* alignment check: must not be on in the engine's own code */

static void to_hregs(const struct kucontext *uc, struct hregs *h)
{
	u64 r[16] = { uc->rax, uc->rcx, uc->rdx, uc->rbx, uc->rsp, uc->rbp, uc->rsi, uc->rdi,
		      uc->r8, uc->r9, uc->r10, uc->r11, uc->r12, uc->r13, uc->r14, uc->r15 };

	memcpy(h->r, r, sizeof(r));
	h->rip = uc->rip;
}

/* exact guest state into v for host address `pc`; false where no block holds it */
static bool recover(struct vcpu *v, const struct kucontext *uc, u64 pc)
{
	const struct recipe_slots slots = {
		v->gregs, v->twin_sp, *(u64 *)((u8 *)v + xl_slot_spill()), *(u64 *)((u8 *)v + xl_slot_tmp()),
	};
	struct block *b = cache_find_host(pc);
	struct recovered rec;
	struct hregs h;

	if (!b)
		return false;
	to_hregs(uc, &h);
	h.rip = pc;
	BUG_ON(recipe_recover(b, &h, &slots, &rec) && !v->guest_ss); /* else as in cpu_on_ret(): rip stays 0 */
	memcpy(v->gregs, h.r, sizeof(h.r));
	v->rip = rec.rip;
	v->twin_sp = rec.twin_sp;
	v->rflags = uc->eflags & ~TF;
	if (unlikely(uc->eflags & TF) && !v->sig->stepping) /* POPF has just turned it on */
		step_set(v, true);
	return true;
}

static void redirect(struct vcpu *v, struct kucontext *uc, void (*to)(void))
{
	uc->rip = (u64)to;
	uc->rsp = v->engine_sp;
	uc->eflags &= ~(TF | DF | AC);
	v->sig->stepping = false;
}

static bool in_range(u64 p, const u8 *lo, const u8 *hi)
{
	return p >= (u64)lo && p < (u64)hi;
}

/* something is pending: take the thread to where it will be looked at */
static void take_to_engine(struct vcpu *v, struct kucontext *uc)
{
	u64 pc = uc->rip;

	if (cache_arena_of(pc)) {
		if (recover(v, uc, pc)) {
			redirect(v, uc, cpu_from_signal);
		} else { /* a stub or an entry: a few instructions on there is a recipe */
			v->sig->stepping = true;
			uc->eflags |= TF;
		}
	} else if (in_range(pc, cpu_resume_check, cpu_resume_end)) {
		redirect(v, uc, cpu_resume_pending);
	} else if (pc >= (u64)sig_syscall_begin && pc <= (u64)sig_syscall_insn) {
		uc->rip = (u64)sig_syscall_interrupted;
	}
}

static void queue(struct vcpu *v, int signo, const u8 *info, struct kucontext *uc)
{
	struct sigctx *s = v->sig;

	uc->sigmask |= ~SYNC_SIGNALS; /* until this one is delivered the kernel keeps all others */
	if (s->queued & BIT(signo)) /* one of those that are never blocked: like all below SIGRTMIN, the first one counts */
		return;
	memcpy(s->info[signo], info, 128);
	__atomic_or_fetch(&s->queued, BIT(signo), __ATOMIC_SEQ_CST);
	if (!(SYNC_SIGNALS & BIT(signo) & s->mask))
		__atomic_or_fetch(&v->pending, PEND_SIGNAL, __ATOMIC_SEQ_CST);
}

/* nothing that the guest knows of is where the engine's memory is */
static void note_key(struct vcpu *v, const u8 *info)
{
	__builtin_memcpy(&v->fault.pkey, info + INFO_PKEY, 4);
	if ((int)v->fault.pkey != rt_pkey.key)
		return;
	v->fault.code = 1; /* SEGV_MAPERR */
	v->fault.err &= ~(u64)(PF_PRESENT | PF_KEY);
}

static void note_fault(struct vcpu *v, int signo, const u8 *info, const struct kucontext *uc)
{
	s32 code;

	__builtin_memcpy(&code, info + 8, 4);
	__builtin_memcpy(&v->fault.addr, info + 16, 8);
	v->fault.signo = signo;
	v->fault.code = code;
	v->fault.trapno = (int)uc->trapno;
	v->fault.err = uc->err;
	if (unlikely(code == SEGV_PKUERR_CODE && signo == SIGSEGV))
		note_key(v, info);
}

static bool cpu_fault_at(struct vcpu *v, int signo, const u8 *info, struct kucontext *uc)
{
	u64 pc = uc->rip;

	if (!cache_arena_of(pc))
		return false;
	if (signo == SIGTRAP && uc->trapno == 3)
		pc--;
	if (!recover(v, uc, pc))
		return false;
	if (signo == SIGTRAP && uc->trapno == 3)
		v->rip++;
	note_fault(v, signo, info, uc);
	if (signo == SIGILL || signo == SIGFPE)
		v->fault.addr = v->rip;
	redirect(v, uc, cpu_from_fault);
	return true;
}

/*
 * A host ret through a twin that was flushed, or through memory that is no twin: where SSP was set to the middle of a word,
 * or two stacks of the guest's touch each other. The engine executes the RET.
 */
static bool bad_twin(struct vcpu *v, int signo, struct kucontext *uc)
{
	if (signo != SIGSEGV)
		return false;
	if (uc->trapno == 13 && v->guest_ss && cache_arena_of(uc->rip) && *(u8 *)uc->rip == 0xc3)
		uc->rsp += 8; /* no address at all: it has not been popped */
	else if (uc->rip && (!v->guest_ss || uc->trapno != 14 || uc->rip != uc->cr2))
		return false;
	uc->rip = (u64)cpu_ret_miss;
	return true;
}

/* the translator's source is not there any more */
static bool end_translation(struct vcpu *v, int signo, struct kucontext *uc)
{
	struct rt_catch *c = v->catch;

	if (!c || (signo != SIGSEGV && signo != SIGBUS) || uc->cr2 < c->lo || uc->cr2 >= c->hi)
		return false;
	c->signo = signo;
	uc->rdi = (u64)c;
	uc->rip = (u64)rt_catch_land;
	return true;
}

static void die_of_bug(int signo, struct kucontext *uc)
{
	rt_log("signal %d in the engine at %lx (engine base %lx), address %lx, rsp %lx", signo, uc->rip,
	       eng.engine_lo, uc->cr2, uc->rsp);
	rt_bug(__FILE__, __LINE__, "fault in the engine");
}

/* somebody sent it */
static void sent(struct vcpu *v, int signo, const u8 *info, struct kucontext *uc)
{
	u8 real[128];
	int other;

	if (stop_is_kick(v, signo, info))
		return;
	if (!traced_is_word(v, signo, info, real, &other))
		queue(v, signo, info, uc);
	else if (other)
		queue(v, other, real, uc);
	else if (signo == TRACED_BELL) /* what was said may be about how the next one is handled */
		uc->sigmask |= ~SYNC_SIGNALS;
}

void sig_host_handler(int signo, u8 *info, struct kucontext *uc)
{
	struct vcpu *v = vcpu_self();
	s32 code;
	u64 fix;

	__builtin_memcpy(&code, info + 8, 4);
	if (!(SYNC_SIGNALS & BIT(signo)) || code <= 0) {
		sent(v, signo, info, uc);
		if (v->pending)
			take_to_engine(v, uc);
		return;
	}
	if (signo == SIGTRAP && v->sig->stepping) {
		v->sig->stepping = false;
		uc->eflags &= ~TF;
		take_to_engine(v, uc);
		return;
	}
	if (bad_twin(v, signo, uc))
		return;
	if (signo == SIGTRAP && uc->eflags & TF) { /* POPF turned it on; no guest instruction ran since (cpu/step.c) */
		step_set(v, true);
		uc->eflags &= ~TF;
		take_to_engine(v, uc);
		return;
	}
	if (cpu_fault_at(v, signo, info, uc))
		return;
	if (signo == SIGSEGV && code == 2 && rt_fault_fixup(uc->rip) && cpu_up.write_fault &&
	    cpu_up.write_fault(v, uc->cr2))
		return;
	fix = rt_fault_fixup(uc->rip);
	if (!fix && signo == SIGSEGV && code == SI_KERNEL && rseq_has_area(v)) { /* the kernel does not like what is there */
		queue(v, signo, info, uc);
		take_to_engine(v, uc);
		return;
	}
	if (!fix) {
		if (!end_translation(v, signo, uc))
			die_of_bug(signo, uc);
		return;
	}
	note_fault(v, signo, info, uc);
	uc->rip = fix;
}
