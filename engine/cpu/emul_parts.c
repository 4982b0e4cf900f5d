/* SPDX-License-Identifier: MIT */
/*
 * What every instruction that the engine executes is made of: operands, guest memory, faults as the CPU gives them.
 */
#include <linux/signal.h>
#include "cpu/emul.h"

void emul_ud(struct vcpu *v)
{
	cpu_up.fault(v, SIGILL, 2, v->rip, TRAP_UD, 0);
}

void emul_gp(struct vcpu *v, u64 err)
{
	cpu_up.fault(v, SIGSEGV, SI_KERNEL_CODE, 0, TRAP_GP, err);
}

void emul_cp(struct vcpu *v, u64 err)
{
	cpu_up.fault(v, SIGSEGV, SEGV_CPERR_CODE, 0, TRAP_CP, err);
}

void emul_shadow_fault(struct vcpu *v, gaddr_t addr, u64 err)
{
	cpu_up.fault(v, SIGSEGV, cpu_up.prot(PAGE_DOWN(addr), NULL) < 0 ? 1 : 2, addr, TRAP_PF, err);
}

void emul_host_fault(struct vcpu *v)
{
	struct cpu_fault f = v->fault;

	cpu_up.fault(v, f.signo, f.code, f.addr, f.trapno, f.err);
}

bool emul_load(struct vcpu *v, void *to, gaddr_t at, u32 size)
{
	if (likely(!rt_copy_from_guest(to, at, size)))
		return true;
	emul_host_fault(v);
	return false;
}

bool emul_store(struct vcpu *v, gaddr_t at, const void *from, u32 size)
{
	if (likely(!rt_copy_to_guest(at, from, size)))
		return true;
	emul_host_fault(v);
	return false;
}

void emul_set_reg(struct vcpu *v, int reg, u64 value, u32 size)
{
	u64 keep = size == 1 ? ~0xfful : size == 2 ? ~0xfffful : 0;

	if (size < 8)
		value &= (1ul << 8 * size) - 1;
	v->gregs[reg] = (v->gregs[reg] & keep) | value;
}

bool emul_has_far64(void)
{
	u32 a = 0, b, c = 0, d;

	__asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return b != 0x68747541 /* Auth(enticAMD) */ && b != 0x6f677948 /* Hygo(nGenuine) */;
}

gaddr_t emul_ea(struct vcpu *v, const struct insn *in, const u8 *code)
{
	u64 ea = 0;
	s32 disp = 0;
	u8 rm = in->modrm & 7;

	if (in->disp_size == 1)
		disp = (s8)code[in->disp_off];
	else if (in->disp_size == 4)
		__builtin_memcpy(&disp, code + in->disp_off, 4);
	if (in->riprel) {
		ea = v->rip + in->len;
	} else if (rm == 4) {
		int base = (in->sib & 7) | (in->rex & 1) << 3, index = (in->sib >> 3 & 7) | (in->rex & 2) << 2;

		if ((in->sib & 7) != 5 || in->modrm >> 6)
			ea += v->gregs[base];
		if (index != 4)
			ea += v->gregs[index] << (in->sib >> 6);
	} else {
		ea = v->gregs[rm | (in->rex & 1) << 3];
	}
	ea += (u64)(s64)disp;
	if (in->addrsize)
		ea = (u32)ea;
	if (in->seg == 0x65)
		ea += v->guest_gs;
	else if (in->seg == 0x64) {
		u64 fs;

		__asm__("rdfsbase %0" : "=r"(fs));
		ea += fs;
	}
	return ea;
}
