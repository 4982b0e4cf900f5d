/* SPDX-License-Identifier: MIT */
/*
 * From a guest SYSCALL to its row of the table. Runs on the thread's engine stack for every system call of the
 * guest, so the common case, a call of the host's that needs nothing around it, comes first.
 */
#include <linux/ioctl.h>
#include "kern/kern.h"
#include "kern/seccomp.h"
#include "kern/vma.h"

#define X32_BIT 0x40000000u
#define IOV_BATCH 16
#define EFAULT_RETRIES 4

struct guest_iov {
	gaddr_t base;
	u64 len;
};
struct guest_msg { /* struct msghdr */
	gaddr_t name;
	u32 name_len, pad;
	gaddr_t iov;
	u64 iov_len;
	gaddr_t control;
	u64 control_len;
	u32 flags, pad2;
};
#define MMSG_STRIDE (sizeof(struct guest_msg) + 8)

long kern_host(struct vcpu *v, long nr, const u64 a[6])
{
	if (kern_syscalls[nr].flags & SYSF_SLEEP)
		return sig_safe_syscall(v, nr, a);
	if (kern_syscalls[nr].flags & SYSF_OUT)
		return rt_syscall_for_guest(nr, a);
	return sys_6(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* ---- guarded pages in the way of the host's writes ---- */

static bool unguard_bytes(struct vcpu *v, gaddr_t at, u64 n)
{
	return at && n && vma_unguard(v, at, at + n < at ? ~0ull : at + n);
}

static bool unguard_iov(struct vcpu *v, gaddr_t at, u64 n)
{
	struct guest_iov iov[IOV_BATCH];
	bool any = false;

	n = min(n, 1024ul); /* UIO_MAXIOV: more is EINVAL */
	while (n) {
		u64 some = min(n, (u64)IOV_BATCH);

		if (rt_copy_from_guest(iov, at, some * sizeof(*iov)))
			break;
		for (u64 i = 0; i < some; i++)
			any |= unguard_bytes(v, iov[i].base, iov[i].len);
		at += some * sizeof(*iov);
		n -= some;
	}
	return any;
}

static bool unguard_msg(struct vcpu *v, gaddr_t at)
{
	struct guest_msg m;
	bool any;

	if (rt_copy_from_guest(&m, at, sizeof(m)))
		return false;
	any = unguard_bytes(v, at, sizeof(m));
	any |= unguard_bytes(v, m.name, m.name_len);
	any |= unguard_bytes(v, m.control, m.control_len);
	return unguard_iov(v, m.iov, m.iov_len) || any;
}

static bool unguard_mmsg(struct vcpu *v, gaddr_t at, u64 n)
{
	bool any = false;

	for (n = min(n, 1024ul); n; n--, at += MMSG_STRIDE) {
		any |= unguard_msg(v, at);
		any |= unguard_bytes(v, at, MMSG_STRIDE);
	}
	return any;
}

static bool unguard_out(struct vcpu *v, const struct sysout *o, const u64 *a)
{
	gaddr_t at = a[o->arg];
	u64 n = a[o->len_arg], bytes;

	switch ((enum sysout_kind)o->kind) {
	case OUT_FIXED:
		return unguard_bytes(v, at, o->size);
	case OUT_BYTES:
		return unguard_bytes(v, at, n);
	case OUT_ITEMS:
		return !__builtin_mul_overflow(n, o->size, &bytes) && unguard_bytes(v, at, bytes);
	case OUT_IOV:
		return unguard_iov(v, at, n);
	case OUT_MSG:
		return unguard_msg(v, at);
	case OUT_MMSG:
		return unguard_mmsg(v, at, (u32)n);
	case OUT_IOCTL: /* old requests do not tell their size */
		return unguard_bytes(v, at, max((u64)_IOC_SIZE(n), 256ul));
	}
	BUG();
}

static bool unguard_outs(struct vcpu *v, const struct sysent *e, const u64 *a)
{
	bool any = false;

	if (!__atomic_load_n(&vma_nguarded, __ATOMIC_RELAXED))
		return false;
	for (u32 i = 0; i < e->nouts; i++)
		any |= unguard_out(v, &kern_outs[e->outs + i], a);
	return any;
}

/* ---- the two ways through ---- */

static long call(struct vcpu *v, u32 nr, const struct sysent *e, const u64 *a)
{
	return e->flags & SYSF_HANDLER ? e->fn(v, a) : kern_host(v, nr, a);
}

static void __attribute__((noinline)) slow(struct vcpu *v, u32 nr, const struct sysent *e)
{
	const u64 *g = v->gregs;
	const u64 a[6] = { g[RDI], g[RSI], g[RDX], g[R10], g[R8], g[R9] };
	long ret;

	if (e->flags & SYSF_OUT)
		unguard_outs(v, e, a);
	ret = call(v, nr, e, a);
	/* another thread may have translated code from the page again before the kernel wrote to it */
	for (int i = 0; ret == -EFAULT && (e->flags & SYSF_OUT) && i < EFAULT_RETRIES && unguard_outs(v, e, a); i++)
		ret = call(v, nr, e, a);
	if (ret == KERN_NO_RESULT)
		return;
	if (ret == SIG_RESTART) {
		v->rip -= 2; /* rax still is the number */
		return;
	}
	v->gregs[RAX] = (u64)ret;
}

/* is the descriptor in the first argument looked at? */
static bool __attribute__((noinline)) uses_it(const struct sysent *e, const u64 *g)
{
	char c;

	return (e->flags & SYSF_FD) || (!rt_copy_from_guest(&c, g[RSI], 1) && c != '/');
}

static long unknown(u32 nr)
{
	/* -1 and x32 numbers have the bit: nothing that a newer kernel would know */
	if (!(nr & X32_BIT))
		rt_log_once("system call %u is newer than this gnomon, which knows those of Linux 7.2: ENOSYS", nr);
	return -ENOSYS;
}

void kern_syscall(struct vcpu *v)
{
	u32 nr = (u32)v->gregs[RAX]; /* as the kernel: the upper half does not count */
	const struct sysent *e = &kern_syscalls[nr];
	u64 *g = v->gregs;

	v->stat_syscalls++;
	if (unlikely(v->seccomp || v->seccomp_strict)) {
		if (!seccomp_allows(v, nr))
			return;
		nr = (u32)g[RAX]; /* a tracer may have changed it */
		e = &kern_syscalls[nr];
	}
	if (unlikely(nr >= kern_nr_syscalls)) {
		g[RAX] = (u64)unknown(nr);
		return;
	}
	if ((e->flags & (SYSF_FD | SYSF_DFD)) && unlikely(eng_owns_fd((int)g[RDI])) && uses_it(e, g)) {
		g[RAX] = (u64)-EBADF;
		return;
	}
	if ((e->flags & (SYSF_HANDLER | SYSF_SLEEP)) ||
	    ((e->flags & SYSF_OUT) && unlikely(__atomic_load_n(&vma_nguarded, __ATOMIC_RELAXED) || rt_pkey.kept))) {
		slow(v, nr, e);
		return;
	}
	g[RAX] = (u64)sys_6(nr, g[RDI], g[RSI], g[RDX], g[R10], g[R8], g[R9]);
}

SYSCALL(nosys)
{
	(void)v, (void)a;
	return -ENOSYS;
}
