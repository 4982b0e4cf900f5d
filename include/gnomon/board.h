/* SPDX-License-Identifier: MIT */
/*
 * The board: one memfd shared by gnomon (the command) and every engine of the process tree it started.
 * Holds the settings, one counter per violation site (so that a site is reported once per tree and its
 * count survives SIGKILL), and an append-only log of records. Engines only append and count; the command
 * only reads, but for the settings, which are complete before the first engine starts.
 * No pointers, fixed sizes, little endian, native alignment.
 */
#ifndef GNOMON_BOARD_H
#define GNOMON_BOARD_H

#include <stdint.h>

#define GN_BOARD_MAGIC 0x6e6f6d6f6e67ull /* "gnomon" */
#define GN_BOARD_VERSION 1
#define GN_SITES 4096          /* power of two */
#define GN_LOG_BYTES (32u << 20)
#define GN_PATH_MAX 4096
#define GN_DENY_BYTES 65536

/* Descriptors an engine process starts with. N is the number in AT_EXECFN "/dev/fd/N", which the kernel
 * writes for execveat(N, "", ..., AT_EMPTY_PATH); the others follow it. */
#define GN_FD_ENGINE 0 /* the engine's own file, read-only, close-on-exec not set */
#define GN_FD_BOARD 1  /* this board */
#define GN_FD_EXEC 2   /* memfd with one struct gn_exec; once that is read, another name of GN_FD_ENGINE */
#define GN_FD_LOG 3    /* the engine's text channel */
#define GN_FD_PROG 4   /* the program's file, open for reading; the engine keeps it (/proc/self/exe). Not there
			  with GN_EXEC_RAW */
#define GN_FD_COUNT 5
#define GN_FD_BASE 1000 /* preferred N; lower where RLIMIT_NOFILE is (limit - 8) */

enum gn_mode { GN_MODE_CHECK = 1, GN_MODE_RUN = 2, GN_MODE_PROTECT = 3 };

/* whose decision a shadow stack is in `run` */
enum gn_enable {
	GN_ENABLE_ABI,        /* the program's libc asks for it */
	GN_ENABLE_MARKED,     /* gnomon asks in its place where all files are marked; dlopen of one that is not fails */
	GN_ENABLE_PERMISSIVE, /* the same; dlopen of one that is not disables it, as long as there is one thread */
	GN_ENABLE_ALWAYS,     /* on from the first instruction */
};

/* settings.flags */
#define GN_OPT_STOP 0x01     /* first violation other than unwind: deliver #CP as the hardware would */
#define GN_OPT_STRICT 0x02   /* refuse to exec what cannot be translated (32-bit, set-uid, unreadable) */
#define GN_OPT_STATS 0x04    /* engine prints counters at process exit on the log channel */
#define GN_OPT_NO_FOLLOW 0x08 /* children that exec leave gnomon */
#define GN_OPT_PEXT 0x10      /* the CPU has PEXT, and not in microcode */
#define GN_OPT_IBT 0x20       /* indirect branches into code marked for it must find ENDBR64 */
#define GN_OPT_LOOP 0x40      /* the CPU's LOOP takes no longer than its JRCXZ */
#define GN_OPT_SEAL 0x80      /* translated code writes nothing that is the engine's, and nothing else may */
#define GN_OPT_CHAOS_TINY 0x100   /* test modes: tiny cache */
#define GN_OPT_CHAOS_FLUSH 0x200  /* flush everything every few dispatches */
#define GN_OPT_CHAOS_STEP 0x400   /* one guest instruction a block, never linked */
#define GN_OPT_CHAOS_FAR 0x800    /* RIP-relative operands are treated as out of reach */
#define GN_OPT_CHAOS_SEAL 0x1000  /* GN_OPT_SEAL also where nothing holds it up: no keys */

struct gn_settings {
	uint32_t mode;       /* enum gn_mode */
	uint32_t flags;      /* GN_OPT_* */
	uint32_t fault_nth;  /* test mode: every Nth engine allocation fails; 0 = off */
	uint32_t flush_every; /* test mode: dispatches from one flush to the next */
	uint32_t bug_nth;    /* test modes: at its Nth dispatch a thread finds a bug, or writes where nothing is; 0 = off */
	uint32_t crash_nth;
	uint32_t policy;     /* protect: enum gn_policy of each class, GN_POLICY_BITS each */
	uint32_t enable;     /* enum gn_enable */
	uint32_t yield_every; /* test mode: dispatches after which a thread gives the CPU away; 0 = off */
	uint32_t reserved[7];
};

/* struct gn_exec.flags */
#define GN_EXEC_RAW 0x01 /* path and argv as typed by the user: the engine plans the exec itself (#!, 32-bit, ...) */

/* struct gn_exec.traced */
#define GN_TRACED 0x01
#define GN_TRACED_SEIZED 0x02

/* how an engine learns what to load; argv and envp are its own */
struct gn_exec {
	uint64_t magic;            /* GN_BOARD_MAGIC */
	uint32_t flags;            /* GN_EXEC_* */
	uint32_t depth;            /* #! lines followed so far */
	uint32_t traced;           /* GN_TRACED*: the thread is traced by another program of the tree, */
	uint32_t traced_options;   /* PTRACE_O_*, */
	uint32_t traced_mode;      /* was resumed by this request last, */
	uint32_t traced_tid;       /* and had this id */
	char file[GN_PATH_MAX];    /* the ELF file to map */
	char execfn[GN_PATH_MAX];  /* AT_EXECFN the guest sees */
	char comm[16];
};

/* what happened, as in the manual's table of classes */
enum gn_class {
	GN_UNWIND = 1,       /* return address found deeper on the shadow stack, stack pointer agrees */
	GN_STACK_SWITCH = 2, /* RSP moved to a stack that has no shadow stack */
	GN_OVERWRITTEN = 3,  /* the word changed between call and return */
	GN_NEVER_CALLED = 4, /* push/ret, retpoline, return to a stub or JIT code */
	GN_CP_OTHER = 5,     /* #CP by far return, iret, rstorssp */
	GN_MISSING_ENDBR = 6, /* --ibt: an indirect jump or call to something else than ENDBR64 */
	GN_CLASSES           /* one more than the last */
};

/* gnomon protect: what a violation leads to that is not recognised as unwinding or a switch of stacks */
enum gn_policy { GN_ALLOW, GN_REPORT, GN_KILL };
#define GN_POLICY_BITS 4
#define GN_POLICY(class, what) ((uint32_t)(what) << GN_POLICY_BITS * (class))
#define GN_POLICY_OF(policy, class) ((policy) >> GN_POLICY_BITS * (class) & 15)

/* an address, resolved against the process's map at the time of the record */
struct gn_addr {
	uint64_t addr;
	uint64_t file_off;   /* offset in the file; 0 if anonymous */
	uint32_t path;       /* offset of a NUL-terminated path from the start of the record, 0 = none;
				"[stack]", "[heap]", "[vdso]" and "" as in /proc/PID/maps */
	uint32_t prot;       /* PROT_* as the guest sees them; 0 = not mapped */
};

enum gn_kind {
	GN_REC_VIOLATION = 1,
	GN_REC_EXEC = 2,    /* a process of the tree runs a program under the engine: text = its path */
	GN_REC_EXIT = 3,    /* orderly end of such a process image (exit or exec) */
	GN_REC_NATIVE = 4,  /* a child ran without the engine: text = path and reason */
	GN_REC_NOTE = 5,    /* text for the user */
};

#define GN_FRAMES 8

/* Head of every log record. `size` is a multiple of 8 and is stored last (release): 0 = not written yet. */
struct gn_rec {
	uint32_t size;
	uint32_t kind;       /* enum gn_kind */
	int32_t pid, tid;
	uint64_t time_ns;    /* CLOCK_MONOTONIC */
};

struct gn_violation {
	struct gn_rec h;
	uint32_t class;        /* enum gn_class */
	uint32_t site;         /* index into sites[] */
	char comm[16];
	struct gn_addr ret;      /* the RET instruction */
	struct gn_addr expected; /* word on the shadow stack */
	struct gn_addr actual;   /* word on the stack */
	struct gn_addr call;     /* the call instruction that pushed `expected`, 0 if unknown */
	struct gn_addr switcher; /* class stack switch: instruction that last moved RSP far, 0 if unknown */
	uint64_t rsp;            /* address of the word */
	uint64_t ssp;
	uint32_t depth;          /* unwind: shadow frames skipped; never called, overwritten: how deep on the shadow stack the
				    word stands, pushed at another place of the stack; 0 = it does not */
	uint32_t nframes;
	struct gn_addr frames[GN_FRAMES]; /* newest first: return addresses on the shadow stack */
	struct gn_addr stack;    /* what rsp points into (path "[stack]", heap, anonymous ...) */
	uint64_t stack_lo, stack_hi; /* bounds of that mapping */
	/* paths follow */
};

struct gn_text {
	struct gn_rec h;
	int32_t value;  /* EXIT: exit status or -signal if known */
	uint32_t len;
	char text[];    /* NUL-terminated */
};

struct gn_site {
	uint64_t key;   /* 0 = free; hash of class and place (file and offset, so that it is the same in every process) */
	uint64_t count;
	uint32_t class;
	uint32_t reserved;
};

struct gn_board {
	uint64_t magic;
	uint32_t version;
	uint32_t size;       /* of the whole memfd */
	struct gn_settings set;
	uint64_t log_used;   /* bytes handed out (atomic add); may exceed GN_LOG_BYTES */
	uint64_t lost;       /* records that found no room */
	uint32_t seq;        /* bumped after each record; futex word (shared) for a reader */
	uint32_t processes;  /* program images started under the engine */
	uint64_t class_count[8]; /* violations by enum gn_class, every single one */
	uint64_t natives;    /* children that ran without the engine */
	uint64_t sites_full; /* violations that found no free site */
	char deny[GN_DENY_BYTES]; /* paths, each with its NUL, an empty one at the end: marked programs that get no shadow stack */
	struct gn_site sites[GN_SITES];
	uint8_t log[GN_LOG_BYTES] __attribute__((aligned(64)));
};

#endif
