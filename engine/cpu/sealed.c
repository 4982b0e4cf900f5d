/* SPDX-License-Identifier: MIT */
/*
 * Sealed code (docs/architecture.md): where it leaves the cache. Its calls, returns and indirect jumps all do, so what was
 * found out about one is kept, per thread, as long as no block dies. Called from enter.S on the thread's engine stack.
 */
#include "cpu/cpu.h"
#include "cpu/emul.h"
#include "xlate/recipe.h"

#define BRANCHES 1024
#define WAYS 4096

struct sealed {
	struct branch {      /* by exit */
		u64 epoch;   /* cache_epoch + 1 then; else it says nothing */
		u32 id;
		gaddr_t pc;
		struct insn in;
		u8 code[16];
	} branch[BRANCHES];
	struct way {         /* by guest address: where its block is */
		u64 epoch;
		gaddr_t pc;
		u8 *host;
	} way[WAYS];
};

static u64 epoch(void)
{
	return __atomic_load_n(&cache_epoch, __ATOMIC_ACQUIRE) + 1;
}

static struct sealed *memory(struct vcpu *v)
{
	if (unlikely(!v->sealed))
		v->sealed = rt_map(sizeof(*v->sealed));
	return v->sealed;
}

void sealed_free(struct vcpu *v)
{
	rt_unmap(v->sealed, sizeof(*v->sealed));
	v->sealed = NULL;
}

/* the branch that left by this exit; NULL: it is another instruction, or there is no memory */
static struct branch *branch_of(struct vcpu *v, u32 id)
{
	struct exit *x = cache_exit(id);
	u64 now = epoch();
	struct branch *b;

	if (!memory(v))
		return NULL;
	b = &v->sealed->branch[id % BRANCHES];
	if (likely(b->id == id && b->epoch == now))
		return b;
	b->epoch = 0;
	b->id = id;
	b->pc = recipe_insn_before(exit_block(x), exit_target(x));
	v->rip = b->pc;
	emul_fetch(v, &b->in, b->code);
	if (b->in.class != INSN_CALL && b->in.class != INSN_CALL_IND && b->in.class != INSN_JMP_IND && b->in.class != INSN_RET)
		return NULL;
	b->epoch = now;
	return b;
}

/* Into the block at v->rip. One that dies meanwhile is what PEND_STALE and PEND_FLUSH are for: cpu_resume sees them */
static void enter(struct vcpu *v)
{
	struct way *w = &v->sealed->way[(v->rip ^ v->rip >> 12) % WAYS];
	u64 now = epoch();

	if (likely(w->pc == v->rip && w->epoch == now)) {
		cpu_resume_at(v, w->host, RES_HOME);
		return;
	}
	cpu_prepare(v);
	if (epoch() == now)
		*w = (struct way){ now, v->rip, (u8 *)v->resume };
}

static void on_branch(struct vcpu *v, struct branch *b)
{
	cpu_take_exit(v);
	v->rip = b->pc;
	cpu_go_outside(v);
	emul_near(v, &b->in, b->code);
	enter(v);
}

/* what templates note around an instruction that changes RSP, if they may */
static void on_note(struct vcpu *v, bool before)
{
	struct exit *x = cache_exit(cpu_take_exit(v));
	struct insn in;
	u8 code[16];

	v->rip = exit_target(x);
	cpu_resume_at(v, exit_site(exit_block(x), x) + 4, RES_HOME);
	cpu_go_outside(v);
	if (!before) {
		v->switch_to = v->gregs[RSP];
		return;
	}
	emul_fetch(v, &in, code);
	if (!insn_loads_rsp(&in)) {
		v->slice_pc = v->rip;
		return;
	}
	v->switch_twin = v->twin_sp;
	v->switch_from = v->gregs[RSP];
	v->switch_pc = v->rip;
}

void cpu_on_sealed(struct vcpu *v)
{
	u8 kind = cache_exit(v->exit_id)->kind;
	struct branch *b = kind == EXIT_EMUL ? branch_of(v, v->exit_id) : NULL;

	if (b)
		on_branch(v, b);
	else if (kind == EXIT_EMUL)
		cpu_on_emul(v);
	else if (kind == EXIT_JMP)
		cpu_on_exit(v);
	else if (kind == EXIT_SYSCALL)
		cpu_on_syscall(v);
	else
		on_note(v, kind == EXIT_NOTE);
}
