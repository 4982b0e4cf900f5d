/* SPDX-License-Identifier: MIT */
/*
 * Code that crosses into a page that changes: an instruction whose last bytes are rewritten, while other code of the page it
 * starts in was translated later and stays as it is.
 */
#include <string.h>
#include <sys/mman.h>
#include "check.h"

#define PAGE 4096

static unsigned char *code;

static int call(unsigned char *at)
{
	return ((int (*)(void))at)();
}

/* mov eax, value; ret */
static void put(unsigned char *at, int value)
{
	at[0] = 0xb8;
	memcpy(at + 1, &value, 4);
	at[5] = 0xc3;
}

/* jmp to */
static unsigned char *jump(unsigned char *at, unsigned char *to)
{
	int disp = (int)(to - (at + 5));

	at[0] = 0xe9;
	memcpy(at + 1, &disp, 4);
	return at;
}

int main(void)
{
	unsigned char *edge, *way;

	code = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(code != MAP_FAILED);
	for (int in = 1; in < 5; in++) {
		edge = code + PAGE - in;
		put(edge, 0x11110000 + in);
		put(code + PAGE - 40, 7 * in);
		put(code + PAGE - 20, 9 * in);
		way = jump(code + 2 * PAGE + 64, edge);
		CHECK_EQ(call(way), 0x11110000 + in);
		CHECK_EQ(call(code + PAGE - 40), 7 * in);
		CHECK_EQ(call(code + PAGE - 20), 9 * in);
		for (int round = 0; round < 5; round++) {
			code[PAGE + 4 - in] = (unsigned char)round; /* the highest byte of the value */
			CHECK_EQ(call(way), 0x00110000 + in + (round << 24));
			CHECK_EQ(call(code + PAGE - 40), 7 * in);
			CHECK_EQ(call(code + PAGE - 20), 9 * in);
		}
	}
	return check_done();
}
