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
    got = run([G, "run", "--", *argv])
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
s, out, err = run([G, "run", "--", on])
ok("asking for a shadow stack", (s, out, err) == (0, "enable 0 fib 6765 status 1 ssp 1\ndisable 0 fib 55 ssp 0\n", ""), s, out, err)

done()
