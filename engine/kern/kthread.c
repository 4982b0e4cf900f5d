/* SPDX-License-Identifier: MIT */
/*
 * Per-thread state of this floor, and what fork and clone mean for kern/: who the process is, which locks a
 * child must find free, where a new thread's shadow stack lies.
 */
#include "cpu/threads.h"
#include "kern/kern.h"
#include "kern/report.h"
#include "kern/vma.h"

int kern_pid;

/* freed entries of threads that ended; thread creation is not hot enough for more */
static struct kthread *free_list;
static struct rt_lock lock;

static struct kthread *kthread_new(void)
{
	struct kthread *k = NULL;

	rt_lock(&lock);
	if (!free_list) {
		struct kthread *page = rt_map(PAGE_SIZE);

		for (u32 i = 0; page && i < PAGE_SIZE / sizeof(*page); i++) {
			page[i].next_free = free_list;
			free_list = &page[i];
		}
	}
	if (free_list) {
		k = free_list;
		free_list = k->next_free;
		memset(k, 0, sizeof(*k));
	}
	rt_unlock(&lock);
	return k;
}

void kern_thread_exit(struct vcpu *v)
{
	struct kthread *k = v->k;

	if (!k)
		return;
	v->k = NULL;
	rt_lock(&lock);
	k->next_free = free_list;
	free_list = k;
	rt_unlock(&lock);
}

/* the guest sees its shadow stack in its memory map, unless the engine keeps it to itself (check, protect) */
void kern_note_shstk(struct vcpu *v)
{
	if (v->ss.hi > v->ss.lo && !rt_owns(v->ss.lo, v->ss.hi))
		vma_set_flags(v->ss.lo, v->ss.hi, PROT_READ | PROT_WRITE, VMA_SHSTK);
}

/* A NULL v->k is legal everywhere: what it holds are counters */
void kern_child_init(struct vcpu *v, bool shares_vm)
{
	if (!shares_vm)
		return; /* a copy of the parent's, and kern_fork(2) has run */
	v->k = kthread_new();
	if (v->shstk_on)
		kern_note_shstk(v);
}

void kern_fork(int phase)
{
	switch (phase) {
	case 0:
		rt_lock(&lock);
		fd_lock();
		vma_lock();
		rt_ranges_fork_begin();
		break;
	case 1:
		rt_ranges_fork_end();
		vma_unlock();
		fd_unlock();
		rt_unlock(&lock);
		break;
	case 2:
		rt_ranges_fork_end();
		vma_lock_after_fork();
		fd_lock_after_fork();
		rt_lock_after_fork(&lock);
		kern_pid = (int)sys0(__NR_getpid);
		report_after_fork();
		break;
	}
}

long kern_init(struct vcpu *v)
{
	kern_pid = (int)sys0(__NR_getpid);
	kern_restart_init();
	cpu_up.syscall = kern_syscall;
	cpu_up.prot = vma_prot;
	cpu_up.guard_code = vma_guard_code;
	cpu_up.fork = kern_fork;
	cpu_child_init = kern_child_init;
	v->k = kthread_new();
	return v->k ? 0 : -ENOMEM;
}
