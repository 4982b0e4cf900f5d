#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The verdicts are what a glibc built for CET comes to: closures made for it are run under `gnomon run` with each policy,
and the program says whether its shadow stack is on, and whether its dlopen succeeds. CET_GLIBC names the C library's
prefix (configured with --enable-cet). CET_ROOT names the root of a distribution that has such a C library (Ubuntu 24.04 is
one): every program of it is begun with each policy, and a preloaded library says what came of it. Prints TAP."""
import re

from audit_lib import *

CET = os.environ.get("CET_GLIBC", "/opt/cet-glibc")
LD = CET + "/lib/ld-linux-x86-64.so.2"
TUNABLES = {"none": "", "hwcaps": "glibc.cpu.hwcaps=SHSTK", "on": "glibc.cpu.hwcaps=SHSTK:glibc.cpu.x86_shstk=on",
            "permissive": "glibc.cpu.hwcaps=SHSTK:glibc.cpu.x86_shstk=permissive",
            "off": "glibc.cpu.hwcaps=SHSTK:glibc.cpu.x86_shstk=off"}
MARKED, UNMARKED = "-fcf-protection=full", "-fcf-protection=none"
COMMON = ["-B%s/lib/" % CET, "-L%s/lib" % CET, "-isystem", CET + "/include", "-Wl,--no-as-needed"]
PROGRAM = ["-Wl,--dynamic-linker=" + LD, "-Wl,-rpath,%s/lib:%s" % (CET, tmp)]

# says "on" or "off"; argument: also opens a library, in a program that had a thread or not
SOURCE = """
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
static const char *on(void) { unsigned long f = 0; syscall(158, 0x5005, &f); return f & 1 ? "on" : "off"; }
static void *nothing(void *p) { return p; }
int main(int argc, char **argv)
{
	pthread_t t;
	printf("%s ", on());
	if (argc > 2 && !pthread_create(&t, NULL, nothing, NULL))
		pthread_join(t, NULL);
	if (argc > 1)
		printf("%s ", dlopen(argv[1], RTLD_NOW) ? "loads" : "fails");
	puts(on());
	return 0;
}
"""
# asks in a constructor, when ld.so has decided, and ends the program there
PROBE = """
static long call(long n, long a, long b, long c)
{
	long r;
	__asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return r;
}
__attribute__((constructor)) static void probe(void)
{
	unsigned long f = 0;
	call(158, 0x5005, (long)&f, 0);
	call(1, 9, (long)(f & 1 ? "on " : "off"), 3);
	call(231, 0, 0, 0);
}
"""


def begun(root, path, tunables):
    """on or off; a descriptor of its own carries the answer: programs may be scripts' interpreters, daemons, anything"""
    r, w = os.pipe()
    os.dup2(w, 9, inheritable=True)
    os.close(w)
    ran = run([G, "run", "--", "chroot", root, "env", "GLIBC_TUNABLES=" + tunables, "LD_PRELOAD=/gnomon-probe.so", path],
              pass_fds=[9], timeout=60)
    os.close(9)
    with os.fdopen(r) as f:
        return f.read().strip() or repr(ran)


def whole_root(root):
    shutil.copy(cc("probe.so", PROBE, "-shared", "-fPIC", "-nostdlib", "-fcf-protection=full"), root + "/gnomon-probe.so")
    try:
        files = result("--root", root, "--level", "closure", "/").files
        programs = sorted(n for n, e in files.items() if e["kind"] == "program" and e.get("interpreter", "").startswith("/lib64/ld-linux-x86")
                          and "in" not in e and e["by_marks"] != "incomplete" and os.access(root + n, os.X_OK) and
                          not os.stat(root + n).st_mode & 0o6000)  # those run natively
        differ, on = [], 0
        for n in programs:
            for policy, t in TUNABLES.items():
                real, said = begun(root, n, t), "on" if files[n]["policies"][policy] else "off"
                on += real == "on"
                if real != said:
                    differ.append((n, policy, said, real))
        ok("%d programs of %s, five policies each, %d times on" % (len(programs), os.path.basename(root), on),
           programs and on and not differ, *differ[:20])
    finally:
        os.unlink(root + "/gnomon-probe.so")


if os.environ.get("CET_ROOT"):
    whole_root(os.path.abspath(os.environ["CET_ROOT"]))
if not os.path.exists(LD):
    skip("verdicts", "no glibc built for CET in CET_GLIBC=" + CET)
    done()


def lib(name, mark, *needs):
    return cc(name, "int %s(void) { return 1; }" % re.sub(r"\W", "_", name), "-shared", "-fPIC", mark, *COMMON, "-Wl,-rpath-link," + tmp,
              "-Wl,-rpath," + tmp, "-Wl,-soname," + name, *needs)


def note(name):
    """an object with a .note.dlopen for the library"""
    text = '[{"feature":"x","priority":"recommended","soname":["%s"]}]' % name
    src = '.section .note.dlopen,"a",@note\n.balign 4\n.long 4, 2f-1f, 0x407c0c0a\n.asciz "FDO"\n1: .asciz "%s"\n2: .balign 4\n' \
          '.section .note.gnu.property,"a",@note\n.balign 8\n.long 4, 16, 5\n.asciz "GNU"\n.long 0xc0000002, 4, 3, 0\n'
    return asm(src % text.replace('"', '\\"'), "note_%s.o" % name)


def runs(path, tunables, *args):
    r = run([G, "run", "--", "./" + path, *args], env=dict(os.environ, GLIBC_TUNABLES=tunables), timeout=60)
    return r.out.split() if r.status == 0 else [repr(r)] * 3


lib("libm1.so", MARKED)
lib("libm2.so", MARKED, "libm1.so")
lib("libu.so", UNMARKED)
lib("libmu.so", MARKED, "libu.so")
lib("libmmu.so", MARKED, "libmu.so", "libm2.so")
CLOSURES = {  # name: (mark of the program, libraries, how it is linked)
    "plain": (MARKED, [], []), "marked": (MARKED, ["libm1.so"], []), "marked_deep": (MARKED, ["libm2.so"], []),
    "vetoed": (MARKED, ["libm1.so", "libu.so"], []), "vetoed_deep": (MARKED, ["libmu.so"], []),
    "vetoed_deeper": (MARKED, ["libm2.so", "libmmu.so"], []), "unmarked": (UNMARKED, [], []),
    "unmarked_vetoed": (UNMARKED, ["libmu.so"], []), "no_pie": (MARKED, ["libm1.so"], ["-no-pie"]),
    "bind_now": (MARKED, ["libmmu.so"], ["-Wl,-z,now"]),
    "static": (MARKED, [], ["-static"]), "static_unmarked": (UNMARKED, [], ["-static"]), "static_pie": (MARKED, [], ["-static-pie"]),
}
for name, (mark, libs, how) in CLOSURES.items():
    static = any("static" in h for h in how)
    cc(name, SOURCE, mark, "-w", *COMMON, *how, *([] if static else PROGRAM), *libs)
if runs("plain", TUNABLES["hwcaps"])[0] != "on":
    skip("verdicts", "gnomon run gives this program no shadow stack: " + runs("plain", TUNABLES["hwcaps"])[0].replace("\n", " ")[:200])
    done()

# ---- at start
r = result(*CLOSURES)
for name in CLOSURES:
    e = r.files[tmp + "/" + name]
    real = {policy: runs(name, t)[0] for policy, t in TUNABLES.items()}
    said = {policy: "on" if e["policies"].get(policy) else "off" for policy in TUNABLES}
    ok("%s: %s, %s" % (name, e["verdict"], " ".join("%s=%s" % x for x in said.items())), said == real, "really: %s" % real, e)
unmarked = {n: {os.path.basename(x) for x in r.files[tmp + "/" + n].get("vetoed_by", [])} for n in CLOSURES}
ok("who vetoes", unmarked["vetoed"] == unmarked["vetoed_deep"] == unmarked["vetoed_deeper"] == {"libu.so"} and not unmarked["marked_deep"],
   unmarked)

# ---- dlopen, in a program that a note says it of; what JSON says of each policy is what happens
for name, opens in (("opens_marked", "libm2.so"), ("opens_unmarked", "libu.so"), ("opens_deep", "libmu.so")):
    cc(name, SOURCE, MARKED, "-w", *COMMON, *PROGRAM, note(opens))
    e = one(name)
    found = [f for f in e.get("findings", []) if f["rule"] == "dlopen-fails"]
    said = found[0]["policies"] if found else {policy: "loads" for policy in TUNABLES}
    real = {}
    for policy, t in TUNABLES.items():
        start, did, after = runs(name, t, opens)
        threaded = runs(name, t, opens, "thread")[1]
        real[policy] = did if start == after else "turns it off"
        if threaded != did:
            real[policy] += ", fails after a thread" if threaded == "fails" else ", " + threaded
    ok("%s: %s" % (name, real), said == real, said, e)
done()
