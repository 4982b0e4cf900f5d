/* SPDX-License-Identifier: MIT */
/*
 * The dispatcher: what happens each time guest code leaves the cache. Called from enter.S on the thread's engine
 * stack with the guest's state in the vcpu; comes back with SLOT_RESUME set for v->rip.
 */
#include <linux/signal.h>
#include <linux/mman.h>
#include "cpu/cpu.h"
#include "cpu/emul.h"
#include "cpu/heirs.h"
#include "cpu/window.h"
#include "gnomon/board.h"
#include "gnomon/exit.h"
#include "rt/engine.h"
#include "xlate/critical.h"
#include "xlate/recipe.h"

#define VSYSCALL_PAGE 0xffffffffff600000ul
#define USER_TOP 0x7ffffffff000ul

struct cpu_upcalls cpu_up;

/* [holds: cache_lock] no block, exit or host address from before means anything afterwards */
static void flush_everything(struct vcpu *v)
{
	stop_others(v);
	__atomic_or_fetch(&v->pending, PEND_FLUSH, __ATOMIC_SEQ_CST);
	cache_flush_all();
	win_forget_all();
	v->stat_flush++;
}

void cpu_lock_cache(struct vcpu *v)
{
	if (unlikely(cache_lock()))
		flush_everything(v);
}

/* readable bytes of the page at pc for the translator. False: not executable */
static bool source_at(struct vcpu *v, gaddr_t pc, struct xlate_source *s, u8 *buf)
{
	int prot = cpu_up.prot(PAGE_DOWN(pc), NULL);
	struct insn in;
	gaddr_t next;

	if (prot < 0 || !(prot & PROT_EXEC))
		return false;
	s->pc = pc;
	s->front = ENTRY_NONE;
	s->code = (const u8 *)pc;
	s->avail = (u32)(PAGE_SIZE - pc % PAGE_SIZE);
	s->straddle = NULL;
	s->beyond = 0;
	next = PAGE_DOWN(pc) + PAGE_SIZE;
	if (unlikely(critical_at(pc)) && (prot = cpu_up.prot(next, NULL)) >= 0 && prot & PROT_EXEC)
		s->beyond = PAGE_SIZE;
	if (s->avail >= 15)
		return true;
	memcpy(buf, s->code, s->avail);
	prot = cpu_up.prot(next, NULL);
	if (prot >= 0 && prot & PROT_EXEC && !rt_copy_from_guest(buf + s->avail, next, 15)) {
		s->straddle = buf;
		s->straddle_len = s->avail + 15;
		return true;
	}
	v->fetch.at = next;
	v->fetch.signo = SIGBUS; /* if it may be executed and yet cannot be read */
	return insn_decode(&in, buf, s->avail, pc) != -EAGAIN;
}

/*
 * A store into its own page of code, which has just been opened for it: alone in a block, so that the page is guarded
 * again by whatever is built next and not before the store is done.
 */
static struct block *build_store(struct vcpu *v, const struct xlate_source *s, u8 res)
{
	bool one = xlate_opts.one_insn;
	struct block *b;

	v->store_at = 0;
	xlate_opts.one_insn = true;
	b = xlate_block(s, res);
	xlate_opts.one_insn = one;
	return b;
}

/* What a guest that single-steps runs next, and nothing else. A store into its own page goes ahead unguarded, as above */
static struct block *build_step(struct vcpu *v, const struct xlate_source *s, u8 res)
{
	bool one = xlate_opts.one_insn;
	struct block *b;

	if (v->store_at != s->pc)
		cpu_up.guard_code(PAGE_DOWN(s->pc));
	v->store_at = 0;
	xlate_opts.one_insn = true;
	b = xlate_block(s, res);
	if (!b) {
		flush_everything(v);
		b = xlate_block(s, res);
	}
	xlate_opts.one_insn = one;
	if (b && b->flags & BLOCK_STRADDLE)
		cpu_up.guard_code(PAGE_DOWN(s->pc) + PAGE_SIZE);
	return b;
}

static u64 dead_lo, dead_hi; /* host addresses of what sever() severs; under cache_lock */

static void block_dies(struct block *b)
{
	u64 host = (u64)block_host(b);

	cpu_tables_forget(b);
	dead_lo = min(dead_lo, host);
	dead_hi = max(dead_hi, host + b->host_len);
}

/* [holds: cache_lock] */
static void sever(struct vcpu *v, gaddr_t start, gaddr_t end)
{
	dead_lo = ~0ul;
	dead_hi = 0;
	if (cache_sever_range(start, end, block_dies))
		stop_stale(v, dead_lo, dead_hi);
}

/* Critical sections became known: what was made of their code before knows nothing of it */
static bool sever_critical(struct vcpu *v)
{
	gaddr_t lo = critical_new_lo, hi = critical_new_hi;

	if (likely(!hi))
		return false;
	critical_new_lo = critical_new_hi = 0;
	sever(v, lo, hi);
	return true;
}

static void __noreturn no_memory(gaddr_t pc)
{
	/* what was not run to its end is not clean: no verdict */
	__atomic_fetch_add(&eng.board->class_count[0], 1, __ATOMIC_RELAXED);
	rt_die(GN_EXIT_USAGE, "no memory for the code cache near %lx (ulimit -v or -d too small?)", pc);
}

static struct block *build(struct vcpu *v, gaddr_t pc, u8 res, enum block_entry front)
{
	struct xlate_source s;
	struct block *b;
	u8 buf[32];
	u64 t0;

	if (!source_at(v, pc, &s, buf))
		return NULL;
	if (res & RES_STEP) {
		if (v->step.code) {
			s.code = v->step.code;
			s.avail = 16;
			s.straddle = NULL;
		}
		b = build_step(v, &s, res);
		if (!b)
			no_memory(pc);
		return b;
	}
	if (v->store_at == pc) {
		b = build_store(v, &s, res);
		if (b)
			return b;
	}
	if (unlikely(pc >= eng.unlock_lo && pc < eng.unlock_hi) && !eng.unlock_used) {
		eng.unlock_used = true;
		cpu_up.unlock_used(v);
	}
	if (unlikely(pc == eng.watch_entry)) {
		eng.watch_entry = 0;
		cpu_up.at_entry(v);
	}
	t0 = cpu_stats_clock();
	s.front = front;
	cpu_up.guard_code(PAGE_DOWN(pc));
	b = xlate_block(&s, res);
	if (!b) {
		flush_everything(v);
		b = xlate_block(&s, res);
		if (!b)
			no_memory(pc);
	}
	if (b->flags & BLOCK_STRADDLE)
		cpu_up.guard_code(PAGE_DOWN(pc) + PAGE_SIZE);
	heirs_note(b, front);
	v->stat_blocks++;
	v->stat_build += cpu_stats_clock() - t0;
	return b;
}

/* Another thread may unmap what is being read. The translator changes nothing that others see before it has read all */
static struct block *build_caught(struct vcpu *v, gaddr_t pc, u8 res, enum block_entry front)
{
	struct rt_catch c = { .lo = PAGE_DOWN(pc), .hi = PAGE_DOWN(pc) + 2 * PAGE_SIZE };
	struct block *b;

	v->fetch.at = pc;
	v->fetch.signo = 0;
	v->catch = &c;
	if (!rt_catch(&c)) {
		rseq_learn(v);
		sever_critical(v);
		b = build(v, pc, res, front);
		if (sever_critical(v) && b && b->flags & BLOCK_DEAD)
			b = build(v, pc, res, front);
	} else {
		xlate_opts.one_insn = eng.set.flags & GN_OPT_CHAOS_STEP;
		v->fetch.at = pc;
		v->fetch.signo = c.signo;
		b = NULL;
	}
	v->catch = NULL;
	return b;
}

struct block *cpu_build(struct vcpu *v, gaddr_t pc, u8 res, enum block_entry front)
{
	u32 pkru = rt_pkey_ignore();
	struct block *b = build_caught(v, pc, res, front);

	rt_pkey_heed(pkru);
	return b;
}

struct block *cpu_build_step(struct vcpu *v, const u8 *code)
{
	struct block *b = cache_find(v->rip, RES_STEP | xlate_first_res());

	v->step.code = code;
	return b ? b : cpu_build(v, v->rip, RES_STEP | xlate_first_res(), ENTRY_NONE);
}

/* [holds: cache_lock] host entry for pc; NULL where the guest cannot execute. It may be inside a block, but not where a call
 * is to be linked to it */
static u8 *entry_of(struct vcpu *v, gaddr_t pc, u8 res, bool call, struct block **b)
{
	u8 *inside;

	*b = cache_find(pc, res);
	if (!*b && !res && !call && !xlate_opts.one_insn) {
		inside = cache_find_inside(pc, b);
		if (inside)
			return inside;
	}
	if (!*b)
		*b = cpu_build(v, pc, res, ENTRY_NONE);
	return *b ? block_host(*b) : NULL;
}

void cpu_resume_at(struct vcpu *v, u8 *host, u8 res)
{
	v->resume = (u64)host;
	v->resume_r11 = res & RES_R11_HOME ? v->gregs[R11] : v->twin_sp;
}

/*
 * v->rip could not be executed: the fault a fetch makes. None if it can be by now, but for what a file lacks. Addresses
 * of the kernel look protected whatever is there.
 */
static void fetch_fault(struct vcpu *v)
{
	gaddr_t at = v->fetch.at;
	int prot = cpu_up.prot(PAGE_DOWN(at), NULL);

	if (cpu_up.vsyscall && PAGE_DOWN(v->rip) == VSYSCALL_PAGE && cpu_up.vsyscall(v))
		return;
	if (!cpu_is_canonical(at))
		cpu_up.fault(v, SIGSEGV, 0x80 /* SI_KERNEL */, 0, 13, 0);
	else if (prot < 0 || !(prot & PROT_EXEC))
		cpu_up.fault(v, SIGSEGV, prot < 0 ? 1 : 2, at, 14, prot > 0 || at >= USER_TOP ? 0x15 : 0x14);
	else if (v->fetch.signo == SIGBUS)
		cpu_up.fault(v, SIGBUS, 2 /* BUS_ADRERR */, at, 14, 0x14);
}

static void chaos(struct vcpu *v)
{
	BUG_ON(eng.set.bug_nth && v->stat_dispatch == eng.set.bug_nth);
	if (unlikely(eng.set.yield_every) && v->stat_dispatch % eng.set.yield_every == 0)
		sys0(__NR_sched_yield); /* with the lock held: the others find it so */
	if (unlikely(eng.set.crash_nth) && v->stat_dispatch == eng.set.crash_nth)
		*(volatile u32 *)PAGE_SIZE = 0;
	if (eng.set.flags & GN_OPT_CHAOS_FLUSH && ++v->chaos % eng.set.flush_every == 0)
		flush_everything(v);
}

void cpu_prepare(struct vcpu *v)
{
	struct block *b;
	u8 *host;

	for (;;) {
		v->stat_dispatch++;
		v->trace[v->trace_at++ % ARRAY_SIZE(v->trace)] = v->rip;
		cpu_lock_cache(v);
		chaos(v);
		host = entry_of(v, v->rip, xlate_first_res(), false, &b);
		cache_unlock();
		if (host)
			break;
		fetch_fault(v);
	}
	cpu_resume_at(v, host, xlate_first_res());
}

u32 cpu_take_exit(struct vcpu *v)
{
	u32 id = v->exit_id;

	v->exit_id = 0;
	return id;
}

/* an exit nobody has linked yet */
void cpu_on_exit(struct vcpu *v)
{
	struct exit *x = cache_exit(cpu_take_exit(v));
	u64 generation = cache_generation;
	struct block *b;
	u8 *host;
	u8 res = x->res;

	v->rip = exit_target(x);
	cpu_go_outside(v);
	if (unlikely(v->step.on)) {
		step_exit(v);
		return;
	}
	cpu_lock_cache(v);
	v->stat_dispatch++;
	v->trace[v->trace_at++ % ARRAY_SIZE(v->trace)] = v->rip;
	chaos(v);
	host = entry_of(v, v->rip, res, x->kind == EXIT_CALL, &b);
	if (host && generation == cache_generation && !(exit_block(x)->flags & BLOCK_DEAD) && !x->to &&
	    !xlate_opts.one_insn) {
		cache_link(x, b, host - (x->kind == EXIT_CALL ? RECIPE_ENTRY_LEN : 0));
		if (x->to)
			heirs_note_link(x);
	}
	cache_unlock();
	if (host) {
		cpu_resume_at(v, host, res);
		return;
	}
	fetch_fault(v);
	cpu_prepare(v);
}

/* where it goes on in the block, and at which guest address, behind an instruction the engine executes */
struct behind {
	gaddr_t rip;
	u64 host;
};

static struct behind behind(u32 id)
{
	struct exit *x = cache_exit(id);

	return (struct behind){ exit_target(x), (u64)exit_site(exit_block(x), x) + (xlate_opts.sealed ? 4 : 0) };
}

/* if the block is dead by now, PEND_STALE or PEND_FLUSH says so at cpu_resume */
static void go_on_behind(struct vcpu *v, const struct behind *to)
{
	if (v->rip == to->rip) {
		cpu_resume_at(v, (u8 *)to->host, xlate_first_res());
	} else {
		cpu_prepare(v);
	}
}

void cpu_on_syscall(struct vcpu *v)
{
	struct behind next = behind(cpu_take_exit(v));

	v->rip = next.rip;
	cpu_go_outside(v);
	v->gregs[RCX] = v->rip;
	v->gregs[R11] = v->rflags;
	v->stat_syscalls++;
	cpu_up.syscall(v);
	go_on_behind(v, &next);
}

void cpu_on_emul(struct vcpu *v)
{
	u32 id = cpu_take_exit(v);
	struct block *b = exit_block(cache_exit(id));
	struct behind next = behind(id);

	v->rip = recipe_insn_before(b, next.rip);
	BUG_ON(!v->rip);
	cpu_go_outside(v);
	emul_insn(v);
	go_on_behind(v, &next);
}

void cpu_on_ret(struct vcpu *v);
void cpu_on_ret(struct vcpu *v)
{
	u32 extra = recipe_ret_extra(v->twin_sp);

	v->rip = recipe_ret_pc(v->twin_sp);
	BUG_ON(!v->rip && !v->guest_ss);
	cpu_go_outside(v);
	if (unlikely(!v->rip)) { /* another thread took this stack's memory away, and mapped it anew */
		ssp_fault(v, vcpu_ssp(v), false);
		cpu_prepare(v);
		return;
	}
	if (extra) { /* it matched before it got here; only its twin led nowhere */
		v->gregs[RSP] -= extra;
		if (rt_copy_from_guest(shstk_slot(v->twin_sp), v->gregs[RSP], 8))
			BUG_ON(!v->guest_ss); /* its memory went away meanwhile: the return will find out */
	}
	emul_return(v, extra);
	cpu_prepare(v);
}

void cpu_on_pending(struct vcpu *v);
void cpu_on_pending(struct vcpu *v)
{
	cpu_go_outside(v);
	if (unlikely(v->step.on))
		step_interrupted(v);
	if (v->pending & (PEND_FLUSH | PEND_STALE))
		stop_forget(v);
	if (v->pending & PEND_SIGNAL)
		cpu_up.deliver(v);
	if (unlikely(v->pending & PEND_STEP))
		step_one(v);
	else
		cpu_prepare(v);
}

void cpu_on_signal(struct vcpu *v);
void cpu_on_signal(struct vcpu *v)
{
	v->traced.called = 0; /* guest code has run */
	cpu_on_pending(v);
}

void cpu_on_fault(struct vcpu *v);
void cpu_on_fault(struct vcpu *v)
{
	struct cpu_fault f = v->fault;

	cpu_go_outside(v);
	if (unlikely(v->step.on))
		step_interrupted(v);
	if (unlikely(ssp_is_alias(v, f.addr)) && emul_faulting_transfer(v)) {
		cpu_prepare(v);
		return;
	}
	if (unlikely(shstk_is_full(v, f.addr))) {
		if (shstk_prune(v)) {
			cpu_prepare(v);
			return;
		}
		f.addr = v->ss.lo - 8; /* where the guest sees it */
		f.code = cpu_up.prot(PAGE_DOWN(f.addr), NULL) < 0 ? 1 : 2;
		f.err = 0x46;
	}
	if (f.trapno == 14 && f.err & 2 && !(f.err & 1))
		f.err |= ssp_present_bit(f.addr); /* the page may be there, but not for the host's view of it yet */
	cpu_up.fault(v, f.signo, f.code, f.addr, f.trapno, f.err);
	cpu_prepare(v);
}

void __noreturn cpu_run(struct vcpu *v)
{
	cpu_prepare(v);
	cpu_resume();
	__builtin_unreachable();
}

void cpu_invalidate(struct vcpu *v, gaddr_t start, gaddr_t end)
{
	cpu_lock_cache(v);
	sever(v, start, end);
	cache_unlock();
}
