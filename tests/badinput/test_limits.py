#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A host that is too small: memory, descriptors, sizes of files run out for gnomon, for the engine, for the program.
Either the program runs as it would, or one line says what was too small; never a crash, never half an output.

usage: test_limits.py [--build DIR]. Prints TAP.
"""
import os
import resource
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from tap import *  # noqa: E402

INF = resource.RLIM_INFINITY
FRUGAL = compiled("frugal", "tests/badinput/frugal.c", flags=["-static"])
DENY = compiled("deny", "tests/badinput/deny.c")
WHOLE = run([FRUGAL])[1]
LINES = WHOLE.splitlines()


def limited(*pairs):
    def f():
        for what, soft, hard in pairs:
            resource.setrlimit(what, (soft, hard))
    return f


def orderly(name, argv, setup=None, want=(3, WHOLE), words=()):
    """as natively, or refused with one line that has one of the words"""
    s, out, err = run(argv, setup)
    said = err.splitlines()
    refused = s in (125, 126) and out == "" and len(said) == 1 and said[0].startswith("gnomon") and \
        (not words or any(w in err for w in words))
    ok(name, ((s, out) == want or refused) and "BUG" not in err, s, out, err)
    return (s, out) == want


# ---- limits, hard and soft; each as natively where the program itself has room enough
ran = [orderly("address space of %d MiB" % mib, [G, "check", "--", FRUGAL], limited((resource.RLIMIT_AS, mib << 20, mib << 20)),
               words=["ulimit -v"]) for mib in (12, 40, 100, 300, 1000, 1200, 1500, 2000, 3000, 5000)]
ok("5 GiB of address space are enough", ran[-1])
for mib in (12, 300):
    s, out, err = run([G, "explain", "/nonexistent"], limited((resource.RLIMIT_AS, mib << 20, mib << 20)))
    ok("explain with %d MiB" % mib, s == 125 and "No such file" in err, s, err)
ran = [orderly("%d open files" % n, [G, "check", "--", FRUGAL], limited((resource.RLIMIT_NOFILE, n, n)), words=["ulimit -n"])
       for n in (*range(4, 24), 32, 64, 256, 1003, 1004, 1005, 1007, 1008, 1009)]
ok("32 open files are enough", all(ran[-9:]), ran)
for kib in (0, 1, 4, 9, 100, 32 << 10, 40 << 10):
    n = kib << 10
    orderly("files of at most %d KiB" % kib, [G, "check", "--", FRUGAL], limited((resource.RLIMIT_FSIZE, n, n)),
            words=["ulimit -f"])
    ok("files of at most %d KiB, soft" % kib, orderly("soft limit of %d KiB" % kib, [G, "check", "--", FRUGAL],
                                                      limited((resource.RLIMIT_FSIZE, n, INF))))
for kib in (64, 132, 1024):
    n = kib << 10
    orderly("stack of %d KiB" % kib, [G, "check", "--", FRUGAL], limited((resource.RLIMIT_STACK, n, n)))
orderly("no stack limit", [G, "check", "--", FRUGAL], limited((resource.RLIMIT_STACK, INF, INF)))
for mib in (1, 8):
    orderly("data of %d MiB" % mib, [G, "check", "--", FRUGAL], limited((resource.RLIMIT_DATA, mib << 20, mib << 20)))
s, out, err = run([G, "check", "--", FRUGAL], limited((resource.RLIMIT_DATA, 40 << 20, 40 << 20)))
ok("data of 40 MiB", (s, out) == (3, WHOLE) or (s == 125 and "ulimit" in err and "gnomon: clean" not in err), s, out, err)
orderly("no locked memory, no message queues, no signals to wait", [G, "check", "--", FRUGAL], limited(
    (resource.RLIMIT_MEMLOCK, 0, 0), (resource.RLIMIT_MSGQUEUE, 0, 0), (resource.RLIMIT_SIGPENDING, 0, 0)))

# ---- the report's file under a limit: the program's output and status come through, the report's end is told
report = os.path.join(TMP, "report")
s, out, err = run([G, "check", "--report", report, "--", FRUGAL], limited((resource.RLIMIT_FSIZE, 1000, INF)))
ok("report larger than files may be", (s, out) == (3, WHOLE) and "the report is not complete" in err and "File too large" in err,
   s, out, err)

# ---- every Nth mapping fails, of the engine's and the program's
denied = ["%s/%d@2=12" % ("mmap", n) for n in range(1, 61)]
for rule in denied:
    want = run([DENY, rule.replace("@2", "@1"), "--", FRUGAL])
    s, out, err = run([DENY, rule, "--", G, "check", "--", FRUGAL])
    lines = out.splitlines()
    # whatever it could not do it says; what it says stands in its order; each engine that gave up said why
    inner = err.splitlines()[:-1] if "gnomon: clean" in err else err.splitlines()
    ok("no memory: " + rule, "BUG" not in err and (
        (s == 3 and lines[:1] == ["start"] and lines[-1:] == ["end"] and all(x in LINES + ["no fork"] for x in lines)) or
        (s in (125, 126) and out == "")) and len(inner) <= 1 and all(x.startswith("gnomon") for x in inner), want, s, out, err)
for n in range(1, 31):
    s, out, err = run([G, "check", "-X", "fault=%d" % n, "--", FRUGAL])
    ok("every %d. allocation of the engine fails" % n, "BUG" not in err and (
        (s == 3 and out.startswith("start\n") and out.endswith("end\n")) or
        (s in (125, 126) and out == "" and err.count("\n") == 1)), s, out, err)
# ---- a tracer without memory for one more tracee: as the test itself says; and whoever is traced is traced
CROWD = compiled("crowd", "tests/ptrace/crowd.c", flags=["-static", "-pthread", "-I" + os.path.join(TOP, "tests/lib")])
for knobs in ([], *(["-X", "fault=%d" % n] for n in (*range(2, 31), 50, 80))):
    s, out, err = run([G, "check", *knobs, "--", CROWD, "scarce"])
    ok("no memory for tracees " + " ".join(knobs), "BUG" not in err and (
        (s == 0 and out.endswith("\nok\n") and (" 0 killed" in out) != ("one more tracee" in err)) or
        (knobs and s in (125, 126) and out == "" and err.count("\n") == 1)), s, out, err)
s, out, err = run([G, "check", "-X", "tiny", "--", sys.executable, "-c", "print(sum(range(10**5)))"])
ok("the code cache is full over and over", (s, out) == (0, "4999950000\n"), s, out, err)

done()
