/* SPDX-License-Identifier: MIT */
/*
 * The reading step: operands, folders and lists are turned into files, files into objects, by as many threads as asked
 * for. Folders are queued as they are found; their files in batches, so that one large folder keeps all threads busy.
 */
#ifndef GNOMON_AUDIT_WALK_H
#define GNOMON_AUDIT_WALK_H

#include "audit.h"

/* reads everything that the options name into a->r */
void walk_run(struct audit *a);

#endif
