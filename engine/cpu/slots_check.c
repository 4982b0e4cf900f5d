/* SPDX-License-Identifier: MIT */
/* The offsets that assembly and emitted code use are those of struct vcpu. Nothing here runs. */
#include "cpu/vcpu.h"

#define SAME(slot, field) _Static_assert(slot == offsetof(struct vcpu, field), #slot)
SAME(SLOT_SELF, self);
SAME(SLOT_TSP, twin_sp);
SAME(SLOT_TARGET, target);
SAME(SLOT_SPILL, spill);
SAME(SLOT_ENGINE_SP, engine_sp);
SAME(SLOT_GUEST_GS, guest_gs);
SAME(SLOT_TMP, tmp);
SAME(SLOT_EXIT, exit_id);
SAME(SLOT_GREGS, gregs);
SAME(SLOT_RIP, rip);
SAME(SLOT_RFLAGS, rflags);
SAME(SLOT_RESUME, resume);
SAME(SLOT_OUTSIDE, outside);
SAME(SLOT_LEFT, left);
SAME(SLOT_PENDING, pending);
SAME(SLOT_SAMPLE, sample);
SAME(SLOT_R11, resume_r11);
SAME(SLOT_JMASK, jumps.mask);
SAME(SLOT_CMASK, calls.mask);
SAME(SLOT_SWITCH, switch_pc);
SAME(SLOT_SWITCH_FROM, switch_from);
SAME(SLOT_SWITCH_TO, switch_to);
SAME(SLOT_SWITCH_TWIN, switch_twin);
SAME(SLOT_SLICE, slice_pc);
SAME(SLOT_RSEQ, rseq_field);
SAME(SLOT_RSEQ_USED, rseq_used);
SAME(SLOT_RSEQ_NONE, rseq_none);
_Static_assert(sizeof(struct vcpu) <= SLOT_OPEN, "SLOT_OPEN");
