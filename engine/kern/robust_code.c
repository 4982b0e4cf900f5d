/* SPDX-License-Identifier: MIT */
/*
 * Has a thread let its lock go? gnomon/unlock_walk.h has the answer; here is what it needs: the thread's memory, and its
 * instructions by the engine's decoder.
 *
 * The thread's state is exact: it is the caller, or is held. On engine stacks.
 */
#include "gnomon/unlock_walk.h"
#include "kern/kern.h"
#include "kern/robust.h"
#include "xlate/decode.h"

#define SEG_FS 0x64
#define SEG_GS 0x65
#define LIST_MOST 2048 /* the kernel's limit */

static s64 displacement(const struct insn *in, const u8 *code)
{
	s32 v = 0;

	if (in->disp_size == 1)
		return (s8)code[in->disp_off];
	if (in->disp_size == 4)
		memcpy(&v, code + in->disp_off, 4);
	return v;
}

static int reg_of(const struct insn *in)
{
	return (in->modrm >> 3 & 7) | (in->rex & 4) << 1;
}

/* the other one: a register, or the base of the operand */
static int rm_of(const struct insn *in)
{
	return (in->modrm & 7) | (in->rex & 1) << 3;
}

static void operand(const struct insn *in, const u8 *code, struct walk_insn *w)
{
	if (in->riprel) {
		w->seg = WALK_CODE;
		return;
	}
	w->seg = in->addrsize || in->seg == SEG_GS || in->enc ? WALK_LOST : in->seg == SEG_FS ? WALK_THREAD : WALK_FLAT;
	w->disp = displacement(in, code);
	w->base = rm_of(in);
	if ((in->modrm & 7) != 4)
		return;
	w->base = (in->sib & 7) == 5 && in->modrm < 0x40 ? -1 : (in->sib & 7) | (in->rex & 1) << 3;
	w->index = (in->sib >> 3 & 7) | (in->rex & 2) << 2;
	w->index = w->index == 4 ? -1 : w->index;
	w->scale = 1u << (in->sib >> 6);
}

static bool wide(const struct insn *in)
{
	return !in->map && !in->enc && in->rex & 8 && !in->opsize;
}

/* of the instructions with a memory operand: mov, movzx, movsx, add and the like into a register, cmp, test */
static bool only_reads(const struct insn *in)
{
	u8 op = in->opcode, ext = in->modrm >> 3 & 7;

	if (in->enc || in->map > 1)
		return false;
	if (in->map)
		return (op & 0xf6) == 0xb6 || (op & 0xf0) == 0x40 || op == 0x1f /* nop */;
	return op == 0x8a || op == 0x8b || op == 0x63 || op == 0x84 || op == 0x85 || op == 0x8d || (op < 0x40 && (op & 7) < 4 && op & 2) ||
	       op == 0x38 || op == 0x39 || ((op & 0xfc) == 0x80 && ext == 7) || ((op | 1) == 0xf7 && ext < 2);
}

static void stores(const struct insn *in, struct walk_insn *w)
{
	bool plain = !in->map && !in->enc;

	w->stores = in->mem && !only_reads(in);
	w->locked = in->mem && (in->lock || (plain && (in->opcode | 1) == 0x87));
	w->stores |= w->locked;
	w->zero = wide(in) && in->opcode == 0xc7 && !in->imm;
	/* mov to an address that is a number, movs, stos */
	w->blind = !in->mem && plain && ((in->opcode >= 0xa2 && in->opcode <= 0xa5) || (in->opcode | 1) == 0xab);
}

static void loads(const struct insn *in, struct walk_insn *w)
{
	u8 ext = in->modrm >> 3 & 7;

	w->to = reg_of(in);
	w->from = rm_of(in);
	if (!wide(in))
		return;
	switch (in->opcode) {
	case 0x8b:
		w->load = in->mem ? WALK_WORD : WALK_REG;
		break;
	case 0x89:
		w->to = rm_of(in);
		w->from = reg_of(in);
		w->load = in->mem ? WALK_NOTHING : WALK_REG;
		break;
	case 0x8d:
		w->load = in->seg ? WALK_NOTHING : WALK_ADDRESS;
		break;
	case 0x81:
	case 0x83: /* add and sub of a number */
		w->to = rm_of(in);
		w->load = in->mem || (ext && ext != 5) ? WALK_NOTHING : WALK_SUM;
		w->plus = ext == 5 ? -(s64)in->imm : (s64)in->imm;
		break;
	}
}

/* push, pop; mov, lea and what does nothing leave the flags alone */
static void effects(const struct insn *in, struct walk_insn *w)
{
	bool plain = !in->map && !in->enc, push = plain && (in->opcode & 0xf8) == 0x50, pop = plain && (in->opcode & 0xf8) == 0x58;

	w->writes = in->gpr_write;
	if (push || (pop && !(in->gpr_where[RSP] & INSN_REG_OPC)))
		w->stack = push ? -1 : 1;
	w->keeps = push || pop || in->class == INSN_ENDBR ||
		   (plain && ((in->opcode & 0xfc) == 0x88 || in->opcode == 0x8d || (in->opcode | 1) == 0xc7 || in->opcode == 0x90)) ||
		   (in->map == 1 && !in->enc && in->opcode == 0x1f);
}

static enum walk_flow flow_of(const struct insn *in)
{
	switch (in->class) {
	case INSN_PLAIN:
	case INSN_ENDBR:
		return WALK_ON;
	case INSN_JCC:
		return WALK_BRANCH;
	case INSN_JMP:
		return WALK_JUMP;
	case INSN_RET:
		return WALK_RETURN;
	case INSN_SYSCALL:
		return WALK_KERNEL;
	default:
		return WALK_END;
	}
}

static bool read_guest(const struct walk *w, u64 at, void *to, size_t n)
{
	(void)w;
	return !rt_copy_from_guest(to, at, n);
}

static bool decode(const struct walk *w, u64 ip, struct walk_insn *ret)
{
	size_t n = min(15ul, PAGE_SIZE - (ip & ~PAGE_MASK));
	u8 code[16] = { 0 };
	struct insn in;

	(void)w;
	if (rt_copy_from_guest(code, ip, n))
		return false;
	if (n < 15 && !rt_copy_from_guest(code + n, ip + n, 15 - n))
		n = 15;
	if (insn_decode(&in, code, n, ip))
		return false;
	ret->next = ip + in.len;
	ret->target = in.target;
	ret->flow = flow_of(&in);
	ret->cc = in.cc;
	if (in.mem)
		operand(&in, code, ret);
	stores(&in, ret);
	if (ret->flow == WALK_RETURN)
		ret->plus = (s64)in.imm;
	else
		loads(&in, ret);
	effects(&in, ret);
	return true;
}

static bool listed(gaddr_t head, const struct robust_head *h)
{
	gaddr_t e = h->next & ~1ul;

	for (int i = 0; i < LIST_MOST && e != head; i++) {
		if (e == (h->pending & ~1ul))
			return true;
		if (rt_copy_from_guest(&e, e, 8))
			return false;
		e &= ~1ul;
	}
	return false;
}

bool robust_let_go(const struct vcpu *t, gaddr_t head, const struct robust_head *h)
{
	struct walk w;
	u8 before[2];
	bool syscall;

	if (listed(head, h))
		return false;
	/* a system call may still be under way */
	syscall = rt_copy_from_guest(before, t->rip - 2, 2) || (before[0] == 0x0f && before[1] == 0x05);
	w.read = read_guest;
	w.decode = decode;
	w.head = head;
	w.slot = head + ROBUST_PENDING;
	w.flags = t->rflags;
	w.size = 8;
	w.pi = h->pending & 1;
	return walk_let_go(&w, t->rip, t->gregs, syscall);
}
