#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Hostile programs (hostile.c): each ends as it does natively, or with one line that refuses; never a hang, never another answer.

usage: test_hostile.py [--build DIR]. Prints TAP.
"""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from tap import *  # noqa: E402

os.chdir(TMP)
HOSTILE = compiled("hostile", "tests/badinput/hostile.c", flags=["-O1", "-fno-stack-protector", "-pthread", "-w"])
MAY_REFUSE = ("threads", "memory", "mappings")
for case in run([HOSTILE])[1].split():
    want = run([HOSTILE, case], timeout=60)
    for mode in (["check"], ["run"], ["protect"], ["check", "-X", "tiny"]):
        name = "%s under %s" % (case, " ".join(mode))
        try:
            s, out, err = run([G, *mode, "-q", "--", HOSTILE, case], timeout=60)
        except subprocess.TimeoutExpired:
            ok(name, False, want, "it hangs")
            continue
        said = [x for x in err.splitlines() if x not in want[2].splitlines()]
        refused = case in MAY_REFUSE and s == 125 and len(said) == 1 and said[0].startswith("gnomon")
        ok(name, ((s, out) == want[:2] or refused) and "BUG" not in err, want, s, out, err)
done()
