/* SPDX-License-Identifier: MIT */
/*
 * Guest threads and processes: a vcpu region (context, tables, engine stack) for each thread that shares this
 * memory, and every form of clone. Called on engine stacks.
 */
#include <linux/mman.h>
#include <linux/sched.h>
#include "cpu/cpu.h"
#include "cpu/heirs.h"
#include "cpu/stop.h"
#include "cpu/window.h"
#include "gnomon/board.h"
#include "rt/engine.h"

struct vcpu *cpu_threads;
static u32 count, strangers; /* how many, and how many of them are such */
static struct rt_lock list_lock __forked; /* who changes the list has cache_lock, too; comes first */
void (*cpu_child_init)(struct vcpu *v, bool shares_vm);

void cpu_threads_lock(void)
{
	rt_lock(&list_lock);
}

void cpu_threads_unlock(void)
{
	rt_unlock(&list_lock);
}

u32 cpu_thread_count(void)
{
	return __atomic_load_n(&count, __ATOMIC_RELAXED);
}

void cpu_hold_others(struct vcpu *v)
{
	cpu_threads_lock();
	cpu_lock_cache(v);
	stop_others(v);
}

void cpu_release_others(void)
{
	cache_unlock();
	cpu_threads_unlock();
}

static void wire_thunks(void)
{
	static void (*const to[THUNK_COUNT])(void) = {
		cpu_exit_res0, cpu_exit_res1, cpu_exit_res2, cpu_exit_res3, cpu_exit_call, cpu_exit_ret_slow,
		cpu_exit_jmiss, cpu_exit_cmiss, cpu_exit_syscall, cpu_exit_emul, cpu_exit_sealed,
	};

	for (int i = 0; i < THUNK_COUNT; i++)
		cache_thunk_target[i] = (u64)to[i];
}

static u32 self(void)
{
	return (u32)vcpu_self()->tid;
}

struct vcpu *cpu_first_thread(void)
{
	struct vcpu *v;

	wire_thunks();
	xlate_opts.pext = eng.set.flags & GN_OPT_PEXT;
	xlate_opts.loop = eng.set.flags & GN_OPT_LOOP;
	xlate_opts.ibt = eng.set.flags & GN_OPT_IBT;
	xlate_opts.one_insn = eng.set.flags & GN_OPT_CHAOS_STEP;
	xlate_opts.pkru = rt_pkey.kept;
	xlate_opts.sealed = eng_sealed();
	xlate_opts.all_far = eng.set.flags & GN_OPT_CHAOS_FAR;
	if (cache_init(eng.set.flags & GN_OPT_CHAOS_TINY))
		return NULL;
	v = kit_get();
	if (!v)
		return NULL;
	__asm__ volatile("wrgsbase %0" : : "r"(v) : "memory");
	v->pid = (int)sys0(__NR_getpid);
	v->tid = (int)sys0(__NR_gettid);
	v->pkru = rt_pkey.start;
	rt_self = self;
	cpu_threads = v;
	count = 1;
	return v;
}

static void list_begin(void)
{
	rt_lock(&list_lock);
	cache_lock();
}

static void list_end(void)
{
	cache_unlock();
	rt_unlock(&list_lock);
}

static void list_add(struct vcpu *v)
{
	list_begin();
	kit_check_tables(v); /* from here on it is told */
	v->next = cpu_threads;
	v->prev = NULL;
	if (v->next)
		v->next->prev = v;
	cpu_threads = v;
	strangers += v->stranger;
	__atomic_store_n(&count, count + 1, __ATOMIC_RELAXED);
	list_end();
}

/* [between list_begin() and list_end()] */
static void list_remove(struct vcpu *v)
{
	if (v->next)
		v->next->prev = v->prev;
	if (v->prev)
		v->prev->next = v->next;
	else
		cpu_threads = v->next;
	strangers -= v->stranger;
	/* from here on nobody tells it of blocks that die; and a flush it was told of, but has not come to, counts as none */
	v->tables_epoch = v->pending & PEND_FLUSH ? ~0ul : cache_epoch;
	__atomic_store_n(&count, count - 1, __ATOMIC_RELAXED);
}

/* memory is copied: the child is this very function, on its copy of the stack */
static long do_fork(struct vcpu *v, struct kclone_args *ca, size_t size)
{
	u64 stack = ca->stack ? ca->stack + ca->stack_size : 0;
	struct shstk_copy copy;
	long ret;

	heirs_before_fork(v);
	ret = shstk_fork_prepare(v, &copy);
	if (ret)
		return ret;
	cpu_up.hold_signals(v, false);
	list_begin(); /* before the locks of kern/: the dispatcher asks it for protections with this one held */
	ret = cpu_up.fork ? cpu_up.fork(0) : 0;
	if (ret) {
		list_end();
		shstk_fork_parent(&copy);
		cpu_up.release_signals(v);
		return ret;
	}
	ca->stack = ca->stack_size = 0;
	v->birth = ca->flags;
	ca->flags &= ~CLONE_CLEAR_SIGHAND; /* our handlers must stay: sig/ does it */
	ret = sys2(__NR_clone3, ca, size);
	if (ret == -ENOSYS)
		ret = sys5(__NR_clone, ca->flags | ca->exit_signal, 0, ca->flags & CLONE_PIDFD ? ca->pidfd :
			   ca->parent_tid, ca->child_tid, ca->tls);
	if (ret) {
		if (cpu_up.fork)
			(void)!cpu_up.fork(1);
		list_end();
		shstk_fork_parent(&copy);
		cpu_up.release_signals(v);
		return ret;
	}
	cache_after_fork();
	rt_lock_after_fork(&list_lock);
	stop_after_fork();
	parked_after_fork();
	kit_after_fork(v, cpu_threads);
	v->next = v->prev = NULL;
	v->stranger = false;
	v->stat_blocks = v->stat_build = 0;
	cpu_threads = v;
	count = 1;
	strangers = 0;
	v->pid = (int)sys0(__NR_getpid);
	v->tid = (int)sys0(__NR_gettid);
	win_after_fork();
	if (ca->flags & CLONE_VFORK) /* its end frees nothing */
		v->own_lo = v->own_size = 0;
	if (cpu_up.fork)
		(void)!cpu_up.fork(2);
	heirs_in_child(); /* kern/ had the locks until now */
	shstk_fork_child(v, &copy);
	if (stack)
		v->gregs[RSP] = stack;
	if (cpu_child_init)
		cpu_child_init(v, false);
	cpu_up.release_signals(v);
	return 0;
}

static long new_thread_state(struct vcpu *v, struct vcpu *c, const struct kclone_args *ca)
{
	c->rip = v->rip;
	memcpy(c->gregs, v->gregs, sizeof(c->gregs));
	c->gregs[RAX] = 0;
	c->rflags = v->rflags;
	step_set(c, v->tf);
	c->seccomp = v->seccomp;
	c->seccomp_strict = v->seccomp_strict;
	c->traced.child_event = v->traced.child_event;
	c->traced.options = v->traced.options;
	c->traced.orig_rax = v->traced.orig_rax;
	c->traced.seized = v->traced.seized;
	c->guest_gs = v->guest_gs;
	c->guest_gs_sel = v->guest_gs_sel;
	c->pkru = v->pkru;
	c->pid = v->pid;
	c->shstk_features = v->shstk_features;
	c->shstk_locked = v->shstk_locked;
	c->shstk_on = v->shstk_on;
	c->wrss_on = v->wrss_on;
	if (ca->stack)
		c->gregs[RSP] = ca->stack + ca->stack_size;
	if (ca->flags & CLONE_VFORK) {
		c->vfork_child = true;
		c->ss = v->ss;
		c->home = v->home;
		c->guest_ss = v->guest_ss;
		c->twin_sp = v->twin_sp;
		return 0;
	}
	if (ca->flags & CLONE_CHILD_CLEARTID)
		c->clear_tid = ca->child_tid;
	if (cpu_abi_stack(v))
		return cpu_up.shadow_new(c, ca->stack_size);
	return kit_stack(c, ca->stack_size ? ca->stack_size : v->home.hi - v->home.lo);
}

void cpu_child_start(struct vcpu *v);
void cpu_child_start(struct vcpu *v)
{
	v->tid = (int)sys0(__NR_gettid);
	v->pid = (int)sys0(__NR_getpid);
	if (cpu_up.thread_start)
		cpu_up.thread_start(v);
	if (cpu_child_init)
		cpu_child_init(v, true);
	cpu_prepare(v);
	cpu_up.release_signals(v);
}

/*
 * A vfork child runs on its parent's shadow stack; where it returns from the function that called vfork and calls
 * another, the parent's newest word is gone when it comes back. A libc that knows shadow stacks leaves vfork by a
 * jump instead; any other would die here on a CPU with CET. Counted like unwinding, and put right.
 */
static void mend_after_vfork(struct vcpu *v, const u64 newest[2])
{
	struct violation viol = { .class = GN_UNWIND, .ret = v->rip, .expected = newest[0], .rsp = newest[1],
				  .ssp = vcpu_ssp(v) };

	if (*shstk_slot(v->twin_sp) == newest[0])
		return;
	viol.actual = *shstk_slot(v->twin_sp);
	cpu_up.report(v, &viol);
	*shstk_slot(v->twin_sp) = newest[0];
	*(u64 *)v->twin_sp = (u64)cpu_ret_miss; /* what stood there may be dead by now */
	*shstk_rec(v->twin_sp) = newest[1];
}

/* what a thread that does not run any more leaves behind */
static void bury(struct vcpu *c)
{
	if (cpu_up.thread_end)
		cpu_up.thread_end(c);
	kit_put(c);
}

/* threads whose process was killed while it shared this memory, as far as anybody noticed */
static void bury_gone(void)
{
	struct vcpu *t = NULL;

	if (!strangers)
		return;
	do {
		list_begin();
		for (t = cpu_threads; t && !t->gone; t = t->next)
			;
		if (t)
			list_remove(t);
		list_end();
		if (t)
			bury(t);
	} while (t);
}

/* A vfork child that has a memory of its own now, or ended: killed anywhere, perhaps, and somebody who holds the
 * lock may be waiting for it to come out of the cache. */
static void drop_child(struct vcpu *c)
{
	__atomic_store_n(&c->outside, 1, __ATOMIC_SEQ_CST);
	stop_acknowledge(c);
	list_begin();
	list_remove(c);
	list_end();
	bury(c);
}

static long do_clone_vm(struct vcpu *v, struct kclone_args *ca, size_t size)
{
	struct vcpu *c = kit_get();
	u64 newest[2] = { shstk_word(v, v->twin_sp), *shstk_rec(v->twin_sp) };
	long ret;

	if (!c)
		return -ENOMEM;
	bury_gone();
	c->birth = ca->flags;
	ca->flags &= ~CLONE_CLEAR_SIGHAND; /* as in do_fork() */
	c->stranger = v->stranger || !(ca->flags & CLONE_THREAD);
	ret = new_thread_state(v, c, ca);
	if (!ret && cpu_up.thread_new)
		ret = cpu_up.thread_new(c, v, ca->flags);
	if (ret) {
		kit_put(c);
		return ret;
	}
	list_add(c);
	cpu_up.hold_signals(v, ca->flags & CLONE_THREAD);
	ca->stack = (u64)c + VCPU_REGION;
	ca->stack_size = ENGINE_STACK - 64;
	ret = cpu_host_clone3(ca, size, c);
	if (ret == -ENOSYS)
		ret = cpu_host_clone(ca->flags | ca->exit_signal, ca->stack + ca->stack_size,
				     ca->flags & CLONE_PIDFD ? ca->pidfd : ca->parent_tid, ca->child_tid, ca->tls, c);
	cpu_up.release_signals(v); /* a thread may be gone by now, and c with it */
	if (ret < 0 || ca->flags & CLONE_VFORK)
		drop_child(c);
	if (ca->flags & CLONE_VFORK && v->shstk_on && !v->guest_ss)
		mend_after_vfork(v, newest);
	return ret;
}

long cpu_clone(struct vcpu *v, const struct kclone_args *args, size_t size)
{
	struct kclone_args ca = *args;

	return ca.flags & CLONE_VM ? do_clone_vm(v, &ca, size) : do_fork(v, &ca, size);
}

bool cpu_thread_leave(struct vcpu *v)
{
	bool last = true;

	list_begin();
	if (!v->vfork_child)
		list_remove(v);
	if (!v->stranger && count > strangers)
		last = false;
	else
		for (struct vcpu *t = cpu_threads; t; t = t->next)
			last &= t == v || t->pid != v->pid;
	list_end();
	return last;
}

void __noreturn cpu_thread_exit(struct vcpu *v, int status)
{
	u64 all = ~0ul;

	if (v->vfork_child || !cpu_thread_count()) { /* its parent cleans up; or nobody needs the memory */
		for (;;)
			sys1(__NR_exit, status);
	}
	if (cpu_up.thread_end)
		cpu_up.thread_end(v);
	sys4(__NR_rt_sigprocmask, 2, &all, NULL, 8);
	kit_leave(v, status);
}
