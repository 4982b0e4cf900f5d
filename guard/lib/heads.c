/* SPDX-License-Identifier: MIT */
/*
 * The threads of this process and where the kernel will look for each one's robust list.
 *
 * The table lies in pages that fork empties (MADV_WIPEONFORK), however the fork was made: a child, which has one
 * thread, sees `ready` gone and begins anew. The lock makes a thread's control block stay while another looks at
 * it: a thread that ends takes the lock once to say so. It is held with all signals blocked, so that nobody jumps
 * out of it, and it is a PI futex because the kernel knows when the owner of one is dead (a vfork child that was
 * killed in here). While there is one thread there is no lock.
 */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/mman.h>

#include "guard.h"

#define FIRST ((GUARD_PAGE - 64) / sizeof(struct slot))
#define CHUNK 256
#define CHUNKS 512

struct table {
	uint32_t ready;
	uint32_t many; /* a second thread was made, once */
	uint32_t lock;
	uint32_t high; /* slots that were ever used */
	pid_t pid;
	struct slot *self; /* of the only thread, while there is one */
	struct slot first[FIRST];
};

static union {
	struct table t;
	char pages[GUARD_PAGE];
} room __attribute__((aligned(GUARD_PAGE)));
_Static_assert(sizeof(room) == GUARD_PAGE, "the table is one page");
#define T (&room.t)

/* not in the table: a fork leaves the memory, which empties itself */
static struct slot *chunks[CHUNKS];

/* from a thread's control block to its head; 0: this C library has none, and nothing is done */
static uintptr_t head_offset;

static struct slot *slot_at(uint32_t i)
{
	return i < FIRST ? &T->first[i] : &chunks[(i - FIRST) / CHUNK][(i - FIRST) % CHUNK];
}

static pid_t gettid_(void)
{
	return (pid_t)sys4(__NR_gettid, 0, 0, 0, 0);
}

static void put(struct slot *s, enum slot_state state)
{
	__atomic_store_n(&s->state, state, __ATOMIC_RELEASE);
}

static struct robust_head *own_head(void)
{
	return (struct robust_head *)((uintptr_t)pthread_self() + head_offset);
}

/*
 * A robust mutex that is locked is on its thread's list, so the head is the word of the control block that names it.
 * That holds for any C library, and where it does not (or has no robust mutexes) nothing is found.
 */
static uintptr_t find_head(void)
{
	uintptr_t self = (uintptr_t)pthread_self(), found = 0;
	union {
		pthread_mutex_t m;
		char bytes[sizeof(pthread_mutex_t)];
	} u;
	pthread_mutexattr_t a;

	if (pthread_mutexattr_init(&a) || pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST) ||
	    pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED) || pthread_mutex_init(&u.m, &a) || pthread_mutex_lock(&u.m))
		return 0;
	/* a head beyond this would be no part of a control block that starts at pthread_self() */
	for (uintptr_t at = 0; at < 1024 && !found; at += sizeof(uintptr_t)) {
		const struct robust_head *h = (const struct robust_head *)(self + at);
		uintptr_t lo = (uintptr_t)u.bytes, word;

		if (h->next - lo >= sizeof(u.bytes))
			continue;
		word = h->next + (uintptr_t)h->futex_offset;
		if (word - lo < sizeof(u.bytes) && *(uint32_t *)word == (uint32_t)gettid_())
			found = at;
	}
	pthread_mutex_unlock(&u.m);
	pthread_mutex_destroy(&u.m);
	pthread_mutexattr_destroy(&a);
	return found;
}

/* [as-safe] the calling thread is the only one: at the start, and in a child of fork */
static void begin(void)
{
	struct slot *s = &T->first[0];

	s->tid = gettid_();
	s->head = own_head();
	put(s, SLOT_LIVE);
	T->pid = (pid_t)sys4(__NR_getpid, 0, 0, 0, 0);
	T->high = 1;
	T->self = s;
	__atomic_store_n(&T->ready, 1, __ATOMIC_RELEASE);
}

void heads_init(void)
{
	uintptr_t at = find_head();

	/* Linux 4.14; without it a child would take the parent's threads for its own */
	if (!at || madvise(&room, sizeof(room), MADV_WIPEONFORK))
		return;
	head_offset = at;
	begin();
}

static bool ready(void)
{
	if (__builtin_expect(T->ready, 1))
		return true;
	if (!head_offset)
		return false;
	begin();
	return true;
}

/* ---- the lock ---------------------------------------------------------------------------------------------------- */

static void take(pid_t me)
{
	for (;;) {
		uint32_t was = 0;
		long r;

		if (__atomic_compare_exchange_n(&T->lock, &was, (uint32_t)me, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return;
		r = guard_futex(&T->lock, FUTEX_LOCK_PI | FUTEX_PRIVATE_FLAG, 0);
		/* EDEADLK: it names this thread, which is not in here: a vfork child of the same id before ours */
		if (r == 0 || r == -EDEADLK)
			return;
		was = __atomic_load_n(&T->lock, __ATOMIC_RELAXED);
		if (r == -ESRCH && __atomic_compare_exchange_n(&T->lock, &was, (uint32_t)me, false, __ATOMIC_ACQUIRE,
							       __ATOMIC_RELAXED))
			return;
		if (r == -ENOSYS) /* a kernel without PI futexes */
			sys4(__NR_sched_yield, 0, 0, 0, 0);
	}
}

void heads_lock(struct heads_lock *l)
{
	l->held = __atomic_load_n(&T->many, __ATOMIC_RELAXED);
	if (!l->held)
		return;
	l->mask = guard_block();
	l->me = gettid_();
	take(l->me);
}

void heads_unlock(struct heads_lock *l)
{
	uint32_t was;

	if (!l->held)
		return;
	was = (uint32_t)l->me;
	if (!__atomic_compare_exchange_n(&T->lock, &was, 0, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		guard_futex(&T->lock, FUTEX_UNLOCK_PI | FUTEX_PRIVATE_FLAG, 0);
	guard_unblock(l->mask);
}

/* ---- threads come and go ----------------------------------------------------------------------------------------- */

bool heads_alive(const struct slot *s)
{
	return sys4(__NR_tgkill, T->pid, s->tid, 0, 0) != -ESRCH;
}

/* [holds: heads_lock] */
static struct slot *free_slot(void)
{
	uint32_t i;

	for (i = 0; i < T->high; i++)
		if (slot_at(i)->state == SLOT_FREE)
			return slot_at(i);
	for (i = 0; i < T->high; i++)
		if (slot_at(i)->state == SLOT_LOOSE && !heads_alive(slot_at(i)))
			return slot_at(i);
	if (i >= FIRST && (i - FIRST) % CHUNK == 0) {
		uint32_t c = (uint32_t)(i - FIRST) / CHUNK;
		size_t size = CHUNK * sizeof(struct slot);

		if (c == CHUNKS)
			return NULL;
		if (!chunks[c]) {
			long p = sys6(NR_MMAP, 0, (long)size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

			if (p < 0 && p >= -4095)
				return NULL;
			sys4(__NR_madvise, p, (long)size, MADV_WIPEONFORK, 0);
			chunks[c] = (struct slot *)p;
		}
	}
	__atomic_store_n(&T->high, i + 1, __ATOMIC_RELEASE);
	return slot_at(i);
}

struct slot *heads_reserve(void)
{
	struct heads_lock l;
	struct slot *s;

	if (!ready())
		return NULL;
	__atomic_store_n(&T->many, 1, __ATOMIC_RELEASE);
	heads_lock(&l);
	s = free_slot();
	if (s) {
		s->head = NULL;
		s->awaited = false;
		put(s, SLOT_TAKEN);
	}
	heads_unlock(&l);
	return s;
}

void heads_cancel(struct slot *s)
{
	put(s, SLOT_FREE);
}

void heads_enter(struct slot *s)
{
	struct heads_lock l;

	heads_lock(&l);
	s->tid = gettid_();
	s->head = own_head();
	/* whoever had this control block or this number is gone */
	for (uint32_t i = 0; i < T->high; i++) {
		struct slot *o = slot_at(i);

		if (o != s && o->state >= SLOT_LIVE && (o->head == s->head || o->tid == s->tid))
			put(o, SLOT_FREE);
	}
	put(s, s->awaited ? SLOT_LOOSE : SLOT_LIVE);
	heads_unlock(&l);
}

/* the lock waits for those who look at the head now */
void heads_leave(struct slot *s)
{
	struct heads_lock l;

	heads_lock(&l);
	if (s->state == SLOT_LIVE)
		put(s, SLOT_LOOSE);
	heads_unlock(&l);
}

/*
 * A thread may end without its last words (the exit system call): once it is waited for its memory may go. Which one
 * is waited for is not known before it has entered; then all that have not are treated so.
 */
void heads_joining(uintptr_t thread)
{
	struct robust_head *h = (struct robust_head *)(thread + head_offset);
	bool found = false;
	struct heads_lock l;

	if (!ready() || !T->many)
		return;
	heads_lock(&l);
	for (uint32_t i = 0; i < T->high && !found; i++) {
		struct slot *s = slot_at(i);

		if (s->state < SLOT_LIVE || s->head != h)
			continue;
		found = true;
		s->awaited = true;
		put(s, SLOT_LOOSE);
	}
	for (uint32_t i = 0; i < T->high && !found; i++)
		if (slot_at(i)->state == SLOT_TAKEN)
			slot_at(i)->awaited = true;
	heads_unlock(&l);
}

/* it is gone, though the kernel may still have its number; another may have its memory by now */
void heads_joined(uintptr_t thread)
{
	struct robust_head *h = (struct robust_head *)(thread + head_offset);
	struct heads_lock l;

	if (!ready() || !T->many)
		return;
	heads_lock(&l);
	for (uint32_t i = 0; i < T->high; i++) {
		struct slot *s = slot_at(i);

		if (s->state == SLOT_LOOSE && s->awaited && s->head == h)
			put(s, SLOT_FREE);
	}
	heads_unlock(&l);
}

void heads_replaced(uintptr_t head)
{
	pid_t me = gettid_();
	struct heads_lock l;

	if (!ready())
		return;
	heads_lock(&l);
	for (uint32_t i = 0; i < T->high; i++) {
		struct slot *s = slot_at(i);

		if (s->state >= SLOT_LIVE && s->tid == me) {
			s->head = (struct robust_head *)head;
			put(s, s->head == own_head() ? SLOT_LIVE : SLOT_LOOSE);
		}
	}
	heads_unlock(&l);
}

/* ---- looking ----------------------------------------------------------------------------------------------------- */

static bool peek(struct slot *s, struct robust_head *copy)
{
	const uint32_t *p = (const uint32_t *)&s->head->pending;

	if (s->state == SLOT_LIVE) {
		if (!__atomic_load_n(&s->head->pending, __ATOMIC_ACQUIRE))
			return false;
		*copy = *s->head;
		copy->pending = __atomic_load_n(&s->head->pending, __ATOMIC_ACQUIRE);
		return copy->pending;
	}
	if (s->state != SLOT_LOOSE || !s->head)
		return false;
	if (!heads_alive(s)) {
		put(s, SLOT_FREE);
		return false;
	}
	for (size_t i = 0; i < sizeof(uintptr_t) / sizeof(*p); i++)
		if (guard_word_is(p + i, 0) == 0)
			return guard_read(copy, (uintptr_t)s->head, sizeof(*copy)) && copy->pending;
	return false;
}

bool heads_pending(bool (*f)(struct slot *s, const struct robust_head *copy, void *arg), void *arg)
{
	uint32_t high = __atomic_load_n(&T->high, __ATOMIC_ACQUIRE);
	struct robust_head copy;

	for (uint32_t i = 0; i < high; i++) {
		struct slot *s = slot_at(i);

		if (__atomic_load_n(&s->state, __ATOMIC_ACQUIRE) >= SLOT_LIVE && peek(s, &copy) && f(s, &copy, arg))
			return true;
	}
	return false;
}

bool heads_quiet(void)
{
	if (!ready())
		return true;
	return !__atomic_load_n(&T->many, __ATOMIC_RELAXED) && T->self->state == SLOT_LIVE && !T->self->head->pending;
}

void heads_clear(struct slot *s, uintptr_t was)
{
	static const uintptr_t none;

	if (s->state == SLOT_LIVE)
		__atomic_compare_exchange_n(&s->head->pending, &was, 0, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
	else
		guard_write((uintptr_t)&s->head->pending, &none, sizeof(none));
}
