/* SPDX-License-Identifier: MIT */
/*
 * The templates: host sequences that replace guest control transfers, and the copying of everything else (memory
 * operands that cannot be copied: operand.c).
 * What each does is drawn in docs/architecture.md; how to get out of its middle is in recipe.c, which counts
 * host instructions: change both together.
 */
#include "xlate/template.h"

enum { G_RCX = 1, G_RSP = 4, G_R10 = 10, G_R11 = 11 };

void xl_home(struct xl *x, u8 which)
{
	if (which & RES_R10_HOME) {
		mov_r_slot(&x->e, G_R10, SLOT_GREG(10));
		xl_record(x, RK_R10_HOME, 0);
	}
	if (which & RES_R11_HOME) {
		mov_slot_r(&x->e, SLOT_TSP, G_R11);
		mov_r_slot(&x->e, G_R11, SLOT_GREG(11));
		xl_record(x, RK_R11_HOME, 0);
	}
}

void xl_keep_twin(struct xl *x)
{
	mov_slot_r(&x->e, SLOT_TSP, G_R11);
	xl_record(x, RK_PLAIN, 0);
}

void xl_away(struct xl *x, u8 which)
{
	which &= x->res;
	if (which & RES_R10_HOME) {
		mov_slot_r(&x->e, SLOT_GREG(10), G_R10);
		xl_record(x, RK_R10_AWAY, 0);
	}
	if (which & RES_R11_HOME) {
		mov_slot_r(&x->e, SLOT_GREG(11), G_R11);
		mov_r_slot(&x->e, G_R11, SLOT_TSP);
		xl_record(x, RK_R11_AWAY, 0);
	}
}

/* rel32 that will be pointed somewhere when the exits are settled */
static void open_rel32(struct xl *x, u8 kind, gaddr_t target)
{
	xl_exit_site(x, kind, target);
	emit32(&x->e, 0);
}

static void copy_bytes(struct xl *x, u32 n)
{
	if (likely((u64)x->code % PAGE_SIZE <= PAGE_SIZE - 16))
		emit_insn(&x->e, x->code, n);
	else
		emit_bytes(&x->e, x->code, n);
}

#define SLACK 64 /* bytes; more than is emitted between a question for reach and the copy */

/* a RIP-relative operand's displacement in a copy at x->e.p; false: it is out of reach there, or `slack` bytes behind */
static bool moved_disp(const struct xl *x, const struct insn *in, s64 slack, s32 *moved)
{
	s32 disp;
	s64 to;

	__builtin_memcpy(&disp, x->code + in->disp_off, 4);
	to = (s64)(x->pc + (u64)(s64)disp - (u64)x->e.p);
	*moved = (s32)to;
	return fits_s32(to) && fits_s32(to - slack) && likely(!xlate_opts.all_far);
}

static bool has_gs_operand(const struct insn *in)
{
	return unlikely(in->seg == 0x65) && xl_gs_use(in) == GS_OPERAND;
}

bool xl_copies_alone(const struct xl *x, const struct insn *in)
{
	s32 moved;

	return !has_gs_operand(in) && (!in->riprel || moved_disp(x, in, 2 * SLACK, &moved));
}

void xl_copy(struct xl *x, const struct insn *in, enum rkind kind)
{
	s32 moved = 0;

	if (has_gs_operand(in)) {
		xl_gs_operand(x, in);
		return;
	}
	if (in->riprel && !moved_disp(x, in, SLACK, &moved)) {
		xl_far_operand(x, in);
		return;
	}
	copy_bytes(x, in->len);
	if (in->riprel)
		__builtin_memcpy(x->e.p - in->len + in->disp_off, &moved, 4);
	xl_record(x, kind, in->len);
}

static void note_pc(struct xl *x, u32 slot)
{
	mov_slot_imm(&x->e, slot, (u32)x->pc);
	mov_slot_imm(&x->e, slot + 4, (u32)(x->pc >> 32));
}

void xl_slice(struct xl *x, const struct insn *in)
{
	note_pc(x, SLOT_SLICE);
	xl_record(x, RK_PLAIN, 0);
	xl_copy(x, in, RK_PLAIN);
}

void xl_note_twin(struct xl *x)
{
	xl_away(x, RES_R11_HOME);
	mov_slot_r(&x->e, SLOT_SWITCH_TWIN, G_R11);
	xl_record(x, RK_PLAIN, 0);
}

void xl_load_rsp(struct xl *x, const struct insn *in)
{
	mov_slot_r(&x->e, SLOT_SWITCH_FROM, G_RSP);
	note_pc(x, SLOT_SWITCH);
	xl_record(x, RK_PLAIN, 0);
	xl_copy(x, in, RK_PLAIN);
	mov_slot_r(&x->e, SLOT_SWITCH_TO, G_RSP);
	xl_record(x, RK_PLAIN, 0);
}

void xl_jcc(struct xl *x, u8 cc, gaddr_t target, u32 glen)
{
	emit_align_rel32(&x->e, 2);
	emit8(&x->e, 0x0f);
	emit8(&x->e, 0x80 | cc);
	open_rel32(x, EXIT_JMP, target);
	xl_record(x, RK_PLAIN, glen);
}

/* loop/jrcxz reach 127 bytes only: over a jump that goes anywhere */
void xl_loop(struct xl *x, const struct insn *in)
{
	u8 *skip;

	emit_bytes(&x->e, x->code, in->len - 1u);
	emit8(&x->e, 2);      /* taken: over the next jump */
	EMIT(&x->e, 0xeb);
	emit8(&x->e, 0);
	skip = x->e.p;
	emit_align_rel32(&x->e, 1);
	EMIT(&x->e, 0xe9);
	open_rel32(x, EXIT_JMP, in->target);
	skip[-1] = (u8)(x->e.p - skip);
	xl_record(x, RK_LOOP, in->len);
}

void xl_jmp(struct xl *x, gaddr_t target, u32 glen)
{
	emit_align_rel32(&x->e, 1);
	EMIT(&x->e, 0xe9);
	open_rel32(x, EXIT_JMP, target);
	xl_record(x, RK_PLAIN, glen);
}

#define LE32(v) (u8)(v), (u8)((u32)(v) >> 8), (u8)((u32)(v) >> 16), (u8)((u32)(v) >> 24)
#define TWIN_SLOT LE32(-8 - SHSTK_TWIN_DELTA) /* [r11-8-D]: the shadow stack's word */

/* from `lea r10, [N]` to `mov rsp, r11`; the branch follows */
static void call_head(struct xl *x, gaddr_t next)
{
	lea_const(&x->e, G_R10, next);
	EMIT(&x->e, 0x41, 0x52,                              /* push r10 */
	     0x4d, 0x89, 0x93, TWIN_SLOT,                    /* mov [r11-8-D], r10 */
	     0x49, 0x89, 0xa3, LE32(-8 + SHSTK_REC_DELTA),   /* mov [r11-8+R], rsp */
	     0x49, 0x89, 0xe2,                               /* mov r10, rsp */
	     0x4c, 0x89, 0xdc);                              /* mov rsp, r11 */
}

/*
 * To the slow path, which reloads rcx itself, where rcx is not what it is after a return that matches. A branch that is
 * taken each time costs a place in the CPU's table of branches, and programs of many functions run out of these: where LOOP
 * is quick the difference plus one is counted down, and what LOOP jumps to is the tail of a NOP's operand, a jmp.
 */
static void mismatch(struct xl *x)
{
	s64 back = x->slow ? x->slow - (x->e.p + 2) : -256;

	if (xlate_opts.loop && back >= -128) {
		emit8(&x->e, 0xe2);                          /* loop: to the jmp of a landing before */
		emit8(&x->e, (u8)back);
		return;
	}
	if (xlate_opts.loop)
		EMIT(&x->e, 0xe2, 3,                         /* loop: to the jmp */
		     0x0f, 0x1f, 0x84);                      /* nop [rcx+rbp*8+disp32] */
	else
		EMIT(&x->e, 0xe3, 5);                        /* jrcxz: over the jmp */
	x->slow = x->e.p;
	emit8(&x->e, 0xe9);                                  /* jmp slow */
	emit_rel32_to(&x->e, arena_thunk(x->a, THUNK_RET_SLOW));
}

/* where the callee comes back to: was the word on the stack the word on the shadow stack? Leaves the flags alone. */
static void landing(struct xl *x)
{
	EMIT(&x->e, 0x49, 0x89, 0xe3,                        /* mov r11, rsp */
	     0x49, 0x8d, 0x62, 0x08,                         /* lea rsp, [r10+8] */
	     0x49, 0x89, 0x4b, (u8)SHSTK_SPILL,              /* mov [r11-24], rcx */
	     0x49, 0x8b, 0x0a,                               /* mov rcx, [r10] */
	     0x4d, 0x8b, 0x93, TWIN_SLOT,                    /* mov r10, [r11-8-D] */
	     0x49, 0xf7, 0xd2,                               /* not r10 */
	     0x4a, 0x8d, 0x4c, 0x11);                        /* lea rcx, [rcx+r10+1]; +2 for LOOP */
	emit8(&x->e, 1 + xlate_opts.loop);
	mismatch(x);
	EMIT(&x->e, 0x49, 0x8b, 0x4b, (u8)SHSTK_SPILL);      /* mov rcx, [r11-24] */
	xl_record(x, RK_LANDING, 0);
}

void xl_call(struct xl *x, const struct insn *in)
{
	xl_away(x, RES_HOME);
	call_head(x, x->pc + in->len);
	emit_align_rel32(&x->e, 1);
	EMIT(&x->e, 0xe8);
	open_rel32(x, EXIT_CALL, in->target);
	xl_record(x, RK_CALL, in->len);
	landing(x);
}

/* r10 := the branch's target operand; both registers borrowed afterwards, r10 holding the target */
static void load_target(struct xl *x, const struct insn *in)
{
	bool uses10 = in->gpr_where[10], uses11 = in->gpr_where[11];
	u8 rex = in->rex, modrm = in->modrm;
	const u8 *c = x->code;

	if (uses11 && !(x->res & RES_R11_HOME))
		xl_home(x, RES_R11_HOME);
	if (uses10 && !(x->res & RES_R10_HOME))
		xl_home(x, RES_R10_HOME);
	xl_away(x, RES_R10_HOME); /* the register still holds the guest's value */
	if (in->seg == 0x64)
		emit8(&x->e, 0x64);
	emit8(&x->e, (rex & 0x43) | 0x4c); /* REX.W, reg = r10 */
	emit8(&x->e, 0x8b);
	emit8(&x->e, (modrm & 0xc7) | (G_R10 & 7) << 3);
	if (in->riprel) {
		s32 disp;
		s64 moved;

		__builtin_memcpy(&disp, c + in->disp_off, 4);
		moved = (s64)(x->pc + in->len + (u64)(s64)disp - (u64)(x->e.p + 4));
		if (fits_s32(moved) && likely(!xlate_opts.all_far)) {
			emit32(&x->e, (u32)moved);
		} else {
			x->e.p -= 3;
			lea_const(&x->e, G_R10, x->pc + in->len + (u64)(s64)disp);
			EMIT(&x->e, 0x4d, 0x8b, 0x12); /* mov r10, [r10] */
		}
	} else {
		emit_bytes(&x->e, c + in->modrm_off + 1, in->len - in->modrm_off - 1u);
	}
	xl_record(x, RK_PLAIN, 0);
	xl_away(x, RES_R11_HOME);
}

/* FS and GS override take the meaning of NOTRACK from 3E */
static bool is_notrack(const struct xl *x, const struct insn *in)
{
	for (u32 i = 0; i < in->pfx_off; i++)
		if (x->code[i] == 0x3e)
			return !in->seg;
	return false;
}

static void note_target(struct xl *x, const struct insn *in)
{
	mov_slot_r(&x->e, SLOT_TARGET, G_R10);
	if (likely(!xlate_opts.ibt) || !is_notrack(x, in))
		return;
	EMIT(&x->e, 0x65, 0xc6, 0x04, 0x25);             /* mov byte gs:[SLOT_TARGET + 7], tag */
	emit32(&x->e, SLOT_TARGET + NOTRACK_SHIFT / 8);
	emit8(&x->e, (u8)NOTRACK_TAG);
	xl_record(x, RK_PLAIN, 0);
}

void xl_call_ind(struct xl *x, const struct insn *in)
{
	load_target(x, in);
	note_target(x, in);
	call_head(x, x->pc + in->len);
	emit_align_rel32(&x->e, 1);
	EMIT(&x->e, 0xe8);
	open_rel32(x, EXIT_ICALL, 0);
	xl_record(x, RK_CALL, in->len);
	landing(x);
}

/* jmp [rip+x] is a PLT slot or a tail call: one target, predicted; the others go through the table */
void xl_jmp_ind(struct xl *x, const struct insn *in)
{
	load_target(x, in);
	note_target(x, in);
	if (in->riprel) {
		emit_align_rel32(&x->e, 1);
		EMIT(&x->e, 0xe9);
		open_rel32(x, EXIT_IJMP, 0);
	} else {
		if (xlate_opts.pext)
			pext_r_slot(&x->e, G_R10, SLOT_JMASK);
		else
			EMIT(&x->e, 0x45, 0x0f, 0xb7, 0xd2);     /* movzx r10d, r10w */
		EMIT(&x->e, 0x65, 0x42, 0xff, 0x24, 0xd5);       /* jmp gs:[r10*8 + table] */
		emit32(&x->e, SLOT_JTABLE);
	}
	xl_record(x, RK_PLAIN, in->len);
}

void xl_ret(struct xl *x, const struct insn *in)
{
	xl_away(x, RES_HOME);
	x->ret_id = x->e.p + 4;
	EMIT(&x->e, 0x49, 0xc7, 0x43, 0xf8, 0, 0, 0, 0,      /* mov qword [r11-8], block id: publish() fills it in */
	     0x49, 0x89, 0xe2,                               /* mov r10, rsp */
	     0x4c, 0x89, 0xdc,                               /* mov rsp, r11 */
	     0xc3);
	xl_record(x, RK_RET, in->len);
}

/* to the engine by way of the exit's stub, which writes nothing but what the guest may change as well; it goes on behind */
static void leave_sealed(struct xl *x, u8 kind, gaddr_t next)
{
	emit_align_rel32(&x->e, 1);
	EMIT(&x->e, 0xe9);
	open_rel32(x, kind, next);
}

/* 17 bytes */
static void xl_leave(struct xl *x, const struct insn *in, u8 kind)
{
	if (unlikely(xlate_opts.sealed)) {
		leave_sealed(x, kind, x->pc + in->len);
		return;
	}
	mov_slot_imm(&x->e, SLOT_EXIT, 0); /* the id is filled in by publish() */
	jmp_rel32(&x->e, arena_thunk(x->a, kind == EXIT_SYSCALL ? THUNK_SYSCALL : THUNK_EMUL));
	xl_exit_site(x, kind, x->pc + in->len);
}

bool xl_comes_back(const struct xl *x)
{
	const struct pending_exit *last = &x->exits[x->nexits - 1];

	return x->nexits && last->kind >= EXIT_SYSCALL && last->site + (xlate_opts.sealed ? 4 : 0) == x->e.p;
}

/* what xl_slice(), xl_note_twin() and xl_load_rsp() note, the engine notes */
void xl_sealed_copy(struct xl *x, const struct insn *in)
{
	bool loads_rsp = insn_loads_rsp(in);

	if (unlikely(loads_rsp || insn_slices_stack(in))) {
		leave_sealed(x, EXIT_NOTE, x->pc);
		xl_record(x, RK_PLAIN, 0);
	}
	xl_copy(x, in, RK_PLAIN);
	if (unlikely(loads_rsp)) {
		leave_sealed(x, EXIT_NOTED, x->pc + in->len);
		xl_record(x, RK_PLAIN, 0);
	}
}

/*
 * A RET that pops n bytes more, as functions do that clean up their arguments. The landing takes r10+8 for the new RSP and
 * compares [r10] with the shadow word: so the comparison is made here, and then r10 moved on and the shadow word, which is
 * popped anyhow, made equal to what stands there.
 */
void xl_ret_n(struct xl *x, const struct insn *in)
{
	u32 n = (u16)in->imm;
	struct emit *e = &x->e;

	xl_away(x, RES_HOME);
	EMIT(e, 0x49, 0x89, 0x4b, (u8)SHSTK_SPILL,           /* mov [r11-24], rcx */
	     0x48, 0x8b, 0x0c, 0x24,                         /* mov rcx, [rsp] */
	     0x4d, 0x8b, 0x93, LE32(-SHSTK_TWIN_DELTA),      /* mov r10, [r11-D] */
	     0x49, 0xf7, 0xd2,                               /* not r10 */
	     0x4a, 0x8d, 0x4c, 0x11, 0x01,                   /* lea rcx, [rcx+r10+1] */
	     0xe3, 21,                                       /* jrcxz: over the engine's part */
	     0x49, 0x8b, 0x4b, (u8)SHSTK_SPILL);             /* mov rcx, [r11-24] */
	xl_leave(x, in, EXIT_EMUL);
	EMIT(e, 0x49, 0x8b, 0x4b, (u8)SHSTK_SPILL,           /* mov rcx, [r11-24] */
	     0x4c, 0x8b, 0x94, 0x24);                        /* mov r10, [rsp+n] */
	emit32(e, n);
	EMIT(e, 0x4d, 0x89, 0x93, LE32(-SHSTK_TWIN_DELTA),   /* mov [r11-D], r10 */
	     0x4c, 0x8d, 0x94, 0x24);                        /* lea r10, [rsp+n] */
	emit32(e, n);
	EMIT(e, 0x49, 0xc7, 0x43, 0xf8);                     /* mov qword [r11-8], block id */
	x->ret_id = e->p;
	emit32(e, 0);
	EMIT(e, 0x41, 0xc7, 0x43, 0xfc);                     /* mov dword [r11-4], n */
	emit32(e, n);
	EMIT(e, 0x4c, 0x89, 0xdc,                            /* mov rsp, r11 */
	     0xc3);
	xl_record(x, RK_RET_N, in->len);
}

/* leave for the engine, with both registers borrowed unless sealed; the block goes on behind */
void xl_engine(struct xl *x, const struct insn *in, u8 kind)
{
	if (likely(!xlate_opts.sealed))
		xl_away(x, RES_HOME);
	xl_leave(x, in, kind);
	xl_record(x, RK_PLAIN, in->len);
}
