#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""glibc's own tests of shadow stacks (tst-cet-*, tst-shstk-*, from Debian's source package) under `gnomon run`. Prints TAP.
Not part of `make check`: they need a build tree of glibc (tools/cet_glibc --build --tree), half an hour of one CPU.

usage: upstream.py [--build DIR] [-X KNOB]... [--native] [TEST...]; --native: without gnomon, to see what needs shadow stacks
"""
import argparse
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDERS = ("elf", "posix", "stdlib")
# these want IBT in user mode, which no Linux offers
IBT = ("elf/tst-cet-legacy-8", "elf/tst-cet-property-2")
# these are linked with a library for its initializer alone, which a linker that drops what is not needed drops
KEEP = ["LDFLAGS-tst-shstk-legacy-%s=-Wl,--no-as-needed" % x for x in ("1f", "1g")]

ap = argparse.ArgumentParser()
ap.add_argument("--build", default=os.path.join(TOP, "build"))
ap.add_argument("--native", action="store_true")
ap.add_argument("-X", action="append", default=[])
ap.add_argument("tests", nargs="*")
opt = ap.parse_args()
gnomon = [] if opt.native else [os.path.join(os.path.abspath(opt.build), "gnomon"), "run", "--engine=soft", *("-X" + x for x in opt.X), "--"]

r = subprocess.run([os.path.join(TOP, "tools/cet_glibc"), "--build", "--tree"], stdout=subprocess.PIPE, text=True)
if r.returncode:
    print("1..0 # SKIP no build tree of glibc")
    sys.exit(0)
tree = r.stdout.strip()


def make(*args, under=()):
    """Some tests are scripts that start programs by themselves, so make itself runs under gnomon, too. The tests that name no
    tunable say that they have no shadow stack where glibc's default is in force."""
    env = dict(os.environ, LC_ALL="C", GLIBC_TUNABLES="glibc.cpu.hwcaps=SHSTK")
    return subprocess.run([*under, "make", "-s", "PARALLELMFLAGS=", *args], cwd=tree, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, errors="replace", env=env).stdout


def names(folder):
    """what the makefile of this folder calls a test of it"""
    show = "gnomon-names: ; @echo NAMES $(filter tst-cet-% tst-shstk-%,$(tests))"
    text = make("-C", "../source/" + folder, "objdir=" + tree, "--eval", show, "gnomon-names")
    m = re.search(r"^NAMES (.*)$", text, re.M)
    return [folder + "/" + n for n in sorted(set(m.group(1).split()))] if m else []


def result(test):
    """PASS, FAIL, UNSUPPORTED ... and what there is to show"""
    for ext in (".out", ".test-result"):
        if os.path.exists(os.path.join(tree, test + ext)):
            os.unlink(os.path.join(tree, test + ext))
    said = make("test", "t=" + test, *KEEP, under=gnomon)
    try:
        with open(os.path.join(tree, test + ".test-result")) as f:
            word = f.read().split(":")[0]
    except OSError:
        word = "not built"
    return word, said


tests = opt.tests or [n for folder in FOLDERS for n in names(folder)]
count, bad = {}, 0
for number, test in enumerate(tests, 1):
    word, said = result(test)
    count[word] = count.get(word, 0) + 1
    if word == "UNSUPPORTED" and test in IBT:
        print("ok %d - %s # SKIP needs IBT in user mode" % (number, test))
        continue
    bad += word != "PASS"
    print("%sok %d - %s%s" % ("" if word == "PASS" else "not ", number, test, "" if word == "PASS" else ": " + word), flush=True)
    for line in said.splitlines()[-12:] if word != "PASS" else []:
        print("# " + line)
print("1..%d" % len(tests))
print("# " + ", ".join("%d %s" % (n, w) for w, n in sorted(count.items())))
sys.exit(bad or not tests)
