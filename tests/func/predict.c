/* SPDX-License-Identifier: MIT */
/*
 * Indirect branches whose prediction fails: a jump through memory that changes its mind, call sites with one, two and
 * many targets, targets that share the low 16 bits of their address, and each target by each kind of branch, whichever
 * came first. Flags and registers must come through.
 * flags: -O1
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

typedef unsigned long (*fn)(unsigned long);

fn slot; /* what a PLT slot is: one jmp *slot(%rip) */
__asm__(".text\nplt: jmp *slot(%rip)\n");
extern unsigned long plt(unsigned long);

/* rdi + 2 * carry + 4 * zero, and rcx, r8, r9 as they came */
__asm__(".text\n"
	"flags_in: jmp *slot(%rip)\n"
	"take_a: setc %al; setz %dl; movzx %al, %eax; movzx %dl, %edx; lea (%rdi,%rax,2), %rax; lea (%rax,%rdx,4), %rax\n"
	"add %rcx, %rax; add %r8, %rax; add %r9, %rax; ret\n"
	"take_b: setc %al; setz %dl; movzx %al, %eax; movzx %dl, %edx; lea 1000(%rdi,%rax,2), %rax\n"
	"lea (%rax,%rdx,4), %rax; sub %rcx, %rax; sub %r8, %rax; sub %r9, %rax; ret\n");
extern unsigned long flags_in(unsigned long), take_a(unsigned long), take_b(unsigned long);

/* the other ways to *slot */
__asm__(".text\njump_by_register: mov slot(%rip), %rax; jmp *%rax\n"
	"call_by_register: mov slot(%rip), %rax; call *%rax; ret\n"
	"call_by_memory: call *slot(%rip); ret\n");
extern unsigned long jump_by_register(unsigned long), call_by_register(unsigned long), call_by_memory(unsigned long);

static unsigned long with_flags(fn way, unsigned long x, int carry)
{
	unsigned long r;

	__asm__ volatile("mov $3, %%ecx; mov $50, %%r8d; mov $700, %%r9d; sub $128, %%rsp; bt $0, %%edx;"
			 "lea (%%rsp), %%rsp; call *%%rsi; lea 128(%%rsp), %%rsp"
			 : "=a"(r), "+D"(x), "+d"(carry), "+S"(way) : : "rcx", "r8", "r9", "r10", "r11", "cc", "memory");
	return r;
}

static unsigned long one(unsigned long x) { return x + 1; }
static unsigned long two(unsigned long x) { return x * 2; }
static unsigned long three(unsigned long x) { return x ^ 0x33; }
static unsigned long self(unsigned long x) { return x ? slot(x - 1) + 1 : 0; }

static unsigned long __attribute__((noinline)) site(fn f, unsigned long x)
{
	return f(x) + 7;
}

static void lazily_bound(void)
{
	unsigned long sum = 0;

	for (int round = 0; round < 50; round++) {
		slot = one; /* the resolver, once */
		sum = plt(sum);
		slot = round % 3 ? two : three;
		for (int i = 0; i < 40; i++)
			sum = plt(sum) % 1000003;
	}
	printf("lazily bound %lu\n", sum);
}

static void call_sites(void)
{
	static const fn some[] = { one, two, three };
	unsigned long sum = 1;
	unsigned rnd = 1;

	for (int i = 0; i < 20000; i++)
		sum = site(one, sum) % 1000003;
	for (int i = 0; i < 20000; i++)
		sum = site(some[i % 2], sum) % 1000003;
	for (int i = 0; i < 20000; i++)
		sum = site(some[(rnd = rnd * 1103515245 + 12345) >> 16 & 1 ? 2 : i % 3], sum) % 1000003;
	slot = self;
	printf("call sites %lu, recursion %lu\n", sum, self(300));
}

/* mov eax, N; ret at addresses 64 KiB and 1 MiB apart */
static void same_low_bits(void)
{
	unsigned char *p = mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned long sum = 0;
	fn f[48];

	for (int i = 0; i < 48; i++) {
		unsigned char code[] = { 0x8d, 0x87, (unsigned char)i, 1, 0, 0, 0xc3 }; /* lea eax, [rdi + 256 + i] */

		memcpy(p + 64 + ((long)i << 16), code, sizeof(code));
		f[i] = (fn)(p + 64 + ((long)i << 16));
	}
	mprotect(p, 4 << 20, PROT_READ | PROT_EXEC);
	for (int i = 0; i < 30000; i++) {
		sum = site(f[i * 7 % 48], sum) % 65536;
		slot = f[i * 5 % 48];
		sum = plt(sum) % 65536;
	}
	printf("same low bits %lu\n", sum);
	munmap(p, 4 << 20);
}

static void flags_through(void)
{
	unsigned long sum = 0;

	for (int i = 0; i < 5000; i++) {
		slot = i % 5 == 2 || i > 4000 ? take_b : take_a;
		sum = (sum * 31 + with_flags(flags_in, (unsigned long)i, i >> 2 & 1)) % 1000003;
	}
	printf("flags %lu\n", sum);
}

/* copies of take_a, 64 KiB apart; each meets the four kinds of branch, and a direct call, in an order of its own */
static void every_way_in(void)
{
	static const fn ways[] = { jump_by_register, call_by_register, flags_in, call_by_memory, NULL };
	const size_t size = (size_t)((char *)take_b - (char *)take_a), dist = 64 << 10;
	unsigned char *p = mmap(NULL, 24 * dist, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned long sum = 0;

	for (size_t i = 0; i < 24; i++) {
		unsigned char *direct = p + i * dist, *to = direct + 32;

		direct[0] = 0xe9; /* jmp to */
		memcpy(direct + 1, &(int){ 27 }, 4);
		direct[8] = 0xe8; /* call to; ret */
		memcpy(direct + 9, &(int){ 19 }, 4);
		direct[13] = 0xc3;
		memcpy(to, (void *)take_a, size);
	}
	mprotect(p, 24 * dist, PROT_READ | PROT_EXEC);
	for (unsigned i = 0; i < 24 * 5 * 40; i++) {
		unsigned at = i % 24, way = (i / 24 + at + at / 5) % 5;
		unsigned char *direct = p + at * dist;
		fn first = ways[way] ? ways[way] : (fn)(at % 2 ? direct : direct + 8);

		slot = (fn)(direct + 32);
		sum = (sum * 31 + with_flags(first, i, (int)(i >> 2 & 1))) % 1000003;
	}
	printf("every way in %lu\n", sum);
	munmap(p, 24 * dist);
}

int main(void)
{
	lazily_bound();
	call_sites();
	same_low_bits();
	flags_through();
	every_way_in();
	return 0;
}
