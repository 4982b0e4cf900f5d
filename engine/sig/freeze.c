/* SPDX-License-Identifier: MIT */
/*
 * The threads of a process whose core is about to be written: each is told, comes to a guest boundary, leaves what is
 * nowhere but in its CPU, and waits for the end. Runs on engine stacks, with no lock held.
 */
#include <linux/futex.h>
#include "sig/freeze.h"
#include "sig/traced.h"
#include "sig/ctx.h"

#define LOOK_EVERY 20000000 /* ns; threads may have ended meanwhile */
#define LOOKS 100           /* after that they sleep in the kernel beyond reach: their vector state is not to be had */

void (*sig_core)(struct vcpu *v, int signo, const u8 info[128]);

static int owner;
static u32 frozen_count;

static u64 save(struct vcpu *v)
{
	u64 base;

	frame_save_xstate(v);
	__asm__ volatile("rdfsbase %0" : "=r"(base));
	return base;
}

void freeze_self(struct vcpu *v)
{
	u64 all = ~0ul;

	traced_show_interrupted(v);
	v->sig->frozen_fs = save(v);
	__atomic_store_n(&v->sig->frozen, true, __ATOMIC_RELEASE);
	__atomic_add_fetch(&frozen_count, 1, __ATOMIC_SEQ_CST);
	sys3(__NR_futex, &frozen_count, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1);
	sys4(__NR_rt_sigprocmask, 2, &all, NULL, 8);
	for (;;)
		sys0(__NR_pause);
}

/* how many still run; the first time they are told */
static u32 running(struct vcpu *v, bool tell)
{
	u32 n = 0;

	cpu_threads_lock();
	for (struct vcpu *t = cpu_threads; t; t = t->next) {
		if (t == v || t->pid != v->pid || t->gone || __atomic_load_n(&t->sig->frozen, __ATOMIC_ACQUIRE))
			continue;
		n++;
		if (tell)
			traced_freeze(t);
	}
	cpu_threads_unlock();
	return n;
}

bool freeze_others(struct vcpu *v)
{
	struct { s64 sec, nsec; } wait = { 0, LOOK_EVERY };
	int nobody = 0;

	if (!__atomic_compare_exchange_n(&owner, &nobody, v->tid, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		freeze_self(v);
	running(v, true);
	for (int i = 0; i < LOOKS; i++) {
		u32 seen = __atomic_load_n(&frozen_count, __ATOMIC_SEQ_CST);

		if (!running(v, false))
			break;
		sys4(__NR_futex, &frozen_count, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, seen, &wait);
	}
	return true;
}

void freeze_look(struct vcpu *v, const struct vcpu *t, struct frozen *ret)
{
	*ret = (struct frozen){ NULL, frame_xstate_size(), frame_xfeatures(), 0 };
	if (t == v)
		ret->fs_base = save(v);
	else if (t->sig->frozen)
		ret->fs_base = t->sig->frozen_fs;
	else
		return;
	ret->xstate = t->sig->xsave;
}
