/* SPDX-License-Identifier: MIT */
/*
 * vdso_every [all]: signals while a thread stands at each instruction of the vDSO's robust unlock (Linux 7.2), and what
 * its handler must see there, as recorded on Linux 7.2: the slot is set as long as the word is the thread's, and clear
 * from the release on, though the instruction that clears it has not run; where the word is not released nothing
 * changes. Also after the vDSO was moved. With `all` the signals go on until every instruction was hit.
 *
 * Prints where handlers ran. Natively, where the kernel has no such unlock: status 77.
 */
#include <dlfcn.h>
#include <sys/auxv.h>
#include <ucontext.h>

#include "robust.h"

#define SET 0x1111222233334444ul
#define WAITERS 0x80000000u
#define ZF 0x40
#define ENOUGH 3      /* times at each instruction */
#define SECONDS 20.0  /* for one function */

typedef uint32_t (*unlock)(uint32_t *, uint32_t, uint64_t *);

/* where instructions begin, how many of them come before the release is done, and what is left of the slot */
static const struct function {
	const char *name;
	int at[6];
	uint64_t cleared;
} functions[] = {
	{ "__vdso_futex_robust_list64_try_unlock", { 0, 2, 4, 8, 10, 13 }, 0 },
	{ "__vdso_futex_robust_list32_try_unlock", { 0, 2, 4, 8, 10, 12 }, SET & ~0xfffffffful },
};
#define BEFORE 3 /* mov, xor, lock cmpxchg */
#define STORE 4  /* the instruction that does not run where the word is not released */

static const struct function *f;
static uintptr_t code;
static uint32_t tid;
static volatile uint32_t word;
static volatile uint64_t slot;
static volatile bool contended, over;
static long hits[6];
static int wrong;

static double now(void)
{
	struct timespec t;

	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool right(int i, bool zf)
{
	if (contended)
		return word == (tid | WAITERS) && slot == SET && (i < BEFORE || !zf);
	if (i < BEFORE)
		return word == tid && slot == SET;
	return word == 0 && slot == f->cleared && zf;
}

static void on_signal(int sig, siginfo_t *si, void *ctx)
{
	const ucontext_t *uc = ctx;
	uintptr_t at = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP] - code;

	if (at >= 16)
		return;
	for (int i = 0; i < 6; i++)
		if (at == (uintptr_t)f->at[i]) {
			hits[i]++;
			if (right(i, uc->uc_mcontext.gregs[REG_EFL] & ZF))
				return;
		}
	if (!wrong++)
		printf("# at +%#lx: word %#x slot %#lx\n", (unsigned long)at, word, (unsigned long)slot);
}

static void *rain(void *arg)
{
	while (!over)
		pthread_kill((pthread_t)arg, SIGUSR1);
	return NULL;
}

static bool every(void)
{
	for (int i = 0; i < 6; i++)
		if (hits[i] < ENOUGH && !(contended && i == STORE))
			return false;
	return true;
}

static bool function(uintptr_t at, bool waiters, bool all)
{
	double end = now() + (all ? SECONDS : 0.5);
	unlock call = (unlock)at;
	int bad = wrong;
	pthread_t t;

	code = at;
	contended = waiters;
	memset(hits, 0, sizeof(hits));
	over = false;
	pthread_create(&t, NULL, rain, (void *)pthread_self());
	while (now() < end && !(all && every())) {
		for (int i = 0; i < 256; i++) {
			uint32_t was = tid | (waiters ? WAITERS : 0);

			word = was;
			slot = SET;
			if (call((uint32_t *)&word, tid, (uint64_t *)&slot) != was || word != (waiters ? was : 0) ||
			    slot != (waiters ? SET : f->cleared))
				wrong++;
		}
	}
	over = true;
	pthread_join(t, NULL);
	printf("%s%s:", f->name, waiters ? ", contended" : "");
	for (int i = 0; i < 6; i++)
		if (hits[i])
			printf(" +%d", f->at[i]);
	printf("%s\n", wrong > bad ? ": wrong" : "");
	return wrong == bad && (!all || every());
}

/* libc does not know of it: nothing of libc that is in the vDSO may be called from here on */
static uintptr_t move(uintptr_t vdso)
{
	unsigned long lo = 0, hi = 0;
	char line[256], *to;
	FILE *maps = fopen("/proc/self/maps", "r");

	while (maps && fgets(line, sizeof(line), maps) && lo != vdso)
		sscanf(line, "%lx-%lx", &lo, &hi);
	need(lo == vdso, "the vDSO's mapping");
	to = mmap(NULL, hi - lo, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	need(mremap((void *)lo, hi - lo, hi - lo, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to, "mremap of the vDSO");
	return (uintptr_t)to - vdso;
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART };
	void *vdso = dlopen("linux-vdso.so.1", RTLD_NOW | RTLD_NOLOAD);
	bool all = argc > 1 && !strcmp(argv[1], "all"), good = true;
	uintptr_t at[2], moved;

	setvbuf(stdout, NULL, _IOLBF, 0);
	sigaction(SIGUSR1, &sa, NULL);
	tid = (uint32_t)getpid();
	for (int i = 0; i < 2; i++) {
		f = &functions[i];
		at[i] = vdso ? (uintptr_t)dlsym(vdso, f->name) : 0;
		if (!at[i])
			return 77;
		good &= function(at[i], false, all);
		good &= function(at[i], true, all);
	}
	moved = move(getauxval(AT_SYSINFO_EHDR));
	puts("moved");
	for (int i = 0; i < 2; i++) {
		f = &functions[i];
		good &= function(at[i] + moved, false, all);
	}
	return !good;
}
