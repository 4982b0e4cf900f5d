/* SPDX-License-Identifier: MIT */
/* All threads of a process stand still for its core (kern/core.c), at guest boundaries, and never go on. */
#ifndef GNOMON_SIG_FREEZE_H
#define GNOMON_SIG_FREEZE_H

#include "sig/sig.h"

/* What signals make a core of the process, as their default action; and how one is written, before it dies */
#define CORE_SIGNALS (BIT(3) | BIT(4) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(11) | BIT(24) | BIT(25) | BIT(31))
extern void (*sig_core)(struct vcpu *v, int signo, const u8 info[128]);
/* Signals whose default action writes a core come to the engine first, from now on */
void sig_watch_cores(struct vcpu *v);

/* false: another thread is at it already, and this one stands still for it: it does not come back */
bool freeze_others(struct vcpu *v);
/* the calling thread's vector state and FS base, to where the core is written from; for ever */
void __noreturn freeze_self(struct vcpu *v);
/* of a thread that stands still, or of the caller */
struct frozen {
	const u8 *xstate; /* NULL: not known */
	u64 xstate_size, features, fs_base;
};
void freeze_look(struct vcpu *v, const struct vcpu *t, struct frozen *ret);

#endif
