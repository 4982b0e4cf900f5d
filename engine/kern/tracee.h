/* SPDX-License-Identifier: MIT */
/*
 * The tracer's half of ptrace: programs that this process traces (docs/ptrace.md). What is below runs on the thread that
 * is their tracer for the host, too.
 */
#ifndef GNOMON_KERN_TRACEE_H
#define GNOMON_KERN_TRACEE_H

#include "cpu/vcpu.h"
#include "kern/kern.h"

#define WALL 0x40000000
#define CLD_TRAPPED_ 4

enum tracee_stop {
	TRACEE_RUNS,
	TRACEE_OWN,  /* in a stop its engine made: TRACED_* says where */
	TRACEE_HOST, /* in one of the host's events, inside a call of the guest's */
};

struct tracee {
	int tid;        /* 0: free entry */
	int tgid;
	int owner;      /* the thread of ours that traces it */
	bool engine;    /* it runs under this engine, else natively: then the host's answers are right as they are */
	bool joining;   /* attached to; its engine has not been told */
	bool seize;
	bool reported;  /* the guest has waited for this stop */
	bool told;      /* the guest had its SIGCHLD for this stop */
	bool interrupt; /* PTRACE_INTERRUPT is under way */
	u32 stop;       /* enum tracee_stop */
	u32 options;    /* the guest's PTRACE_O_* */
	int status;     /* what wait showed for the stop */
	gaddr_t vcpu;   /* in its memory; while it is in a stop */
};

/* there has been one: all the rest need not be asked before */
extern bool tracee_any;

/* copies: the table may move. False: not one of ours */
bool tracee_get(int tid, struct tracee *t);
void tracee_put(const struct tracee *t); /* one that is in it */
void tracee_drop(int tid);
/* entry i of the table, perhaps a free one; false: there are not so many */
bool tracee_nth(u32 i, struct tracee *t);
/* in a forked child, which traces nobody */
void tracee_after_fork(void);
void tracee_clean_after_fork(void);
/* a task that the host says is ours, or is about to be: as tracee_get(), and noted if it was not. False: no memory */
bool tracee_find(int tid, struct tracee *t) __must_check;
/* Is there room for one more, and for a child of each that is there, which comes unasked? */
bool tracee_room(void);

/* does this task run under an engine like ours? */
bool tracee_is_engine(int tid);
/* Its stop, as far as the host knows of one; the table says so, too. False: it runs */
bool tracee_look(struct tracee *t);
/* The host reports a stop of a task: does the guest see it, and as what? If not, it has been resumed */
bool tracee_stopped(struct vcpu *v, int tid, int *status);
/* a wait of the guest's gave it that stop */
void tracee_reported(int tid);

/* tracee_news.c: sig_watch_children() */
bool tracee_news(struct vcpu *v, const u8 info[128]);

/* its memory; 0 or -EIO */
long tracee_read(const struct tracee *t, gaddr_t from, void *to, size_t n) __must_check;
long tracee_write(const struct tracee *t, gaddr_t to, const void *from, size_t n) __must_check;
/* fields of its vcpu */
#define TRACEE_READ(t, field, to) tracee_read(t, (t)->vcpu + offsetof(struct vcpu, field), to, sizeof(*(to)))
#define TRACEE_WRITE(t, field, from) tracee_write(t, (t)->vcpu + offsetof(struct vcpu, field), from, sizeof(*(from)))

/* has it do something (enum traced_request), in a stop of its own. Its result, -ESRCH if it ended meanwhile */
long tracee_ask(struct vcpu *v, struct tracee *t, u32 request, u64 a, u64 b);
/* its code has been written to; by whoever wrote to its memory by other means than ptrace: `pid` is the process' */
void tracee_dirty(const struct tracee *t, gaddr_t start, gaddr_t end);
void tracee_written(int pid, gaddr_t at, u64 n);
/* PTRACE_SEIZE: its engine is told, while it runs on as far as anybody can tell */
void tracee_join(struct vcpu *v, int tid);
/* PTRACE_CONT and its kind */
long tracee_resume(struct vcpu *v, struct tracee *t, u32 request, int signo);
long tracee_detach(struct vcpu *v, struct tracee *t, int signo);
/* the guest's options; and the host's for them */
u32 tracee_host_options(u32 options);
long tracee_options(struct tracee *t, u32 options);

/* ptrace_view.c: what is asked of a tracee in a stop; NULL: nothing that is known there */
typedef long ptrace_fn(struct vcpu *v, struct tracee *t, u64 addr, u64 data);
ptrace_fn *ptrace_view(u32 request);
#define PTRACE_OPTIONS (0xfful | PTRACE_O_EXITKILL | PTRACE_O_SUSPEND_SECCOMP)

/* ptrace_regs.c */
#define TRACEE_REGS 27 /* struct user_regs_struct */
long tracee_get_regs(const struct tracee *t, u64 r[TRACEE_REGS]) __must_check;
long tracee_set_regs(const struct tracee *t, const u64 r[TRACEE_REGS]) __must_check;
long tracee_regset(struct vcpu *v, struct tracee *t, bool set, u32 type, gaddr_t iov);

/* the host's call, whose results for data go where `data` points */
static inline long host_ptrace(long request, int tid, u64 addr, u64 data)
{
	return sys4(__NR_ptrace, request, tid, addr, data);
}

#endif
