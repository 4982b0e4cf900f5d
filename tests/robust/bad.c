/* SPDX-License-Identifier: MIT */
/*
 * Robust lists that no libc would make, each in a process of its own that also ends mappings and dies. What is printed,
 * the way it died and what the kernel did to the words, must be the same with and without a guard.
 */
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#include "robust.h"

#define N (1 << 20) /* words in the shared memory, many more than the kernel walks */

struct list {
	struct list *next;
	uint32_t word, pad;
};

static struct list *l; /* shared: what the kernel writes is seen here */

static struct head *registered(void *next, long offset, void *pending)
{
	static struct head h;

	h.next = next ? next : &h;
	h.offset = offset;
	h.pending = pending;
	syscall(SYS_set_robust_list, &h, sizeof(h));
	return &h;
}

static const long to_word = offsetof(struct list, word);

static void churn(void)
{
	for (int i = 0; i < 100; i++) {
		void *p = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		mmap(p, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		munmap(p, 3 * PAGE);
	}
}

static void own_words(int n)
{
	for (int i = 0; i < n; i++)
		l[i].word = (uint32_t)getpid();
}

static void empty(void) { registered(NULL, to_word, NULL); }
static void null_head(void) { syscall(SYS_set_robust_list, NULL, sizeof(struct head)); }
static void wrong_size(void) { need(syscall(SYS_set_robust_list, l, 23) < 0 && errno == EINVAL, "size"); }
static void unmapped_head(void) { syscall(SYS_set_robust_list, (void *)0x10000, sizeof(struct head)); }
static void kernel_head(void) { syscall(SYS_set_robust_list, (void *)-4096, sizeof(struct head)); }

static void head_goes(void)
{
	struct head *h = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	h->next = h;
	h->offset = to_word;
	h->pending = l;
	syscall(SYS_set_robust_list, h, sizeof(*h));
	churn();
	munmap(h, PAGE);
}

static void held(void)
{
	own_words(3);
	l[0].next = &l[1];
	l[1].next = &l[2];
	l[2].next = (void *)registered(&l[0], to_word, NULL);
}

static void circle(void)
{
	own_words(3);
	l[0].next = &l[1];
	l[1].next = &l[2];
	l[2].next = &l[0];
	registered(&l[0], to_word, NULL);
}

static void endless(void) /* more than ROBUST_LIST_LIMIT */
{
	own_words(N);
	for (int i = 0; i + 1 < N; i++)
		l[i].next = &l[i + 1];
	l[N - 1].next = (void *)registered(&l[0], to_word, NULL);
}

static void to_nowhere(void)
{
	own_words(2);
	l[0].next = (void *)0x10;
	registered(&l[0], to_word, &l[1]);
}

static void offsets(void)
{
	static const long off[] = { 0, -1, 1, 2, 1l << 62, -(1l << 62), INT32_MIN, PAGE - 2 };

	own_words(2);
	for (size_t i = 0; i < sizeof(off) / sizeof(*off); i++) {
		registered(NULL, off[i], &l[1]);
		churn();
	}
}

static void pending_held(void)
{
	own_words(1);
	registered(NULL, to_word, &l[0]);
}

static void pending_pi(void)
{
	own_words(1);
	registered(NULL, to_word, (char *)&l[0] + 1);
}

static void pendings(void)
{
	static void *const to[] = { (void *)8, (void *)-8, (void *)0x7ffffffff000, (void *)(1ul << 47), (void *)1 };

	for (size_t i = 0; i < sizeof(to) / sizeof(*to); i++) {
		registered(NULL, to_word, to[i]);
		churn();
	}
}

static void straddling(void)
{
	char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	registered(NULL, PAGE - 2, p);
	munmap(p + PAGE, PAGE);
	munmap(p, PAGE);
}

static void no_descriptors(void)
{
	void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	registered(NULL, 0, p);
	while (dup(0) >= 0)
		;
	munmap(p, PAGE);
}

/* kills who asks for robust lists or reads memory through the kernel, as a sandbox might that knows neither */
static void filtered(void)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_get_robust_list, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog prog = { sizeof(f) / sizeof(*f), f };
	void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) && errno != EINVAL) /* the engine has no filters yet */
		need(false, "seccomp");
	registered(NULL, 0, p);
	munmap(p, PAGE);
}

static void replaced(void)
{
	pthread_mutex_t *m = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	mutex_make(m);
	pthread_mutex_lock(m);
	held();
	pthread_mutex_unlock(m);
	munmap(m, PAGE);
}

static const struct {
	const char *name;
	void (*f)(void);
} cases[] = {
	{ "empty", empty }, { "null head", null_head }, { "wrong size", wrong_size }, { "unmapped head", unmapped_head },
	{ "kernel head", kernel_head }, { "head goes", head_goes }, { "held", held }, { "circle", circle },
	{ "endless", endless }, { "to nowhere", to_nowhere }, { "offsets", offsets }, { "pending held", pending_held },
	{ "pending PI", pending_pi }, { "pendings", pendings }, { "straddling", straddling },
	{ "no descriptors", no_descriptors }, { "filtered", filtered }, { "replaced", replaced },
};

static void *in_thread(void *arg)
{
	churn();
	return NULL;
}

int main(void)
{
	l = mmap(NULL, N * sizeof(*l), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int status, marked = 0;
		pid_t pid;

		memset(l, 0, N * sizeof(*l));
		pid = fork();
		if (!pid) {
			pthread_t t;

			/* more than one, so that the lock is taken */
			pthread_create(&t, NULL, in_thread, NULL);
			pthread_join(t, NULL);
			cases[i].f();
			churn();
			_exit(0);
		}
		waitpid(pid, &status, 0);
		for (int k = 0; k < N; k++)
			marked += l[k].word == OWNER_DIED;
		printf("%s: status %#x marked %d\n", cases[i].name, status, marked);
	}
	return 0;
}
