/* SPDX-License-Identifier: MIT */
/*
 * insn_decode_brief() against insn_decode(): every REX, opcode, ModRM and SIB (but for the scale) of the first two maps,
 * and bytes at random with prefixes.
 *
 * Hosted build:
 *   gcc -std=gnu11 -g -O2 -Wall -Wextra -Iengine -Itests/lib tests/unit/decode_brief.c
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#include "../../engine/xlate/decode.c"
#undef REX_B
#undef REX_X
#undef REX_R
#undef REX_W
#include "../../engine/xlate/decode_brief.c"
#include "../../engine/xlate/decode_tables.c"
#include "../../engine/xlate/decode_vec.c"

static u64 done, differ, taken;

static bool same(const struct insn *a, const struct insn *b)
{
	const u16 borrowed = 1 << 10 | 1 << 11;

	return a->len == b->len && a->class == b->class && a->rex == b->rex && a->pfx_off == b->pfx_off &&
	       a->opc_off == b->opc_off && a->opcode == b->opcode && a->map == b->map && a->modrm == b->modrm &&
	       a->modrm_off == b->modrm_off && a->mem == b->mem && a->riprel == b->riprel &&
	       (!a->riprel || a->disp_off == b->disp_off) && a->gpr_where[10] == b->gpr_where[10] &&
	       a->gpr_where[11] == b->gpr_where[11] && !((a->gpr_read ^ b->gpr_read) & borrowed) &&
	       !((a->gpr_write ^ b->gpr_write) & borrowed) && a->seg == b->seg && a->enc == b->enc &&
	       a->opsize == b->opsize && a->addrsize == b->addrsize && a->rep == b->rep && a->lock == b->lock &&
	       (a->class == INSN_PLAIN || (a->imm == b->imm && a->target == b->target && a->cc == b->cc));
}

static void compare(const u8 *code, size_t avail)
{
	struct insn full, brief;
	long rf, rb;

	memset(&brief, 0xaa, sizeof(brief));
	rf = insn_decode(&full, code, avail, 0x401000);
	rb = insn_decode_brief(&brief, code, avail, 0x401000);
	done++;
	taken += avail >= 16 && insn_brief(&(struct insn_brief){ 0 }, code);
	if (rf == rb && same(&full, &brief))
		return;
	if (differ++ < 10) {
		printf("# differ:");
		for (int i = 0; i < 8; i++)
			printf(" %02x", code[i]);
		printf(": %ld len %u class %u, brief %ld len %u class %u\n", rf, full.len, full.class, rb, brief.len,
		       brief.class);
	}
}

static void opcode(u8 rex, int map, int op)
{
	u8 code[24] = { 0 };
	int at = 0;

	if (rex)
		code[at++] = rex;
	if (map)
		code[at++] = 0x0f;
	code[at++] = (u8)op;
	for (int m = 0; m < 256; m++) {
		bool sib = (m & 7) == 4 && m < 0xc0;

		code[at] = (u8)m;
		for (int s = 0; s < (sib ? 64 : 1); s++) {
			code[at + 1] = (u8)(0x40 | s);
			compare(code, 24);
		}
	}
}

int main(void)
{
	u8 code[24];

	for (int rex = 0x3f; rex < 0x50; rex++)
		for (int map = 0; map < 2; map++)
			for (int op = 0; op < 256; op++)
				opcode(rex == 0x3f ? 0 : (u8)rex, map, op);
	CHECK_EQ(differ, 0);
	CHECK(done > 1000000);
	CHECK(taken > done / 3); /* the short cut is one */
	done = differ = 0;
	srandom(1);
	for (long n = 0; n < 4000000; n++) {
		static const u8 first[] = { 0x66, 0xf2, 0xf3, 0x65, 0x2e, 0xf0, 0x67, 0x48, 0x0f, 0xc4, 0xc5, 0x62 };

		for (size_t i = 0; i < sizeof(code); i++)
			code[i] = (u8)(random() >> 7);
		for (int i = 0; i < n % 3; i++)
			code[i] = first[random() % (long)sizeof(first)];
		compare(code, n % 5 ? sizeof(code) : (size_t)(n / 5 % 16) + 1);
	}
	CHECK_EQ(differ, 0);
	return check_done();
}
