/* SPDX-License-Identifier: MIT */
/*
 * What a tracer asks of a tracee that is in a stop, and what it changes there: memory, registers, what it stopped for, its
 * mask. Called by kern/ptrace.c.
 */
#include <linux/audit.h>
#include <linux/ptrace.h>
#include <linux/signal.h>
#include "kern/tracee.h"

#define USER_DEBUGREG 848 /* offsetof(struct user, u_debugreg) */
#define USER_REGS_END (TRACEE_REGS * 8)
#define USER_SIZE 912
#define ARCH_SHSTK_STATUS 0x5005
#define PTRACE_ARCH_PRCTL_ 30

#define REQUEST(name) static long do_##name(struct vcpu *v, struct tracee *t, u64 addr, u64 data)

/* ---- memory ---- */

REQUEST(peek)
{
	u64 word;
	long r = host_ptrace(PTRACE_PEEKDATA, t->tid, addr, (u64)&word);

	(void)v;
	return r ? r : rt_copy_to_guest(data, &word, 8);
}

REQUEST(poke)
{
	long r = host_ptrace(PTRACE_POKEDATA, t->tid, addr, data);

	if (r == -EIO && t->engine && t->stop == TRACEE_OWN) /* a shadow stack, perhaps, which the host does not force */
		return tracee_ask(v, t, TRACED_POKE, addr, data) ? -EIO : 0;
	if (!r)
		tracee_dirty(t, addr, addr + 8);
	return r;
}

/* ---- registers ---- */

REQUEST(getregs)
{
	u64 r[TRACEE_REGS];
	long err = tracee_get_regs(t, r);

	(void)v, (void)addr;
	return err ? err : rt_copy_to_guest(data, r, sizeof(r));
}

REQUEST(setregs)
{
	u64 r[TRACEE_REGS];

	(void)v, (void)addr;
	if (rt_copy_from_guest(r, data, sizeof(r)))
		return -EFAULT;
	return tracee_set_regs(t, r);
}

REQUEST(peekuser)
{
	u64 r[TRACEE_REGS], word = 0;
	long err = 0;

	(void)v;
	if (!t->engine)
		return host_ptrace(PTRACE_PEEKUSR, t->tid, addr, data);
	if (addr % 8 || addr >= USER_SIZE)
		return -EIO;
	if (addr < USER_REGS_END) {
		err = tracee_get_regs(t, r);
		word = r[addr / 8];
	}
	return err ? err : rt_copy_to_guest(data, &word, 8);
}

REQUEST(pokeuser)
{
	u64 r[TRACEE_REGS];
	long err;

	(void)v;
	if (!t->engine)
		return host_ptrace(PTRACE_POKEUSR, t->tid, addr, data);
	if (addr % 8 || addr >= USER_SIZE)
		return -EIO;
	if (addr < USER_REGS_END) {
		err = tracee_get_regs(t, r);
		if (err)
			return err;
		r[addr / 8] = data;
		return tracee_set_regs(t, r);
	}
	if (addr < USER_DEBUGREG || !data)
		return addr < USER_DEBUGREG ? -EIO : 0;
	rt_log_once("debug registers are not possible under gnomon (ENOSPC): watchpoints in software work");
	return -ENOSPC;
}

REQUEST(getregset)
{
	return tracee_regset(v, t, false, (u32)addr, data);
}

REQUEST(setregset)
{
	return tracee_regset(v, t, true, (u32)addr, data);
}

REQUEST(arch_prctl)
{
	u64 features, word;
	long r;

	if (!t->engine || data - 0x5001 > 4) {
		if (!t->engine || data == 0x1002 || data == 0x1003) /* FS base is the host's to know */
			return host_ptrace(PTRACE_ARCH_PRCTL_, t->tid, addr, data);
		if (data == 0x1004) /* ARCH_GET_GS */
			return TRACEE_READ(t, guest_gs, &word) ? -EIO : rt_copy_to_guest(addr, &word, 8);
		if (data == 0x1001)
			return TRACEE_WRITE(t, guest_gs, &addr);
		return -EINVAL;
	}
	if (data != ARCH_SHSTK_STATUS)
		return tracee_ask(v, t, TRACED_PRCTL, data, addr);
	r = TRACEE_READ(t, shstk_features, &features);
	return r ? r : rt_copy_to_guest(addr, &features, 8);
}

/* ---- what it stopped for ---- */

REQUEST(getsiginfo)
{
	u8 info[128] = { 0 };
	u32 where = TRACED_RUNS;
	long r;

	(void)v, (void)addr;
	if (t->stop != TRACEE_OWN)
		r = host_ptrace(PTRACE_GETSIGINFO, t->tid, 0, (u64)info);
	else
		r = TRACEE_READ(t, traced.info, &info) || TRACEE_READ(t, traced.where, &where) ? -ESRCH : 0;
	if (where == TRACED_GROUP && !(t->status >> 16))
		return -EINVAL;
	return r ? r : rt_copy_to_guest(data, info, sizeof(info));
}

REQUEST(setsiginfo)
{
	u8 info[128];

	(void)v, (void)addr;
	if (rt_copy_from_guest(info, data, sizeof(info)))
		return -EFAULT;
	if (t->stop != TRACEE_OWN)
		return host_ptrace(PTRACE_SETSIGINFO, t->tid, 0, (u64)info);
	return TRACEE_WRITE(t, traced.info, &info);
}

REQUEST(geteventmsg)
{
	u64 word;
	long r;

	(void)v, (void)addr;
	if (t->stop == TRACEE_OWN)
		r = TRACEE_READ(t, traced.message, &word);
	else
		r = host_ptrace(PTRACE_GETEVENTMSG, t->tid, 0, (u64)&word);
	return r ? r : rt_copy_to_guest(data, &word, 8);
}

REQUEST(setoptions)
{
	(void)v, (void)addr;
	if (data & ~PTRACE_OPTIONS)
		return -EINVAL;
	return tracee_options(t, (u32)data);
}

/* struct ptrace_syscall_info, as far as it is filled in */
struct call_info {
	u8 op, pad[3];
	u32 arch;
	u64 ip, sp;
	u64 nr_or_result, args[6];
	u32 ret_data;
};
#define CALL_INFO_ENTRY offsetof(struct call_info, ret_data)
#define CALL_INFO_SECCOMP (CALL_INFO_ENTRY + 4)

REQUEST(get_syscall_info)
{
	static const u8 from[6] = { 14, 13, 12, 7, 9, 8 }; /* rdi rsi rdx r10 r8 r9 of user_regs_struct */
	struct call_info c = { .arch = AUDIT_ARCH_X86_64 };
	u64 r[TRACEE_REGS], n = offsetof(struct call_info, nr_or_result);
	u32 where = TRACED_RUNS;
	u64 word;
	long err;

	(void)v;
	if (!t->engine)
		return host_ptrace(PTRACE_GET_SYSCALL_INFO, t->tid, addr, data);
	err = tracee_get_regs(t, r);
	if (err || (t->stop == TRACEE_OWN && TRACEE_READ(t, traced.where, &where)))
		return err ? err : -ESRCH;
	c.ip = r[16];
	c.sp = r[19];
	if (((t->status >> 8 & 0xff) == (SIGTRAP | 0x80) && where == TRACED_ENTRY) || t->status >> 16 == PTRACE_EVENT_SECCOMP) {
		c.op = where == TRACED_ENTRY ? PTRACE_SYSCALL_INFO_ENTRY : PTRACE_SYSCALL_INFO_SECCOMP;
		c.nr_or_result = r[15];
		for (int i = 0; i < 6; i++)
			c.args[i] = r[from[i]];
		if (TRACEE_READ(t, traced.message, &word))
			return -ESRCH;
		c.ret_data = (u32)word;
		n = where == TRACED_ENTRY ? CALL_INFO_ENTRY : CALL_INFO_SECCOMP;
	} else if ((t->status >> 8 & 0xff) == (SIGTRAP | 0x80) && where == TRACED_EXIT) {
		c.op = PTRACE_SYSCALL_INFO_EXIT;
		c.nr_or_result = r[10];
		c.args[0] = r[10] > (u64)-4096;
		n += 9;
	}
	return rt_copy_to_guest(data, &c, min(n, addr)) ? -EFAULT : (long)n;
}

/* the guest's mask; only by a thread that is not in the middle of delivering */
static long sigmask(struct tracee *t, bool set, u64 size, gaddr_t data)
{
	struct sigctx *ctx;
	u64 mask;

	if (!t->engine)
		return host_ptrace(set ? PTRACE_SETSIGMASK : PTRACE_GETSIGMASK, t->tid, size, data);
	if (size != 8)
		return -EINVAL;
	if (set && rt_copy_from_guest(&mask, data, 8))
		return -EFAULT;
	if (TRACEE_READ(t, sig, &ctx))
		return -EIO;
	if (!set)
		return tracee_read(t, sig_mask_at(ctx), &mask, 8) ? -EIO : rt_copy_to_guest(data, &mask, 8);
	mask &= ~(1ul << (SIGKILL - 1) | 1ul << (SIGSTOP - 1));
	return tracee_write(t, sig_mask_at(ctx), &mask, 8);
}

REQUEST(getsigmask)
{
	(void)v;
	return sigmask(t, false, addr, data);
}

REQUEST(setsigmask)
{
	(void)v;
	return sigmask(t, true, addr, data);
}

/* PTRACE_PEEKTEXT is PEEKDATA, and so on */
static const struct view {
	u32 request;
	ptrace_fn *fn;
} views[] = {
	{ PTRACE_PEEKTEXT, do_peek }, { PTRACE_PEEKDATA, do_peek },
	{ PTRACE_POKETEXT, do_poke }, { PTRACE_POKEDATA, do_poke },
	{ PTRACE_PEEKUSR, do_peekuser }, { PTRACE_POKEUSR, do_pokeuser },
	{ PTRACE_GETREGS, do_getregs }, { PTRACE_SETREGS, do_setregs },
	{ PTRACE_GETREGSET, do_getregset }, { PTRACE_SETREGSET, do_setregset },
	{ PTRACE_ARCH_PRCTL_, do_arch_prctl },
	{ PTRACE_GETSIGINFO, do_getsiginfo }, { PTRACE_SETSIGINFO, do_setsiginfo },
	{ PTRACE_GETEVENTMSG, do_geteventmsg }, { PTRACE_SETOPTIONS, do_setoptions },
	{ PTRACE_OLDSETOPTIONS, do_setoptions },
	{ PTRACE_GET_SYSCALL_INFO, do_get_syscall_info },
	{ PTRACE_GETSIGMASK, do_getsigmask }, { PTRACE_SETSIGMASK, do_setsigmask },
};

ptrace_fn *ptrace_view(u32 request)
{
	for (size_t i = 0; i < ARRAY_SIZE(views); i++)
		if (views[i].request == request)
			return views[i].fn;
	return NULL;
}
