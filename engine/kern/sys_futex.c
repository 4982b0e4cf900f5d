/* SPDX-License-Identifier: MIT */
/*
 * futex: the host's, but for FUTEX_ROBUST_UNLOCK and FUTEX_ROBUST_LIST32 of Linux 7.2, which an older host is not
 * asked. And the registration of robust lists.
 *
 * The unlock in the kernel: checks, word := 0, slot := 0, wake; no signal and no SIGKILL comes in between. Here the
 * store and the wake are one call, FUTEX_WAKE_OP, and the slot is cleared last: a thread that is killed before it has
 * done so is woken for by the kernel's walk, and the scan (robust.c) knows its slot. The other way round a waiter could
 * be lost.
 */
#include <linux/futex.h>
#include "kern/kern.h"
#include "kern/robust.h"
#include "kern/shadow.h"

#define ROBUST_UNLOCK 512u
#define ROBUST_LIST32 1024u
#define FLAGS (FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME | ROBUST_UNLOCK | ROBUST_LIST32)
#define ALL_BITS 0xffffffffu

/* FUTEX_WAKE_OP: *uaddr2 = 0; then a second wake if the old value was -1, which no lock word ever is */
#define SET_ZERO FUTEX_OP(FUTEX_OP_SET, 0, FUTEX_OP_CMP_EQ, 0xfff)

enum host { UNASKED, HAS, HAS_NOT };

static bool host_has_unlock(void)
{
	static enum host known;
	u64 slot = 1;
	u32 word = 0;

	if (known == UNASKED)
		known = sys5(__NR_futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG | ROBUST_UNLOCK, 0, NULL, &slot) == -ENOSYS ?
				HAS_NOT : HAS;
	return known == HAS;
}

static long slot_clear(gaddr_t slot, u32 op)
{
	u64 none = 0;

	return op & ROBUST_LIST32 ? rt_store32_guest(slot, 0) : rt_copy_to_guest(slot, &none, 8);
}

/* can it be written? What it holds stays; it is the calling thread's own */
static bool slot_writable(gaddr_t slot, u32 op)
{
	u64 held;
	size_t n = op & ROBUST_LIST32 ? 4 : 8;

	return !rt_copy_from_guest(&held, slot, n) && !rt_copy_to_guest(slot, &held, n);
}

static long unlock(struct vcpu *v, const u64 a[6], u32 op, u32 bits)
{
	gaddr_t word = a[0], slot = a[4];
	u32 private = op & FUTEX_PRIVATE_FLAG;
	const u64 wake[6] = { word, FUTEX_WAKE_OP | private, (u32)a[2], 0, word, SET_ZERO };
	bool good = slot_writable(slot, op);
	long r;

	if (!bits || word & 3)
		return -EINVAL;
	if (good && bits == ALL_BITS) {
		r = rt_syscall_for_guest(__NR_futex, wake);
		/* EINVAL: who waits there wants a PI lock. The store is done */
		if (r < 0 && r != -EINVAL)
			return r;
	} else {
		r = rt_store32_guest(word, 0);
		if (r)
			return r;
		if (good)
			r = sys_6(__NR_futex, word, FUTEX_WAKE_BITSET | private, (u32)a[2], NULL, NULL, bits);
	}
	if (slot_clear(slot, op)) {
		robust_drop(v, slot); /* free, and nobody woken */
		return -EFAULT;
	}
	return r;
}

static long unlock_pi(struct vcpu *v, const u64 a[6], u32 op)
{
	const u64 b[6] = { a[0], FUTEX_UNLOCK_PI | (op & FUTEX_PRIVATE_FLAG) };
	long r = rt_syscall_for_guest(__NR_futex, b);

	if (r < 0)
		return r;
	if (!slot_clear(a[4], op))
		return r;
	robust_drop(v, a[4]);
	return -EFAULT;
}

static long robust_unlock(struct vcpu *v, const u64 a[6], u32 op)
{
	if (op & FUTEX_CLOCK_REALTIME)
		return -ENOSYS;
	switch (op & ~FLAGS) {
	case FUTEX_WAKE:
		return unlock(v, a, op, ALL_BITS);
	case FUTEX_WAKE_BITSET:
		return unlock(v, a, op, (u32)a[5]);
	case FUTEX_UNLOCK_PI:
		return unlock_pi(v, a, op);
	}
	return -ENOSYS;
}

SYSCALL(futex)
{
	u64 b[6] = { a[0], (u32)a[1], a[2], a[3], a[4], a[5] };
	u32 op = (u32)a[1];

	/* the key of a word that processes may share is found by a write to it */
	if (unlikely(shadow_any) && !(op & FUTEX_PRIVATE_FLAG) && shadow_touches(a[0], a[0] + 4))
		return a[0] & 3 ? -EINVAL : -EFAULT;
	if (likely(!(op & (ROBUST_UNLOCK | ROBUST_LIST32))) || host_has_unlock())
		return kern_host(v, __NR_futex, a);
	if (op & ROBUST_UNLOCK)
		return robust_unlock(v, a, op);
	b[1] = op & ~ROBUST_LIST32; /* means nothing alone */
	return kern_host(v, __NR_futex, b);
}

SYSCALL(set_robust_list)
{
	return robust_set(v, a[0], a[1]);
}
