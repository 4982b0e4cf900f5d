# SPDX-License-Identifier: MIT
"""Building a test program and its native run: the beginning of every suite of programs."""
import os
import re
import shlex

from harness import FAIL, PASS, SKIP, Outcome, execute
from judge import environment, which


def build(src, work, name, d, variant):
    """compiles SRC; returns (path of the program, None) or (None, outcome)"""
    flags = shlex.split(variant) if variant else shlex.split(" ".join(d.get("flags", [])))
    cc = d.get("cc", ["g++" if src.endswith(".cc") else "gcc"])[0]
    if flags and not flags[0].startswith("-"):
        cc = flags.pop(0)
    for need in d.get("needs", []) + [cc]:
        if not (which(need) or os.path.exists(need)):
            return None, Outcome(name, SKIP, need + " is not installed")
    lib = os.path.dirname(os.path.abspath(__file__))
    libs = shlex.split(" ".join(d.get("libs", [])))
    exe = os.path.join(work, "prog")
    # so: NAME FLAGS...: a shared library from FILE.so.c (or .cc) beside the test
    for line in d.get("so", []):
        so, *so_flags = shlex.split(line)
        part = os.path.join(os.path.dirname(src), so)
        out = os.path.join(work, "lib" + os.path.basename(so).split(".")[0] + ".so")
        r = execute([cc, "-g", "-O1", "-fPIC", "-shared", "-I" + lib, *so_flags, part, "-o", out], work, 120,
                    environment(work))
        if r.status:
            return None, Outcome(name, FAIL, "cannot build " + so, r.tail())
        if "-l" + os.path.basename(so).split(".")[0] in libs:
            libs += ["-L" + work, "-Wl,-rpath," + work]
    r = execute([cc, "-g", "-O1", "-Wall", "-Wno-unused", "-I" + lib, *flags, src, "-o", exe, *libs], work, 180,
                environment(work))
    if r.status:
        return None, Outcome(name, FAIL, "cannot build", r.tail())
    return exe, None


def launch(d, exe, work):
    args = [a.replace("@WORK@", work) for a in shlex.split(" ".join(d.get("args", [])))]
    return shlex.split(" ".join(d.get("launcher", []))) + [exe] + args


def natively(opt, name, argv, cwd, timeout, env, want=0):
    """the native run, and what it says of the test: its outcome is the only one if it is not PASS"""
    r = execute(argv, cwd, timeout, env)
    if r.status == 77:
        last = (r.out.decode(errors="replace").strip().splitlines() or ["skipped"])[-1]
        return r, Outcome(name, SKIP, re.sub(r".*# SKIP ", "", last))
    if r.timed_out or r.status != want:
        return r, Outcome(name + "[native]", FAIL, "bad test: native status %d%s" % (
            r.status, ", timeout" if r.timed_out else ""), r.tail())
    return r, Outcome(name + "[native]", PASS)
