/* SPDX-License-Identifier: MIT */
/* Ordinary code whose bytes or shape come near a rule: switches, interpreters, callbacks, structures full of registers. */
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "labelled.h"

static NOINLINE long switch_table_go(int n)
{
	switch (n) {
	case 0: return sink;
	case 1: return 17;
	case 2: return 0x800000008000;
	case 3: return sink * 3;
	case 4: abort();
	case 5: return 0xc354;
	case 6: return -1;
	case 7: sink++; return 4;
	case 8: return 0x5cc3;
	default: return 2;
	}
}

static NOINLINE void switch_table(void)
{
	for (int i = 0; i < 10; i++)
		if (i != 4)
			sink += switch_table_go(i);
}

static NOINLINE void interpreter(void)
{
	static const unsigned char code[] = { 0, 1, 0, 2, 1, 0, 3 };
	static void *const op[] = { &&inc, &&twice, &&dec, &&end };
	const unsigned char *pc = code;
	long acc = 1;

	goto *op[*pc++];
inc:
	acc++;
	goto *op[*pc++];
twice:
	acc *= 2;
	goto *op[*pc++];
dec:
	acc--;
	goto *op[*pc++];
end:
	sink += acc;
}

struct many {
	long a[16];
};

static NOINLINE void structure_fill(struct many *m, long a, long b, long c, long d, long e)
{
	for (int i = 0; i < 2; i++) {
		long v = sink, w = sink, x = sink, y = sink;

		__asm__("" : "+r"(v), "+r"(w), "+r"(x), "+r"(y));
		m->a[0] = a + v;
		m->a[1] = b + w;
		m->a[2] = c + x;
		m->a[3] = d + y;
		m->a[4] = e;
		m->a[5] = v;
		m->a[6] = w;
		m->a[7] = x;
		m->a[8] = y;
	}
}

static NOINLINE void structure(void)
{
	struct many m;

	structure_fill(&m, 1, 2, 3, 4, 5);
	sink += m.a[3];
}

static int by_value(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static NOINLINE void callbacks(void)
{
	int v[64];

	for (int i = 0; i < 64; i++)
		v[i] = i * 7919 % 64;
	qsort(v, 64, sizeof(*v), by_value);
	sink += v[5];
}

static NOINLINE long deep_go(int n)
{
	return n < 2 ? n : deep_go(n - 1) + deep_go(n - 2);
}

static NOINLINE void deep(void) { sink += deep_go(15); }

static NOINLINE void nested_function(void)
{
#ifndef NO_NESTED
	long local = sink;
	__attribute__((noinline)) long inner(long x) { return x + local; }

	sink += inner(3);
#endif
}

static void on_signal(int sig)
{
	sink += sig;
}

static NOINLINE void signal_alternate(void)
{
	static char alt[65536];
	stack_t st = { .ss_sp = alt, .ss_size = sizeof(alt) };
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK };

	sigaltstack(&st, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
}

static void *on_thread(void *arg)
{
	sink += (long)arg;
	return NULL;
}

static NOINLINE void threads(void)
{
	pthread_t t;

	pthread_create(&t, NULL, on_thread, (void *)3);
	pthread_join(t, NULL);
}

static NOINLINE void processes(void)
{
	pid_t p = fork();

	if (!p)
		_exit(0);
	waitpid(p, NULL, 0);
}

/* cachestat, which has the number that map_shadow_stack once had */
static NOINLINE void cachestat_call(void)
{
	uint64_t range[2] = { 0, 4096 }, stat[5];

	sink += syscall(451, 0, range, stat, 0);
}

static NOINLINE void tail_calls(void)
{
	static void (*const all[])(void) = { deep, callbacks, structure };

	for (int i = 0; i < 3; i++)
		all[(unsigned)i % 3]();
}

const struct labelled plain[] = {
	{ "switch_table", switch_table }, { "interpreter", interpreter }, { "structure", structure }, { "callbacks", callbacks },
	{ "deep", deep }, { "nested_function", nested_function }, { "signal_alternate", signal_alternate }, { "threads", threads },
	{ "processes", processes }, { "cachestat_call", cachestat_call }, { "tail_calls", tail_calls }, { 0 },
};
