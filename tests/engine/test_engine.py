#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the engine says on its own channel and with its exit status: BUG blocks, instructions it does not know, what it
cannot do; and #CP as --stop raises it. Each program runs natively first.

usage: test_engine.py [--build DIR]. Prints TAP.
"""
import json
import os
import re
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from tap import *  # noqa: E402

os.chdir(TMP)


def program(name, source, *flags):
    with open(name + ".c", "w") as f:
        f.write(source)
    subprocess.run(["gcc", "-g", "-O1", "-w", "-D_GNU_SOURCE", *flags, name + ".c", "-o", name], check=True)
    return "./" + name


def native(name, argv, status, out):
    """false, and a failure, where the test itself is wrong"""
    s, o, e = run(argv)
    if (s, o) == (status, out):
        return True
    ok(name, False, "bad test: natively %d %r %r" % (s, o, e))
    return False


def check(*args):
    return run([G, "check", *args])


# ---- a bug in the engine
prog = program("hello", "#include <stdio.h>\nint main(void) { for (int i = 0; i < 2000; i++) printf(\"%d\\n\", i); return 3; }",
                "-static", "-no-pie")


def bytes_at(exe, addr, n):
    """what the file holds for that address"""
    with open(exe, "rb") as f:
        d = f.read()
    phoff, phnum = struct.unpack_from("<Q", d, 32)[0], struct.unpack_from("<H", d, 56)[0]
    for i in range(phnum):
        kind, _, off, vaddr, _, filesz = struct.unpack_from("<IIQQQQ", d, phoff + 56 * i)
        if kind == 1 and vaddr <= addr < vaddr + filesz:
            return d[off + addr - vaddr:off + addr - vaddr + n]
    return b""


for knob, first in (("bug=200", r"BUG \S+run\.c:\d+: "), ("crash=200", r"signal 11 in the engine at ")):
    s, out, err = check("-X", knob, "--", prog)
    what = knob.split("=")[0]
    ok("%s: status 121" % what, s == 121, s, err)
    ok("%s: says what and where" % what, re.search(first, err) and re.search(r"BUG \S+\.c:\d+: ", err), err)
    m = re.search(r"bytes (?:of the block )?at ([0-9a-f]+):((?: [0-9a-f]{2})+)", err)
    rip = re.search(r"guest rip ([0-9a-f]+) ", err)
    data = bytes(int(x, 16) for x in m.group(2).split()) if m else b"?"
    ok("%s: the guest's RIP and the bytes of its block" % what,
       rip and m and int(m.group(1), 16) <= int(rip.group(1), 16) < int(m.group(1), 16) + len(data) and
       data == bytes_at(prog, int(m.group(1), 16), len(data)), err)
    ok("%s: all registers" % what, all(re.search(r"\b%s [0-9a-f]+" % r, err) for r in
       "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15 flags ssp".split()), err)
    ok("%s: no verdict" % what, err.rstrip().endswith("gnomon: no verdict: the engine failed in 1 process, see what it says above"), err)
r, w = os.pipe()
p = subprocess.run([G, "check", "--json-fd", str(w), "-X", "bug=200", "--", prog], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                   pass_fds=[w])
os.close(w)
with os.fdopen(r) as f:
    last = json.loads(f.read().splitlines()[-1])
ok("bug: the verdict as JSON", last.get("verdict") == "failed", last)

# ---- instructions the decoder does not know
prog = program("unknown", r"""
#include <signal.h>
#include <stdio.h>
#include <ucontext.h>
static int n;
static void on_ill(int s, siginfo_t *si, void *p)
{
	greg_t *g = ((ucontext_t *)p)->uc_mcontext.gregs;

	if (si->si_addr == (void *)g[REG_RIP] && si->si_code == ILL_ILLOPN)
		n++;
	g[REG_RIP] += g[REG_RAX];
}
int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_sigaction = on_ill, .sa_flags = SA_SIGINFO };

	sigaction(SIGILL, &sa, 0);
	for (int i = 0; i < 3; i++) {
		__asm__ volatile(".byte 0x0f, 0x3a, 0xff, 0xc1, 0x05; nop" : : "a"(5));
		__asm__ volatile(".byte 0x0f, 0x04; nop" : : "a"(2));
		if (argc > 1) /* never executed, in the same block or not */
			__asm__ volatile(".byte 0x0f, 0x0c");
		__asm__ volatile("ud2" : : "a"(2));
	}
	printf("%d\n", n);
	return 0;
}
""")
if native("unknown instructions", [prog], 0, "9\n"):
    s, out, err = check("--", prog)
    said = re.findall(r"unknown or invalid instruction, SIGILL:((?: [0-9a-f]{2})+)", err)
    ok("unknown instructions raise #UD where they are executed", (s, out) == (0, "9\n"), s, out, err)
    ok("each is named once, with its bytes", len(said) == 2 and said[0].startswith(" 0f 3a ff") and said[1].startswith(" 0f 04"), err)
    s, out, err = check("-X", "step", "--", prog)
    ok("the same in single steps", out == "9\n" and
       len(re.findall("unknown or invalid instruction", err)) == 2, out, err)

# ---- 32-bit code
prog = program("to32", r"""
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
struct { unsigned off; unsigned short cs; } to32 = { 0x10000000, 0x23 };
unsigned long sp; /* what 32-bit code leaves of the upper halves is undefined */
unsigned result;
void go(void);
__asm__("go: push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; mov %rsp, sp(%rip); xor %eax, %eax;"
	"ljmp *to32(%rip)\nback: mov sp(%rip), %rsp; mov %eax, result(%rip); pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx; ret\n"
	"code32: .byte 0x40, 0xea; .long back; .word 0x33\n"); /* inc eax; ljmp 0x33:back */
extern char code32[8];
int main(void)
{
	void *p = mmap((void *)0x10000000, 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	memcpy(p, code32, 8);
	puts("before");
	fflush(stdout);
	go();
	printf("%u\n", result);
	return 0;
}
""", "-no-pie")
if native("32-bit code", [prog], 0, "before\n1\n"):
    s, out, err = check("--", prog)
    ok("32-bit code: one line, and SIGSEGV", s == -11 and out == "before\n" and
       len(re.findall(r"32-bit", err)) == 1 and "BUG" not in err, s, out, err)

# ---- #CP, which no program sees natively here: what its handler gets
prog = program("cp", r"""
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <ucontext.h>
static sigjmp_buf env;
static void on_segv(int s, siginfo_t *si, void *p)
{
	greg_t *g = ((ucontext_t *)p)->uc_mcontext.gregs;
	unsigned char *at = (void *)g[REG_RIP];

	printf("code %d addr %p trap %lld err %lld at %02x %02x\n", si->si_code, si->si_addr, g[REG_TRAPNO], g[REG_ERR], at[0], at[1]);
	fflush(stdout);
	siglongjmp(env, 1);
}
__asm__(".globl near_, far_, iret_\n"
	"near_: lea 1f(%rip), %rax; push %rax; ret\n1: ret\n"
	"far_: push $0x33; lea 1f(%rip), %rax; push %rax; lretq\n1: ret\n"
	"iret_: mov %rsp, %rcx; push $0x2b; push %rcx; pushfq; push $0x33; lea 1f(%rip), %rax; push %rax; iretq\n1: ret\n");
void near_(void), far_(void), iret_(void);
int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_segv, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &sa, 0);
	if (!sigsetjmp(env, 1))
		near_();
	if (!sigsetjmp(env, 1))
		far_();
	if (!sigsetjmp(env, 1))
		iret_();
	puts("end");
	return 0;
}
""")
if native("#CP", [prog], 0, "end\n"):
    s, out, err = check("--stop", "--", prog)
    ok("#CP as the CPU raises it", s == 0 and out == "code 10 addr (nil) trap 21 err 1 at c3 c3\n"
       "code 10 addr (nil) trap 21 err 2 at 48 cb\ncode 10 addr (nil) trap 21 err 2 at 48 cf\nend\n", s, out, err)
    s, out, err = check("--", prog)
    ok("without --stop it only reports", s == 0 and out == "end\n" and "2 other" in err, s, out, err)

# ---- gnomon inside gnomon: the inner one does what it is asked to, the outer one says that it does not see the program
script = ["/bin/sh", "-c", "echo out; ls /proc/self/fd | wc -l; exit 3"]
want = run(script)[:2]
for outer in ("check", "run", "protect"):
    for inner in ("check", "run", "protect"):
        s, out, err = run([G, outer, "--", G, inner, "--", *script])
        ok("%s inside %s" % (inner, outer), (s, out) == want and "BUG" not in err and
           err.count("gnomon inside gnomon") == (inner != "run"), s, out, err) # run finds shadow stacks, and has nothing to do
prog = program("bad", r"""
__asm__(".globl jump\njump: lea 1f(%rip), %rax; push %rax; ret\n1: ret\n");
void jump(void);
int main(void) { jump(); return 0; }
""")
s, out, err = check("--", G, "check", "--error-exitcode=9", "--", prog)
ok("what the inner one finds", s == 9 and "1 never called" in err and "gnomon: 1 program ran natively and was not checked" in err and
   "gnomon-engine: gnomon inside gnomon" in err, s, out, err)

# ---- what children translate is translated once, however much it is in all: five sets of 7000 functions, in turn
prog = program("children", r"""
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#define SET 7000
int main(void)
{
	unsigned char f[] = { 0x8d, 0x47, 0x01, 0xc3 }, *p = mmap(NULL, 5 * SET * 16, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int status = 0;
	for (int i = 0; i < 5 * SET; i++)
		memcpy(p + 16 * i, f, sizeof(f));
	for (int round = 0; round < 15; round++) {
		if (!fork()) {
			int n = 0;
			for (int i = 0; i < SET; i++)
				n = ((int (*)(int))(p + 16 * (round % 5 * SET + i)))(n);
			_exit(n != SET);
		}
		wait(&status);
		if (status)
			return 1;
	}
	return 0;
}
""")
if native("children", [prog], 0, ""):
    s, out, err = check("--stats", "--", prog)
    made = [int(n) for n in re.findall(r"this thread made (\d+)", err)]
    ok("the first children translate their sets, the last five hardly any", s == 0 and len(made) == 16 and
       all(n > 7000 for n in made[:2]) and sum(made[10:15]) < 7000, s, made)

# What a call leads to is linked, even where it was first translated in the middle of a block
prog = program("inside", """
#include <stdio.h>
long first(long), second(long);
__asm__(".text\\nfirst: add $1, %rdi\\nsecond: lea 1(%rdi), %rax\\nret\\n");
int main(void)
{
	long n = first(1);
	for (int i = 0; i < 100000; i++)
		n = second(n);
	printf("%ld\\n", n);
	return 0;
}
""")
if native("inside", [prog], 0, "100003\n"):
    s, out, err = check("--stats", "--", prog)
    ok("calls into the middle of what was translated do not ask the engine each time", s == 0 and out == "100003\n" and
       int(re.search(r"(\d+) dispatches", err)[1]) < 10000, s, out, err)

os.chdir("/")
done()
