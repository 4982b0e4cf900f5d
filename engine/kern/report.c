/* SPDX-License-Identifier: MIT */
/*
 * Violations and events to the board. Called by cpu/ (through cpu_up.report), kern/ and start/ on a guest
 * thread's engine stack. A site is the culprit's place (file and offset), so that it is one site in every process
 * of the tree; finding it means reading /proc/self/maps, so each process remembers (class, address) -> site.
 */
#include <linux/futex.h>

#include "kern/report.h"
#include "kern/report_maps.h"
#include "rt/engine.h"
#include "rt/rt.h"

/* ---- records ---- */

static u64 now(void)
{
	s64 ts[2] = { 0, 0 };

	sys2(__NR_clock_gettime, 1 /* CLOCK_MONOTONIC */, ts);
	return (u64)ts[0] * 1000000000u + (u64)ts[1];
}

/* `wake`: the command shows it at once; what only --json-fd wants it fetches by itself (cli/supervise.c) */
static void append(struct gn_rec *h, u32 size, u32 kind, bool wake)
{
	struct gn_board *b = eng.board;
	u64 off;
	u8 *to;

	h->kind = kind;
	h->pid = (int)sys0(__NR_getpid);
	h->tid = (int)sys0(__NR_gettid);
	h->time_ns = now();
	off = __atomic_fetch_add(&b->log_used, size, __ATOMIC_RELAXED);
	if (off > GN_LOG_BYTES || off + size > GN_LOG_BYTES) {
		__atomic_fetch_add(&b->lost, 1, __ATOMIC_RELAXED);
		return;
	}
	to = b->log + off;
	memcpy(to + sizeof(h->size), (u8 *)h + sizeof(h->size), size - sizeof(h->size));
	__atomic_store_n((u32 *)to, size, __ATOMIC_RELEASE); /* pairs with report_next() of cli/reader.c */
	__atomic_fetch_add(&b->seq, 1, __ATOMIC_RELEASE);
	if (wake)
		sys3(__NR_futex, &b->seq, FUTEX_WAKE, 1);
}

/* on the stack of its callers: any number of them at a time, also from a vfork child */
#define TEXT_MAX (GN_PATH_MAX + 256)

static void append_text(u32 kind, int value, const char *text, bool wake)
{
	union {
		struct gn_text t;
		u8 bytes[sizeof(struct gn_text) + TEXT_MAX];
	} rec;
	size_t len = rt_strlcpy(rec.t.text, text, TEXT_MAX - 8);
	u32 size = (u32)(sizeof(rec.t) + len + 1 + 7) & ~7u;

	memset(rec.t.text + len, 0, 8);
	rec.t.value = value;
	rec.t.len = (u32)len;
	append(&rec.t.h, size, kind, wake);
}

void report_exec(const char *path)
{
	if (!eng.board)
		return;
	__atomic_fetch_add(&eng.board->processes, 1, __ATOMIC_RELAXED);
	append_text(GN_REC_EXEC, 0, path, false);
}

void report_exit(int status)
{
	if (eng.board)
		append_text(GN_REC_EXIT, status, "", false);
}

void report_native(const char *path, const char *reason)
{
	char text[TEXT_MAX];

	if (!eng.board) {
		rt_log("not checked, runs natively: %s: %s", path, reason);
		return;
	}
	__atomic_fetch_add(&eng.board->natives, 1, __ATOMIC_RELAXED);
	rt_snprintf(text, sizeof(text), "%s: %s", path, reason);
	append_text(GN_REC_NATIVE, 0, text, true);
}

void report_bug(void)
{
	if (eng.board)
		__atomic_fetch_add(&eng.board->class_count[0], 1, __ATOMIC_RELAXED);
}

void report_note(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	rt_vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (eng.board)
		append_text(GN_REC_NOTE, 0, text, true);
	else
		rt_log("%s", text);
}

/* ---- known sites: one word each, so that threads need no lock ---- */

#define WAYS 8u   /* one cache line */
#define SETS 512u

/* bits 0-11 site, 12 valid, 13-15 class, 16-62 address, 63 no site was free */
#define KNOWN_VALID (1ull << 12)
#define KNOWN_FULL (1ull << 63)
#define KNOWN_SITE(w) ((u32)((w) & (GN_SITES - 1)))
#define KNOWN_ADDR(w) ((w) >> 16 & ((1ull << 47) - 1))
#define KNOWN_TAG_MASK (~(KNOWN_FULL | (GN_SITES - 1)))

_Static_assert(GN_SITES == 1 << 12, "site number in 12 bits");
_Static_assert(GN_CLASSES <= 8, "class in 3 bits");

static u64 known[SETS][WAYS] __attribute__((aligned(64)));
static u32 known_used; /* anything in it at all? */

static u64 mix(u64 x)
{
	x ^= x >> 32;
	x *= 0x9e3779b97f4a7c15ull;
	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9ull;
	return x ^ x >> 32;
}

static u64 known_tag(u32 class, gaddr_t addr)
{
	return addr << 16 | (u64)class << 13 | KNOWN_VALID;
}

static u64 known_find(u64 tag)
{
	u64 *set = known[mix(tag) % SETS];

	for (u32 i = 0; i < WAYS; i++) {
		u64 w = __atomic_load_n(&set[i], __ATOMIC_RELAXED);

		if ((w & KNOWN_TAG_MASK) == tag)
			return w;
	}
	return 0;
}

/* caller holds the lock */
static void known_add(u64 word)
{
	static u32 turn;
	u64 *set = known[mix(word & KNOWN_TAG_MASK) % SETS];
	u32 i = 0;

	while (i < WAYS && __atomic_load_n(&set[i], __ATOMIC_RELAXED))
		i++;
	if (i == WAYS)
		i = turn++ % WAYS;
	__atomic_store_n(&set[i], word, __ATOMIC_RELAXED);
	__atomic_store_n(&known_used, 1, __ATOMIC_RELAXED);
}

void report_forget(gaddr_t start, gaddr_t end)
{
	if (likely(!__atomic_load_n(&known_used, __ATOMIC_RELAXED)))
		return;
	for (u32 i = 0; i < SETS * WAYS; i++) {
		u64 w = __atomic_load_n(&known[0][i], __ATOMIC_RELAXED);

		if (w && KNOWN_ADDR(w) >= start && KNOWN_ADDR(w) < end)
			__atomic_store_n(&known[0][i], 0, __ATOMIC_RELAXED);
	}
}

static struct rt_lock slow_lock; /* everything below, and report_rec */

void report_after_fork(void)
{
	rt_lock_after_fork(&slow_lock);
}

/* ---- sites ---- */

/* the address whose place names the site */
static gaddr_t culprit(const struct violation *x)
{
	return x->class == GN_STACK_SWITCH && x->switcher ? x->switcher : x->ret;
}

static u64 site_key(const struct violation *x)
{
	const struct gn_addr *a = culprit(x) == x->ret ? &report_rec.v.ret : &report_rec.v.switcher;
	const char *path = a->path ? (const char *)report_rec.bytes + a->path : "";
	u64 h = mix(x->class);

	if (*path == '/' || !strcmp(path, "[vdso]")) {
		for (; *path; path++)
			h = (h ^ (u8)*path) * 0x100000001b3ull;
		h ^= mix(a->file_off + 1);
	} else {
		/* generated code lands elsewhere in every run */
		h ^= mix(a->addr & ~PAGE_MASK) + 1;
	}
	h = mix(h);
	return h ? h : 1;
}

/* GN_SITES if none is free */
static u32 find_site(u64 key, u32 class)
{
	struct gn_site *s = eng.board->sites;

	for (u32 n = 0, i = (u32)key; n < GN_SITES; n++, i++) {
		u64 k = __atomic_load_n(&s[i % GN_SITES].key, __ATOMIC_RELAXED);

		if (!k && __atomic_compare_exchange_n(&s[i % GN_SITES].key, &k, key, false, __ATOMIC_RELAXED,
						      __ATOMIC_RELAXED)) {
			s[i % GN_SITES].class = class;
			return i % GN_SITES;
		}
		if (k == key)
			return i % GN_SITES;
	}
	return GN_SITES;
}

/* true: this was the first one of the whole tree */
static bool count(u32 site)
{
	return __atomic_fetch_add(&eng.board->sites[site].count, 1, __ATOMIC_RELAXED) == 0;
}

static void count_full(void)
{
	__atomic_fetch_add(&eng.board->sites_full, 1, __ATOMIC_RELAXED);
}

/* `tag` 0: the address does not fit into a cache word */
static void report_slow(const struct violation *x, u64 tag)
{
	u32 site, size = report_resolve(x);

	site = find_site(site_key(x), x->class);
	if (site == GN_SITES) {
		count_full();
		if (tag)
			known_add(tag | KNOWN_FULL);
		return;
	}
	if (tag)
		known_add(tag | site);
	if (!count(site))
		return;
	report_rec.v.site = site;
	append(&report_rec.v.h, size, GN_REC_VIOLATION, x->class != GN_UNWIND);
}

void report_violation(struct vcpu *v, const struct violation *x)
{
	gaddr_t at = culprit(x);
	u64 tag = at >> 47 ? 0 : known_tag(x->class, at), w;

	if (!eng.board)
		return;
	BUG_ON(x->class < GN_UNWIND || x->class >= GN_CLASSES);
	__atomic_fetch_add(&eng.board->class_count[x->class], 1, __ATOMIC_RELAXED);
	w = tag ? known_find(tag) : 0;
	if (unlikely(!w)) {
		rt_lock(&slow_lock);
		w = tag ? known_find(tag) : 0; /* another thread may have been here first */
		if (!w)
			report_slow(x, tag);
		rt_unlock(&slow_lock);
		if (!w)
			return;
	}
	if (w & KNOWN_FULL)
		count_full();
	else
		(void)count(KNOWN_SITE(w)); /* a cached site has been counted before */
}
