/* SPDX-License-Identifier: MIT */
/*
 * Following one function: every register and every stack slot holds a value known as "this much above that base", where
 * the bases are the stack pointer at entry, the return address, the registers that a function must give back, and
 * whatever came from elsewhere. Branches take the state along to their target; nothing is followed twice.
 */
#ifndef GNOMON_AUDIT_FLOW_H
#define GNOMON_AUDIT_FLOW_H

#include "code.h"

enum base_kind {
	B_OTHER,  /* from elsewhere: an argument, memory, a result */
	B_ENTRY,  /* the stack pointer at entry, which points to the return address */
	B_FRAME,  /* the own stack, at a distance that is not known (alloca, alignment) */
	B_LOADED, /* read from the own stack: perhaps a stack pointer saved there */
	B_RETURN, /* the return address */
	B_SAVED,  /* a register's value at entry that the function must give back */
	B_CODE,	  /* an address in this function */
	B_CONST,  /* off is the value */
	B_MIXED,  /* the stack pointer or the return address, disguised (pointer guard) */
};

struct val {
	uint8_t base; /* index of flow.kinds */
	bool known;   /* off means something */
	int32_t off;
};

enum slot_how { S_PUSHED, S_CALLED, S_STORED, S_REPLACED /* written over what a call inside the function pushed */ };

struct slot {
	struct val at, v;
	uint8_t how;
	uint32_t block; /* flow.block when it was written */
};

#define SLOTS 48
#define BASES 200
#define FIXED_BASES 24 /* 0: other, 1: entry, 2: return address, 3: const, 4: code, 5: mixed, 8..23: registers at entry */
#define TARGETS 64
#define CONTEXTS 8

struct state {
	struct val reg[16];
	struct slot slots[SLOTS];
	unsigned nslots;
	uint64_t switched; /* instruction that went to another stack, 0: none */
	unsigned inside;   /* calls within the function that led here */
	bool unknown;	   /* nobody knows how one gets here */
};

struct context { /* memory that registers are saved in */
	uint8_t base;
	uint16_t regs;
	bool sp, ret;
	uint64_t at;
};

struct flow {
	struct code *c;
	const struct func *fn;
	struct state s;
	uint8_t kinds[BASES + 1];
	unsigned nbases;
	struct {
		uint64_t at;
		struct state s;
	} targets[TARGETS];
	unsigned ntargets;
	struct context contexts[CONTEXTS];
	unsigned ncontexts;
	unsigned restored; /* registers to be given back that were loaded from elsewhere */
	uint32_t block; /* changes with every call, jump and branch target: what one piece of straight code did */
	uint64_t moved_at; /* behind an instruction that added to the stack pointer ... */
	int moved_by;	   /* ... this register */
	bool saves_sp, spins, after_call;
	bool junk; /* this is no code */
	ZydisDecodedInstruction in;
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	uint64_t pc;
};

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };
#define GIVEN_BACK 0xf028u /* rbx, rbp, r12 to r15 */

/* value.c */
enum base_kind val_kind(const struct flow *f, struct val v);
bool val_own_stack(const struct flow *f, struct val v);
struct val val_fresh(struct flow *f, enum base_kind kind);
struct val val_const(int64_t n);
struct val val_entry_sp(int32_t off);
struct val val_plus(struct val v, int64_t n);
struct slot *flow_slot(struct flow *f, struct val at);
void flow_store(struct flow *f, struct val at, struct val v, enum slot_how how);
struct val flow_load(struct flow *f, struct val at);
void flow_begin(struct flow *f);
void flow_unknown(struct flow *f);
void flow_branch_to(struct flow *f, uint64_t target);
bool flow_arrive(struct flow *f, uint64_t at);
uint64_t flow_target_inside(const struct flow *f, uint64_t end);
void flow_clobber(struct flow *f);

/* flow_data.c */
/* 0 to 15, -1: no general register; *wide: all of it is written */
int flow_gpr(ZydisRegister r, bool *wide);
struct val flow_address(struct flow *f, const ZydisDecodedOperand *op);
struct val flow_value(struct flow *f, const ZydisDecodedOperand *op);
void flow_set_sp(struct flow *f, struct val v);
void flow_set(struct flow *f, const ZydisDecodedOperand *op, struct val v);
void flow_push(struct flow *f, struct val v, enum slot_how how);
void flow_pop(struct flow *f, const ZydisDecodedOperand *to);
void flow_arithmetic(struct flow *f, int sign);
void flow_bits(struct flow *f);
void flow_exchange(struct flow *f);

/* flow_end.c: what is told of the function, where it leaves, and what was seen in all of it */
void flow_found(struct flow *f, enum rule rule, enum confidence conf, uint64_t at, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
void flow_ret(struct flow *f);
void flow_jump(struct flow *f, struct val to);
void flow_leaves(struct flow *f);
void flow_over(struct flow *f);

#endif
