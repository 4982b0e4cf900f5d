/* SPDX-License-Identifier: MIT */
/* timeout: 60
 * also: preempt=2
 * Functions on many pages that are written anew again and again, in an order that nobody foresees; then one of them only. */
#include <string.h>
#include <sys/mman.h>
#include "check.h"

#define PAGES 64
#define EACH 16 /* functions on a page */
#define STEP (4096 / EACH)

static unsigned char *code;
static int value[PAGES * EACH];
static unsigned int seed = 1;

static unsigned int any(unsigned int n)
{
	return ((seed = seed * 1103515245 + 12345) >> 8) % n;
}

/* mov eax, what; ret */
static void write_function(unsigned int i, int what)
{
	unsigned char f[] = { 0xb8, 0, 0, 0, 0, 0xc3 };

	memcpy(f + 1, &what, 4);
	memcpy(code + i * STEP, f, sizeof(f));
	value[i] = what;
}

static int call(unsigned int i)
{
	int (*f)(void);
	void *p = code + i * STEP;

	memcpy(&f, &p, sizeof(f));
	return f();
}

int main(void)
{
	int bad = 0;

	code = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (unsigned int i = 0; i < PAGES * EACH; i++)
		write_function(i, (int)i);
	for (unsigned int i = 0; i < PAGES * EACH; i++)
		bad += call(i) != value[i];
	CHECK_EQ(bad, 0);
	for (int n = 0; n < 3000; n++) {
		write_function(any(PAGES * EACH), n);
		for (int k = 0; k < 4; k++) {
			unsigned int i = any(PAGES * EACH);

			bad += call(i) != value[i];
		}
	}
	CHECK_EQ(bad, 0);
	for (int n = 0; n < 10000; n++) {
		write_function(5, n);
		bad += call(5) != n;
	}
	CHECK_EQ(bad, 0);
	return check_done();
}
