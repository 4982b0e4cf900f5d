/* SPDX-License-Identifier: MIT */
/*
 * The instructions of shadow stacks: RDSSP, INCSSP, RSTORSSP, SAVEPREVSSP, WRSS and those of the supervisor, in the
 * order of checks of the SDM. See emul.h.
 */
#include "cpu/emul.h"

#define CP_RSTORSSP 4
#define TOKEN_MODE 1ul /* bit 0: 64-bit mode */
#define TOKEN_PREV 2ul /* bit 1: the previous SSP */
#define FLAG_CF_TOKEN 4ul

static void rdssp(struct vcpu *v, const struct insn *in)
{
	if (v->shstk_on)
		v->gregs[emul_rm(in)] = in->rex & 8 ? vcpu_ssp(v) : (u32)vcpu_ssp(v);
	v->rip += in->len;
}

/* reads the first and the last of what it pops; the first even where it pops nothing */
static bool touch(struct vcpu *v, u64 n, u32 size)
{
	gaddr_t ssp = vcpu_ssp(v), at[2] = { ssp, n > 1 ? ssp + (n - 1) * size : ssp };
	u64 word;
	u32 half;

	for (int i = 0; i < 2; i++)
		if (size == 8 ? !ssp_load(v, at[i], &word) : !ssp_load32(v, at[i], &half)) {
			ssp_fault(v, at[i], false);
			return false;
		}
	return true;
}

static void incssp(struct vcpu *v, const struct insn *in)
{
	u64 n = v->gregs[emul_rm(in)] & 0xff, size = in->rex & 8 ? 8 : 4;

	if (!v->shstk_on) {
		emul_ud(v);
		return;
	}
	if (v->guest_ss) {
		if (!touch(v, n, (u32)size))
			return;
		ssp_advance(v, n * size);
	} else if (v->twin_sp + n * size > shstk_top(v)) {
		emul_shadow_fault(v, vcpu_ssp(v) + n * size - 8, 0x44);
		return;
	} else {
		v->twin_sp += n * size;
	}
	v->rip += in->len;
}

static bool token_valid(u64 token, gaddr_t at)
{
	return (token & 3) == TOKEN_MODE && (((token & ~1ul) - 8) & ~7ul) == at;
}

static void rstorssp(struct vcpu *v, const struct insn *in, const u8 *code)
{
	gaddr_t at = emul_ea(v, in, code);
	u64 token;

	if (!v->shstk_on) {
		emul_ud(v);
		return;
	}
	if (at & 7) {
		emul_gp(v, 0);
		return;
	}
	if (!ssp_load(v, at, &token)) {
		ssp_fault(v, at, false);
		return;
	}
	switch (token_valid(token, at) ? ssp_exchange(v, at, token, vcpu_ssp(v) | TOKEN_PREV | TOKEN_MODE) : 0) {
	case 1:
		break;
	case 0:
		emul_cp(v, CP_RSTORSSP);
		return;
	default:
		ssp_fault(v, at, true);
		return;
	}
	ssp_leave(v);
	ssp_enter(v, at);
	v->rflags = (v->rflags & ~(u64)FLAGS_ARITH) | (token & FLAG_CF_TOKEN ? FLAG_CF : 0);
	v->rip += in->len;
}

static void saveprevssp(struct vcpu *v, const struct insn *in)
{
	gaddr_t ssp = vcpu_ssp(v), old, at;
	u64 prev;

	if (!v->shstk_on) {
		emul_ud(v);
		return;
	}
	if (ssp & 7) {
		emul_gp(v, 0);
		return;
	}
	if (!ssp_load(v, ssp, &prev)) {
		ssp_fault(v, ssp, false);
		return;
	}
	if (v->rflags & FLAG_CF || !(prev & TOKEN_PREV)) {
		emul_gp(v, 0);
		return;
	}
	old = prev & ~3ul;
	at = (old & ~7ul) - 8;
	if (!ssp_store32(v, old - 4, 0) || !ssp_store(v, at, old | TOKEN_MODE)) {
		ssp_fault(v, at, true);
		return;
	}
	ssp_advance(v, 8);
	v->rip += in->len;
}

static void wrss(struct vcpu *v, const struct insn *in, const u8 *code)
{
	gaddr_t at = emul_ea(v, in, code);
	u64 size = in->rex & 8 ? 8 : 4, value = v->gregs[(in->modrm >> 3 & 7) | (in->rex & 4) << 1];

	if (!v->shstk_on || !v->wrss_on) {
		emul_ud(v);
		return;
	}
	if (at & (size - 1)) {
		emul_gp(v, 0);
		return;
	}
	if (size == 8 ? !ssp_store(v, at, value) : !ssp_store32(v, at, (u32)value)) {
		ssp_fault(v, at, true);
		return;
	}
	v->rip += in->len;
}

bool emul_cet(struct vcpu *v, const struct insn *in, const u8 *code)
{
	switch (in->class) {
	case INSN_RDSSP:
		rdssp(v, in);
		return true;
	case INSN_INCSSP:
		incssp(v, in);
		return true;
	case INSN_RSTORSSP:
		rstorssp(v, in, code);
		return true;
	case INSN_SAVEPREVSSP:
		saveprevssp(v, in);
		return true;
	case INSN_WRSS:
		wrss(v, in, code);
		return true;
	case INSN_WRUSS: /* privileged; the other two need shadow stacks of the supervisor's, which Linux does not use */
		emul_gp(v, 0);
		return true;
	case INSN_SETSSBSY:
	case INSN_CLRSSBSY:
		emul_ud(v);
		return true;
	}
	return false;
}
