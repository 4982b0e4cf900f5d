/* SPDX-License-Identifier: MIT */
/*
 * The dispatcher: what happens each time guest code leaves the cache. Called from enter.S on the thread's engine
 * stack with the guest's state in the vcpu; comes back with SLOT_RESUME set for v->rip.
 */
#include <linux/signal.h>
#include <linux/mman.h>
#include "cpu/cpu.h"
#include "gnomon/board.h"
#include "gnomon/exit.h"
#include "rt/engine.h"
#include "xlate/recipe.h"

#define VSYSCALL_PAGE 0xffffffffff600000ul
#define USER_TOP 0x7ffffffff000ul

struct cpu_upcalls cpu_up;

static void flush_everything(struct vcpu *v)
{
	cpu_tables_reset();
	shstk_forget_all();
	cache_flush_all();
	v->stat_flush++;
}

/* readable bytes of the page at pc for the translator. False: not executable */
static bool source_at(gaddr_t pc, struct xlate_source *s, u8 *buf)
{
	int prot = cpu_up.prot(PAGE_DOWN(pc), NULL);

	if (prot < 0 || !(prot & PROT_EXEC))
		return false;
	s->pc = pc;
	s->code = (const u8 *)pc;
	s->avail = (u32)(PAGE_SIZE - pc % PAGE_SIZE);
	s->straddle = NULL;
	if (s->avail >= 15)
		return true;
	prot = cpu_up.prot(PAGE_DOWN(pc) + PAGE_SIZE, NULL);
	if (prot < 0 || !(prot & PROT_EXEC))
		return true;
	memcpy(buf, (const u8 *)pc, s->avail + 15);
	s->straddle = buf;
	s->straddle_len = s->avail + 15;
	return true;
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

static void __noreturn no_memory(gaddr_t pc)
{
	/* what was not run to its end is not clean: no verdict */
	__atomic_fetch_add(&eng.board->class_count[0], 1, __ATOMIC_RELAXED);
	rt_die(GN_EXIT_USAGE, "no memory for the code cache near %lx (ulimit -v or -d too small?)", pc);
}

struct block *cpu_build(struct vcpu *v, gaddr_t pc, u8 res)
{
	struct xlate_source s;
	struct block *b;
	u8 buf[32];
	u64 t0;

	if (!source_at(pc, &s, buf))
		return NULL;
	if (v->store_at == pc) {
		b = build_store(v, &s, res);
		if (b)
			return b;
	}
	t0 = cpu_stats_clock();
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
	v->stat_blocks++;
	v->stat_build += cpu_stats_clock() - t0;
	return b;
}

/* [holds: cache_lock] host entry for pc; NULL where the guest cannot execute. *b may be NULL for an entry inside */
static u8 *entry_of(struct vcpu *v, gaddr_t pc, u8 res, struct block **b)
{
	u8 *inside;

	*b = cache_find(pc, res);
	if (!*b && !res && !xlate_opts.one_insn) {
		inside = cache_find_inside(pc, b);
		if (inside)
			return inside;
	}
	if (!*b)
		*b = cpu_build(v, pc, res);
	return *b ? block_host(*b) : NULL;
}

static void resume_at(struct vcpu *v, u8 *host, u8 res)
{
	v->resume = (u64)host;
	v->resume_r11 = res & RES_R11_HOME ? v->gregs[R11] : v->twin_sp;
}

/* v->rip cannot be executed: the fault a fetch makes. Addresses of the kernel look protected whatever is there */
static void fetch_fault(struct vcpu *v)
{
	bool mapped = cpu_up.prot(PAGE_DOWN(v->rip), NULL) >= 0;

	if (cpu_up.vsyscall && PAGE_DOWN(v->rip) == VSYSCALL_PAGE && cpu_up.vsyscall(v))
		return;
	if (!cpu_is_canonical(v->rip))
		cpu_up.fault(v, SIGSEGV, 0x80 /* SI_KERNEL */, 0, 13, 0);
	else
		cpu_up.fault(v, SIGSEGV, mapped ? 2 : 1, v->rip, 14, mapped || v->rip >= USER_TOP ? 0x15 : 0x14);
}

static void chaos(struct vcpu *v)
{
	BUG_ON(eng.set.bug_nth && v->stat_dispatch == eng.set.bug_nth);
	if (unlikely(eng.set.crash_nth) && v->stat_dispatch == eng.set.crash_nth)
		*(volatile u32 *)PAGE_SIZE = 0;
	if (eng.set.flags & GN_OPT_CHAOS_FLUSH && ++v->chaos % eng.set.flush_every == 0 && cpu_thread_count() == 1)
		flush_everything(v);
}

void cpu_prepare(struct vcpu *v)
{
	struct block *b;
	u8 *host;

	for (;;) {
		v->stat_dispatch++;
		v->trace[v->trace_at++ % ARRAY_SIZE(v->trace)] = v->rip;
		cache_lock();
		chaos(v);
		host = entry_of(v, v->rip, 0, &b);
		cache_unlock();
		if (host)
			break;
		fetch_fault(v);
	}
	resume_at(v, host, 0);
}

/* what SLOT_EXIT says; only cpu_on_jmiss() may be reached without one */
static u32 take_exit_id(struct vcpu *v)
{
	u32 id = v->exit_id;

	v->exit_id = 0;
	return id;
}

/* an exit nobody has linked yet */
void cpu_on_exit(struct vcpu *v);
void cpu_on_exit(struct vcpu *v)
{
	struct exit *x = cache_exit(take_exit_id(v));
	u64 epoch = cache_epoch;
	struct block *b;
	u8 *host;
	u8 res = x->res;

	v->rip = exit_target(x);
	cache_lock();
	v->stat_dispatch++;
	v->trace[v->trace_at++ % ARRAY_SIZE(v->trace)] = v->rip;
	chaos(v);
	host = entry_of(v, v->rip, res, &b);
	if (host && epoch == cache_epoch && !x->to && !xlate_opts.one_insn) {
		if (x->kind == EXIT_JMP)
			cache_link(x, b, host);
		else if (host == block_host(b))
			cache_link(x, b, host - RECIPE_ENTRY_LEN);
	}
	cache_unlock();
	if (host) {
		resume_at(v, host, res);
		return;
	}
	fetch_fault(v);
	cpu_prepare(v);
}

/* back into the block behind an instruction the engine executed */
static void go_on_behind(struct vcpu *v, u32 id, u64 epoch)
{
	struct exit *x = cache_exit(id);

	if (epoch == cache_epoch && v->rip == exit_target(x)) {
		v->resume = (u64)exit_site(exit_block(x), x);
		v->resume_r11 = v->twin_sp;
	} else {
		cpu_prepare(v);
	}
}

void cpu_on_syscall(struct vcpu *v);
void cpu_on_syscall(struct vcpu *v)
{
	u32 id = take_exit_id(v);
	u64 epoch = cache_epoch;

	v->rip = exit_target(cache_exit(id));
	v->gregs[RCX] = v->rip;
	v->gregs[R11] = v->rflags;
	v->stat_syscalls++;
	cpu_up.syscall(v);
	go_on_behind(v, id, epoch);
}

void cpu_on_emul(struct vcpu *v);
void cpu_on_emul(struct vcpu *v)
{
	u32 id = take_exit_id(v);
	u64 epoch = cache_epoch;
	struct block *b = exit_block(cache_exit(id));
	gaddr_t next = exit_target(cache_exit(id));
	struct recipe_walk w;

	v->rip = 0;
	recipe_walk_init(&w, b);
	while (recipe_walk_next(&w))
		if (w.glen && b->pc + w.goff + w.glen == next)
			v->rip = b->pc + w.goff;
	BUG_ON(!v->rip);
	emul_insn(v);
	go_on_behind(v, id, epoch);
}

void cpu_on_ret(struct vcpu *v);
void cpu_on_ret(struct vcpu *v)
{
	u32 extra = recipe_ret_extra(v->twin_sp);

	v->rip = recipe_ret_pc(v->twin_sp);
	BUG_ON(!v->rip);
	if (extra) { /* it matched before it got here; only its twin led nowhere */
		v->gregs[RSP] -= extra;
		*shstk_slot(v->twin_sp) = *(u64 *)v->gregs[RSP];
	}
	emul_return(v, extra);
	cpu_prepare(v);
}

void cpu_on_pending(struct vcpu *v);
void cpu_on_pending(struct vcpu *v)
{
	__atomic_and_fetch(&v->pending, ~(u32)(PEND_STOP | PEND_FLUSH), __ATOMIC_SEQ_CST);
	if (v->pending & PEND_SIGNAL)
		cpu_up.deliver(v);
	cpu_prepare(v);
}

void cpu_on_signal(struct vcpu *v);
void cpu_on_signal(struct vcpu *v)
{
	cpu_on_pending(v);
}

void cpu_on_fault(struct vcpu *v);
void cpu_on_fault(struct vcpu *v)
{
	struct cpu_fault f = v->fault;

	if (unlikely(shstk_is_full(v, f.addr))) {
		if (shstk_prune(v)) {
			cpu_prepare(v);
			return;
		}
		f.addr = v->ss.lo - 8; /* where the guest sees it */
		f.code = cpu_up.prot(PAGE_DOWN(f.addr), NULL) < 0 ? 1 : 2;
		f.err = 0x46;
	}
	cpu_up.fault(v, f.signo, f.code, f.addr, f.trapno, f.err);
	cpu_prepare(v);
}

void __noreturn cpu_run(struct vcpu *v)
{
	cpu_prepare(v);
	cpu_resume();
	__builtin_unreachable();
}

static void block_dies(struct block *b)
{
	cpu_tables_forget(b);
	shstk_forget(b);
}

void cpu_invalidate(struct vcpu *v, gaddr_t start, gaddr_t end)
{
	(void)v;
	cache_lock();
	cache_sever_range(start, end, block_dies);
	cache_unlock();
}
