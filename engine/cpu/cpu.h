/* SPDX-License-Identifier: MIT */
/*
 * What the files of cpu/ share.
 */
#ifndef GNOMON_CPU_CPU_H
#define GNOMON_CPU_CPU_H

#include "cache/cache.h"
#include "cpu/stop.h"
#include "cpu/threads.h"
#include "cpu/vcpu.h"
#include "gnomon/board.h"
#include "rt/engine.h"
#include "xlate/xlate.h"

/* enter.S */
void cpu_exit_res0(void);
void cpu_exit_res1(void);
void cpu_exit_res2(void);
void cpu_exit_res3(void);
void cpu_exit_call(void);
void cpu_exit_ret_slow(void);
void cpu_ret_miss(void);
void cpu_exit_jmiss(void);
void cpu_exit_cmiss(void);
void cpu_exit_syscall(void);
void cpu_exit_emul(void);
void cpu_exit_sealed(void);
void cpu_from_signal(void);
void cpu_from_fault(void);
void cpu_resume(void);
void cpu_resume_pending(void);
extern const u8 cpu_asm_begin[], cpu_asm_end[], cpu_resume_check[], cpu_resume_end[];
long cpu_host_clone(u64 flags, u64 stack, u64 ptid, u64 ctid, u64 tls, struct vcpu *child);
long cpu_host_clone3(struct kclone_args *ca, size_t size, struct vcpu *child);
void __noreturn cpu_free_and_exit(void *base, size_t size, int status);
void __noreturn cpu_leave_and_exit(int status);

/* run.c, from enter.S: an exit that is not linked, a system call, an instruction of the engine's */
void cpu_on_exit(struct vcpu *v);
void cpu_on_syscall(struct vcpu *v);
void cpu_on_emul(struct vcpu *v);
void cpu_on_sealed(struct vcpu *v); /* sealed.c: any of these */
/* what SLOT_EXIT says; only cpu_on_jmiss() may be reached without one. Good until the thread goes outside */
u32 cpu_take_exit(struct vcpu *v);
/* where cpu_resume goes, and in which residency */
void cpu_resume_at(struct vcpu *v, u8 *host, u8 res);

/* the shadow stack is the guest's own memory, as the ABI has it */
static inline bool cpu_abi_stack(const struct vcpu *v)
{
	return v->shstk_features & 1 && eng.set.mode == GN_MODE_RUN;
}

/* with 48 bits of linear address; a branch to any other faults where it stands */
static inline bool cpu_is_canonical(gaddr_t a)
{
	return (a + 0x800000000000ul) >> 48 == 0;
}

/* run.c: cache_lock() for what looks at blocks */
void cpu_lock_cache(struct vcpu *v);
/* make SLOT_RESUME fit v->rip */
void cpu_prepare(struct vcpu *v);
/* [holds: cache_lock] a new block, with that entry in front (as xlate_source.front); NULL where the guest cannot execute */
struct block *cpu_build(struct vcpu *v, gaddr_t pc, u8 res, enum block_entry front);
/* [holds: cache_lock] one for the instruction at v->rip alone; `code`, if not NULL, stands for its bytes */
struct block *cpu_build_step(struct vcpu *v, const u8 *code);
/* rseq.c: [holds: cache_lock] looks whether a critical section is under way that nobody knows yet */
void rseq_learn(struct vcpu *v);
/* step.c */
void step_one(struct vcpu *v);
void step_exit(struct vcpu *v);
void step_interrupted(struct vcpu *v);
/* tables of indirect entries */
void cpu_tables_init(struct vcpu *v);
void cpu_tables_forget(struct block *b);
void cpu_tables_reset(struct vcpu *v);
/* the way into target's block for jumps and calls of this thread that are not predicted */
void cpu_jump_enter(struct vcpu *v, gaddr_t target, const u8 *entry);
void cpu_call_enter(struct vcpu *v, gaddr_t target, const u8 *entry);

/* kit.c: memory for a new thread (NULL: none left), its vcpu as good as new; a shadow stack for it */
struct vcpu *kit_get(void);
long kit_stack(struct vcpu *v, u64 size) __must_check;
void kit_drop_stack(struct vcpu *v);
void kit_check_tables(struct vcpu *v);
/* of a thread that does not run (any more) */
void kit_put(struct vcpu *v);
/* the calling thread's, at its very end */
void __noreturn kit_leave(struct vcpu *v, int status);
void kit_after_fork(struct vcpu *self, struct vcpu *threads);

/* shstk.c */
static inline u64 *shstk_slot(u64 twin_sp)
{
	return (u64 *)(twin_sp - SHSTK_TWIN_DELTA);
}
static inline u64 *shstk_rec(u64 twin_sp)
{
	return (u64 *)(twin_sp + SHSTK_REC_DELTA);
}
static inline u64 shstk_top(const struct vcpu *v)
{
	return v->ss.twin + (v->ss.hi - v->ss.lo);
}
/* a word of the live part; the guest may have taken the memory of its own shadow stack away */
static inline u64 shstk_word(const struct vcpu *v, u64 twin_sp)
{
	u64 word;

	if (likely(!v->guest_ss))
		return *shstk_slot(twin_sp);
	return rt_copy_from_guest(&word, (gaddr_t)shstk_slot(twin_sp), 8) ? 0 : word;
}
/* Does the slot hold what a far call leaves, the address behind its 24 bytes? Above it are its return address and CS. */
static inline bool shstk_is_far(const struct vcpu *v, u64 twin_sp)
{
	u64 behind = twin_sp - v->ss.twin + v->ss.lo + 24;

	return shstk_word(v, twin_sp) == behind || shstk_word(v, twin_sp) == behind + 4;
}
/* The areas of a shadow stack of s->hi - s->lo bytes; its alias has this protection, and nothing in it. 0 or -errno */
long shstk_areas(struct shstk *s, int alias_prot) __must_check;
/* what a shadow stack asked for with `size` has; 0 if there can be none */
u64 shstk_size(u64 size);
long shstk_create(struct vcpu *v, u64 size) __must_check;
/* v's is this one from now on, empty */
void shstk_use(struct vcpu *v, const struct shstk *s);
void shstk_unmap(const struct shstk *s);
/* pushes a word whose twin is the slow path. False when the stack is full */
bool shstk_push(struct vcpu *v, u64 word, u64 rsp);
#define SHSTK_TOKEN (1ul << 63) /* in the word of a signal frame that says where SSP was */
/* shstk_prune.c: the stack is full; drops what no return can drop. False if there is nothing */
bool shstk_prune(struct vcpu *v);
/* did the call at v->rip fault, at host address `addr`, because the stack is full? */
static inline bool shstk_is_full(const struct vcpu *v, u64 addr)
{
	return v->twin_sp == v->ss.twin && addr == v->ss.alias - 8;
}
/* twins that lead into dead blocks of [lo, hi) become the slow path; all of them */
void shstk_forget_dead(struct vcpu *v, u64 lo, u64 hi);
void shstk_forget_all(struct vcpu *v);
/* a copy of the live part for a child that gets its own memory: before and after a fork */
struct shstk_copy {
	u64 map, size;
};
long shstk_fork_prepare(struct vcpu *v, struct shstk_copy *c) __must_check;
void shstk_fork_parent(struct shstk_copy *c);
void shstk_fork_child(struct vcpu *v, struct shstk_copy *c);

/*
 * ssp.c: shadow stacks that are the guest's memory. Accesses anywhere; false: ssp_fault() tells the guest.
 */
bool ssp_load(struct vcpu *v, gaddr_t at, u64 *word) __must_check;
bool ssp_store(struct vcpu *v, gaddr_t at, u64 word) __must_check;
bool ssp_load32(struct vcpu *v, gaddr_t at, u32 *word) __must_check;
bool ssp_store32(struct vcpu *v, gaddr_t at, u32 word) __must_check;
/* 1: exchanged, 0: not `old`, -EFAULT */
long ssp_exchange(struct vcpu *v, gaddr_t at, u64 old, u64 new) __must_check;
void ssp_fault(struct vcpu *v, gaddr_t at, bool write);
/* error bit 0 of an ordinary access that a shadow stack refused: is its page there? */
u64 ssp_present_bit(gaddr_t at);
/* SSP leaves this stack, and may come back to the word below it; it goes to ssp, wherever that is */
void ssp_leave(struct vcpu *v);
void ssp_enter(struct vcpu *v, gaddr_t ssp);
/* pops so many bytes; pushes a word, on whatever stack SSP is in (false: no room) */
void ssp_advance(struct vcpu *v, u64 bytes);
bool ssp_push(struct vcpu *v, u64 word, u64 rsp) __must_check;
/* may the fault at host address `addr` be an access to v's shadow stack? */
static inline bool ssp_is_alias(const struct vcpu *v, u64 addr)
{
	return v->guest_ss && addr - (v->ss.alias - PAGE_SIZE) < v->ss.hi - v->ss.lo + 2 * PAGE_SIZE;
}

/* violation.c: the RET at v->rip does not match. Reports, and moves SSP to where the run can go on. True if the
 * word on the stack may be followed, false if #CP is to be raised */
bool violation_return(struct vcpu *v, u64 word);
/* switcher.c: the instruction that took RSP to where the RET at v->rip finds it, 0 = none; is the RET on its way out? */
struct switcher {
	gaddr_t pc;
	bool returns;
};
struct switcher switcher_find(struct vcpu *v);
/* parked.c: keeps the frames newer than the one at `until` that are not on the stack of `besides` (0: no such stack). Returns
 * the first one that is not kept, for it belongs to a signal */
u64 parked_put(struct vcpu *v, u64 until, u64 besides);
/* is a frame pushed at rsp with this word kept? Then those of its stack come back, without it */
bool parked_has(struct vcpu *v, u64 rsp, u64 word);
void parked_resume(struct vcpu *v, u64 rsp);
/* a frame at rsp, with this word (0: any), is one of those that are still to come back to this stack: done */
bool parked_more(struct vcpu *v, u64 rsp, u64 word);
void parked_after_fork(void);
/* stacks.c: what is known of mappings is asked anew, once for each violation */
void stacks_begin(struct vcpu *v);
/* same mapping, or so close that it is one stack */
bool stacks_same(struct vcpu *v, u64 a, u64 b);
/* is that memory several stacks? */
bool stacks_shared(struct vcpu *v, u64 rsp);
/* the mapping of a and b is, and this instruction switches between them */
void stacks_share(struct vcpu *v, u64 a, u64 b, gaddr_t switcher);
/* is it such an instruction? The first one that was seen, 0: none */
bool stacks_switcher(gaddr_t pc);
gaddr_t stacks_first_switcher(void);
/* the call that pushed `next`, or 0 */
gaddr_t switcher_call_site(gaddr_t next);
/* the same for a far return or IRET to cs:rip; SSP moves only if it leads to a frame that matches */
bool violation_far(struct vcpu *v, u64 cs, u64 rip);

/* --ibt: an indirect branch, the jump at `from` (0: not known), came to v->rip, and there is no ENDBR64. True: it may go on */
bool violation_endbr(struct vcpu *v, gaddr_t from);

/* stats.c: TSC ticks with --stats, else 0 */
u64 cpu_stats_clock(void);

/* sealed.c: gives back what it keeps of the thread */
void sealed_free(struct vcpu *v);

/* emul.c: executes the instruction at v->rip that the translator gave to the engine */
void emul_insn(struct vcpu *v);
/* and what it is; INSN_INVALID where nothing can be read */
void emul_fetch(struct vcpu *v, struct insn *in, u8 code[16]);
/* emul_pkru.c: PKRU as the guest sees it, and has it set; where rt_pkey.kept */
u32 cpu_pkru(const struct vcpu *v);
void cpu_pkru_set(struct vcpu *v, u32 pkru);
void emul_return(struct vcpu *v, u32 extra);
/* v->target is no address code can have: undoes the call, or the jump out of block b (NULL: whose is not known, and
 * it is the target that faults) */
void emul_wild_call(struct vcpu *v);
void emul_wild_jump(struct vcpu *v, const struct block *b);
/* the indirect jump that ends b */
gaddr_t emul_branch_of(const struct block *b);

#endif
