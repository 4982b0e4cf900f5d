/* SPDX-License-Identifier: MIT */
/*
 * The guest's trap flag: a program that single-steps itself. The flag is never on in the CPU; v->tf is the guest's, and
 * PEND_STEP, which is set for as long, brings every way into the cache here. An instruction that leaves its place, or
 * that shows the flags, is executed by the engine; any other runs alone in a block of its own (RES_STEP), whose one exit
 * leads back. POPF is copied, and turns the CPU's flag on: the host's handler takes it off again before the next guest
 * instruction (sig/host.c). Called by the dispatcher, on engine stacks, outside the cache.
 */
#include <linux/mman.h>
#include <linux/signal.h>
#include "cpu/emul.h"
#include "xlate/recipe.h"

#define REP_STRING(op) (((op) >= 0xa4 && (op) <= 0xa7) || ((op) >= 0xaa && (op) <= 0xaf) || ((op) >= 0x6c && (op) <= 0x6f))

void step_arm(struct vcpu *v)
{
	if (v->tf || v->traced.step)
		__atomic_or_fetch(&v->pending, PEND_STEP, __ATOMIC_SEQ_CST);
	else
		__atomic_and_fetch(&v->pending, ~(u32)PEND_STEP, __ATOMIC_SEQ_CST);
}

void step_set(struct vcpu *v, bool on)
{
	v->tf = on;
	step_arm(v);
}

static void trap(struct vcpu *v)
{
	cpu_up.fault(v, SIGTRAP, 2 /* TRAP_TRACE */, v->rip, 1, 0);
}

static u64 count_of(const struct vcpu *v)
{
	return v->step.addr32 ? (u32)v->gregs[RCX] : v->gregs[RCX];
}

/* one round of a repeated instruction is done: is there another one? */
static bool repeats(struct vcpu *v)
{
	bool compares = (v->step.opcode & 0xf6) == 0xa6, equal = v->rflags & FLAG_ZF;

	v->gregs[RCX] = v->step.addr32 ? (u32)v->gregs[RCX] - 1 : v->gregs[RCX] - 1;
	return count_of(v) && (!compares || equal == (v->step.rep == 0xf3));
}

/* the instruction that ran alone is done */
static void finish(struct vcpu *v)
{
	v->step.on = false;
	v->rip = v->step.rep && repeats(v) ? v->step.rip : v->step.next;
	step_arm(v);
	if (!v->step.quiet)
		trap(v);
}

/* The block's exit was reached */
void step_exit(struct vcpu *v)
{
	finish(v);
	cpu_prepare(v);
}

/* The engine was entered in some other way: before the instruction was done, or behind it. */
void step_interrupted(struct vcpu *v)
{
	if (v->rip != v->step.rip) {
		finish(v);
	} else {
		v->step.on = false;
		step_arm(v);
	}
}

static bool condition(u64 f, u32 cc)
{
	bool of = f & FLAG_OF, sf = f & FLAG_SF, r;

	switch (cc >> 1) {
	case 0: r = of; break;
	case 1: r = f & FLAG_CF; break;
	case 2: r = f & FLAG_ZF; break;
	case 3: r = f & (FLAG_CF | FLAG_ZF); break;
	case 4: r = sf; break;
	case 5: r = f & FLAG_PF; break;
	case 6: r = sf != of; break;
	default: r = (f & FLAG_ZF) || sf != of; break;
	}
	return r != (cc & 1);
}

/* loopne, loope, loop, jrcxz */
static bool loops(struct vcpu *v, const struct insn *in)
{
	bool zf = v->rflags & FLAG_ZF;
	u64 n;

	if (in->cc < 3)
		v->gregs[RCX] = in->addrsize ? (u32)v->gregs[RCX] - 1 : v->gregs[RCX] - 1;
	n = in->addrsize ? (u32)v->gregs[RCX] : v->gregs[RCX];
	return in->cc == 3 ? !n : n && (in->cc == 2 || zf == (in->cc == 1));
}

static void push_flags(struct vcpu *v, const struct insn *in)
{
	u32 size = in->opsize ? 2 : 8;
	u64 word = v->rflags | FLAG_TF, rsp = v->gregs[RSP] - size;

	if (!emul_store(v, rsp, &word, size))
		return;
	v->gregs[RSP] = rsp;
	v->rip += in->len;
}

static void pop_flags(struct vcpu *v, const struct insn *in)
{
	u64 word = 0, mask = in->opsize ? POPF_FLAGS & 0xffff : POPF_FLAGS;
	u32 size = in->opsize ? 2 : 8;

	if (!emul_load(v, &word, v->gregs[RSP], size))
		return;
	v->rflags = (v->rflags & ~mask) | (word & mask);
	v->gregs[RSP] += size;
	v->rip += in->len;
	step_set(v, word & FLAG_TF);
}

static void system_call(struct vcpu *v)
{
	v->rip += 2;
	v->gregs[RCX] = v->rip;
	v->gregs[R11] = v->rflags | (v->tf ? FLAG_TF : 0);
	cpu_up.syscall(v);
}

/* leaves out the prefixes that repeat it */
static void without_rep(u8 *code, const struct insn *in)
{
	u32 n = 0;

	for (u32 i = 0; i < 15; i++)
		if (i >= in->pfx_off || (code[i] != 0xf2 && code[i] != 0xf3))
			code[n++] = code[i];
}

static void run_alone(struct vcpu *v, const struct insn *in, u8 *code)
{
	struct block *b;
	bool string = in->rep && !in->map && !in->enc && REP_STRING(in->opcode);

	v->step = (struct stepping){ .rip = v->rip, .next = v->rip + in->len, .opcode = in->opcode,
				 .rep = string ? in->rep : 0, .addr32 = in->addrsize,
				 .quiet = in->opcode == 0x8e && !in->map && (in->modrm >> 3 & 7) == 2 /* mov to ss */ };
	if (string && !count_of(v)) {
		v->rip = v->step.next;
		trap(v);
		cpu_prepare(v);
		return;
	}
	if (string)
		without_rep(code, in);
	cpu_lock_cache(v);
	b = cpu_build_step(v, string ? code : NULL);
	cache_unlock();
	if (!b) {
		cpu_prepare(v); /* what cannot be fetched faults there */
		return;
	}
	__atomic_and_fetch(&v->pending, ~(u32)PEND_STEP, __ATOMIC_SEQ_CST);
	v->step.on = true;
	cpu_resume_at(v, block_host(b), xlate_first_res());
}

/* the bytes at v->rip; false where they may not be executed */
static bool fetch(struct vcpu *v, u8 code[32])
{
	size_t n = 15;

	for (gaddr_t p = PAGE_DOWN(v->rip); p < v->rip + 15; p += PAGE_SIZE) {
		int prot = cpu_up.prot(p, NULL);

		if (prot < 0 || !(prot & PROT_EXEC))
			n = p > v->rip ? p - v->rip : 0;
	}
	while (n && rt_copy_from_guest(code, v->rip, n))
		n--;
	return n;
}

/* true: it ran, or was told to be wrong; false: it is to run alone */
static bool by_engine(struct vcpu *v, const struct insn *in)
{
	switch (in->class) {
	case INSN_JCC:
		v->rip = condition(v->rflags, in->cc) ? in->target : v->rip + in->len;
		return true;
	case INSN_LOOP:
		v->rip = loops(v, in) ? in->target : v->rip + in->len;
		return true;
	case INSN_JMP:
		v->rip = in->target;
		return true;
	case INSN_POPF:
		pop_flags(v, in);
		return true;
	case INSN_PLAIN:
		if (!in->map && !in->enc && in->opcode == 0x9c) {
			push_flags(v, in);
			return true;
		}
	}
	if (xlate_copies(in))
		return false;
	emul_insn(v);
	return true;
}

/* What the engine executed ended as it should, and not by a trap of its own */
static bool is_done(const struct vcpu *v, const struct insn *in, gaddr_t rip)
{
	if (v->step.diverted || (in->class == INSN_INT && in->imm != 0x80))
		return false;
	if (v->rip == rip + in->len)
		return true;
	return (v->tf || v->traced.step) && (v->rip != rip || in->class == INSN_JMP || in->class == INSN_JCC ||
					     in->class == INSN_LOOP);
}

void step_one(struct vcpu *v)
{
	gaddr_t rip = v->rip;
	u8 code[32] = { 0 };
	struct insn in;

	if (!fetch(v, code)) {
		cpu_prepare(v);
		return;
	}
	insn_decode(&in, code, 15, rip);
	v->step.diverted = false;
	if (in.class == INSN_SYSCALL) { /* its return restores the flag, which counts from the next instruction on */
		system_call(v);
	} else if (!by_engine(v, &in)) {
		run_alone(v, &in, code);
		return;
	} else if (is_done(v, &in, rip)) {
		trap(v);
	}
	if (!(v->pending & PEND_STEP))
		cpu_prepare(v);
}
