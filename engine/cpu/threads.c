/* SPDX-License-Identifier: MIT */
/*
 * Guest threads and processes: a vcpu region (context, tables, engine stack) for each thread that shares this
 * memory, and every form of clone. Called on engine stacks; the list lock comes before cache_lock.
 */
#include <linux/mman.h>
#include <linux/sched.h>
#include "cpu/cpu.h"
#include "gnomon/board.h"
#include "rt/engine.h"

#define ENGINE_STACK (64ul << 10)

struct vcpu *cpu_threads;
void (*cpu_child_init)(struct vcpu *v, bool shares_vm);
static struct rt_lock list_lock;

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
	u32 n = 0;

	for (struct vcpu *v = cpu_threads; v; v = v->next)
		n++;
	return n;
}

static struct vcpu *region_new(void)
{
	size_t size = VCPU_REGION + ENGINE_STACK;
	struct vcpu *v = rt_map(size);

	if (!v)
		return NULL;
	v->self = v;
	v->region = v;
	v->region_size = size;
	v->engine_sp = (u64)v + size - 64;
	cpu_tables_init(v);
	return v;
}

static void region_free(struct vcpu *v)
{
	rt_unmap(v->region, v->region_size);
}

static void wire_thunks(void)
{
	static void (*const to[THUNK_COUNT])(void) = {
		cpu_exit_res0, cpu_exit_res1, cpu_exit_res2, cpu_exit_res3, cpu_exit_call, cpu_exit_ret_slow,
		cpu_exit_jmiss, cpu_exit_cmiss, cpu_exit_syscall, cpu_exit_emul,
	};

	for (int i = 0; i < THUNK_COUNT; i++)
		cache_thunk_target[i] = (u64)to[i];
}

struct vcpu *cpu_first_thread(void)
{
	struct vcpu *v;

	wire_thunks();
	xlate_opts.pext = eng.set.flags & GN_OPT_PEXT;
	xlate_opts.one_insn = eng.set.flags & GN_OPT_CHAOS_STEP;
	xlate_opts.all_far = eng.set.flags & GN_OPT_CHAOS_FAR;
	if (cache_init(eng.set.flags & GN_OPT_CHAOS_TINY))
		return NULL;
	v = region_new();
	if (!v)
		return NULL;
	__asm__ volatile("wrgsbase %0" : : "r"(v) : "memory");
	v->pid = (int)sys0(__NR_getpid);
	v->tid = (int)sys0(__NR_gettid);
	cpu_threads = v;
	return v;
}

static void list_add(struct vcpu *v)
{
	cpu_threads_lock();
	v->next = cpu_threads;
	cpu_threads = v;
	cpu_threads_unlock();
}

static void list_remove(struct vcpu *v)
{
	cpu_threads_lock();
	for (struct vcpu **p = &cpu_threads; *p; p = &(*p)->next)
		if (*p == v) {
			*p = v->next;
			break;
		}
	cpu_threads_unlock();
}

static u64 block_signals(void)
{
	u64 all = ~0x4d8ul, old = 0; /* all but SEGV, BUS, FPE, ILL, TRAP: a bug must be seen */

	sys4(__NR_rt_sigprocmask, 2, &all, &old, 8);
	return old;
}

static void restore_signals(u64 mask)
{
	sys4(__NR_rt_sigprocmask, 2, &mask, NULL, 8);
}

/* memory is copied: the child is this very function, on its copy of the stack */
static long do_fork(struct vcpu *v, struct kclone_args *ca, size_t size)
{
	u64 stack = ca->stack ? ca->stack + ca->stack_size : 0, mask;
	struct shstk_copy copy;
	long ret = shstk_fork_prepare(v, &copy);

	if (ret)
		return ret;
	mask = block_signals();
	cpu_threads_lock();
	cache_lock(); /* before the locks of kern/: the dispatcher asks it for protections with this one held */
	if (cpu_up.fork)
		cpu_up.fork(0);
	ca->stack = ca->stack_size = 0;
	ret = sys2(__NR_clone3, ca, size);
	if (ret == -ENOSYS)
		ret = sys5(__NR_clone, ca->flags | ca->exit_signal, 0, ca->flags & CLONE_PIDFD ? ca->pidfd :
			   ca->parent_tid, ca->child_tid, ca->tls);
	if (ret) {
		if (cpu_up.fork)
			cpu_up.fork(1);
		cache_unlock();
		cpu_threads_unlock();
		shstk_fork_parent(&copy);
		restore_signals(mask);
		return ret;
	}
	cache_after_fork();
	rt_lock_after_fork(&list_lock);
	v->next = NULL;
	cpu_threads = v;
	v->pid = (int)sys0(__NR_getpid);
	v->tid = (int)sys0(__NR_gettid);
	shstk_fork_child(v, &copy);
	if (cpu_up.fork)
		cpu_up.fork(2);
	if (stack)
		v->gregs[RSP] = stack;
	if (cpu_child_init)
		cpu_child_init(v, false);
	restore_signals(mask);
	return 0;
}

static long new_thread_state(struct vcpu *v, struct vcpu *c, const struct kclone_args *ca)
{
	c->rip = v->rip;
	memcpy(c->gregs, v->gregs, sizeof(c->gregs));
	c->gregs[RAX] = 0;
	c->rflags = v->rflags;
	c->guest_gs = v->guest_gs;
	c->guest_gs_sel = v->guest_gs_sel;
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
		c->twin_sp = v->twin_sp;
		return 0;
	}
	return shstk_create(c, ca->stack_size ? ca->stack_size : v->ss.hi - v->ss.lo);
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
	restore_signals(v->start_mask);
}

/*
 * A vfork child runs on its parent's shadow stack; where it returns from the function that called vfork and calls
 * another, the parent's newest word is gone when it comes back. A libc that knows shadow stacks leaves vfork by a
 * jump instead; any other would die here on a CPU with CET. Counted like unwinding, and put right.
 */
static void mend_after_vfork(struct vcpu *v, const u64 newest[3])
{
	struct violation viol = { .class = GN_UNWIND, .ret = v->rip, .expected = newest[0], .rsp = newest[2],
				  .ssp = vcpu_ssp(v) };

	if (*shstk_slot(v->twin_sp) == newest[0])
		return;
	viol.actual = *shstk_slot(v->twin_sp);
	cpu_up.report(v, &viol);
	*shstk_slot(v->twin_sp) = newest[0];
	*(u64 *)v->twin_sp = newest[1];
	*shstk_rec(v->twin_sp) = newest[2];
}

static void drop_child(struct vcpu *c)
{
	list_remove(c);
	shstk_release(c);
	if (cpu_up.thread_end)
		cpu_up.thread_end(c);
	region_free(c);
}

static long do_clone_vm(struct vcpu *v, struct kclone_args *ca, size_t size)
{
	struct vcpu *c = region_new();
	u64 newest[3] = { *shstk_slot(v->twin_sp), *(u64 *)v->twin_sp, *shstk_rec(v->twin_sp) };
	u64 mask;
	long ret;

	if (!c)
		return -ENOMEM;
	ret = new_thread_state(v, c, ca);
	if (!ret && cpu_up.thread_new)
		ret = cpu_up.thread_new(c, v, ca->flags);
	if (ret) {
		region_free(c);
		return ret;
	}
	list_add(c);
	mask = c->start_mask = block_signals();
	ca->stack = (u64)c + VCPU_REGION;
	ca->stack_size = ENGINE_STACK - 64;
	ret = cpu_host_clone3(ca, size, c);
	if (ret == -ENOSYS)
		ret = cpu_host_clone(ca->flags | ca->exit_signal, ca->stack + ca->stack_size,
				     ca->flags & CLONE_PIDFD ? ca->pidfd : ca->parent_tid, ca->child_tid, ca->tls, c);
	restore_signals(mask); /* a thread may be gone by now, and c with it */
	if (ret < 0 || ca->flags & CLONE_VFORK)
		drop_child(c);
	if (ca->flags & CLONE_VFORK && v->shstk_on)
		mend_after_vfork(v, newest);
	return ret;
}

long cpu_clone(struct vcpu *v, const struct kclone_args *args, size_t size)
{
	struct kclone_args ca = *args;

	return ca.flags & CLONE_VM ? do_clone_vm(v, &ca, size) : do_fork(v, &ca, size);
}

void __noreturn cpu_thread_exit(struct vcpu *v, int status)
{
	block_signals();
	if (v->vfork_child || (cpu_threads == v && !v->next)) { /* nothing outlives it that needs the memory */
		for (;;)
			sys1(__NR_exit, status);
	}
	list_remove(v);
	shstk_release(v);
	if (cpu_up.thread_end)
		cpu_up.thread_end(v);
	rt_disown_range(v->region, v->region_size);
	cpu_free_and_exit(v->region, v->region_size, status);
}
