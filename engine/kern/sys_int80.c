/* SPDX-License-Identifier: MIT */
/*
 * System calls of 32-bit code that 64-bit code makes, by int $0x80: what the shadow-stack ABI says of them. 32-bit callers have
 * no shadow stack to speak of: arch_prctl knows none of its codes for them, and map_shadow_stack, which does not look who asks,
 * gives them one they can reach. A handler that they install is 32-bit code, which cannot run with one (sig/deliver.c). All
 * other calls are refused.
 */
#include "kern/kern.h"
#include "kern/seccomp.h"
#include "kern/shadow.h"

#define ARCH_SHSTK_CODES 0x5000u /* and the seven that follow */
#define NR32_SIGACTION 67
#define NR32_RT_SIGACTION 174
#define NR32_ARCH_PRCTL 384
#define NR32_MAP_SHADOW_STACK 453

/* as the two calls have it; a mask of 32 or of 64 signals */
struct action32 {
	u32 handler, mask, flags, restorer;
};
struct rt_action32 {
	u32 handler, flags, restorer, mask[2];
};

static long get_action(bool rt, gaddr_t from, struct ksigaction *act)
{
	struct rt_action32 n = { 0 };
	struct action32 o;

	if (rt && rt_copy_from_guest(&n, from, sizeof(n)))
		return -EFAULT;
	if (!rt) {
		if (rt_copy_from_guest(&o, from, sizeof(o)))
			return -EFAULT;
		n = (struct rt_action32){ o.handler, o.flags, o.restorer, { o.mask } };
	}
	*act = (struct ksigaction){ n.handler, n.flags | SIG_IA32, n.restorer, n.mask[0] | (u64)n.mask[1] << 32 };
	return 0;
}

static long put_action(bool rt, gaddr_t to, const struct ksigaction *a)
{
	u32 flags = (u32)a->flags & ~SIG_IA32, mask = (u32)a->mask;
	struct rt_action32 n = { (u32)a->handler, flags, (u32)a->restorer, { mask, (u32)(a->mask >> 32) } };
	struct action32 o = { (u32)a->handler, mask, flags, (u32)a->restorer };

	return rt ? kern_put(to, &n, sizeof(n)) : kern_put(to, &o, sizeof(o));
}

static long sigaction32(struct vcpu *v, bool rt)
{
	u32 in = (u32)v->gregs[RCX], out = (u32)v->gregs[RDX];
	struct ksigaction act, old;
	long r;

	if (rt && (u32)v->gregs[RSI] != 8)
		return -EINVAL;
	r = in ? get_action(rt, in, &act) : 0;
	if (!r)
		r = sig_action(v, (int)v->gregs[RBX], in ? &act : NULL, &old);
	return r ? r : put_action(rt, out, &old);
}

long kern_int80(struct vcpu *v, u32 nr)
{
	u32 code = (u32)v->gregs[RBX];

	if (!seccomp_allows32(v, nr))
		return (long)v->gregs[RAX];
	switch (nr) {
	case NR32_ARCH_PRCTL:
		if ((code & ~7u) == ARCH_SHSTK_CODES)
			return -EINVAL;
		break;
	case NR32_MAP_SHADOW_STACK:
		return shadow_create32(v, code, (u32)v->gregs[RCX], (u32)v->gregs[RDX]);
	case NR32_SIGACTION:
	case NR32_RT_SIGACTION:
		return sigaction32(v, nr == NR32_RT_SIGACTION);
	}
	rt_log_once("32-bit system call (int $0x80) refused");
	return -ENOSYS;
}
