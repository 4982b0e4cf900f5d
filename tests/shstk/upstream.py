#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The kernel's own test of shadow stacks (tools/testing/selftests/x86/test_shadow_stack.c, Linux 7.2 and later) under `gnomon
run`: its lines must be those of Linux 7.2 on a CPU with shadow stacks, which are in upstream.truth. The test ends where that
kernel refuses userfaultfd; upstream_all.truth is of the same test going on there. Prints TAP. Not part of `make check`: the
source comes from Debian's package.

usage: upstream.py [--build DIR] [--source DEB | FOLDER]
"""
import os
import pty
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))
sys.dont_write_bytecode = True
import linux_source  # noqa: E402

args = sys.argv[1:]
build = os.path.abspath(args[args.index("--build") + 1]) if "--build" in args else os.path.join(TOP, "build")
if "--source" in args:
    os.environ["SOURCE"] = args[args.index("--source") + 1]
WORK = os.path.join(build, "upstream")
os.makedirs(WORK, exist_ok=True)


def said(argv):
    """on a terminal, as there: a test that forks prints what is in its buffer twice otherwise"""
    ours, its = pty.openpty()
    p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=its, stderr=subprocess.DEVNULL, start_new_session=True)
    os.close(its)
    text = b""
    try:
        while True:
            part = os.read(ours, 4096)
            if not part:
                break
            text += part
    except OSError:  # the last one has closed it
        pass
    p.wait()
    return linux_source.normal(text.decode(errors="replace"))


try:
    tests = linux_source.shadow_stack_tests(linux_source.folder(WORK), WORK)
except (OSError, subprocess.CalledProcessError) as e:
    print("1..0 # SKIP no source of Linux 7.2 or later: %s" % e)
    sys.exit(0)
failed = 0
for number, (exe, truth) in enumerate(tests.items(), 1):
    with open(os.path.join(TOP, "tests", "shstk", truth)) as f:
        want = f.read().splitlines()
    have = said(["timeout", "60", os.path.join(build, "gnomon"), "run", "--engine=soft", "--", exe]).splitlines()
    same = sum(a == b for a, b in zip(want, have))
    good = want == have
    failed += not good
    print("%sok %d - %s: %d of %d lines as on Linux" % ("" if good else "not ", number, os.path.basename(exe), same, len(want)))
    for line in [] if good else ["Linux: " + x for x in want if x not in have] + ["here:  " + x for x in have if x not in want]:
        print("# " + line)
print("1..%d" % len(tests))
sys.exit(failed != 0)
