/* SPDX-License-Identifier: MIT */
/*
 * The unlock window of the guest's vDSO (load/vdso.c). A thread that is interrupted between the release of its lock and
 * the store that clears its slot must not be seen there, by a handler of its own or by the kernel's walk when it dies:
 * so the store is done for it. The instruction pointer stays; doing it again does no harm. As the kernel's fix-up of
 * Linux 7.2, called wherever a signal is about to be delivered. It is also done
 * for all other threads where one ends the process by a signal, exit_group or execve. Unlocks of today's C libraries,
 * which no kernel finishes, kern/robust_code.c knows.
 */
#include "rt/engine.h"
#include "sig/ctx.h"

#define ZF 0x40ul

void sig_finish_window(struct vcpu *v)
{
	u64 none = 0, slot = v->gregs[RDX];

	for (size_t i = 0; i < ARRAY_SIZE(eng.unlock); i++) {
		if (v->rip < eng.unlock[i].start || v->rip >= eng.unlock[i].end || !(v->rflags & ZF))
			continue;
		if (rt_copy_to_guest(slot, &none, eng.unlock[i].slot_size))
			cpu_up.slot_lost(v, slot);
	}
	cpu_up.interrupted(v);
}
