/* SPDX-License-Identifier: MIT */
/*
 * Between report.c and report_maps.c: the one record that is being made.
 */
#ifndef GNOMON_KERN_REPORT_MAPS_H
#define GNOMON_KERN_REPORT_MAPS_H

#include "cpu/vcpu.h"
#include "gnomon/board.h"

#define REPORT_STRINGS 16384

union report_rec {
	struct gn_violation v;
	u8 bytes[sizeof(struct gn_violation) + REPORT_STRINGS];
};

/* [holds: report.c's lock] */
extern union report_rec report_rec;
/* makes it, but for what append() adds and the site; its size */
u32 report_resolve(const struct violation *x);

#endif
