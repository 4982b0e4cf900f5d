/* SPDX-License-Identifier: MIT */
/*
 * Loading programs: which file an exec really runs (plan.c, script.c, open.c), mapping ELF images (elf.c,
 * interp.c, program.c), the initial stack (stack.c), handing a process over to a new engine (replace.c).
 * Semantics are those of the kernel's fs/exec.c, fs/binfmt_elf.c, fs/binfmt_script.c as of Linux 6.18.
 * Every function gives 0 or -errno unless it says otherwise.
 */
#ifndef GNOMON_LOAD_LOAD_H
#define GNOMON_LOAD_LOAD_H

#include <linux/elf.h>
#include "gnomon/board.h"
#include "rt/rt.h"

struct vcpu;

#define TASK_SIZE_MAX 0x7ffffffff000ul /* four-level user addresses; mappings above need a hint */
#define ET_DYN_BASE 0x555555554000ul   /* where the kernel puts position-independent programs */
#define HEAD_SIZE 256                  /* BINPRM_BUF_SIZE */

/* open.c: a file as exec opens it */
struct exec_file {
	int fd;       /* open for reading, or O_PATH if it may be executed but not read */
	bool readable;
	u32 mode, uid, gid;
	u64 mnt_flags; /* ST_* of statfs */
	u64 size;
};
/* flags: AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW. fd is close-on-exec and below no particular number */
long exec_open(int dirfd, const char *path, int flags, struct exec_file *ret) __must_check;
/* a path found inside a file: PT_INTERP, #! */
long exec_open_interp(const char *path, struct exec_file *ret) __must_check;
void fd_close(int *fd);
/* the path the kernel knows for a descriptor, as /proc/self/exe would show it. -errno without /proc */
long fd_path(int fd, char *buf, size_t size) __must_check;

/* fd_room.c: a limit of descriptors that is raised for a moment, with exec_enter() held */
struct fd_room {
	u64 was[2]; /* soft and hard */
	u64 cur;
};
void exec_enter(void);
void exec_leave(void);
/* numbers up to `least` can be used, if there is a way; r->cur says how many there are */
void fd_room_begin(struct fd_room *r, u64 least);
/* all are in use: some more. False: that cannot be */
bool fd_room_more(struct fd_room *r) __must_check;
void fd_room_end(struct fd_room *r);

/* elf.c: ELF files and their mapping */
enum elf_kind {
	ELF_NONE,    /* no ELF magic */
	ELF_NATIVE,  /* x86-64, executable or shared object */
	ELF_COMPAT,  /* i386: runs, but not under the engine */
	ELF_FOREIGN, /* another machine or another type */
};
enum elf_kind elf_classify(const u8 head[HEAD_SIZE]);

struct elf_file {
	int fd;         /* not owned */
	u64 size;
	Elf64_Ehdr eh;
	Elf64_Phdr *ph; /* rt_map'ed, eh.e_phnum of them */
	bool ibt;       /* --ibt, and it is marked for that */
};
/* reads and checks the headers; -ENOEXEC like the kernel, before anything is mapped */
long elf_open(struct elf_file *f, int fd, u64 size) __must_check;
void elf_close(struct elf_file *f);
/* notes.c: GNU_PROPERTY_X86_FEATURE_1_AND of a file, 0 if it has none; -ENOEXEC: no ELF file */
#define ELF_IBT 1
#define ELF_SHSTK 2
long elf_features(int fd);
/* an engine of gnomon's, this one or another */
bool elf_is_engine(const struct elf_file *f);
/* PT_INTERP: length of the path, 0 if there is none, -ENOEXEC, -EIO */
long elf_interp(const struct elf_file *f, char path[GN_PATH_MAX]) __must_check;
/* the guest's view of the stack: PT_GNU_STACK says PF_X */
bool elf_exec_stack(const struct elf_file *f);

struct elf_image {
	u64 bias;        /* run-time address minus p_vaddr */
	gaddr_t lo, hi;  /* whole pages; holes may be between */
	gaddr_t entry, phdr;
	gaddr_t brk;     /* end of the highest segment, not aligned */
	gaddr_t start_code, end_code, start_data, end_data;
	u64 align;
};
/* fills in everything of *img as for bias 0, or says why the headers cannot be mapped: -EINVAL */
long elf_measure(const struct elf_file *f, struct elf_image *img) __must_check;
/*
 * Maps all PT_LOAD segments and reports them to kern/vma. ET_DYN goes to `base` (0: anywhere), ET_EXEC where it
 * wants. Nothing that was mapped before is touched: -EEXIST. After an error nothing new is left mapped.
 */
long elf_map_image(const struct elf_file *f, gaddr_t base, struct elf_image *img) __must_check;

/* interp.c */
/* opens and checks an interpreter as the kernel does before its point of no return: -ELIBBAD and open's errors */
long interp_open(const char *path, struct elf_file *ret) __must_check;
/* the same, mapped; closes everything */
long interp_load(const char *path, struct elf_image *img) __must_check;

/* script.c */
struct script {
	char line[HEAD_SIZE + 1];
	const char *interp, *arg; /* into line; arg NULL if there is none */
};
/* -ENOEXEC: not a script, or a #! line the kernel refuses */
long script_parse(const u8 head[HEAD_SIZE], struct script *s) __must_check;

/* plan.c: what an execve would run */
#define PLAN_LEVELS 5 /* #! lines followed before ELOOP */
enum plan_kind {
	PLAN_ENGINE, /* ELF x86-64: the engine runs it */
	PLAN_HOST,   /* only the kernel can run it; plan.why says why */
};
struct plan {
	enum plan_kind kind;
	int fd;               /* the program's file; plan_close() */
	const char *why;      /* for people: reason of PLAN_HOST, or of a failure ("" if errno says it all) */
	const char *culprit;  /* the file that is meant, if not the one asked for; NULL */
	struct gn_exec rec;   /* file, execfn, comm, depth */
	u32 nfront;           /* #!: these replace argv[0] */
	const char *front[2 * PLAN_LEVELS + 1];
	struct script scripts[PLAN_LEVELS];
	char interp[GN_PATH_MAX];
};
/* `path` is a host copy. On error plan->why and ->culprit are still valid */
long plan_exec(struct plan *p, int dirfd, const char *path, int flags) __must_check;
void plan_close(struct plan *p);
/* looks like text: what execvp(3) gives to /bin/sh when the kernel says ENOEXEC */
bool plan_is_text(int dirfd, const char *path);

/*
 * replace.c: leaves this program image. argv and envp are arrays of the guest's (or of the initial stack); v is NULL
 * before the first thread exists. Return only when it failed, with nothing changed.
 */
long replace_engine(struct vcpu *v, const struct plan *p, char *const *argv, char *const *envp);
long replace_host(struct vcpu *v, int dirfd, const char *path, int flags, char *const *argv, char *const *envp);
/* close-on-exec for all engine descriptors */
void engine_fds_cloexec(bool on);
/* takes a number of the engine's block that is not in use, so that the guest is never handed it */
void engine_fd_idle(int fd);

/* stack.c: the initial stack the kernel built for the engine */
struct initial {
	u64 argc;
	char **argv, **envp;
	u64 envc;
	u64 *auxv;   /* pairs */
	u64 nauxv;   /* AT_NULL included */
};
void stack_parse(struct initial *in, u64 *sp);
/* value of an auxv entry; false if it is not there */
bool stack_aux(const struct initial *in, u64 type, u64 *ret);
/* makes it the guest's: eng.start_stack, auxv, arg/env ranges */
void stack_finish(struct initial *in, const struct elf_image *prog, u64 phnum, gaddr_t interp_base);

/* vdso.c: adds the robust unlock of Linux 7.2 to the vDSO; eng.unlock */
void vdso_build(void);

/* program.c: everything from an open file to a guest ready to start. eng's image and stack fields are complete
 * afterwards. */
long program_load(int fd, u64 size, struct initial *in, const char **why, char interp[GN_PATH_MAX]) __must_check;
/* the host's own mappings ([stack], vDSO, the engine's image) into eng, rt_own_range and kern/vma */
void program_host_maps(const struct initial *in);

#endif
