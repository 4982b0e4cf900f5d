/* SPDX-License-Identifier: MIT */
/*
 * A run of guest instructions into host code: the inner loop of translation. Plain instructions are copied as fast as
 * their lengths are known, the others get their template.
 */
#include "xlate/critical.h"
#include "xlate/decode_brief.h"
#include "xlate/template.h"

#define LEA 0x8d
#define DESC_ALIGN 32 /* of a critical section's descriptor */

static bool ends_block(const struct insn *in)
{
	switch (in->class) {
	case INSN_JMP:
	case INSN_JMP_IND:
	case INSN_RET:
	case INSN_JMP_FAR:
	case INSN_CALL_FAR:
	case INSN_RET_FAR:
	case INSN_IRET:
	case INSN_UD:
	case INSN_INVALID:
		return true;
	case INSN_INT:
		return in->imm != 3;
	}
	return false;
}

/* of r10 and r11, as RES_... */
static u8 borrowable(u16 gprs)
{
	return gprs >> 10 & RES_HOME;
}

/*
 * r10/r11 that the instruction names must be at home, but for one that it overwrites whole, if it may: that comes home with it.
 * Returns the kind of its record.
 */
static enum rkind bring_home(struct xl *x, const struct insn *in, bool may_set)
{
	u16 where = (in->gpr_where[10] ? 1u << 10 : 0) | (in->gpr_where[11] ? 1u << 11 : 0);
	u8 away = borrowable(where | in->gpr_read | in->gpr_write) & (u8)~x->res, set;

	set = may_set ? away & borrowable(in->gpr_kill) : 0;
	if (set == RES_HOME || (set && !xl_copies_alone(x, in)))
		set = 0;
	xl_home(x, away & (u8)~set);
	if (set & RES_R11_HOME)
		xl_keep_twin(x);
	return set & RES_R11_HOME ? RK_SETS_R11 : set ? RK_SETS_R10 : RK_PLAIN;
}

/* FXRSTOR knows nothing of PKRU, XRSTORS is the kernel's */
static bool loads_pkru(const struct insn *in)
{
	return in->class == INSN_PKRU || (in->class == INSN_XRSTOR && in->opcode == 0xae && (in->modrm >> 3 & 7) == 5);
}

bool xlate_copies(const struct insn *in)
{
	switch (in->class) {
	case INSN_PKRU:
	case INSN_XRSTOR:
		if (xlate_opts.pkru && loads_pkru(in))
			return false;
		return in->seg != 0x65 || xl_gs_use(in) != GS_ENGINE;
	case INSN_PLAIN:
	case INSN_FSBASE:
	case INSN_ENDBR:
	case INSN_XGETBV:
	case INSN_XABORT:
	case INSN_PRIV:
	case INSN_UD:
	case INSN_POPF:
		return in->seg != 0x65 || xl_gs_use(in) != GS_ENGINE;
	}
	return false;
}

/* loads it the address of a critical section's descriptor? */
static void look_at_lea(struct xl *x, const struct insn *in)
{
	gaddr_t at;
	s32 disp;

	__builtin_memcpy(&disp, x->code + in->disp_off, 4);
	at = x->pc + in->len + (u64)(s64)disp;
	if (at % DESC_ALIGN)
		return;
	critical_guess(x->pc, at);
	x->end = critical_next(x->pc + in->len, x->end);
}

static void translate_copy(struct xl *x, const struct insn *in)
{
	bool loads_rsp, slices;
	enum rkind kind;

	if (unlikely(xlate_opts.sealed)) {
		xl_sealed_copy(x, in);
		return;
	}
	loads_rsp = insn_loads_rsp(in);
	slices = insn_slices_stack(in);
	if (in->riprel && in->opcode == LEA && !in->map)
		look_at_lea(x, in);
	if (unlikely(loads_rsp))
		xl_note_twin(x);
	kind = bring_home(x, in, !loads_rsp && !slices);
	if (unlikely(loads_rsp))
		xl_load_rsp(x, in);
	else if (unlikely(slices))
		xl_slice(x, in);
	else
		xl_copy(x, in, kind);
}

/* sealed code: what writes to the shadow stack, or names its target in the thread's context */
static bool is_for_engine(const struct insn *in)
{
	return in->class == INSN_CALL || in->class == INSN_CALL_IND || in->class == INSN_JMP_IND || in->class == INSN_RET;
}

static void translate_one(struct xl *x, const struct insn *in)
{
	if (unlikely(xlate_opts.sealed) && is_for_engine(in)) {
		xl_engine(x, in, EXIT_EMUL);
		return;
	}
	switch (in->class) {
	case INSN_JCC:
		xl_jcc(x, in->cc, in->target, in->len);
		return;
	case INSN_LOOP:
		xl_loop(x, in);
		return;
	case INSN_JMP:
		xl_jmp(x, in->target, in->len);
		return;
	case INSN_CALL:
		if (in->target == x->pc + in->len)
			xl_engine(x, in, EXIT_EMUL); /* call $+5: pushes, but not on the shadow stack */
		else
			xl_call(x, in);
		return;
	case INSN_CALL_IND:
		if (in->seg == 0x65 || in->opsize || in->addrsize)
			xl_engine(x, in, EXIT_EMUL);
		else
			xl_call_ind(x, in);
		return;
	case INSN_JMP_IND:
		if (in->seg == 0x65 || in->opsize || in->addrsize)
			xl_engine(x, in, EXIT_EMUL);
		else
			xl_jmp_ind(x, in);
		return;
	case INSN_RET:
		if (in->opsize)
			xl_engine(x, in, EXIT_EMUL);
		else if (in->imm)
			xl_ret_n(x, in);
		else
			xl_ret(x, in);
		return;
	case INSN_SYSCALL:
		xl_engine(x, in, EXIT_SYSCALL);
		return;
	default:
		if (xlate_copies(in))
			translate_copy(x, in);
		else
			xl_engine(x, in, EXIT_EMUL);
	}
}

/* an instruction begins here, and host code for it */
static inline void mark_bound(struct xl *x, gaddr_t pc, const u8 *host)
{
	unsigned word = pc % PAGE_SIZE / 64;
	u64 bit = 1ul << pc % 64;

	x->bounds[word] |= bit;
	x->starts[word] |= x->res ? 0 : bit;
	x->bound_at[pc - x->src->pc] = (u16)((u32)(host - x->start) * 4 | x->res);
}

void xl_forget_bounds(struct xl *x, u32 glen)
{
	u32 first = x->src->pc % PAGE_SIZE / 64, last = (u32)((x->src->pc % PAGE_SIZE + glen - 1) / 64);

	for (u32 i = first; i <= last && i < PAGE_SIZE / 64; i++)
		x->bounds[i] = x->starts[i] = 0;
}

struct run {
	const u64 *known; /* cache_known_in() of the page */
	u32 left;         /* instructions that the block may still take */
};

/* is there translated code for pc? Then go on there */
static bool is_known(const u64 *known, gaddr_t pc)
{
	return known && known[pc % PAGE_SIZE / 64] >> (pc % 64) & 1;
}

/* how it goes on behind the last instruction */
static void finish_run(struct xl *x, bool ended, const u64 *known)
{
	if (x->res && !xlate_opts.sealed && is_known(known, x->pc)) /* rather with registers borrowed than once more */
		xl_away(x, x->res);
	/* what the engine executes comes back behind itself where it did not branch */
	if (!ended || xl_comes_back(x))
		xl_jmp(x, x->pc, 0);
}

enum stopped_by { BY_BRIEF, BY_OTHER, BY_END };

/*
 * Copies plain instructions until there is something else: an instruction that the short cut knows (*b), another, or
 * the end of the run. Host and guest lengths are equal here, so one distance serves all RIP-relative operands.
 */
static enum stopped_by copy_plain(struct xl *x, struct run *r, struct insn_brief *b)
{
	const u8 *code = x->code, *end = code + (x->end - x->pc);
	u8 *to = x->e.p, *side = x->side + x->nside;
	const s64 moved = (s64)(x->pc - (u64)to);
	enum stopped_by by = BY_OTHER;
	gaddr_t pc = x->pc;

	BUG_ON(x->rec_start != to || to + 16 * r->left > x->e.limit || x->nside + 2 * r->left > sizeof(x->side));
	while (end - code >= 16) {
		s32 disp;

		if (!insn_brief(b, code))
			break;
		by = BY_BRIEF;
		if (brief_class(b) != INSN_PLAIN)
			break;
		__builtin_memcpy(to, code, 16); /* the next one overwrites what was too much */
		if (b->disp_off) {
			__builtin_memcpy(&disp, code + b->disp_off, 4);
			if (!fits_s32(disp + moved) || unlikely(xlate_opts.all_far))
				break;
			if (code[b->disp_off - 2] == LEA && !((pc + b->len + (u64)(s64)disp) % DESC_ALIGN))
				break;
			__builtin_memcpy(to + b->disp_off, &(s32){ (s32)(disp + moved) }, 4);
		}
		mark_bound(x, pc, to);
		side[0] = side[1] = (u8)b->len; /* as xl_record() does for RK_PLAIN, which is 0 */
		side += 2;
		to += b->len;
		code += b->len;
		pc += b->len;
		by = BY_END;
		if (!--r->left || is_known(r->known, pc))
			break;
		by = BY_OTHER;
	}
	x->nside = (u32)(side - x->side);
	x->e.p = x->rec_start = to;
	x->code = code;
	x->pc = pc;
	return by;
}

/* the most frequent branch, without a struct insn */
static void translate_jcc(struct xl *x, const struct insn_brief *b)
{
	gaddr_t next = x->pc + b->len;
	s32 disp;
	u8 cc;

	if ((b->shape & BRIEF_IMM) == BRIEF_I8) {
		disp = (s8)x->code[b->len - 1];
		cc = x->code[b->len - 2] & 15;
	} else {
		__builtin_memcpy(&disp, x->code + b->len - 4, 4);
		cc = x->code[b->len - 5] & 15;
	}
	mark_bound(x, x->pc, x->e.p);
	xl_jcc(x, cc, next + (u64)(s64)disp, b->len);
	x->code += b->len;
	x->pc = next;
}

static bool translate_marked(struct xl *x, const struct insn *in)
{
	mark_bound(x, x->pc, x->e.p);
	translate_one(x, in);
	x->code += in->len;
	x->pc += in->len;
	return ends_block(in);
}

u32 xl_run(struct xl *x)
{
	const struct xlate_source *s = x->src;
	struct run r = {
		.known = cache_known_in(PAGE_DOWN(s->pc)),
		.left = xlate_opts.one_insn ? 1 : XLATE_MAX_INSNS,
	};
	struct insn_brief brief;
	struct insn in;
	bool ended = false;

	x->end = critical_next(s->pc + 1, s->pc + s->avail);
	do {
		enum stopped_by by = copy_plain(x, &r, &brief);

		if (by == BY_END || x->pc == x->end)
			break;
		if (by == BY_BRIEF && brief_class(&brief) == INSN_JCC) {
			translate_jcc(x, &brief);
			continue;
		}
		if (by == BY_BRIEF)
			insn_from_brief(&in, &brief, x->code, x->pc);
		else if (insn_decode(&in, x->code, x->end - x->pc, x->pc))
			break;
		ended = translate_marked(x, &in);
		if (in.class == INSN_POPF) /* it may have set the trap flag: nothing else may run behind it (cpu/step.c) */
			break;
	} while (!ended && --r.left && x->pc < x->end && !is_known(r.known, x->pc));
	if (x->pc != s->pc)
		finish_run(x, ended, r.known);
	return (u32)(x->pc - s->pc);
}

u32 xl_straddler(struct xl *x, u8 *flags)
{
	struct xlate_source alone = *x->src;
	const struct xlate_source *s = x->src;
	struct insn in;
	bool ended;

	if (s->straddle) {
		alone.code = x->code = s->straddle;
		alone.avail = s->straddle_len;
		x->src = &alone;
	}
	insn_decode(&in, x->code, x->src->avail, s->pc);
	if (s->straddle && in.len > s->avail)
		*flags = BLOCK_STRADDLE;
	ended = translate_marked(x, &in);
	finish_run(x, ended, NULL);
	x->src = s;
	return in.len;
}
