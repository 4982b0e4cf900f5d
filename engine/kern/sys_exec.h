/* SPDX-License-Identifier: MIT */
/* Guest exec. Results are the kernel's; returns only when it failed. */
#ifndef GNOMON_KERN_SYS_EXEC_H
#define GNOMON_KERN_SYS_EXEC_H

#include "cpu/vcpu.h"

long sys_execve(struct vcpu *v, gaddr_t path, gaddr_t argv, gaddr_t envp);
long sys_execveat(struct vcpu *v, int dirfd, gaddr_t path, gaddr_t argv, gaddr_t envp, int flags);

#endif
