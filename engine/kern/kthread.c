/* SPDX-License-Identifier: MIT */
/*
 * Per-thread state of this floor, and what fork and clone mean for kern/: who the process is, which locks a
 * child must find free, where a new thread's shadow stack lies.
 */
#include "cpu/threads.h"
#include "kern/kern.h"
#include "kern/report.h"
#include "kern/robust.h"
#include "kern/shadow.h"
#include "kern/traced.h"
#include "kern/tracee.h"
#include "kern/vma.h"

int kern_pid;

/* A thread gets its entry when it first needs one, which is nearly never: vfork children come and go by the
 * thousand and are not told apart from threads. */
static struct kthread *free_list;
static struct rt_lock lock __forked;

struct kthread *kthread_get(struct vcpu *v)
{
	rt_lock(&lock);
	if (!v->k && !free_list) {
		struct kthread *page = rt_map(PAGE_SIZE);

		for (u32 i = 0; page && i < PAGE_SIZE / sizeof(*page); i++) {
			page[i].next_free = free_list;
			free_list = &page[i];
		}
	}
	if (!v->k && free_list) {
		v->k = free_list;
		free_list = v->k->next_free;
		memset(v->k, 0, sizeof(*v->k));
	}
	rt_unlock(&lock);
	return v->k;
}

/* cpu_up.thread_end: on the thread that ends, or for one that is gone */
static void thread_end(struct vcpu *v)
{
	struct kthread *k = v->k;

	robust_exit(v);
	if (v->own_size) /* the kernel unmaps a thread's own shadow stack with it */
		shadow_end(v);
	if (k) {
		v->k = NULL;
		rt_lock(&lock);
		k->next_free = free_list;
		free_list = k;
		rt_unlock(&lock);
	}
	sig_thread_exit(v);
}

void kern_child_init(struct vcpu *v, bool shares_vm)
{
	if (!shares_vm) /* a copy of the parent's, and kern_fork(2) has run */
		sig_after_fork(v);
	else
		v->k = NULL;
	traced_child(v);
}

static void unlock_all(void)
{
	rt_ranges_fork_end();
	rt_unlock(&lock);
	vma_unlock();
	fd_unlock();
}

static long before_fork(void)
{
	long r;

	fd_lock();
	vma_lock();
	r = shadow_fork_prepare_locked();
	rt_lock(&lock);
	rt_ranges_fork_begin();
	if (r)
		unlock_all();
	return r;
}

static void in_child(void)
{
	rt_ranges_fork_end();
	shadow_fork_child_locked();
	vma_lock_after_fork();
	fd_lock_after_fork();
	rt_lock_after_fork(&lock);
	kern_pid = (int)sys0(__NR_getpid);
	report_after_fork();
	tracee_after_fork();
	robust_after_fork(vcpu_self());
}

long kern_fork(int phase)
{
	switch (phase) {
	case 0:
		return before_fork();
	case 1:
		shadow_fork_parent_locked();
		unlock_all();
		break;
	case 2:
		in_child();
		break;
	}
	return 0;
}

long kern_init(struct vcpu *v)
{
	kern_pid = (int)sys0(__NR_getpid);
	kern_restart_init();
	cpu_up.syscall = kern_syscall;
	cpu_up.prot = vma_prot;
	cpu_up.guard_code = vma_guard_code;
	cpu_up.fork = kern_fork;
	cpu_up.shadow = shadow_at;
	cpu_up.int80 = kern_int80;
	cpu_up.shadow_new = shadow_new;
	cpu_up.thread_end = thread_end;
	cpu_child_init = kern_child_init;
	traced_init();
	v->k = NULL;
	return 0;
}
