#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The fuzzing targets of tests/fuzz over their corpus and changed forms of it, with ASan and UBSan. `make fuzz` runs the
same targets under libFuzzer. Prints TAP."""
import re

from audit_lib import *

FUZZ = os.path.join(TOP, "tests", "fuzz")
ENV = dict(os.environ, ASAN_OPTIONS="detect_leaks=0", UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1")
MUTATIONS = {"notes": 4000, "image": 300, "pack": 60, "ldcache": 4000}


def sources(target):
    text = read(os.path.join(FUZZ, target + ".c")).decode()
    found = [os.path.join(TOP, s) for line in re.findall(r"sources: (.*?)(?:\*/)?$", text, re.M) for s in line.split()]
    return found, [x for line in re.findall(r"libs: (.*?)(?:\*/)?$", text, re.M) for x in line.split()]


for target in MUTATIONS:
    src, libs = sources(target)
    corpus = os.path.join(FUZZ, "corpus", target)
    exe = os.path.join(tmp, target)
    r = run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-w", "-g", "-O1", "-fsanitize=address,undefined",
             "-fno-sanitize-recover=undefined", "-I" + TOP + "/audit", "-I" + TOP + "/include", "-I" + FUZZ,
             os.path.join(FUZZ, target + ".c"), os.path.join(FUZZ, "driver.c"), *src, "-o", exe, *libs], timeout=300)
    if r.status:
        ok(target + ": builds", False, r)
        continue
    r = run([exe, "--mutations", str(MUTATIONS[target]), corpus], env=ENV, timeout=600)
    ok("%s: %s" % (target, r.out.strip()), r.status == 0 and os.listdir(corpus), r.err[-3000:], r.status)
done()
