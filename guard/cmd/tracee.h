/* SPDX-License-Identifier: MIT */
/*
 * gnomon-guard: `gnomon guard` and `gnomon race`. An ordinary hosted program; its supervisor and its race tool are
 * tracers, and what they share about a traced thread is here.
 */
#ifndef GUARD_TRACEE_H
#define GUARD_TRACEE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define TID_MASK 0x3fffffffu
#define WAITERS 0x80000000u
#define OWNER_DIED 0x40000000u
#define LIST_LIMIT 2048

/* message.c: to `msg_fd`, one write a line; -1: nowhere */
extern int msg_fd;
void msg(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void die(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));

/* tracee.c: a stopped thread, its registers and its memory. `tid` is its number here */
struct regs {
	uint64_t ip, flags;
	uint64_t reg[16]; /* in the order of their encoding: rax rcx rdx rbx rsp rbp rsi rdi r8... */
	unsigned bits; /* 32 or 64 */
	bool in_syscall;
};
bool tracee_regs(pid_t tid, struct regs *r);
bool tracee_read(pid_t tid, uint64_t at, void *to, size_t n);
bool tracee_write(pid_t tid, uint64_t at, const void *from, size_t n);
pid_t tracee_own_tid(pid_t tid); /* as the thread itself sees it (pid namespaces) */
pid_t tracee_group(pid_t tid);

/* its robust list, and the pending slot's word */
struct robust {
	uint64_t head, next, pending, entry; /* entry: pending without the PI bit; 0: nothing pending */
	int64_t offset;
	uint64_t word, slot;
	bool pi;
	unsigned size; /* of the slot: 4 or 8 */
};
bool robust_get(pid_t tid, unsigned bits, struct robust *r); /* false: no list, or not to be read */
bool robust_listed(pid_t tid, const struct robust *r);       /* is the pending entry on the list? */
bool robust_clear(pid_t tid, const struct robust *r);

/* window.c: from the code that the thread would run next, has it let the word go? */
bool window_open(pid_t tid, const struct regs *r, const struct robust *rl);

/* object.c: the page of a word of another process, in this one */
struct object {
	uint64_t start, end, offset, ino;
	unsigned major, minor;
	bool shared, sysv;
	char name[4096];
};
bool object_find(pid_t pid, uint64_t at, struct object *o); /* pid 0: this process */
bool object_same(const struct object *a, const struct object *b);
uint32_t *object_map(pid_t pid, uint64_t at); /* read-only; NULL: not shared, or out of reach */
void object_unmap(uint32_t *word);

/* rule.c: before the kernel's walk over a dying thread's list; before a signal handler */
void rule_death(pid_t tid);
void rule_signal(pid_t tid);

/* commands; `argv` starts with the program */
struct settings {
	bool supervise, verbose, preload;
	bool all, plant; /* race */
	int nth, hold;
	const char *program; /* path of argv[0] */
};
int guard_run(const struct settings *s, char **argv);
int race_run(const struct settings *s, char **argv);
void preload_set(const char *program, bool supervised);
void program_exec(const char *program, char **argv) __attribute__((noreturn));
void supervise(pid_t pid, int report) __attribute__((noreturn)); /* the supervisor's life */

#endif
