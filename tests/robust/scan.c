/* SPDX-License-Identifier: MIT */
/*
 * Every call that ends a mapping, with a thread in its unlock window, under libgnomon-guard.so. The windows are made by
 * hand: a thread writes its pending slot as its libc would, and sleeps. That needs nothing of the kernel, so this runs
 * under qemu-user too (`scan qemu` leaves out what that cannot do: threads in a forked child, mremap that grows in
 * place). `scan plain` is the same without the library: nothing is cleared.
 */
#include <dlfcn.h>
#include <semaphore.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <threads.h>

#include "robust.h"

#ifdef SYS_mmap2 /* offsets in pages */
#define sys_mmap(at, flags, fd, off) syscall(SYS_mmap2, at, PAGE, PROT_READ, flags, fd, (off) / PAGE)
#else
#define sys_mmap(at, flags, fd, off) syscall(SYS_mmap, at, PAGE, PROT_READ, flags, fd, off)
#endif

struct own_head {
	uintptr_t next;
	intptr_t offset;
	uintptr_t pending;
};

struct standing { /* a thread, and what its slot shall name */
	sem_t go, there, end;
	uintptr_t word;
	bool pi;
	struct own_head *head;
	pid_t tid;
	pthread_t t;
};

static unsigned long *cleared; /* the library's count */
static int failed, count;
static bool qemu;

static void check(bool good, const char *what, int line)
{
	count++;
	if (!good) {
		failed++;
		printf("not ok - scan.c:%d: %s\n", line, what);
	}
}
#define CHECK(c) check(c, #c, __LINE__)

/* as the library finds it */
static struct own_head *own(void)
{
	uintptr_t self = (uintptr_t)pthread_self();
	pthread_mutex_t m;
	struct own_head *h = NULL;

	mutex_make(&m);
	pthread_mutex_lock(&m);
	for (uintptr_t at = self; at < self + 1024 && !h; at += sizeof(at)) {
		struct own_head *x = (struct own_head *)at;

		if (x->next - (uintptr_t)&m < sizeof(m) && x->next + (uintptr_t)x->offset - (uintptr_t)&m < sizeof(m))
			h = x;
	}
	pthread_mutex_unlock(&m);
	need(h, "no robust list in this libc");
	return h;
}

static void *stand(void *arg)
{
	struct standing *s = arg;

	s->head = own();
	s->tid = (pid_t)syscall(SYS_gettid);
	for (;;) {
		sem_wait(&s->go);
		if (!s->word)
			return NULL;
		s->head->pending = (s->word - (uintptr_t)s->head->offset) | s->pi;
		sem_post(&s->there);
	}
}

static int stand_c11(void *arg)
{
	stand(arg);
	return 0;
}

static void begin(struct standing *s, bool c11)
{
	sem_init(&s->go, 0, 0);
	sem_init(&s->there, 0, 0);
	s->word = 0;
	s->pi = false;
	if (c11)
		need(thrd_create((thrd_t *)&s->t, stand_c11, s) == thrd_success, "thrd_create");
	else
		need(!pthread_create(&s->t, NULL, stand, s), "pthread_create");
}

static void set(struct standing *s, void *word)
{
	s->word = (uintptr_t)word;
	sem_post(&s->go);
	sem_wait(&s->there);
}

static void end(struct standing *s)
{
	s->head->pending = 0;
	s->word = 0;
	sem_post(&s->go);
	pthread_join(s->t, NULL);
}

static char *pages(int n, int fd)
{
	void *p = mmap(NULL, (size_t)n * PAGE, PROT_READ | PROT_WRITE, fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);

	need(p != MAP_FAILED, "mmap");
	return p;
}

/* did `call` clear the slot that names `word`? */
#define CLEARS(word, call) ({ unsigned long was_ = *cleared; set(&s, word); call; \
	bool yes_ = *cleared == was_ + 1 && !s.head->pending; s.head->pending = 0; yes_; })

static struct standing s;

static void mappings(void)
{
	int fd = file("a"), other = file("b"), id;
	char *p, *q;

	need(!ftruncate(fd, 4 * PAGE) && !ftruncate(other, 4 * PAGE), "ftruncate");
	p = pages(2, -1);
	CHECK(CLEARS(p, munmap(p, PAGE)));
	CHECK(!CLEARS(p + PAGE, munmap(p, PAGE)));
	CHECK(CLEARS(p + 2 * PAGE - 4, munmap(p, 2 * PAGE - 1)));
	CHECK(!CLEARS(p - 4, munmap(p, PAGE)));

	/* refused, so nothing ends */
	CHECK(!CLEARS(p + PAGE, munmap(p + PAGE + 8, PAGE)));
	CHECK(!CLEARS(p + PAGE, mmap(p + PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_FIXED_NOREPLACE, -1, 0)));

	p = pages(4, fd);
	*(uint32_t *)p = 5; /* somebody else's by now */
	CHECK(!CLEARS(p, mmap(p, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0)));
	CHECK(!CLEARS(p + PAGE, mmap(p + PAGE, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, PAGE)));
	CHECK(qemu || !CLEARS(p + PAGE, mmap(p + PAGE, PAGE, PROT_READ, MAP_SHARED_VALIDATE | MAP_FIXED, fd, PAGE)));
	CHECK(CLEARS(p + PAGE, mmap(p + PAGE, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0)));
	CHECK(CLEARS(p + 2 * PAGE, mmap(p + 2 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 2 * PAGE)));
	CHECK(CLEARS(p, mmap(p, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, other, 0)));
	CHECK(CLEARS(p, mmap(p, PAGE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0)));

	p = pages(4, fd);
	q = pages(1, -1);
	CHECK(CLEARS(p + 3 * PAGE, mremap(p, 4 * PAGE, 3 * PAGE, 0)));
	CHECK(!CLEARS(p, mremap(p, 0, PAGE, MREMAP_MAYMOVE)));
	CHECK(CLEARS(p, mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q)));
	CHECK(CLEARS(q, mremap(p + PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q)));
	p = pages(2, fd);
	munmap(p + PAGE, PAGE);
	CHECK(qemu || !CLEARS(p, CHECK(mremap(p, PAGE, 2 * PAGE, MREMAP_MAYMOVE) == p)));
	p = pages(3, fd);
	CHECK(CLEARS(p, CHECK(mremap(p, PAGE, 2 * PAGE, MREMAP_MAYMOVE) != p)));

	p = pages(3, -1);
	CHECK(CLEARS(p, syscall(SYS_munmap, p, PAGE)));
	CHECK(CLEARS(p + PAGE, syscall(SYS_mremap, p + PAGE, 2 * PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p)));
	p = pages(3, fd);
	CHECK(CLEARS(p, CHECK(syscall(SYS_mremap, p, PAGE, 2 * PAGE, MREMAP_MAYMOVE) != (long)p)));
	CHECK(!CLEARS(p + PAGE, sys_mmap(p + PAGE, MAP_SHARED | MAP_FIXED, fd, PAGE)));
	CHECK(CLEARS(p + PAGE, sys_mmap(p + PAGE, MAP_SHARED | MAP_FIXED, fd, 0)));
	id = shmget(IPC_PRIVATE, 3 * PAGE, IPC_CREAT | 0600);
	p = shmat(id, NULL, 0);
	if (p == (void *)-1) {
		puts("# no System V shared memory here");
		return;
	}
	q = shmat(id, NULL, 0);
	CHECK(!CLEARS(p > q ? p : q, shmdt(p < q ? p : q)));
	CHECK(CLEARS((p > q ? p : q) + 2 * PAGE, shmdt(p > q ? p : q)));
	p = pages(3, -1);
	CHECK(CLEARS(p + 2 * PAGE, shmat(id, p, SHM_REMAP)));
	CHECK(CLEARS(p, shmat(id, p + 8, SHM_REMAP | SHM_RND)));
	CHECK(CLEARS(p, syscall(SYS_shmat, id, p, SHM_REMAP)));
	CHECK(CLEARS(p, syscall(SYS_shmdt, p)));
	shmctl(id, IPC_RMID, NULL);
}

static void values(void)
{
	char *p = pages(1, -1);
	struct rlimit files;

	s.pi = true;
	CHECK(CLEARS(p, munmap(p, PAGE)));
	s.pi = false;
	for (int i = 0; i < 4; i++) {
		p = pages(2, -1);
		((uint32_t *)p)[1] = (uint32_t)s.tid | (uint32_t)i << 30;
		CHECK(!CLEARS(p + 4, munmap(p, PAGE)));
		((uint32_t *)p)[PAGE / 4] = ((uint32_t)s.tid + 1) | (uint32_t)i << 30;
		CHECK(CLEARS(p + PAGE, munmap(p + PAGE, PAGE)));
	}
	/* with no descriptor left */
	getrlimit(RLIMIT_NOFILE, &files);
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 0, files.rlim_max });
	p = pages(1, -1);
	CHECK(CLEARS(p, munmap(p, PAGE)));
	setrlimit(RLIMIT_NOFILE, &files);
	p = pages(1, -1);
	CHECK(!CLEARS(p + 2, munmap(p, PAGE))); /* not aligned: the kernel does not look */
	/* slots that name nothing */
	CHECK(!CLEARS((void *)8, munmap(pages(1, -1), PAGE)));
	CHECK(!CLEARS((void *)-4096, munmap(pages(1, -1), PAGE)));
	CHECK(munmap(p + 1, PAGE) < 0 && errno == EINVAL);
	CHECK(munmap(p, 0) < 0 && errno == EINVAL);
	CHECK(munmap((void *)-PAGE, (size_t)-PAGE) < 0 && errno == EINVAL);
}

static void heap(void)
{
	char *p = sbrk(2 * PAGE);

	if (p == (void *)-1 || sbrk(0) != p + 2 * PAGE) {
		puts("# the heap cannot grow here");
		return;
	}
	p = (char *)(((uintptr_t)p + PAGE - 1) & ~(uintptr_t)(PAGE - 1));
	CHECK(CLEARS(p, CHECK(!brk(p))));
}

/* a library registers a list of its own, and takes it back */
static void replaced(void)
{
	struct own_head other = { .next = (uintptr_t)&other }, *first = own();
	char *p = pages(2, -1);
	unsigned long was = *cleared;

	if (syscall(SYS_set_robust_list, &other, sizeof(other))) {
		puts("# no robust lists here");
		return;
	}
	other.pending = (uintptr_t)p;
	munmap(p, PAGE);
	CHECK(*cleared == was + 1 && !other.pending);
	need(!syscall(SYS_set_robust_list, first, sizeof(*first)), "set_robust_list");
	other.pending = (uintptr_t)p + PAGE;
	munmap(p + PAGE, PAGE);
	CHECK(*cleared == was + 1);
	p = pages(1, -1);
	first->pending = (uintptr_t)p - (uintptr_t)first->offset;
	munmap(p, PAGE);
	CHECK(*cleared == was + 2 && !first->pending);
}

/* more threads than the table's first page holds; each one's slot is found, and its place used again */
static void many(void)
{
	enum { N = 300 };
	static struct standing all[N];
	char *p = pages(N, -1);
	unsigned long was;

	for (int turn = 0; turn < 2; turn++) {
		was = *cleared;
		for (int i = 0; i < N; i++) {
			begin(&all[i], i & 1);
			set(&all[i], p + i * PAGE);
		}
		for (int i = 0; i < N; i++)
			munmap(p + i * PAGE, PAGE);
		CHECK(*cleared == was + N);
		for (int i = 0; i < N; i++)
			end(&all[i]);
		p = pages(N, -1);
	}
	/* gone: nothing to find */
	was = *cleared;
	munmap(p, N * PAGE);
	CHECK(*cleared == was);
}

static void *goes(void *arg)
{
	struct standing *me = arg;

	me->head = own();
	me->head->pending = me->word - (uintptr_t)me->head->offset;
	syscall(SYS_exit, 0); /* without last words */
	return NULL;
}

static void endings(void)
{
	struct standing a;
	char *p = pages(1, -1);
	unsigned long was = *cleared;

	a.word = (uintptr_t)p;
	need(!pthread_create(&a.t, NULL, goes, &a), "pthread_create");
	pthread_join(a.t, NULL);
	munmap(p, PAGE);
	CHECK(*cleared == was);
}

/* a child begins with one thread, whoever forked it and how */
static void forked(bool raw)
{
	int status, fd = file("x");
	char *p = page_of(fd, NULL);
	pid_t pid;

	if (raw)
		pid = _Fork();
	else
		pid = fork();
	need(pid >= 0, "fork");
	if (!pid) {
		unsigned long was = *cleared;
		struct own_head *h = own();

		/* the thread that stood in the parent is not here */
		h->pending = (uintptr_t)p - (uintptr_t)h->offset;
		munmap(p, PAGE);
		if (*cleared != was + 1 || h->pending)
			_exit(1);
		if (qemu)
			_exit(0);
		begin(&s, false);
		p = page_of(fd, NULL);
		_exit(CLEARS(p, munmap(p, PAGE)) ? 0 : 2);
	}
	waitpid(pid, &status, 0);
	CHECK(status == 0);
}

int main(int argc, char **argv)
{
	static unsigned long none;

	cleared = dlsym(RTLD_DEFAULT, "gnomon_guard_cleared");
	if (argc > 1 && !strcmp(argv[1], "plain")) {
		need(!cleared, "the library is loaded");
		cleared = &none;
		begin(&s, false);
		char *p = pages(1, -1);
		CHECK(!CLEARS(p, munmap(p, PAGE)));
		return failed != 0;
	}
	need(cleared, "the library is not loaded");
	qemu = argc > 1 && !strcmp(argv[1], "qemu");
	forked(false);
	begin(&s, false);
	mappings();
	values();
	heap();
	replaced();
	end(&s);
	begin(&s, true);
	mappings();
	end(&s);
	many();
	/* musl knows nothing of threads that end so */
	if (dlsym(RTLD_DEFAULT, "gnu_get_libc_version"))
		endings();
	begin(&s, false);
	forked(false);
	forked(true);
	printf("%d checks, %d failed\n", count, failed);
	return failed != 0;
}
