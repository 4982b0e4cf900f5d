/* SPDX-License-Identifier: MIT */
/*
 * arch_prctl: GS base, which is the engine's and emulated for the guest; shadow stacks; CPUID faulting, which the
 * engine cannot offer. FS base, AMX permissions, LAM and the rest are the guest's own and the host's to do.
 *
 * Shadow stacks: the order of checks is arch/x86/kernel/shstk.c's. shstk_features is what the guest asked for and
 * STATUS shows. In run mode it is also what happens. In check and protect mode every thread has its stack from
 * its first instruction on and checking never ends: ENABLE finds the stack already there (it does not become empty,
 * so a program that wrongly returns from the function that enabled it is not seen), DISABLE only changes the
 * books. WRSS is allowed when the guest asked for it, in every mode.
 */
#include "cpu/threads.h"
#include "kern/kern.h"
#include "kern/seccomp.h"
#include "kern/shadow.h"
#include "kern/traced.h"

#define ARCH_SET_GS 0x1001
#define ARCH_GET_GS 0x1004
#define ARCH_SET_CPUID 0x1012
#define ARCH_CET_STATUS 0x3001 /* 0x3001..0x3007: never in a released kernel */
#define ARCH_CET_LAST 0x3007
#define ARCH_SHSTK_ENABLE 0x5001
#define ARCH_SHSTK_DISABLE 0x5002
#define ARCH_SHSTK_LOCK 0x5003
#define ARCH_SHSTK_UNLOCK 0x5004
#define ARCH_SHSTK_STATUS 0x5005
#define SHSTK_SHSTK 1ull
#define SHSTK_WRSS 2ull

#define TASK_TOP 0x7ffffffff000ul

static bool engine_decides(void)
{
	return eng.set.mode != GN_MODE_RUN;
}

static long enable_shstk(struct vcpu *v)
{
	long r;

	if (v->shstk_features & SHSTK_SHSTK)
		return 0;
	if (!engine_decides()) {
		r = shadow_new(v, 0);
		if (r)
			return r;
		v->shstk_on = true;
		v->wrss_on = false;
	}
	v->shstk_features |= SHSTK_SHSTK;
	return 0;
}

static long disable_shstk(struct vcpu *v)
{
	if (!(v->shstk_features & SHSTK_SHSTK))
		return 0;
	if (!engine_decides()) {
		gaddr_t lo = v->own_lo;
		u64 size = v->own_size;
		long r = ssp_home(v);

		if (r)
			return r;
		v->shstk_on = false;
		v->own_lo = v->own_size = 0;
		if (size) /* none in a vfork child */
			shadow_unmap(v, lo, size);
	}
	v->wrss_on = false;
	v->shstk_features &= ~(SHSTK_SHSTK | SHSTK_WRSS);
	return 0;
}

static long set_wrss(struct vcpu *v, bool on)
{
	if (!(v->shstk_features & SHSTK_SHSTK))
		return -EPERM;
	v->wrss_on = on;
	v->shstk_features = on ? v->shstk_features | SHSTK_WRSS : v->shstk_features & ~SHSTK_WRSS;
	return 0;
}

static long shstk_prctl(struct vcpu *v, u32 code, u64 arg)
{
	if (code == ARCH_SHSTK_STATUS)
		return rt_copy_to_guest(arg, &v->shstk_features, 8);
	if (code == ARCH_SHSTK_LOCK) {
		v->shstk_locked |= arg;
		return 0;
	}
	if (arg & v->shstk_locked)
		return -EPERM;
	if (arg & (arg - 1))
		return -EINVAL;
	if (code == ARCH_SHSTK_DISABLE) {
		if (arg == SHSTK_WRSS)
			return set_wrss(v, false);
		return arg == SHSTK_SHSTK ? disable_shstk(v) : -EINVAL;
	}
	/* ENABLE; and UNLOCK of oneself, which the kernel lets fall through to here */
	if (arg == SHSTK_SHSTK)
		return enable_shstk(v);
	return arg == SHSTK_WRSS ? set_wrss(v, true) : -EINVAL;
}

/* STATUS is answered by the tracer itself */
long traced_prctl(struct vcpu *v, u32 code, u64 arg)
{
	if (code == ARCH_SHSTK_LOCK)
		v->shstk_locked |= arg;
	else if (code == ARCH_SHSTK_UNLOCK)
		v->shstk_locked &= ~arg;
	else
		return -EINVAL;
	return 0;
}

SYSCALL(arch_prctl)
{
	u32 code = (u32)a[0];

	switch (code) {
	case ARCH_SET_GS:
		if (a[1] >= TASK_TOP)
			return -EPERM;
		v->guest_gs = a[1];
		v->guest_gs_sel = 0;
		return 0;
	case ARCH_GET_GS:
		return rt_copy_to_guest(a[1], &v->guest_gs, 8);
	case ARCH_SET_CPUID:
		if (a[1])
			break;
		rt_log_once("arch_prctl(ARCH_SET_CPUID, 0) is not possible under gnomon: ENODEV");
		return -ENODEV;
	case ARCH_SHSTK_ENABLE ... ARCH_SHSTK_STATUS:
		return shstk_prctl(v, code, a[1]);
	case ARCH_CET_STATUS ... ARCH_CET_LAST:
		return -EINVAL;
	}
	return rt_syscall_for_guest(__NR_arch_prctl, a);
}
