/* SPDX-License-Identifier: MIT */
/*
 * What the guest does to PKRU where the engine has a protection key of its own: the rights to its own keys are in the CPU's
 * register, the bits of the engine's key and of key 0 in the vcpu, where they do nothing.
 */
#include "cpu/emul.h"

u32 cpu_pkru(const struct vcpu *v)
{
	return (rt_pkru() & ~rt_pkey.kept) | (v->pkru & rt_pkey.kept);
}

void cpu_pkru_set(struct vcpu *v, u32 pkru)
{
	v->pkru = pkru;
	rt_pkru_set(pkru & ~rt_pkey.kept);
}

static bool rdpkru(struct vcpu *v)
{
	if ((u32)v->gregs[RCX])
		return false;
	v->gregs[RAX] = cpu_pkru(v);
	v->gregs[RDX] = 0;
	return true;
}

static bool wrpkru(struct vcpu *v)
{
	if ((u32)v->gregs[RCX] || (u32)v->gregs[RDX])
		return false;
	cpu_pkru_set(v, (u32)v->gregs[RAX]);
	return true;
}

static void xrstor(struct vcpu *v, const struct insn *in, const u8 *code)
{
	u64 features = (u32)v->gregs[RAX] | v->gregs[RDX] << 32;
	u32 pkru;

	if (rt_xrstor(emul_ea(v, in, code), features, in->rex & 8, &pkru)) {
		emul_host_fault(v);
		return;
	}
	if (features & XSTATE_PKRU)
		v->pkru = pkru;
	v->rip += in->len;
}

bool emul_pkru(struct vcpu *v, const struct insn *in, const u8 *code)
{
	bool ok;

	if (!rt_pkey.kept || (in->class != INSN_PKRU && in->class != INSN_XRSTOR))
		return false;
	if (in->class == INSN_XRSTOR) {
		xrstor(v, in, code);
		return true;
	}
	ok = in->modrm == 0xee ? rdpkru(v) : wrpkru(v);
	if (ok)
		v->rip += in->len;
	else
		emul_gp(v, 0);
	return true;
}
