#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""When a glibc that was built for shadow stacks asks for one, under `gnomon run`: every tunable, marks of the program, of its
libraries, of what it opens later. CET_GLIBC names the C library (tools/cet_glibc).

usage: test_policy.py [--build DIR]. Prints TAP.
"""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from tap import *  # noqa: E402
import shadow  # noqa: E402

GLIBC, WHY = shadow.find_cet_glibc(TOP)
if not GLIBC:
    print("1..0 # SKIP " + WHY)
    sys.exit(0)
os.chdir(TMP)
SRC = os.path.join(TOP, "tests/cet/policy/")
FLAGS = shadow.cet_flags(GLIBC, False, False).split()
NO_MARK = [f for f in FLAGS if "cet-report" not in f and f != "-fcf-protection"] + ["-fcf-protection=none"]


def built(name, source, *flags):
    path = os.path.join(TMP, name)
    subprocess.run(["gcc", "-O1", "-Wl,-rpath," + TMP, *flags, source, "-o", path], check=True)
    return path


marked_lib = built("libmarked.so", SRC + "lib.c", "-fPIC", "-shared", *FLAGS)
bare_lib = built("libbare.so", SRC + "lib.c", "-fPIC", "-shared", *NO_MARK)
NEEDS = ["-Wl,--no-as-needed", "-L" + TMP]
PROGRAMS = {
    "marked": built("marked", SRC + "main.c", *FLAGS),
    "unmarked": built("unmarked", SRC + "main.c", *NO_MARK),
    "static": built("static", SRC + "main.c", "-w", *shadow.cet_flags(GLIBC, False, True).split()),
    "with a marked library": built("with", SRC + "main.c", *FLAGS, *NEEDS, "-lmarked"),
    "with an unmarked library": built("without", SRC + "main.c", *FLAGS, *NEEDS, "-lbare"),
}
OFF, ON, OPEN = "status 0 noted 0 locked 0", "status 1 noted 1 locked 1", "status 1 noted 1 locked 0"
HW = "glibc.cpu.hwcaps=SHSTK"
SAYS_ON, SAYS_OFF, SAYS_MAY = ":glibc.cpu.x86_shstk=on", ":glibc.cpu.x86_shstk=off", ":glibc.cpu.x86_shstk=permissive"
BOTH = "glibc.cpu.x86_ibt=on:glibc.cpu.x86_shstk=on"

for program, tunables, args, *want in (
        ("marked", "", [], OFF),
        ("static", "", [], OFF),
        ("marked", SAYS_ON[1:], [], OFF),
        ("marked", BOTH, [], ON),  # without asking CPUID or the libraries
        ("with an unmarked library", BOTH, [], ON),
        ("unmarked", BOTH, [], OFF),
        ("marked", HW, [], ON),
        ("static", HW, [], ON),
        ("with a marked library", HW, [], ON),
        ("marked", HW + SAYS_OFF, [], OFF),
        ("static", HW + SAYS_OFF, [], ON),  # the static start does not look at it
        ("marked", HW + SAYS_MAY, [], OPEN),
        ("with an unmarked library", HW, [], OFF),
        ("with an unmarked library", HW + SAYS_MAY, [], OFF),
        ("with an unmarked library", HW + SAYS_ON, [], ON),
        ("marked", HW, [marked_lib], ON, "loaded", ON),
        ("marked", HW, [bare_lib], ON, "refused", ON),
        ("marked", HW + SAYS_ON, [bare_lib], ON, "loaded", ON),
        ("marked", HW + SAYS_OFF, [bare_lib], OFF, "loaded", OFF),
        ("marked", HW + SAYS_MAY, [bare_lib], OPEN, "loaded", OFF),
        ("marked", HW + SAYS_MAY, [marked_lib], OPEN, "loaded", OPEN),
        ("marked", HW + SAYS_MAY, ["thread", bare_lib], OPEN, OPEN, "refused", OPEN),
        ("marked", HW, ["thread", bare_lib], ON, ON, "refused", ON),
        ("unmarked", HW, [], OFF),
        ("unmarked", HW + SAYS_ON, [bare_lib], OFF, "loaded", OFF)):
    s, out, err = run([G, "run", "--engine=soft", "--", PROGRAMS[program], *args], env=dict(os.environ, GLIBC_TUNABLES=tunables))
    name = "%s, %s%s" % (program, tunables.replace("glibc.cpu.", "") or "no tunable",
                         "".join(", " + os.path.basename(a) for a in args))
    ok(name, (s, out.split("\n")[:-1], err) == (0, want, ""), s, out, err)

for kind, static in (("dynamic", False), ("static", True)):
    smash = built("smash-" + kind, os.path.join(TOP, "tests/viol/smash.c"), "-I" + TOP + "/tests/lib", "-fno-omit-frame-pointer",
                  "-w", *shadow.cet_flags(GLIBC, False, static).split())
    for tunables, want in ((HW, -11), ("", 0)):
        s, out, err = run([G, "run", "--engine=soft", "--", smash], env=dict(os.environ, GLIBC_TUNABLES=tunables))
        ok("an overwritten return address, %s, %s" % (kind, "stopped" if want else "no tunable"), s == want, s, out, err)

done()
