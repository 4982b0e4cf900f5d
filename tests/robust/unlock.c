/* SPDX-License-Identifier: MIT */
/*
 * unlock: futex with FUTEX_ROBUST_UNLOCK and FUTEX_ROBUST_LIST32, as Linux 7.2 answers: which commands know them, what
 * becomes of lock word and slot, errors and their order, who is woken. `unlock fork` instead: what a child of fork has
 * in its slot (0 if something was pending). Natively, where the kernel has no such unlock: status 77.
 */
#include <limits.h>
#include <linux/futex.h>

#include "robust.h"

#define RU 512
#define L32 1024
#define PRIV FUTEX_PRIVATE_FLAG
#define SET 0x1111222233334444ul
#define LOW_CLEARED (SET & ~0xfffffffful)
#define T 0x2abcdefu /* in the table: the thread's id */
#define W 0x80000000u
#define D OWNER_DIED

static uint32_t tid, words[2] __attribute__((aligned(64)));
static uint64_t slots[2] __attribute__((aligned(64)));
static uint32_t *const word = words;
static uint64_t *const slot = slots;
static void *read_only;
static int failed, count;

static void check(bool good, const char *what, int line)
{
	count++;
	if (good)
		return;
	failed++;
	printf("not ok - unlock.c:%d: %s\n", line, what);
}
#define CHECK(c) check(c, #c, __LINE__)

/* result or -errno */
static long futex(void *uaddr, int op, long val, const void *timeout, void *uaddr2, long val3)
{
	long r = syscall(SYS_futex, uaddr, op, val, timeout, uaddr2, val3);

	return r < 0 ? -errno : r;
}

/* ---- which commands ---------------------------------------------------------------------------------------------- */

static void commands(void)
{
	static const struct timespec soon = { 0, 1000000 };

	for (int cmd = 0; cmd < 16; cmd++) {
		bool wakes = cmd == FUTEX_WAKE || cmd == FUTEX_UNLOCK_PI || cmd == FUTEX_WAKE_BITSET;
		long with = cmd == FUTEX_UNLOCK_PI ? -EPERM : wakes ? 0 : -ENOSYS, alone[2];

		/* whose lock nobody here has; the second word is 0 */
		for (int list = 0; list <= L32; list += L32) {
			*word = 1;
			*slot = SET;
			if (futex(word, cmd | RU | list, 1, wakes ? NULL : &soon, slot, -1) != with)
				check(false, "a command with ROBUST_UNLOCK", cmd);
			check(with ? *word == 1 && *slot == SET : !*word, "what it did", cmd);
			/* alone the other bit means nothing; 5: no command waits */
			*word = 5;
			words[1] = 0;
			alone[list / L32] = futex(word, cmd | list, 1, wakes ? NULL : &soon, &words[1], -1);
		}
		check(alone[0] == alone[1], "a command with ROBUST_LIST32 alone", cmd);
	}
}

/* ---- word, slot, errors ------------------------------------------------------------------------------------------ */

enum place { GOOD, NOWHERE, LOW, KERNEL, UNALIGNED, READ_ONLY };

static void *place(enum place p, void *good)
{
	switch (p) {
	case NOWHERE: return NULL;
	case LOW: return (void *)8;
	case KERNEL: return (void *)0xffff800000000000ul;
	case UNALIGNED: return (char *)good + 1;
	case READ_ONLY: return read_only;
	default: return good;
	}
}

static const struct row {
	int op;
	uint32_t before;
	long val;
	enum place slot, word;
	long bits;
	long result;
	uint32_t after;
	uint64_t left; /* in the slot */
} rows[] = {
	{ FUTEX_WAKE | RU, T | W, 1, GOOD, GOOD, 0, 0, 0, 0 },
	{ FUTEX_WAKE | RU | PRIV, T | W, 1, GOOD, GOOD, 0, 0, 0, 0 },
	{ FUTEX_WAKE | RU | FUTEX_CLOCK_REALTIME, T, 1, GOOD, GOOD, 0, -ENOSYS, T, SET },
	{ FUTEX_WAKE | RU, 12345, 1, GOOD, GOOD, 0, 0, 0, 0 }, /* whoever owns it */
	{ FUTEX_WAKE | RU, T | D, 1, GOOD, GOOD, 0, 0, 0, 0 },
	{ FUTEX_WAKE | RU, 0, 1, GOOD, GOOD, 0, 0, 0, 0 },
	{ FUTEX_WAKE | RU, T, 0, GOOD, GOOD, 0, 0, 0, 0 },
	{ FUTEX_WAKE | RU, T, -1, GOOD, GOOD, 0, 0, 0, 0 },
	{ FUTEX_WAKE | RU, T, INT_MAX, GOOD, GOOD, 0, 0, 0, 0 },
	/* the lock is free all the same */
	{ FUTEX_WAKE | RU, T, 1, NOWHERE, GOOD, 0, -EFAULT, 0, SET },
	{ FUTEX_WAKE | RU, T, 1, LOW, GOOD, 0, -EFAULT, 0, SET },
	{ FUTEX_WAKE | RU, T, 1, KERNEL, GOOD, 0, -EFAULT, 0, SET },
	{ FUTEX_WAKE | RU, T, 1, READ_ONLY, GOOD, 0, -EFAULT, 0, SET },
	{ FUTEX_WAKE | RU, T, 1, UNALIGNED, GOOD, 0, 0, 0, 0x44 },
	{ FUTEX_WAKE | RU, T, 1, GOOD, UNALIGNED, 0, -EINVAL, T, SET },
	{ FUTEX_WAKE | RU, T, 1, GOOD, NOWHERE, 0, -EFAULT, T, SET },
	{ FUTEX_WAKE | RU | PRIV, T, 1, GOOD, NOWHERE, 0, -EFAULT, T, SET },
	{ FUTEX_WAKE | RU, T, 1, GOOD, READ_ONLY, 0, -EFAULT, T, SET },
	{ FUTEX_WAKE | RU | PRIV, T, 1, GOOD, READ_ONLY, 0, -EFAULT, T, SET },
	{ FUTEX_WAKE | RU, T, 1, NOWHERE, UNALIGNED, 0, -EINVAL, T, SET },
	{ FUTEX_WAKE | RU, T, 1, NOWHERE, NOWHERE, 0, -EFAULT, T, SET },
	{ FUTEX_WAKE | RU | L32, T | W, 1, GOOD, GOOD, 0, 0, 0, LOW_CLEARED },
	{ FUTEX_WAKE | RU | L32, T, 1, LOW, GOOD, 0, -EFAULT, 0, SET },
	{ FUTEX_WAKE | L32, T, 1, GOOD, GOOD, 0, 0, T, SET },
	{ FUTEX_WAKE_BITSET | RU, T, 1, GOOD, GOOD, -1, 0, 0, 0 },
	{ FUTEX_WAKE_BITSET | RU, T, 1, GOOD, GOOD, 5, 0, 0, 0 },
	{ FUTEX_WAKE_BITSET | RU, T, 1, GOOD, GOOD, 0, -EINVAL, T, SET },
	{ FUTEX_WAKE_BITSET | RU, T, 1, NOWHERE, UNALIGNED, 0, -EINVAL, T, SET },
	{ FUTEX_WAKE_BITSET | RU, T, 1, NOWHERE, GOOD, 5, -EFAULT, 0, SET },
	{ FUTEX_WAKE_BITSET | RU | L32, T, 1, GOOD, GOOD, -1, 0, 0, LOW_CLEARED },
	{ FUTEX_WAKE_BITSET | RU | L32, T, 1, GOOD, GOOD, 5, 0, 0, LOW_CLEARED },
	{ FUTEX_UNLOCK_PI | RU, T, 0, GOOD, GOOD, 0, 0, 0, 0 },
	{ FUTEX_UNLOCK_PI | RU, T | W, 0, GOOD, GOOD, 0, 0, 0, 0 },
	{ FUTEX_UNLOCK_PI | RU, T | D, 0, GOOD, GOOD, 0, 0, 0, 0 },
	{ FUTEX_UNLOCK_PI | RU, 1, 0, GOOD, GOOD, 0, -EPERM, 1, SET },
	{ FUTEX_UNLOCK_PI | RU, 0, 0, GOOD, GOOD, 0, -EPERM, 0, SET },
	{ FUTEX_UNLOCK_PI | RU, T, 0, NOWHERE, GOOD, 0, -EFAULT, 0, SET },
	{ FUTEX_UNLOCK_PI | RU, 1, 0, NOWHERE, GOOD, 0, -EPERM, 1, SET },
	{ FUTEX_UNLOCK_PI | RU, T, 0, GOOD, UNALIGNED, 0, -EPERM, T, SET }, /* the owner is asked for first */
	{ FUTEX_UNLOCK_PI | RU | L32, T, 0, GOOD, GOOD, 0, 0, 0, LOW_CLEARED },
	{ FUTEX_UNLOCK_PI | RU | PRIV, T, 0, GOOD, GOOD, 0, 0, 0, 0 },
	{ FUTEX_WAKE | 2048, T, 1, GOOD, GOOD, 0, -ENOSYS, T, SET },
	{ FUTEX_WAKE | RU | 2048, T, 1, GOOD, GOOD, 0, -ENOSYS, T, SET },
};

static uint32_t mine(uint32_t v)
{
	return (v & TID_MASK) == T ? tid | (v & ~TID_MASK) : v;
}

static void values(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *r = &rows[i];
		long got;

		*word = mine(r->before);
		*slot = SET;
		got = futex(place(r->word, word), r->op, r->val, NULL, place(r->slot, slot), r->bits);
		count++;
		if (got == r->result && *word == mine(r->after) && *slot == r->left)
			continue;
		failed++;
		printf("not ok - row %zu, op %#x: result %ld word %#x slot %#lx\n", i, r->op, got, *word, (unsigned long)*slot);
	}
}

/* ---- who is woken ------------------------------------------------------------------------------------------------ */

static struct waiter {
	pthread_t t;
	int op;
	uint32_t bits;
	volatile pid_t tid;
	volatile long result; /* 1: still asleep */
} waiters[3];

static void *wait_for(void *arg)
{
	struct waiter *w = arg;

	w->tid = (pid_t)syscall(SYS_gettid);
	w->result = futex(word, w->op, *word, NULL, NULL, w->bits);
	return NULL;
}

static bool sleeps(pid_t t)
{
	char path[64], text[512] = "", *p;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", t);
	f = fopen(path, "r");
	need(f && fgets(text, sizeof(text), f), path);
	fclose(f);
	p = strrchr(text, ')');
	return p && p[2] == 'S';
}

static void gather(int n, int op, uint32_t bits)
{
	*word = tid | W;
	*slot = SET;
	for (int i = 0; i < n; i++) {
		waiters[i] = (struct waiter){ .op = op, .bits = bits << i, .result = 1 };
		pthread_create(&waiters[i].t, NULL, wait_for, &waiters[i]);
		while (!waiters[i].tid || !sleeps(waiters[i].tid))
			sched_yield();
	}
}

/* how many of the n no longer wait; an end to the others */
static int woken(int n)
{
	int left = (int)futex(word, FUTEX_WAKE | (waiters[0].op & PRIV), INT_MAX, NULL, NULL, 0);

	for (int i = 0; i < n; i++) {
		pthread_join(waiters[i].t, NULL);
		CHECK(waiters[i].result == 0);
	}
	return n - left;
}

static void wakes(int private)
{
	gather(3, FUTEX_WAIT | private, 0);
	CHECK(futex(word, FUTEX_WAKE | RU | private, 2, NULL, slot, 0) == 2);
	CHECK(!*word && !*slot && woken(3) == 2);
	gather(2, FUTEX_WAIT | private, 0);
	CHECK(futex(word, FUTEX_WAKE | RU | private, 0, NULL, slot, 0) == 1); /* as FUTEX_WAKE does */
	CHECK(!*word && !*slot && woken(2) == 1);
	gather(2, FUTEX_WAIT | private, 0);
	CHECK(futex(word, FUTEX_WAKE | RU | private, INT_MAX, NULL, slot, 0) == 2);
	CHECK(woken(2) == 2);
	/* free, and nobody is told */
	gather(2, FUTEX_WAIT | private, 0);
	CHECK(futex(word, FUTEX_WAKE | RU | private, 1, NULL, NULL, 0) == -EFAULT);
	CHECK(!*word && woken(2) == 0);
	gather(3, FUTEX_WAIT_BITSET | private, 1);
	CHECK(futex(word, FUTEX_WAKE_BITSET | RU | L32 | private, INT_MAX, NULL, slot, 6) == 2);
	CHECK(!*word && *slot == LOW_CLEARED && woken(3) == 2);
	/* all who wait, and no more: not the second key's of the call that does it on older kernels */
	gather(1, FUTEX_WAIT | private, 0);
	CHECK(futex(word, FUTEX_WAKE_BITSET | RU | private, 5, NULL, slot, -1) == 1);
	CHECK(woken(1) == 1);
}

static void *lock_pi(void *arg)
{
	struct waiter *w = arg;

	w->tid = (pid_t)syscall(SYS_gettid);
	w->result = futex(word, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
	if (!w->result)
		futex(word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
	return NULL;
}

static void pi(void)
{
	struct waiter *w = &waiters[0];

	for (int wrong = 0; wrong < 2; wrong++) {
		*word = tid;
		*slot = SET;
		*w = (struct waiter){ .result = 1 };
		pthread_create(&w->t, NULL, lock_pi, w);
		while (!w->tid || !(*(volatile uint32_t *)word & W) || !sleeps(w->tid))
			sched_yield();
		if (wrong) { /* a PI waiter met by a plain unlock: unlocked, and refused */
			CHECK(futex(word, FUTEX_WAKE | RU, 1, NULL, slot, 0) == -EINVAL);
			CHECK(!*word && !*slot);
			*word = tid | W;
			*slot = SET;
		}
		CHECK(futex(word, FUTEX_UNLOCK_PI | RU, 0, NULL, slot, 0) == 0);
		CHECK(!*slot);
		pthread_join(w->t, NULL);
		CHECK(w->result == 0 && !(*word & TID_MASK));
	}
}

/* ---- the registration -------------------------------------------------------------------------------------------- */

static void registration(void)
{
	struct head *was = head_of(0), *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	page->next = page;
	syscall(SYS_set_robust_list, page, sizeof(*page));
	mprotect(page, PAGE, PROT_READ);
	/* another slot that cannot be written is nobody's */
	*word = tid;
	CHECK(futex(word, FUTEX_WAKE | RU, 1, NULL, (void *)8, 0) == -EFAULT && head_of(0) == page);
	*word = tid;
	CHECK(futex(word, FUTEX_WAKE | RU, 1, NULL, (void *)&page->pending, 0) == -EFAULT && !head_of(0));
	syscall(SYS_set_robust_list, page, sizeof(*page));
	*word = tid;
	CHECK(futex(word, FUTEX_UNLOCK_PI | RU, 0, NULL, (void *)&page->pending, 0) == -EFAULT && !head_of(0));
	syscall(SYS_set_robust_list, was, sizeof(*was));
	CHECK(head_of(0) == was);
}

/* the slot of a process that forks in the middle of an unlock, in its child */
static int forked(void)
{
	struct head *h = head_of(0);
	int status;
	pid_t pid;

	h->pending = word;
	pid = fork();
	if (!pid)
		_exit(h->pending != NULL);
	waitpid(pid, &status, 0);
	need(h->pending == word, "the parent's slot");
	h->pending = NULL;
	return WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "fork"))
		return forked();
	tid = (uint32_t)getpid();
	read_only = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*word = 1;
	if (futex(word, FUTEX_WAKE | RU, 1, NULL, slot, 0) == -ENOSYS) {
		need(*word == 1, "the word of an unlock that this kernel does not know");
		return 77;
	}
	commands();
	values();
	wakes(0);
	wakes(PRIV);
	pi();
	registration();
	printf("%d checks, %d failed\n", count, failed);
	return failed != 0;
}
