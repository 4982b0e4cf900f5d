/* SPDX-License-Identifier: MIT */
/*
 * Instructions the engine executes itself: which file does which, and the few that are alone of their kind. v->rip is at
 * the instruction and the guest's state is exact; afterwards it is at the next one, or a fault has been told to the floor
 * above, which set v->rip.
 */
#include <linux/signal.h>
#include "cpu/emul.h"
#include "rt/engine.h"

static void emul_cpuid(struct vcpu *v, const struct insn *in)
{
	u32 a = (u32)v->gregs[RAX], b, c = (u32)v->gregs[RCX], d, leaf = a, sub = c;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	if (leaf == 7 && sub == 0)
		c |= 1u << 7; /* SHSTK: the guest has a shadow stack */
	if (leaf == 13 && sub == 1)
		c |= 3u << 11; /* its state is of the kind that XSAVES saves for the kernel */
	v->gregs[RAX] = a;
	v->gregs[RBX] = b;
	v->gregs[RCX] = c;
	v->gregs[RDX] = d;
	v->rip += in->len;
}

/* on a CPU with transactions every one of them aborts at once, and for good */
static void emul_xbegin(struct vcpu *v, const struct insn *in)
{
	u32 a = 7, b, c = 0, d;

	__asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	if (!(b & 1u << 11)) { /* RTM */
		emul_ud(v);
		return;
	}
	v->gregs[RAX] = 0;
	v->rip = in->target;
}

static void emul_int(struct vcpu *v, const struct insn *in)
{
	switch (in->imm) {
	case 1:
		v->rip += in->len;
		cpu_up.fault(v, SIGTRAP, 1, 0, TRAP_DB, 0);
		break;
	case 3:
		v->rip += in->len;
		cpu_up.fault(v, SIGTRAP, SI_KERNEL_CODE, 0, TRAP_BP, 0);
		break;
	case 0x80:
		v->rip += in->len;
		v->gregs[RAX] = (u64)cpu_up.int80(v, (u32)v->gregs[RAX]);
		break;
	default:
		emul_gp(v, in->imm << 3 | 2); /* a gate of CPL 0 in the IDT */
	}
}

/* each place once, as long as the list has room */
static bool first_time(gaddr_t pc)
{
	static gaddr_t seen[64];

	for (u32 i = 0; i < ARRAY_SIZE(seen); i++) {
		gaddr_t free = 0;

		if (__atomic_compare_exchange_n(&seen[i], &free, pc, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return true;
		if (free == pc)
			return false;
	}
	return false;
}

static void unknown(struct vcpu *v, const struct insn *in, const u8 *code)
{
	char hex[3 * 15 + 1];
	u32 n = 0;

	for (u32 i = 0; i < in->len; i++)
		n += (u32)rt_snprintf(hex + n, sizeof(hex) - n, " %02x", code[i]);
	if (first_time(v->rip))
		rt_log("%lx: unknown or invalid instruction, SIGILL:%s", v->rip, hex);
	emul_ud(v);
}

void emul_fetch(struct vcpu *v, struct insn *in, u8 code[16])
{
	size_t n = 15;

	memset(code, 0, 16);
	while (n && rt_copy_from_guest(code, v->rip, n))
		n--;
	if (unlikely(!n)) { /* keys do not matter to execution */
		u32 pkru = rt_pkey_ignore();

		for (n = 15; n && rt_copy_from_guest(code, v->rip, n); n--)
			;
		rt_pkey_heed(pkru);
	}
	insn_decode(in, code, 15, v->rip);
}

bool emul_faulting_transfer(struct vcpu *v)
{
	struct insn in;
	u8 code[16];

	emul_fetch(v, &in, code);
	if (in.class != INSN_CALL && in.class != INSN_CALL_IND && in.class != INSN_RET)
		return false;
	emul_insn(v);
	return true;
}

void emul_insn(struct vcpu *v)
{
	struct insn in;
	u8 code[16];

	emul_fetch(v, &in, code);
	if (in.class == INSN_CPUID)
		emul_cpuid(v, &in);
	else if (in.class == INSN_XBEGIN)
		emul_xbegin(v, &in);
	else if (in.class == INSN_INT)
		emul_int(v, &in);
	else if (!emul_near(v, &in, code) && !emul_cet(v, &in, code) && !emul_gs(v, &in, code) && !emul_mem(v, &in, code) &&
		 !emul_far(v, &in, code) && !emul_pkru(v, &in, code))
		unknown(v, &in, code);
}
