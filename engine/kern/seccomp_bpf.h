/* SPDX-License-Identifier: MIT */
/*
 * A filter and its program, between seccomp.c and seccomp_bpf.c.
 */
#ifndef GNOMON_KERN_SECCOMP_BPF_H
#define GNOMON_KERN_SECCOMP_BPF_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include "rt/types.h"

struct seccomp_filter {
	struct seccomp_filter *prev;
	u32 len;
	struct sock_filter insn[];
};

/* would the kernel take it? Its length is from 1 to BPF_MAXINSNS */
bool bpf_program_ok(const struct seccomp_filter *p);
/* The kernel counts what it makes of a program, not what it is given: bpf_convert_filter() of net/core/filter.c */
u32 bpf_weight(const struct seccomp_filter *p);
/* SECCOMP_RET_* for this call; the program is one the kernel would take */
u32 bpf_run(const struct seccomp_filter *p, const struct seccomp_data *d);

#endif
