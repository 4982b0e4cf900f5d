/* SPDX-License-Identifier: MIT */
/*
 * What the guest does to gs itself. The host's GS base is the engine's context and its selector stays 0; the guest's
 * are v->guest_gs and v->guest_gs_sel. What a selector means is asked of the CPU, by way of fs (rt/fault.S).
 */
#include "cpu/emul.h"

static bool set_selector(struct vcpu *v, u16 sel)
{
	u64 base = v->guest_gs;

	if (rt_selector_base(sel, &base)) {
		emul_host_fault(v);
		return false;
	}
	v->guest_gs = base;
	v->guest_gs_sel = sel;
	return true;
}

static bool store_selector(struct vcpu *v, const struct insn *in, const u8 *code)
{
	if (in->mem)
		return emul_store(v, emul_ea(v, in, code), &v->guest_gs_sel, 2);
	emul_set_reg(v, emul_rm(in), v->guest_gs_sel, emul_opsize(in));
	return true;
}

static bool load_selector(struct vcpu *v, const struct insn *in, const u8 *code)
{
	u16 sel = (u16)v->gregs[emul_rm(in)];

	if (in->mem && !emul_load(v, &sel, emul_ea(v, in, code), 2))
		return false;
	return set_selector(v, sel);
}

static bool push_selector(struct vcpu *v, const struct insn *in)
{
	u64 word = v->guest_gs_sel;
	u32 size = in->opsize ? 2 : 8;

	if (!emul_store(v, v->gregs[RSP] - size, &word, size))
		return false;
	v->gregs[RSP] -= size;
	return true;
}

static bool pop_selector(struct vcpu *v, const struct insn *in)
{
	u64 word = 0;
	u32 size = in->opsize ? 2 : 8;

	if (!emul_load(v, &word, v->gregs[RSP], size) || !set_selector(v, (u16)word))
		return false;
	v->gregs[RSP] += size;
	return true;
}

static bool lgs(struct vcpu *v, const struct insn *in, const u8 *code)
{
	int reg = (in->modrm >> 3 & 7) | (in->rex & 4) << 1;
	u32 size = emul_opsize(in);
	gaddr_t at = emul_ea(v, in, code);
	u64 offset = 0;
	u16 sel;

	if (size == 8 && !emul_has_far64())
		size = 4;
	if (!emul_load(v, &offset, at, size) || !emul_load(v, &sel, at + size, 2) || !set_selector(v, sel))
		return false;
	emul_set_reg(v, reg, offset, size);
	return true;
}

static bool write_base(struct vcpu *v, const struct insn *in)
{
	u64 base = v->gregs[emul_rm(in)];

	if (!(in->rex & 8))
		base = (u32)base;
	if (rt_base_check(base)) {
		emul_host_fault(v);
		return false;
	}
	v->guest_gs = base;
	return true;
}

bool emul_gs(struct vcpu *v, const struct insn *in, const u8 *code)
{
	bool ok;

	if (in->class != INSN_GSBASE)
		return false;
	switch (in->map << 8 | in->opcode) {
	case 0x08c:
		ok = store_selector(v, in, code);
		break;
	case 0x08e:
		ok = load_selector(v, in, code);
		break;
	case 0x1a8:
		ok = push_selector(v, in);
		break;
	case 0x1a9:
		ok = pop_selector(v, in);
		break;
	case 0x1ae:
		ok = true;
		if ((in->modrm >> 3 & 7) == 3)
			ok = write_base(v, in);
		else
			emul_set_reg(v, emul_rm(in), v->guest_gs, in->rex & 8 ? 8 : 4);
		break;
	case 0x1b5:
		ok = lgs(v, in, code);
		break;
	default: /* swapgs */
		emul_gp(v, 0);
		ok = false;
	}
	if (ok)
		v->rip += in->len;
	return true;
}
