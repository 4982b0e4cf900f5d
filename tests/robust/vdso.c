/* SPDX-License-Identifier: MIT */
/*
 * The robust unlock of Linux 7.2 under gnomon (natively only where the kernel has it: status 77).
 *
 * Threads unlock through the vDSO while signals rain on them: in every handler the slot must be clear if the word is
 * not the thread's. The functions are found by dlsym and by walking the image, and the window survives faults at both
 * of its stores.
 */
#include <dlfcn.h>
#include <elf.h>
#include <linux/futex.h>
#include <setjmp.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <sys/time.h>

#include "robust.h"

#define SECONDS 1.0

typedef uint32_t (*unlock64)(uint32_t *, uint32_t, uint64_t *);
typedef uint32_t (*unlock32)(uint32_t *, uint32_t, uint32_t *);

static unlock64 u64lock;
static unlock32 u32lock;
static int failed;

#define CHECK(c) ((c) ? (void)0 : (void)(failed++, printf("not ok - vdso.c:%d: %s\n", __LINE__, #c)))

struct entry {
	struct entry *next;
	volatile uint32_t word;
};
static __thread struct {
	struct entry lock;
	struct { void *next; long offset; volatile uint64_t pending; } head;
	uint32_t tid;
	long seen, wrong;
} me;

static void on_signal(int sig)
{
	me.seen++;
	if (me.head.pending && (me.lock.word & TID_MASK) != me.tid)
		me.wrong++;
}

/* as a musl or a Go runtime finds it: headers, dynamic section, hash, names, versions */
static void *walk(const char *want)
{
	const char *base = (const char *)getauxval(AT_SYSINFO_EHDR), *str = NULL;
	const Elf64_Ehdr *e = (const void *)base;
	const Elf64_Phdr *p = (const void *)(base + e->e_phoff);
	const Elf64_Dyn *d = NULL;
	const Elf64_Sym *sym = NULL;
	const uint32_t *hash = NULL;
	const uint16_t *ver = NULL;
	const Elf64_Verdef *def = NULL;

	for (int i = 0; i < e->e_phnum; i++) {
		if (p[i].p_type == PT_DYNAMIC)
			d = (const void *)(base + p[i].p_offset);
		if (p[i].p_type == PT_LOAD)
			CHECK(p[i].p_offset == 0 && p[i].p_vaddr == 0);
	}
	for (; d->d_tag; d++)
		switch (d->d_tag) {
		case DT_STRTAB: str = base + d->d_un.d_ptr; break;
		case DT_SYMTAB: sym = (const void *)(base + d->d_un.d_ptr); break;
		case DT_HASH: hash = (const void *)(base + d->d_un.d_ptr); break;
		case DT_VERSYM: ver = (const void *)(base + d->d_un.d_ptr); break;
		case DT_VERDEF: def = (const void *)(base + d->d_un.d_ptr); break;
		}
	for (uint32_t i = 1; i < hash[1]; i++) {
		const Elf64_Verdef *v = def;

		if (strcmp(str + sym[i].st_name, want))
			continue;
		while ((v->vd_flags & VER_FLG_BASE) || v->vd_ndx != ver[i])
			v = (const void *)((const char *)v + v->vd_next);
		CHECK(!strcmp(str + ((const Elf64_Verdaux *)((const char *)v + v->vd_aux))->vda_name, "LINUX_2.6"));
		return (void *)(base + sym[i].st_value);
	}
	return NULL;
}

static void *unlocker(void *arg)
{
	double end = seconds() + SECONDS;

	me.tid = (uint32_t)syscall(SYS_gettid);
	me.head.next = &me.head;
	me.head.offset = offsetof(struct entry, word);
	syscall(SYS_set_robust_list, &me.head, sizeof(me.head));
	for (long i = 0; i % 1024 || seconds() < end; i++) {
		me.lock.word = me.tid;
		me.head.pending = (uint64_t)&me.lock;
		CHECK(u64lock((uint32_t *)&me.lock.word, me.tid, (uint64_t *)&me.head.pending) == me.tid);
		CHECK(!me.lock.word && !me.head.pending);
		if (i % 64)
			continue;
		/* contended: nothing changes, and the kernel does it */
		me.lock.word = me.tid | FUTEX_WAITERS;
		me.head.pending = (uint64_t)&me.lock;
		CHECK(u64lock((uint32_t *)&me.lock.word, me.tid, (uint64_t *)&me.head.pending) == (me.tid | FUTEX_WAITERS));
		CHECK(me.lock.word && me.head.pending);
		CHECK(syscall(SYS_futex, &me.lock.word, FUTEX_WAKE | 512, 1, NULL, &me.head.pending, 0) == 0);
		CHECK(!me.lock.word && !me.head.pending);
	}
	return (void *)(me.wrong ? 1l : me.seen ? 0l : 2l);
}

static void storm(void)
{
	struct itimerval t = { { 0, 997 }, { 0, 997 } };
	pthread_t th[3];

	signal(SIGALRM, on_signal);
	signal(SIGUSR1, on_signal);
	for (int i = 0; i < 3; i++)
		pthread_create(&th[i], NULL, unlocker, NULL);
	setitimer(ITIMER_REAL, &t, NULL);
	for (int n = 0; n < 3; n++) {
		void *r;

		while (pthread_tryjoin_np(th[n], &r)) {
			for (int k = n; k < 3; k++)
				pthread_kill(th[k], SIGUSR1);
			usleep(50);
		}
		CHECK(r == NULL);
	}
	memset(&t, 0, sizeof(t));
	setitimer(ITIMER_REAL, &t, NULL);
}

static sigjmp_buf back;
static volatile uintptr_t fault_at;

static void on_fault(int sig, siginfo_t *si, void *ctx)
{
	fault_at = (uintptr_t)si->si_addr;
	siglongjmp(back, 1);
}

static void faults(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER };
	uint32_t *ro = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	volatile uint32_t word = 7;
	uint64_t slot = 5;
	struct head *h;

	sigaction(SIGSEGV, &sa, NULL);
	if (!sigsetjmp(back, 1)) {
		u64lock(ro, 0, &slot);
		CHECK(!"a read-only word was written");
	}
	CHECK(fault_at == (uintptr_t)ro && slot == 5);
	/* released, and the slot cannot be written: the registration goes, as it is the registered slot */
	syscall(SYS_set_robust_list, (char *)ro - 16 + 64, 24);
	if (!sigsetjmp(back, 1)) {
		u64lock((uint32_t *)&word, 7, (uint64_t *)(ro + 16));
		CHECK(!"a read-only slot was written");
	}
	CHECK(word == 0 && fault_at == (uintptr_t)(ro + 16));
	h = head_of(0);
	CHECK(!h);
	signal(SIGSEGV, SIG_DFL);
}

int main(void)
{
	void *vdso = dlopen("linux-vdso.so.1", RTLD_NOW | RTLD_NOLOAD);

	u64lock = vdso ? (unlock64)dlsym(vdso, "__vdso_futex_robust_list64_try_unlock") : NULL;
	u32lock = vdso ? (unlock32)dlvsym(vdso, "__vdso_futex_robust_list32_try_unlock", "LINUX_2.6") : NULL;
	if (!u64lock || !u32lock)
		return 77;
	CHECK(walk("__vdso_futex_robust_list64_try_unlock") == (void *)u64lock);
	CHECK(walk("__vdso_futex_robust_list32_try_unlock") == (void *)u32lock);
	CHECK(walk("__vdso_clock_gettime") == dlsym(vdso, "__vdso_clock_gettime"));
	storm();
	faults();
	puts(failed ? "not ok" : "ok");
	return failed != 0;
}
