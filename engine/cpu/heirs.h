/* SPDX-License-Identifier: MIT */
/*
 * Translations that outlive the child which made them (heirs.c).
 */
#ifndef GNOMON_CPU_HEIRS_H
#define GNOMON_CPU_HEIRS_H

#include "cache/cache.h"
#include "cpu/vcpu.h"

/* [holds: cache_lock] the calling process has just translated this (with that entry in front), has linked this */
void heirs_note(const struct block *b, enum block_entry front);
void heirs_note_link(const struct exit *x);
/* [holds: no lock] this process will fork, and translates what its children had to; may flush the cache */
void heirs_before_fork(struct vcpu *v);
void heirs_in_child(void);

#endif
