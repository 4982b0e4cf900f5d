/* SPDX-License-Identifier: MIT */
/*
 * Which arithmetic flags may still be read: decides whether a template may use a compare. Conservative: what
 * is not seen to be overwritten within a few instructions of the same page is live. [as-safe]
 */
#include "xlate/xlate.h"

#define LOOKAHEAD 10

static bool in_window(gaddr_t pc, const u8 *code, u32 avail, gaddr_t target)
{
	return target >= pc && target < pc + avail && code;
}

u16 liveness_flags(gaddr_t pc, const u8 *code, u32 avail)
{
	u16 live = FLAGS_ARITH, read = 0;
	struct insn in;

	for (int i = 0; i < LOOKAHEAD && avail; i++) {
		if (insn_decode(&in, code, avail, pc))
			return read | live;
		if (in.class == INSN_CALL || in.class == INSN_JMP) {
			u32 skip;

			if (!in_window(pc, code, avail, in.target))
				return read | live;
			skip = (u32)(in.target - pc);
			pc += skip;
			code += skip;
			avail -= skip;
			continue;
		}
		read |= live & in.flags_read;
		if (in.class != INSN_PLAIN && in.class != INSN_ENDBR)
			return read | live;
		live &= (u16)~(in.flags_kill | in.flags_read);
		if (!live)
			return read;
		pc += in.len;
		code += in.len;
		avail -= in.len;
	}
	return read | live;
}
