#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`--ibt`: indirect branches into marked code must find ENDBR64. What may pass passes however often, what may not is stopped by
run and named by check; unmarked code and generated code are left alone.

usage: test_ibt.py [--build DIR]. Prints TAP.
"""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from tap import *  # noqa: E402

os.chdir(TMP)
FLAGS = ["-nostdlib", "-static", "-no-pie", "-O2", "-g", "-fcf-protection", "-fno-stack-protector", "-mgeneral-regs-only"]
prog = compiled("ibt", "tests/cli/ibt.c", flags=[*FLAGS, "-Wl,-z,ibt"])
pie = compiled("ibt-pie", "tests/cli/ibt.c", flags=[f.replace("-no-pie", "-fPIE") for f in FLAGS if f != "-static"] +
               ["-static-pie", "-Wl,-z,ibt"])
unmarked = compiled("ibt-unmarked", "tests/cli/ibt.c", flags=[*[f for f in FLAGS if f != "-fcf-protection"], "-fcf-protection=none"])
MODES = ([], ["-X", "tiny", "-X", "nopext", "-X", "noloop"], ["-X", "flush"], ["-X", "step"])

GOOD = ("call", "notrack-call", "notrack-jump", "generated")
BAD = {"bad-call": "bare", "bad-jump": None, "both": None, "after-notrack": "bare"}
for mode in MODES:
    name = " ".join(mode[1::2]) or "run"
    for what in GOOD:
        got = [run([G, "run", "--ibt", *mode, "--", p, what]) for p in (prog, pie)]
        ok("%s[%s]" % (what, name), all(g == (0, "", "") for g in got), got)
    for what in BAD:
        got = [run([G, "run", "--ibt", *mode, "--", p, what]) for p in (prog, pie)]
        ok("%s[%s] is stopped" % (what, name), all(g == (-11, "", "") for g in got), got)
    got = run([G, "run", "--ibt", *mode, "--", prog, "handler"])
    ok("a handler sees control protection, 3, at the target[%s]" % name, got == (42, "", ""), got)
for what in (*GOOD, *BAD, "handler"):
    got = run([G, "run", "--", prog, what]), run([G, "run", "--ibt", "--", unmarked, what])
    ok("%s: nothing without --ibt, nor where there is no mark" % what, all(g == (0, "", "") for g in got), got)

for what, symbol in BAD.items():
    r, w = os.pipe()
    s, out, err = run([G, "check", "--ibt", "--json-fd", str(w), "--", prog, what], pass_fds=(w,))
    os.close(w)
    with os.fdopen(r) as f:
        events = [json.loads(line) for line in f]
    seen = [e for e in events if e.get("class") == "missing-endbr"]
    ok("check goes on, " + what, s == 0 and events[-1]["verdict"] == "not-clean", s, err)
    ok("check names the target, " + what, len(seen) == 1 and "missing endbr" in err and (
        not symbol or seen[0]["at"].get("symbol") == symbol and seen[0].get("call", {}).get("symbol") == "begin"), seen, err)
for what in GOOD:
    s, out, err = run([G, "check", "--ibt", "--", prog, what])
    ok("check is clean, " + what, s == 0 and "clean: 1 process, no violation" in err, s, err)
s, out, err = run([G, "check", "--ibt", "--stop", "--", prog, "bad-call"])
ok("check --stop", s == -11, s, err)

done()
