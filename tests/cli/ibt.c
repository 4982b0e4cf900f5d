/* SPDX-License-Identifier: MIT */
/*
 * Indirect jumps and calls, with NOTRACK and without, to ENDBR64 and to what is none: the argument says which. Without a C
 * library, which would have to be marked, too. Exit status 0: came to its end; 42: its handler saw the fault of a CPU that
 * tracks indirect branches, at the target.
 */
typedef unsigned long ul;

static inline long sc(long n, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long r;

	__asm__ volatile("syscall" : "=a"(r) : "0"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
	return r;
}

static void quit(int status)
{
	sc(231, status, 0, 0, 0, 0, 0);
}

__asm__(".text\n.global _start\n_start:\n"
	"endbr64\nmov %rsp, %rdi\nand $-16, %rsp\ncall begin\n"
	".type bare, @function\nbare: inc %rax\nret\n.size bare, .-bare\n"
	".type marked, @function\nmarked: endbr64\ninc %rax\nret\n.size marked, .-marked\n"
	"restorer: mov $15, %eax\nsyscall\n");
extern char bare[], marked[], restorer[];

static ul call(const void *to, int times)
{
	ul n = 0;

	for (int i = 0; i < times; i++)
		__asm__ volatile("call *%1" : "+a"(n) : "r"(to) : "memory");
	return n;
}

static ul call_notrack(const void *to, int times)
{
	ul n = 0;

	for (int i = 0; i < times; i++)
		__asm__ volatile("notrack call *%1" : "+a"(n) : "r"(to) : "memory");
	return n;
}

/* to the same label each time, which is none for indirect branches */
#define JUMP(how)                                                             \
	__asm__ volatile("lea 1f(%%rip), %%rcx\n" how " *%%rcx\nud2\n1: inc %0" \
			 : "+a"(n) : : "rcx", "memory")

static ul jump_notrack(int times)
{
	ul n = 0;

	for (int i = 0; i < times; i++)
		JUMP("notrack jmp");
	return n;
}

static ul jump(void)
{
	ul n = 0;

	JUMP("jmp");
	return n;
}

/* the label is reached by both: what the one may do the other may not */
static ul both(int times)
{
	ul n = 0;

	for (int i = 0; i < times; i++)
		__asm__ volatile("lea 1f(%%rip), %%rcx\nnotrack jmp *%%rcx\nud2\n1: inc %0" : "+a"(n) : : "rcx", "memory");
	__asm__ volatile("lea 1f(%%rip), %%rcx\nnotrack jmp *%%rcx\n2: jmp *%%rcx\n1: inc %0\ncmp $102, %0\njb 2b"
			 : "+a"(n) : : "rcx", "memory");
	return n;
}

static ul generated(void)
{
	static const unsigned char code[] = { 0x48, 0xff, 0xc0, 0xc3 }; /* inc rax; ret */
	char *p = (char *)sc(9, 0, 4096, 7, 0x22, -1, 0);

	for (ul i = 0; i < sizeof(code); i++)
		p[i] = (char)code[i];
	return call(p, 100);
}

static void __attribute__((used)) on_fault(int s, int *info, ul *uc)
{
	ul *g = uc + 5; /* uc_mcontext.gregs: r8-r15 rdi rsi rbp rbx rdx rax rcx rsp rip eflags csgsfs err trapno */

	quit(s == 11 && info[2] == 10 && g[20] == 21 && g[19] == 3 && g[16] == (ul)bare ? 42 : 43);
}

static void catch_fault(void)
{
	struct {
		void *handler;
		ul flags;
		void *restorer;
		ul mask;
	} sa = { on_fault, 4 | 0x04000000, restorer, 0 };

	sc(13, 11, (long)&sa, 0, 8, 0, 0);
}

static int same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

void __attribute__((used)) begin(char **sp)
{
	const char *what = sp[2];
	ul want = 100, n = 0;

	if (same(what, "call"))
		n = call(marked, 100);
	else if (same(what, "notrack-call"))
		n = call_notrack(bare, 100);
	else if (same(what, "notrack-jump"))
		n = jump_notrack(100);
	else if (same(what, "generated"))
		n = generated();
	else if (same(what, "bad-call"))
		n = call(bare, 100);
	else if (same(what, "bad-jump"))
		n = jump() + 99;
	else if (same(what, "both"))
		n = both(100), want = 102;
	else if (same(what, "after-notrack"))
		n = call_notrack(bare, 100) + call(bare, 100), want = 200;
	else if (same(what, "handler"))
		catch_fault(), n = call(bare, 100);
	quit(n == want ? 0 : 1);
}
