/* SPDX-License-Identifier: MIT */
/*
 * The guest's view of its own /proc entries. Natively most of them are right as they are, because the engine is
 * the process; these are not: exe (the engine), maps and smaps (the engine's memory; no page executable), auxv and
 * status, stat (what the kernel knows of the engine's program and signals), fd and fdinfo (the engine's descriptors).
 */
#ifndef GNOMON_KERN_PROC_H
#define GNOMON_KERN_PROC_H

#include "kern/kern.h"

/* HIDDEN: one of the engine's descriptors, in fd or fdinfo. FD_DIR: fd itself */
enum proc_file { PROC_NOT_OURS, PROC_EXE, PROC_MAPS, PROC_SMAPS, PROC_AUXV, PROC_STATUS, PROC_STAT, PROC_CPUINFO,
		 PROC_HIDDEN, PROC_FD_DIR };

/* proc_fd.c */
bool proc_own_task(struct vcpu *v, long id);     /* id of this process or of one of its threads */
bool proc_engine_number(const char *s);          /* "N" or "N/..." with N one of the engine's descriptors */
bool proc_is_fd_dir(struct vcpu *v, int dirfd);  /* this process' fd or fdinfo; AT_FDCWD: the current directory */
u32 proc_engine_fds(void);                       /* how many there are */

/* longest path proc_path() understands */
#define PROC_PATH_MAX 64

/* sys_proc.c: by the name in /proc/PID; and the text of such a file of this process, in a descriptor for reading */
enum proc_file proc_by_name(const char *name);
long proc_open_text(struct vcpu *v, enum proc_file what, const char *path, int flags);

/* proc_tracee.c: the program's file in place of the engine's, in `path`; another file of a tracee's is opened: *r. False: it
 * is none of those, or its tracee runs. And what the tracee does for it */
bool proc_tracee_exe(struct vcpu *v, char path[PROC_PATH_MAX]);
bool proc_tracee_open(struct vcpu *v, const char *path, u64 flags, long *r);
long proc_open_own(struct vcpu *v, enum proc_file what, long tid);

/* text on its way into a descriptor */
struct proc_text {
	int fd;
	u32 n;
	long err; /* first error, 0 so far */
	char buf[8192];
};
void proc_write(struct proc_text *t, const char *s, size_t n);
void proc_printf(struct proc_text *t, const char *fmt, ...) __printf(2, 3);
void proc_flush(struct proc_text *t);

/* lines of a host file; a line longer than the buffer comes in pieces */
struct proc_lines {
	int fd;
	u32 at, n;
	char buf[8192];
};
/* the next line, its newline included, in place and not NUL-terminated; NULL at the end */
const char *proc_line(struct proc_lines *in, u32 *len);

/* the guest's version of the host's lines. proc_maps.c, proc_status.c. `own`: of the thread itself, whose mask is known */
void proc_maps(struct proc_lines *in, struct proc_text *out, bool smaps);
void proc_status(struct vcpu *v, struct proc_lines *in, struct proc_text *out, long task);
void proc_cpuinfo(struct proc_lines *in, struct proc_text *out);
void proc_stat(struct vcpu *v, struct proc_lines *in, struct proc_text *out, bool own);

#endif
