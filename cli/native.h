/* SPDX-License-Identifier: MIT */
/*
 * `run --engine=`: whether the machine's own shadow stacks serve, and starting a program on them. The decision is a function
 * of what was found out, so that tests need no such machine.
 */
#ifndef GNOMON_CLI_NATIVE_H
#define GNOMON_CLI_NATIVE_H

#include "cli.h"

struct native_facts {
	bool cpu;         /* CPUID says SHSTK */
	int major, minor; /* of the kernel */
	bool status;      /* it answers ARCH_SHSTK_STATUS */
	bool enable;      /* a process was given one */
};

void native_look(struct native_facts *f);
/* why the machine has no shadow stacks for programs, NULL if it has */
const char *native_lacks(const struct native_facts *f);
/* the first option given that only the software engine knows, NULL if none */
const char *native_cannot(const struct options *o);
/* Runs it natively or by the engine? Dies where `hard` is wanted and cannot be had. */
bool native_wanted(const struct options *o, const struct native_facts *f);
/* Instead of this process; dies if it cannot. */
void native_exec(char **argv) __attribute__((noreturn));

#endif
