#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The kernel's own test of robust futexes (tools/testing/selftests/futex/functional/robust_list.c, Linux 7.2 and later)
under gnomon. Prints TAP. Not part of `make check`: the source comes from Debian's package, which is large, and stays
out of this repository.

Its threads have 100 microseconds to fall asleep, which a busy machine does not always keep, translated or not. So its
sleeps are a thousand times as long here; nothing else is changed.

usage: upstream.py [--build DIR] [--source DEB | FOLDER]; without --source: linux-source-* of sid, by apt-get
"""
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))
sys.dont_write_bytecode = True
import linux_source  # noqa: E402

args = sys.argv[1:]
build = os.path.abspath(args[args.index("--build") + 1]) if "--build" in args else os.path.join(TOP, "build")
source = args[args.index("--source") + 1] if "--source" in args else None
GNOMON = os.path.join(build, "gnomon")
WORK = os.path.join(build, "upstream")
WRAP = """#include <unistd.h>
int __real_usleep(useconds_t us);
int __wrap_usleep(useconds_t us) { return __real_usleep(1000 * us); }
"""
number = failed = 0


def say(name, good, why=""):
    global number, failed
    number += 1
    failed += not good
    print("%sok %d - %s" % ("" if good else "not ", number, name), flush=True)
    for line in why.splitlines() if not good else []:
        print("# " + line)


def built(linux):
    tests = os.path.join(linux, "tools/testing/selftests")
    exe, wrap = os.path.join(WORK, "robust_list"), os.path.join(WORK, "wrap.c")
    with open(wrap, "w") as f:
        f.write(WRAP)
    subprocess.run(["gcc", "-O2", "-g", "-w", "-pthread", "-I" + os.path.join(tests, "futex/include"), "-I" + tests,
                    os.path.join(tests, "futex/functional/robust_list.c"), wrap, "-Wl,--wrap=usleep", "-o", exe], check=True)
    return exe


def passed(argv):
    """how many of how many, and the output"""
    r = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, timeout=120)
    m = re.search(r"^# Totals: pass:(\d+) fail:(\d+) xfail:(\d+) xpass:(\d+) skip:(\d+) error:(\d+)", r.stdout, re.M)
    return (int(m.group(1)), sum(map(int, m.groups())), r.stdout) if m else (0, 0, r.stdout)


os.makedirs(WORK, exist_ok=True)
if source:
    os.environ["SOURCE"] = source
try:
    exe = built(linux_source.folder(WORK))
except (OSError, subprocess.CalledProcessError) as e:
    print("1..0 # SKIP no source of Linux 7.2 or later: %s" % e)
    sys.exit(0)
print("# natively, on Linux %s: %d of %d" % (os.uname().release, *passed([exe])[:2]))
for command in (["run"], ["check", "-q"], *(["check", "-q", "-X", k] for k in ("tiny", "flush", "step"))):
    n, of, text = passed([GNOMON, *command, "--", exe])
    say("%s: %d of %d" % (" ".join(command), n, of), n == of and n >= 17, text)
print("1..%d" % number)
sys.exit(failed != 0)
