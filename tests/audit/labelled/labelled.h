/* SPDX-License-Identifier: MIT */
/*
 * The labelled set of the code rules. Each case is one function (and what it calls, named CASE_...) that is run by
 * itself: `labelled CASE`. Whether it is clean is what `gnomon check` says, not what is written here; the audit's
 * findings are compared with that by tests/audit/test_labelled.py.
 */
#ifndef LABELLED_H
#define LABELLED_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOINLINE __attribute__((noinline, noclone, used))

/* a function in assembly with its symbol, type, size and unwind information */
#define ASM_BEGIN(name) ".text\n.p2align 4\n.globl " #name "\n.type " #name ", @function\n" #name ":\n.cfi_startproc\n"
#define ASM_END(name) ".cfi_endproc\n.size " #name ", . - " #name "\n"

struct labelled {
	const char *name;
	void (*run)(void);
};
extern const struct labelled switches[], edits[], plain[], frames[];

extern volatile long sink;

#endif
