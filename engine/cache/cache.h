/* SPDX-License-Identifier: MIT */
/*
 * The code cache: arenas of executable memory near guest code, blocks, exits and edges between them, and
 * the tables that find blocks by guest and by host address. Only xlate/ and cache/ write executable memory.
 * Everything here is called with cache_lock held unless a comment says otherwise.
 */
#ifndef GNOMON_CACHE_CACHE_H
#define GNOMON_CACHE_CACHE_H

#include "rt/rt.h"
#include "xlate/emit.h"

#define ARENAS 1024

/* thunks at the start of every arena: jumps to fixed engine entry points */
enum thunk {
	THUNK_EXIT,          /* + residency (4 of them): unlinked jump; exit id in r10d, in SLOT_EXIT where r10 is home */
	THUNK_CALL_EXIT = 4, /* unlinked call: rsp = twin stack, r10 = guest rsp, exit id in r11d */
	THUNK_RET_SLOW,      /* landing found a mismatch */
	THUNK_JMISS,         /* indirect jump arrived at the wrong block, or at an empty table entry */
	THUNK_CMISS,         /* the same for an indirect call */
	THUNK_SYSCALL,
	THUNK_EMUL,          /* instruction the engine executes itself */
	THUNK_SEALED,        /* every exit of sealed code: exit id in eax, rax in SLOT_OPEN_RAX */
	THUNK_COUNT,
};
#define THUNK_SIZE 16

/* where each thunk goes; filled in by cpu/ before the first arena is made */
extern u64 cache_thunk_target[THUNK_COUNT];

/* code that goes on through the thread's table of indirect entries */
enum arena_lookup { LOOKUP_JUMP, LOOKUP_CALL, LOOKUP_CALL_SAMPLED, ARENA_LOOKUPS };

/*
 * Blocks grow up through segments, stubs and other cold code grow down from the end of one, so that a small program
 * has all of it in one huge page. The cold code's segment may be ahead of the blocks'.
 */
struct arena {
	u8 *base, *end;
	u8 *next, *limit;  /* the next block; what must not be passed while limit is not in the cold code's segment */
	u8 *cold;          /* cold code ends here, downwards */
	u32 seg, cold_seg; /* segments the two are in */
	u8 *ready, *cold_ready; /* first segment: what is between the two is not touched yet */
	u32 committed;     /* segments that are memory */
	u32 lookup[ARENA_LOOKUPS]; /* offsets, 0 = none yet */
	u32 *order;        /* block ids by host address */
	u32 norder, order_cap;
};
extern struct arena cache_arenas[ARENAS];
extern u32 cache_narenas;
extern u64 cache_seg_size;

/* which borrowed registers are at home */
#define RES_R10_HOME 1
#define RES_R11_HOME 2
#define RES_HOME (RES_R10_HOME | RES_R11_HOME)
#define RES_STEP 4 /* not a residency: a block of one instruction, for a guest that single-steps (cpu/step.c) */

/* nor is this: with --ibt what a branch with NOTRACK goes to has ways in of its own, and a first block that goes on in others */
#define RES_NOTRACK 8
#define RES_KEYS (RES_STEP | RES_NOTRACK)
/* and its SLOT_TARGET is no address: the top byte says so */
#define NOTRACK_TAG 0x80ul
#define NOTRACK_SHIFT 56

#define BLOCK_DEAD 1
#define BLOCK_STRADDLE 2   /* reaches into the next page, listed in both */
#define BLOCK_CRITICAL 4   /* a critical section (xlate/critical.c) */

/* Ways into a block for indirect branches: each checks SLOT_TARGET against the block's address. The predicted ones go
 * on to the thread's table where they differ, those in the table to the engine. */
enum block_entry { ENTRY_JUMP, ENTRY_CALL, ENTRY_JUMP_PREDICTED, ENTRY_CALL_PREDICTED, BLOCK_ENTRIES };
#define ENTRY_NONE BLOCK_ENTRIES

struct block {
	gaddr_t pc;
	u32 host;       /* offset in the arena of the plain entry */
	u32 host_len;   /* from the plain entry */
	u16 glen;       /* guest bytes */
	u16 nexits, side_len;
	u16 arena;
	u8 res, flags;
	u32 page_next, page_next2;
	u32 stubs;      /* offset of the first exit's stub (cache/stub.c) */
	u32 in_edges;   /* first exit linked to this block, then exit.next_in */
	u32 entry[BLOCK_ENTRIES]; /* offsets in the arena of the indirect entries, 0 = none yet */
};

/* NOTE and NOTED are sealed code's: in front of an instruction that changes RSP, and behind it */
enum exit_kind { EXIT_JMP, EXIT_CALL, EXIT_ICALL, EXIT_IJMP, EXIT_SYSCALL, EXIT_EMUL, EXIT_NOTE, EXIT_NOTED };

/* 16 bytes: there are five of them to a block */
struct exit {
	s32 delta;     /* see exit_target(); ICALL, IJMP: low half of the last target seen */
	u32 to;        /* block it is linked to, 0 = its stub */
	u32 next_in;
	u16 site;      /* offset in the block's host code of the rel32; SYSCALL/EMUL: of where the block goes on. Sealed code: always
			* of the rel32, behind which it goes on */
	u16 index : 7; /* among the block's exits */
	u16 kind : 3, res : 2;
	u16 wraps : 1; /* delta is 4 GiB off */
	u16 misses : 2;    /* EXIT_ICALL: wrong predictions seen */
	u16 via_table : 1; /* EXIT_ICALL: not predicted any more */
};
_Static_assert(sizeof(struct exit) == 16, "struct exit");

/* what is in use, for --stats */
extern u32 cache_nblocks, cache_nexits;
/* A block's record: struct block, its exits, its side table. Records and ids (which count 8 bytes from the start of
 * all records) are valid until everything is flushed. */
extern u8 *cache_meta;
static inline struct block *cache_block(u32 id)
{
	return (struct block *)(cache_meta + 8ul * id);
}
static inline struct exit *cache_exit(u32 id)
{
	return (struct exit *)(cache_meta + 8ul * id);
}
static inline u32 block_id(const struct block *b)
{
	return (u32)(((u64)b - (u64)cache_meta) / 8);
}
static inline u32 exit_id(const struct exit *x)
{
	return (u32)(((u64)x - (u64)cache_meta) / 8);
}
static inline struct exit *block_exits(const struct block *b)
{
	return (struct exit *)(b + 1);
}
static inline struct block *exit_block(const struct exit *x)
{
	return (struct block *)(x - x->index) - 1;
}
/* where a direct branch goes; SYSCALL/EMUL: the guest address behind the instruction */
static inline gaddr_t exit_target(const struct exit *x)
{
	s64 wrap = x->wraps ? 1l << 32 : 0;

	return exit_block(x)->pc + (u64)(x->delta + (x->delta < 0 ? wrap : -wrap));
}
/* see xlate/recipe.h */
static inline u8 *block_side(const struct block *b)
{
	return (u8 *)(block_exits(b) + b->nexits);
}
extern u64 cache_epoch;            /* bumped whenever a block dies */
extern u64 cache_generation;       /* bumped by cache_flush_all() */

/* true: a holder was killed at work; only a flush makes the tables whole again */
bool cache_lock(void);
void cache_unlock(void);
void cache_after_fork(void);
long cache_init(bool tiny) __must_check;

/* arena with room for one more block within reach of `pc`, or NULL (out of memory or address space) */
struct arena *cache_arena_for(gaddr_t pc);
static inline u8 *arena_thunk(struct arena *a, int t)
{
	return a->base + t * THUNK_SIZE;
}
/* stubs for all exits of a new block, which point there; false when memory is out */
bool cache_stubs_make(struct block *b);
/* `bytes` of cold code that lives as long as the arena */
u8 *cache_cold_alloc(struct arena *a, size_t bytes);

/* a record with room for so many exits (zeroed) and bytes of side table; NULL when the tables are full */
struct block *cache_block_new(struct arena *a, u32 nexits, u32 side_len);
/* Enters the block into the hash, page and address tables. `starts`: as cache_known_in(), what this block adds. */
bool cache_block_publish(struct block *b, const u64 *starts);

static inline u8 *block_host(const struct block *b)
{
	return cache_arenas[b->arena].base + b->host;
}

/* live block that starts at pc with this residency, or NULL */
struct block *cache_find(gaddr_t pc, u8 res);
/* a bit for each byte of the page: set where an instruction with residency 0 was translated. NULL: none */
const u64 *cache_known_in(gaddr_t page);
/* host address of an instruction boundary inside some live block (residency 0 only), or NULL;
 * *owner = that block */
u8 *cache_find_inside(gaddr_t pc, struct block **owner);
/* the block whose host range (entry prefix and body) holds p, dead or alive, or NULL. No lock needed from a
 * host signal handler of a thread that runs that block. */
struct block *cache_find_host(u64 p);
/* is p inside any arena */
struct arena *cache_arena_of(u64 p);

/* the rel32 of exit x of b; SYSCALL/EMUL: where the block goes on */
static inline u8 *exit_site(const struct block *b, const struct exit *x)
{
	return block_host(b) + x->site;
}
/* points exit x of b, which nobody runs yet, at a place in its arena */
static inline void cache_point_near(const struct block *b, const struct exit *x, const u8 *to)
{
	u8 *site = exit_site(b, x);

	*(u32 *)site = (u32)(to - (site + 4));
}
u8 *cache_stub_of(const struct exit *x);

/* links exit x to block b entering at host address `entry` */
void cache_link(struct exit *x, struct block *b, u8 *entry);
/* points the exit at its stub (again) */
void cache_unlink(struct exit *x);
/* makes x lead to `to`, through a far jump where needed; false when there is no memory for that */
bool cache_point(struct exit *x, const u8 *to);

/* unlinks every way into the block, takes it out of the tables */
void cache_sever(struct block *b);
/* severs every block with code in [start, end); calls dead(b) for each before. Returns how many. */
u32 cache_sever_range(gaddr_t start, gaddr_t end, void (*dead)(struct block *b));
/* any block on this guest page? */
bool cache_page_has_code(gaddr_t page);
/* forget everything: caller guarantees no thread is in the cache and nothing points into it */
void cache_flush_all(void);

#endif
