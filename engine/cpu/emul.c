/* SPDX-License-Identifier: MIT */
/*
 * Instructions the engine executes itself: rare near transfers, CPUID, the CET instructions here; the rest in emul_*.c.
 * v->rip is at the instruction and the guest's state is exact; afterwards it is at the next one, or a fault has
 * been told to the floor above, which set v->rip.
 */
#include <linux/signal.h>
#include "cpu/emul.h"
#include "gnomon/board.h"
#include "rt/engine.h"
#include "xlate/recipe.h"

#define TRAP_DB 1
#define TRAP_BP 3
#define TRAP_UD 6
#define TRAP_GP 13
#define TRAP_PF 14
#define TRAP_CP 21
#define SI_KERNEL_CODE 0x80
#define SEGV_CPERR_CODE 10
#define RESYNC_MAX 256 /* frames */

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

/* the guest address of the indirect branch in block b whose template ends at host address h; 0: the last one there */
static gaddr_t branch_in(const struct block *b, u64 h)
{
	struct recipe_walk w;
	gaddr_t pc = 0;

	recipe_walk_init(&w, b);
	while (recipe_walk_next(&w)) {
		if (w.glen)
			pc = b->pc + w.goff;
		if (h && w.kind == RK_CALL && (u64)block_host(b) + w.hoff + w.hlen == h)
			break;
	}
	return pc;
}

gaddr_t emul_branch_of(const struct block *b)
{
	return branch_in(b, 0);
}

void emul_wild_call(struct vcpu *v)
{
	u64 h = *(u64 *)v->twin_sp;
	struct block *b = cache_find_host(h);

	BUG_ON(!b);
	v->rip = branch_in(b, h);
	v->gregs[RSP] += 8;
	v->twin_sp += 8;
	cpu_go_outside(v);
	emul_gp(v, 0);
}

void emul_wild_jump(struct vcpu *v, const struct block *b)
{
	v->rip = b ? branch_in(b, 0) : v->target;
	cpu_go_outside(v);
	emul_gp(v, 0);
}

bool emul_has_far64(void)
{
	u32 a = 0, b, c = 0, d;

	__asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return b != 0x68747541 /* Auth(enticAMD) */ && b != 0x6f677948 /* Hygo(nGenuine) */;
}

/* the shadow word that a near return pops; false after a fault. *match: it is the one on the stack */
static bool pop_matches(struct vcpu *v, u64 word, bool *match)
{
	gaddr_t ssp = vcpu_ssp(v);
	u64 shadow = 0;

	if (!v->guest_ss) {
		*match = v->twin_sp < shstk_top(v) && *shstk_slot(v->twin_sp) == word;
	} else if (ssp_load(v, ssp, &shadow)) {
		*match = shadow == word;
	} else {
		ssp_fault(v, ssp, false);
		return false;
	}
	return true;
}

/* Nobody checks, but calls of functions that longjmp left would never match again: back to the frame that does */
static void resync(struct vcpu *v, u64 word)
{
	u64 end = min(shstk_top(v), v->twin_sp + 8 * RESYNC_MAX);

	for (u64 t = v->twin_sp; t < end; t += 8)
		if (*shstk_rec(t) == v->gregs[RSP] && *shstk_slot(t) == word)
			v->twin_sp = t + 8;
}

static bool may_mismatch(struct vcpu *v, u64 word)
{
	if (!v->shstk_on) {
		resync(v, word);
		return true;
	}
	return eng.set.mode != GN_MODE_RUN && violation_return(v, word);
}

/* a near return in full: word and shadow word, `extra` bytes more from the stack */
void emul_return(struct vcpu *v, u32 extra)
{
	u64 word, rsp = v->gregs[RSP], t = v->twin_sp;
	bool match;

	if (!emul_load(v, &word, rsp, 8) || !pop_matches(v, word, &match))
		return;
	if (match && likely(cpu_is_canonical(word))) {
		if (v->guest_ss)
			ssp_advance(v, 8);
		else
			v->twin_sp += 8;
	} else if (!match && !may_mismatch(v, word)) {
		emul_cp(v, 1);
		return;
	}
	if (unlikely(!cpu_is_canonical(word))) {
		v->twin_sp = t;
		emul_gp(v, 0);
		return;
	}
	v->gregs[RSP] = rsp + 8 + extra;
	v->rip = word;
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

/* the target of an indirect branch; false after a fault */
static bool branch_operand(struct vcpu *v, const struct insn *in, const u8 *code, u64 *target)
{
	if (in->mem)
		return emul_load(v, target, emul_ea(v, in, code), 8);
	*target = v->gregs[emul_rm(in)];
	return true;
}

static void emul_call(struct vcpu *v, u64 target, u64 next, bool shadow)
{
	u64 rsp = v->gregs[RSP] - 8;

	if (!cpu_is_canonical(target)) {
		emul_gp(v, 0);
		return;
	}
	if (!emul_store(v, rsp, &next, 8))
		return;
	if (shadow && !ssp_push(v, next, rsp)) {
		ssp_fault(v, vcpu_ssp(v) - 8, true);
		return;
	}
	v->gregs[RSP] = rsp;
	v->rip = target;
}

static void emul_cpuid(struct vcpu *v)
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

static void fetch(struct vcpu *v, struct insn *in, u8 code[16])
{
	size_t n = 15;

	memset(code, 0, 16);
	while (n && rt_copy_from_guest(code, v->rip, n))
		n--;
	insn_decode(in, code, 15, v->rip);
}

bool emul_faulting_transfer(struct vcpu *v)
{
	struct insn in;
	u8 code[16];

	fetch(v, &in, code);
	if (in.class != INSN_CALL && in.class != INSN_CALL_IND && in.class != INSN_RET)
		return false;
	emul_insn(v);
	return true;
}

void emul_insn(struct vcpu *v)
{
	struct insn in;
	u8 code[16];
	u64 target;

	fetch(v, &in, code);
	switch (in.class) {
	case INSN_CPUID:
		emul_cpuid(v);
		v->rip += in.len;
		return;
	case INSN_CALL:
		emul_call(v, in.target, v->rip + in.len, in.target != v->rip + in.len);
		return;
	case INSN_CALL_IND:
		if (branch_operand(v, &in, code, &target))
			emul_call(v, target, v->rip + in.len, true);
		return;
	case INSN_JMP_IND:
		if (!branch_operand(v, &in, code, &target))
			return;
		if (cpu_is_canonical(target))
			v->rip = target;
		else
			emul_gp(v, 0);
		return;
	case INSN_RET:
		emul_return(v, (u32)in.imm);
		return;
	case INSN_XBEGIN:
		emul_xbegin(v, &in);
		return;
	case INSN_INT:
		emul_int(v, &in);
		return;
	}
	if (!emul_cet(v, &in, code) && !emul_gs(v, &in, code) && !emul_mem(v, &in, code) && !emul_far(v, &in, code))
		unknown(v, &in, code);
}
