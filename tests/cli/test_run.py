#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`gnomon run`: programs that ask for no shadow stack run as they do natively, and nothing is said of them; one that asks
for one gets it. What the ABI says beyond that is not tested here.

usage: test_run.py [--build DIR]. Prints TAP.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from tap import *  # noqa: E402

os.chdir(TMP)


def same(name, argv):
    want = run(argv)
    got = run([G, "run", "--engine=soft", "--", *argv])
    ok(name, got == want, want, got)


LIB = ["-I" + TOP + "/tests/lib", "-Wno-unused", "-pthread"]
for name in ("func/process", "func/threads", "func/signals", "func/longjmp", "func/calls", "viol/smash", "viol/swapcontext"):
    same(name, [compiled(os.path.basename(name), "tests/%s.c" % name, flags=[*LIB, "-fno-omit-frame-pointer"])])
same("static", [compiled("frugal", "tests/badinput/frugal.c", flags=["-static"])])
same("a script", ["/bin/sh", "-c", "echo a | cat; (exit 3); echo $?; ls / | wc -l; kill -9 $$"])
same("threads and children of python", [
    "/usr/bin/python3", "-c", "import subprocess, threading\n"
    "t = [threading.Thread(target=lambda: [sum(range(1000)) for _ in range(300)]) for _ in range(4)]\n"
    "[x.start() for x in t]; [x.join() for x in t]; print(subprocess.run(['/bin/echo', 'x'], capture_output=True))"])

on = compiled("shstk_on", "tests/cli/shstk_on.c", flags=["-static"])
s, out, err = run([on])
ok("asking for a shadow stack, natively", s == 0 and "fib 6765" in out and "fib 55" in out, s, out, err)
s, out, err = run([G, "run", "--engine=soft", "--", on])
ok("asking for a shadow stack", (s, out, err) == (0, "enable 0 fib 6765 status 1 ssp 1\ndisable 0 fib 55 ssp 0\n", ""), s, out, err)

# gnomon itself under gnomon has a machine with shadow stacks; what it runs natively there is under the outer one
NATIVE = [G, "run", "--engine=soft", "--", G, "run"]
GIVEN = (0, "enable 0 fib 6765 status 1 ssp 1\ndisable 0 fib 55 ssp 0\n", "")
for which in ("hard", "auto"):
    got = run([*NATIVE, "--engine=" + which, "--", on])
    ok("--engine=%s where the machine has shadow stacks" % which, got == GIVEN, got)
s, out, err = run([*NATIVE, "--engine=hard", "--", os.path.join(TMP, "nothing")])
ok("--engine=hard, no such program", (s, out) == (127, "") and "nothing" in err, s, out, err)
s, out, err = run([*NATIVE, "--engine=hard", "--enable=always", "--", on])
ok("--engine=hard with what only the software does", (s, out) == (125, "") and "--enable" in err and err.count("\n") == 1, s, out, err)
got = run([G, "run", "--engine=auto", "--", on])
ok("--engine=auto here", got == GIVEN, got)
s, out, err = run([G, "run", "--engine=hard", "--", on])
ok("--engine=hard here: one line where it cannot", (s, out, err) == GIVEN or s == 125 and err.count("\n") == 1 and "hard" in err, s, out, err)
s, out, err = run([G, "run", "--engine=fast", "--", on])
ok("an engine that is none", s == 125 and "fast" in err, s, out, err)

done()
