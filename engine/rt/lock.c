/* SPDX-License-Identifier: MIT */
/*
 * Futex lock: 0 free, 1 held, 2 held and perhaps waited for (Drepper, "Futexes are tricky", mutex 3).
 * The acquire in rt_lock() pairs with the release in rt_unlock(). [no-fp]
 */
#include <linux/futex.h>
#include "rt/rt.h"

void rt_lock(struct rt_lock *l)
{
	u32 c = 0;

	if (__atomic_compare_exchange_n(&l->word, &c, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return;
	for (int i = 0; i < 64; i++) {
		__builtin_ia32_pause();
		c = 0;
		if (__atomic_compare_exchange_n(&l->word, &c, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return;
	}
	while (__atomic_exchange_n(&l->word, 2, __ATOMIC_ACQUIRE) != 0)
		sys4(__NR_futex, &l->word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 2, NULL);
}

void rt_unlock(struct rt_lock *l)
{
	u32 old = __atomic_exchange_n(&l->word, 0, __ATOMIC_RELEASE);

	BUG_ON(old == 0);
	if (old == 2)
		sys3(__NR_futex, &l->word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1);
}

void rt_lock_after_fork(struct rt_lock *l)
{
	__atomic_store_n(&l->word, 0, __ATOMIC_RELAXED);
}
