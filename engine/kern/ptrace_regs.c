/* SPDX-License-Identifier: MIT */
/*
 * A tracee's registers as its guest has them: integer registers from its vcpu, vector state, segments and FS base from the
 * host, where they are the guest's. The tracee is in a stop.
 */
#include <linux/elf.h>
#include <linux/ptrace.h>
#include "kern/tracee.h"

#ifndef NT_X86_SHSTK
#define NT_X86_SHSTK 0x204
#endif

#define TF 0x100ul
#define SETTABLE_FLAGS 0x54dd5ul /* FLAG_MASK of arch/x86/kernel/ptrace.c */
#define XSTATE_MOST (64ul << 10)
#define TASK_TOP 0x7ffffffff000ul

/* struct user_regs_struct */
enum {
	U_R15, U_R14, U_R13, U_R12, U_RBP, U_RBX, U_R11, U_R10, U_R9, U_R8, U_RAX, U_RCX, U_RDX, U_RSI, U_RDI,
	U_ORIG_RAX, U_RIP, U_CS, U_FLAGS, U_RSP, U_SS, U_FS_BASE, U_GS_BASE, U_DS, U_ES, U_FS, U_GS,
};

static const u8 place[16] = { U_RAX, U_RCX, U_RDX, U_RBX, U_RSP, U_RBP, U_RSI, U_RDI,
			      U_R8, U_R9, U_R10, U_R11, U_R12, U_R13, U_R14, U_R15 };

/* gregs, rip and rflags, which stand together in struct vcpu */
struct core {
	u64 greg[16];
	gaddr_t rip;
	u64 rflags;
};
_Static_assert(offsetof(struct vcpu, rip) == offsetof(struct vcpu, gregs) + 128 &&
	       offsetof(struct vcpu, rflags) == offsetof(struct vcpu, gregs) + 136, "struct core");

static long read_core(const struct tracee *t, struct core *c)
{
	return tracee_read(t, t->vcpu + offsetof(struct vcpu, gregs), c, sizeof(*c));
}

long tracee_get_regs(const struct tracee *t, u64 r[TRACEE_REGS])
{
	struct core c;
	u16 sel;
	bool tf, calling;
	long err = host_ptrace(PTRACE_GETREGS, t->tid, 0, (u64)r);

	if (err || !t->engine)
		return err;
	if (read_core(t, &c) || TRACEE_READ(t, guest_gs, &r[U_GS_BASE]) || TRACEE_READ(t, guest_gs_sel, &sel) ||
	    TRACEE_READ(t, tf, &tf) || TRACEE_READ(t, traced.orig_rax, &r[U_ORIG_RAX]) ||
	    TRACEE_READ(t, traced.calling, &calling))
		return -EIO;
	for (int i = 0; i < 16; i++)
		r[place[i]] = c.greg[i];
	if (t->stop == TRACEE_HOST && calling)
		r[U_RAX] = (u64)-ENOSYS;
	r[U_RIP] = c.rip;
	r[U_FLAGS] = (c.rflags & ~TF) | (tf ? TF : 0);
	r[U_GS] = sel;
	return 0;
}

static bool selectors_ok(const u64 *r)
{
	static const u8 seg[] = { U_CS, U_SS, U_DS, U_ES, U_FS, U_GS };

	for (size_t i = 0; i < sizeof(seg); i++)
		if (r[seg[i]] & 0xffff && (r[seg[i]] & 3) != 3)
			return false;
	return r[U_CS] & 0xffff && r[U_SS] & 0xffff;
}

long tracee_set_regs(const struct tracee *t, const u64 r[TRACEE_REGS])
{
	bool tf = r[U_FLAGS] & TF;
	u64 old[TRACEE_REGS];
	struct core c;
	bool calling;

	if (!t->engine)
		return host_ptrace(PTRACE_SETREGS, t->tid, 0, (u64)r);
	if (r[U_FS_BASE] >= TASK_TOP || r[U_GS_BASE] >= TASK_TOP || !selectors_ok(r))
		return -EIO;
	if (host_ptrace(PTRACE_GETREGS, t->tid, 0, (u64)old) || read_core(t, &c) ||
	    TRACEE_READ(t, traced.calling, &calling))
		return -EIO;
	for (int i = 0; i < 16; i++)
		if (!(t->stop == TRACEE_HOST && calling) || i != RAX)
			c.greg[i] = r[place[i]];
	c.rip = r[U_RIP];
	c.rflags = (c.rflags & ~SETTABLE_FLAGS) | (r[U_FLAGS] & SETTABLE_FLAGS & ~TF);
	if (r[U_FS_BASE] != old[U_FS_BASE] && host_ptrace(PTRACE_POKEUSR, t->tid, 8 * U_FS_BASE, r[U_FS_BASE]))
		return -EIO;
	if (tracee_write(t, t->vcpu + offsetof(struct vcpu, gregs), &c, sizeof(c)) || TRACEE_WRITE(t, tf, &tf) ||
	    TRACEE_WRITE(t, guest_gs, &r[U_GS_BASE]) || TRACEE_WRITE(t, traced.orig_rax, &r[U_ORIG_RAX]))
		return -EIO;
	return 0;
}

struct iov {
	gaddr_t base;
	u64 len;
};

/* part of the registers; the rest stays */
static long general(struct tracee *t, bool set, struct iov *io)
{
	u64 r[TRACEE_REGS];
	long err = tracee_get_regs(t, r);

	if (err)
		return err;
	io->len = min(io->len, sizeof(r));
	if (!set)
		return rt_copy_to_guest(io->base, r, io->len);
	return rt_copy_from_guest(r, io->base, io->len) ? -EFAULT : tracee_set_regs(t, r);
}

static gaddr_t ssp_of(const struct tracee *t)
{
	struct shstk s;
	u64 tsp;

	return TRACEE_READ(t, ss, &s) || TRACEE_READ(t, twin_sp, &tsp) ? 0 : tsp - s.twin + s.lo;
}

static long shadow(struct vcpu *v, struct tracee *t, bool set, struct iov *io)
{
	u64 features, ssp;

	if (TRACEE_READ(t, shstk_features, &features))
		return -EIO;
	io->len = min(io->len, 8ul);
	if (!(features & 1))
		return -ENODEV;
	if (!set) {
		ssp = ssp_of(t);
		return rt_copy_to_guest(io->base, &ssp, io->len);
	}
	if (io->len != 8)
		return -EINVAL;
	if (rt_copy_from_guest(&ssp, io->base, 8))
		return -EFAULT;
	if (ssp & 7 || ssp >= TASK_TOP)
		return -EINVAL;
	return ssp == ssp_of(t) ? 0 : tracee_ask(v, t, TRACED_SSP, ssp, 0);
}

/*
 * Vector state is the host's; PKRU in it is the engine's but for the bits of the guest's keys. The tracer's engine has the
 * same key as the tracee's: the last one.
 */
static long get_xstate(struct tracee *t, gaddr_t at)
{
	long r = host_ptrace(PTRACE_GETREGSET, t->tid, NT_X86_XSTATE, at);
	u32 off = rt_pkru_at(), pkru, own;
	struct iov io;

	if (r || rt_copy_from_guest(&io, at, sizeof(io)) || io.len < off + 4)
		return r;
	if (rt_copy_from_guest(&pkru, io.base + off, 4) || TRACEE_READ(t, pkru, &own))
		return -EIO;
	pkru = (pkru & ~rt_pkey.kept) | (own & rt_pkey.kept);
	return kern_put(io.base + off, &pkru, 4);
}

static long put_xstate(struct tracee *t, u8 *x, u64 len)
{
	u32 *pkru = (u32 *)(x + rt_pkru_at()), said;
	const struct iov io = { (gaddr_t)x, len };
	long r;

	if (len < rt_pkru_at() + 4)
		return host_ptrace(PTRACE_SETREGSET, t->tid, NT_X86_XSTATE, (u64)&io);
	said = *(u64 *)(x + XSTATE_BV) & XSTATE_PKRU ? *pkru : 0;
	*pkru &= ~rt_pkey.kept;
	r = host_ptrace(PTRACE_SETREGSET, t->tid, NT_X86_XSTATE, (u64)&io);
	if (r)
		return r;
	return TRACEE_WRITE(t, pkru, &said) ? -EIO : 0;
}

static long set_xstate(struct tracee *t, gaddr_t at)
{
	struct iov io;
	u8 *x;
	long r;

	if (rt_copy_from_guest(&io, at, sizeof(io)))
		return -EFAULT;
	io.len = min(io.len, XSTATE_MOST);
	x = io.len ? rt_map(io.len) : NULL;
	if (!x)
		return io.len ? -ENOMEM : host_ptrace(PTRACE_SETREGSET, t->tid, NT_X86_XSTATE, at);
	r = rt_copy_from_guest(x, io.base, io.len) ? -EFAULT : put_xstate(t, x, io.len);
	rt_unmap(x, io.len);
	return r;
}

long tracee_regset(struct vcpu *v, struct tracee *t, bool set, u32 type, gaddr_t at)
{
	u64 len;
	struct iov io;
	long r;

	if (unlikely(rt_pkey.kept) && t->engine && type == NT_X86_XSTATE)
		return set ? set_xstate(t, at) : get_xstate(t, at);
	if (!t->engine || (type != NT_PRSTATUS && type != NT_X86_SHSTK))
		return host_ptrace(set ? PTRACE_SETREGSET : PTRACE_GETREGSET, t->tid, type, at);
	if (rt_copy_from_guest(&io, at, sizeof(io)))
		return -EFAULT;
	if (io.len % 8)
		return -EINVAL;
	len = io.len;
	r = type == NT_PRSTATUS ? general(t, set, &io) : shadow(v, t, set, &io);
	if (r || io.len == len)
		return r;
	return kern_put(at + 8, &io.len, 8);
}
