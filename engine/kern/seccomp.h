/* SPDX-License-Identifier: MIT */
/*
 * The guest's seccomp filters (seccomp.c).
 */
#ifndef GNOMON_KERN_SECCOMP_H
#define GNOMON_KERN_SECCOMP_H

#include "cpu/vcpu.h"

/* May the guest make its call `nr`? False: it has its result, or a signal; it may not come back at all */
bool seccomp_allows(struct vcpu *v, u32 nr);
bool seccomp_allows32(struct vcpu *v, u32 nr); /* by int $0x80 */
/* prctl(PR_SET_SECCOMP) */
long seccomp_prctl(struct vcpu *v, u64 mode, gaddr_t filter);
/* what PR_GET_SECCOMP and status say */
u32 seccomp_mode(const struct vcpu *v, u32 *filters);
/* v's filters by put(to, ...), 0 or -errno; and back by get(from, ...), which says false at the end. v may be NULL */
long seccomp_save(const struct vcpu *v, long (*put)(void *to, const void *from, size_t n), void *to);
bool seccomp_restore(struct seccomp_filter **at, bool (*get)(void *from, void *to, size_t n), void *from);

#endif
