/* SPDX-License-Identifier: MIT */
/* What the files that write the guest's core share (core.c, core_areas.c, core_notes.c). */
#ifndef GNOMON_KERN_CORE_H
#define GNOMON_KERN_CORE_H

#include "kern/kern.h"

struct core_area {
	gaddr_t start, end;
	u64 off;
	u32 prot;
	u32 name;      /* of a file: place in core_areas.names; 0: none */
	u64 size;      /* bytes from its start that go into the core */
	bool anon;     /* pages that are not there are zeroes */
};
struct core_areas {
	struct core_area *a;
	u32 n, room;
	char *names;
	u32 names_len, names_room;
};
/* the guest's memory as coredump_filter has it. False: no memory */
bool core_areas(struct core_areas *c);

/* notes of all threads, `v` and its signal first; a mapping of its own, NULL if there is no memory */
u8 *core_notes(struct vcpu *v, const u8 info[128], const struct core_areas *c, u64 *size, u64 *room);

void core_init(struct vcpu *v);

#endif
