/* SPDX-License-Identifier: MIT */
/*
 * The programs that seccomp filters are: what the kernel accepts, what it counts them as, running them. Called by
 * kern/seccomp.c on engine stacks; knows no thread.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include "kern/seccomp_bpf.h"
#include "rt/rt.h"

/* ---- what the kernel accepts ---- */

static bool jump_ok(const struct sock_filter *f, u32 at, u32 len)
{
	u32 left = len - at - 1;

	return BPF_OP(f->code) == BPF_JA ? f->k < left : f->jt < left && f->jf < left;
}

static bool insn_ok(const struct sock_filter *f, u32 at, u32 len)
{
	switch (f->code) {
	case BPF_LD | BPF_W | BPF_ABS:
		return f->k < sizeof(struct seccomp_data) && !(f->k & 3);
	case BPF_LD | BPF_W | BPF_LEN: case BPF_LDX | BPF_W | BPF_LEN:
	case BPF_LD | BPF_IMM: case BPF_LDX | BPF_IMM:
	case BPF_RET | BPF_K: case BPF_RET | BPF_A:
	case BPF_MISC | BPF_TAX: case BPF_MISC | BPF_TXA:
	case BPF_ALU | BPF_NEG:
	/* NOLINTNEXTLINE(misc-redundant-expression): two of the three are 0 */
	case BPF_ALU | BPF_ADD | BPF_K: case BPF_ALU | BPF_ADD | BPF_X:
	case BPF_ALU | BPF_SUB | BPF_K: case BPF_ALU | BPF_SUB | BPF_X:
	case BPF_ALU | BPF_MUL | BPF_K: case BPF_ALU | BPF_MUL | BPF_X:
	case BPF_ALU | BPF_AND | BPF_K: case BPF_ALU | BPF_AND | BPF_X:
	case BPF_ALU | BPF_OR | BPF_K: case BPF_ALU | BPF_OR | BPF_X:
	case BPF_ALU | BPF_XOR | BPF_K: case BPF_ALU | BPF_XOR | BPF_X:
	case BPF_ALU | BPF_DIV | BPF_X: case BPF_ALU | BPF_LSH | BPF_X: case BPF_ALU | BPF_RSH | BPF_X:
		return true;
	case BPF_ALU | BPF_DIV | BPF_K:
		return f->k;
	case BPF_ALU | BPF_LSH | BPF_K: case BPF_ALU | BPF_RSH | BPF_K:
		return f->k < 32;
	case BPF_LD | BPF_MEM: case BPF_LDX | BPF_MEM: case BPF_ST: case BPF_STX:
		return f->k < BPF_MEMWORDS;
	case BPF_JMP | BPF_JA:
	case BPF_JMP | BPF_JEQ | BPF_K: case BPF_JMP | BPF_JEQ | BPF_X:
	case BPF_JMP | BPF_JGT | BPF_K: case BPF_JMP | BPF_JGT | BPF_X:
	case BPF_JMP | BPF_JGE | BPF_K: case BPF_JMP | BPF_JGE | BPF_X:
	case BPF_JMP | BPF_JSET | BPF_K: case BPF_JMP | BPF_JSET | BPF_X:
		return jump_ok(f, at, len);
	}
	return false;
}

/* every scratch word that is loaded has been stored on all ways there; `valid`: len words, all ones */
static bool scratch_ok(const struct seccomp_filter *p, u16 *valid)
{
	u16 now = 0;

	for (u32 i = 0; i < p->len; i++) {
		const struct sock_filter *f = &p->insn[i];

		now &= valid[i];
		switch (f->code) {
		case BPF_ST: case BPF_STX:
			now |= (u16)(1u << f->k);
			break;
		case BPF_LD | BPF_MEM: case BPF_LDX | BPF_MEM:
			if (!(now >> f->k & 1))
				return false;
			break;
		case BPF_JMP | BPF_JA:
			valid[i + 1 + f->k] &= now;
			now = 0xffff;
			break;
		default:
			if (BPF_CLASS(f->code) != BPF_JMP)
				break;
			valid[i + 1 + f->jt] &= now;
			valid[i + 1 + f->jf] &= now;
			now = 0xffff;
		}
	}
	return true;
}

bool bpf_program_ok(const struct seccomp_filter *p)
{
	u16 valid[BPF_MAXINSNS];

	for (u32 i = 0; i < p->len; i++)
		if (!insn_ok(&p->insn[i], i, p->len))
			return false;
	memset(valid, 0xff, p->len * sizeof(*valid));
	return BPF_CLASS(p->insn[p->len - 1].code) == BPF_RET && scratch_ok(p, valid);
}

u32 bpf_weight(const struct seccomp_filter *p)
{
	u32 n = 3;

	for (const struct sock_filter *f = p->insn; f < p->insn + p->len; f++) {
		n++;
		if (f->code == (BPF_RET | BPF_K))
			n++;
		else if (f->code == (BPF_ALU | BPF_DIV | BPF_X))
			n += 4;
		else if (BPF_CLASS(f->code) == BPF_JMP && BPF_OP(f->code) != BPF_JA)
			n += (BPF_SRC(f->code) == BPF_K && (s32)f->k < 0) +
			     (f->jf && (f->jt || BPF_OP(f->code) == BPF_JSET));
	}
	return n;
}

/* ---- running one ---- */

static u32 alu(u32 code, u32 a, u32 b)
{
	switch (BPF_OP(code)) {
	case BPF_ADD: return a + b;
	case BPF_SUB: return a - b;
	case BPF_MUL: return a * b;
	case BPF_DIV: return b ? a / b : 0; /* bpf_run() ends there */
	case BPF_AND: return a & b;
	case BPF_OR: return a | b;
	case BPF_XOR: return a ^ b;
	case BPF_LSH: return a << (b & 31);
	case BPF_RSH: return a >> (b & 31);
	}
	return -a;
}

static bool jumps(u32 code, u32 a, u32 b)
{
	switch (BPF_OP(code)) {
	case BPF_JEQ: return a == b;
	case BPF_JGT: return a > b;
	case BPF_JGE: return a >= b;
	}
	return a & b;
}

u32 bpf_run(const struct seccomp_filter *p, const struct seccomp_data *d)
{
	u32 a = 0, x = 0, mem[BPF_MEMWORDS] = { 0 };

	for (const struct sock_filter *f = p->insn;; f++) {
		u32 b = BPF_SRC(f->code) == BPF_X ? x : f->k;

		switch (BPF_CLASS(f->code)) {
		case BPF_LD:
			if (BPF_MODE(f->code) == BPF_ABS)
				__builtin_memcpy(&a, (const u8 *)d + f->k, 4);
			else
				a = BPF_MODE(f->code) == BPF_MEM ? mem[f->k] : BPF_MODE(f->code) == BPF_LEN ? sizeof(*d) : f->k;
			break;
		case BPF_LDX:
			x = BPF_MODE(f->code) == BPF_MEM ? mem[f->k] : BPF_MODE(f->code) == BPF_LEN ? sizeof(*d) : f->k;
			break;
		case BPF_ST: mem[f->k] = a; break;
		case BPF_STX: mem[f->k] = x; break;
		case BPF_ALU:
			if (BPF_OP(f->code) == BPF_DIV && !b)
				return 0; /* SECCOMP_RET_KILL_THREAD */
			a = alu(f->code, a, b);
			break;
		case BPF_JMP:
			f += BPF_OP(f->code) == BPF_JA ? f->k : jumps(f->code, a, b) ? f->jt : f->jf;
			break;
		case BPF_RET:
			return BPF_RVAL(f->code) == BPF_A ? a : f->k;
		default:
			if (BPF_MISCOP(f->code) == BPF_TAX)
				x = a;
			else
				a = x;
		}
	}
}
