#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The kernel's own test of robust futexes (tools/testing/selftests/futex/functional/robust_list.c, Linux 7.2 and later)
under gnomon. Prints TAP. Not part of `make check`: the source comes from Debian's package, which is large, and stays
out of this repository.

Its threads have 100 microseconds to fall asleep, which a busy machine does not always keep, translated or not. So its
sleeps are a thousand times as long here; nothing else is changed.

usage: upstream.py [--build DIR] [--source DEB | FOLDER]; without --source: linux-source-* of sid, by apt-get
"""
import glob
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
args = sys.argv[1:]
build = os.path.abspath(args[args.index("--build") + 1]) if "--build" in args else os.path.join(TOP, "build")
source = args[args.index("--source") + 1] if "--source" in args else None
GNOMON = os.path.join(build, "gnomon")
WORK = os.path.join(build, "upstream")
WRAP = """#include <unistd.h>
int __real_usleep(useconds_t us);
int __wrap_usleep(useconds_t us) { return __real_usleep(1000 * us); }
"""
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
MIRROR = os.environ.get("MIRROR", "http://deb.debian.org/debian")
number = failed = 0


def say(name, good, why=""):
    global number, failed
    number += 1
    failed += not good
    print("%sok %d - %s" % ("" if good else "not ", number, name), flush=True)
    for line in why.splitlines() if not good else []:
        print("# " + line)


def apt(*argv):
    """apt-get and apt-cache that know sid and nothing of this machine's packages"""
    conf = os.path.join(WORK, "apt.conf")
    if not os.path.exists(conf):
        for d in ("lists/partial", "cache/archives/partial"):
            os.makedirs(os.path.join(WORK, d), exist_ok=True)
        with open(os.path.join(WORK, "sources.list"), "w") as f:
            f.write("deb [signed-by=%s] %s sid main\n" % (KEYRING, MIRROR))
        with open(conf, "w") as f:
            f.write("""Dir::Etc::sourcelist "%s/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "%s/lists";
Dir::Cache "%s/cache";
""" % (WORK, WORK, WORK))
    return subprocess.run(argv, cwd=WORK, env=dict(os.environ, APT_CONFIG=conf), check=True, stdout=subprocess.PIPE,
                          text=True).stdout


def package():
    """the newest one that has the test"""
    kept = glob.glob(os.path.join(WORK, "linux-source-*.deb"))
    if kept:
        return kept[0]
    apt("apt-get", "-q", "update")
    names = re.findall(r"^linux-source-(\d+)\.(\d+) ", apt("apt-cache", "search", "--names-only", "^linux-source-[0-9.]+$"), re.M)
    newest = max((int(a), int(b)) for a, b in names)
    if newest < (7, 2):
        raise OSError("sid has no Linux 7.2")
    apt("apt-get", "-q", "download", "linux-source-%d.%d" % newest)
    return glob.glob(os.path.join(WORK, "linux-source-*.deb"))[0]


def unpacked(deb):
    """the few folders that the test is built from"""
    to = os.path.join(WORK, "linux")
    os.makedirs(to, exist_ok=True)
    subprocess.run(["/bin/bash", "-o", "pipefail", "-c",
                    "dpkg-deb --fsys-tarfile \"$1\" | tar -xO --wildcards './usr/src/linux-source-*.tar.xz' | "
                    "tar -xJ -C \"$2\" --strip-components=1 --wildcards '*/tools/testing/selftests/futex/*' "
                    "'*/tools/testing/selftests/kselftest*.h'", "bash", deb, to], check=True)
    return to


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
if not source:
    try:
        source = package()
    except (OSError, subprocess.CalledProcessError) as e:
        print("1..0 # SKIP no source of Linux 7.2 or later: %s" % e)
        sys.exit(0)
exe = built(source if os.path.isdir(source) else unpacked(source))
print("# natively, on Linux %s: %d of %d" % (os.uname().release, *passed([exe])[:2]))
for command in (["run"], ["check", "-q"], *(["check", "-q", "-X", k] for k in ("tiny", "flush", "step"))):
    n, of, text = passed([GNOMON, *command, "--", exe])
    say("%s: %d of %d" % (" ".join(command), n, of), n == of and n >= 17, text)
print("1..%d" % number)
sys.exit(failed != 0)
