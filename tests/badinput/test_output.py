#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Where output goes: closed, full and broken descriptors, files that cannot be written; how programs end. The program's
output and status are those it has without gnomon.

usage: test_output.py [--build DIR]. Prints TAP.
"""
import itertools
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from tap import *  # noqa: E402

SCRIPT = ["/bin/sh", "-c", "echo out; echo err >&2; read x; echo $?; /bin/echo child; exit 7"]
STATE = ["/bin/sh", "-c", "exec 9>$1; for i in 0 1 2; do test -e /proc/self/fd/$i; echo $? >&9; done", "sh",
         os.path.join(TMP, "state")]


def closing(fds):
    return lambda: [os.close(fd) for fd in fds]


# ---- standard descriptors
for n in range(4):
    for fds in itertools.combinations((0, 1, 2), n):
        name = "descriptors %s closed" % (",".join(map(str, fds)) or "none")
        want = run(SCRIPT, closing(fds))
        got = run([G, "check", "-q", "--", *SCRIPT], closing(fds))
        ok(name, got == want, want, got)
        got = run([G, "check", "--report", os.path.join(TMP, "r"), "--unwinds", "--stats", "--", *SCRIPT], closing(fds))
        ok(name + ", with a report", got[:2] == want[:2] and set(want[2].splitlines()) <= set(got[2].splitlines()), want, got)
        run(STATE, closing(fds))
        with open(STATE[-1]) as f:
            want = f.read()
        run([G, "check", "--", *STATE], closing(fds))
        with open(STATE[-1]) as f:
            got = f.read()
        ok(name + ": for the program, too", got == want, want, got)
        if 1 not in fds:
            s, out, err = run([G, "explain", os.path.join(TMP, "r")], closing(fds))
            ok(name + ": explain", s == 0 and "gnomon: clean" in out, s, out, err)
        else:
            s, out, err = run([G, "explain", os.path.join(TMP, "r")], closing(fds))
            ok(name + ": explain", s == 125 and (2 in fds or "standard output" in err), s, out, err)

with open("/dev/full", "w") as full:
    for kind in ("stdout", "stderr"):
        want = run(SCRIPT, **{kind: full})
        got = run([G, "check", "--", *SCRIPT], **{kind: full})
        ok(kind + " is full", got[:2] == want[:2], want, got)
    s, out, err = run([G, "explain", os.path.join(TMP, "r")], stdout=full)
    ok("explain: stdout is full", s == 125 and "No space left" in err, s, err)
    for what in ("--log-fd", "--json-fd"):
        want = run(SCRIPT)
        got = run([G, "check", "-q" if what == "--json-fd" else "--unwinds", "%s=%d" % (what, full.fileno()), "--", *SCRIPT],
                  pass_fds=[full.fileno()])
        ok(what + " is full", got == want, want, got)


def without_reader(*under):
    """status of a program that writes 10 MB to somebody who reads ten bytes of it"""
    p = subprocess.Popen([*under, "/usr/bin/head", "-c", "10000000", "/dev/zero"], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE)
    os.read(p.stdout.fileno(), 10)
    p.stdout.close()
    return p.wait(60), "BUG" in p.stderr.read().decode()


want, got = without_reader(), without_reader(G, "check", "--")
ok("the reader goes away", want[0] != 0 and got == want, want, got)
for what in ("--log-fd", "--json-fd"):
    r, w = os.pipe()
    os.close(r)
    want = run(SCRIPT)
    got = run([G, "check", *(["-q"] if what == "--json-fd" else []), "%s=%d" % (what, w), "--", *SCRIPT], pass_fds=[w])
    os.close(w)
    ok(what + " has no reader", got == want, want, got)
    s, out, err = run([G, "check", what, "77", "--", "/bin/echo", "x"])
    ok(what + " is closed", s == 125 and out == "" and err == "gnomon: %s 77: Bad file descriptor\n" % what, s, out, err)

# ---- the report's file: told before the program runs, or after it without harm
os.mkdir(os.path.join(TMP, "folder"))
plain = put("plain", b"x", 0o444)
for path, word in ((os.path.join(TMP, "none", "r"), "No such file"), (os.path.join(TMP, "folder"), "Is a directory"),
                   (plain + "/r", "Not a directory"), (plain, "Permission denied"), ("", "No such file")):
    if path == plain and os.geteuid() == 0:
        continue
    s, out, err = run([G, "check", "--report", path, "--", "/bin/echo", "x"])
    ok("report to %s" % (path.replace(TMP, "") or "nothing"), s == 125 and out == "" and err.count("\n") == 1 and word in err, s, out, err)
s, out, err = run([G, "check", "-q", "--report", "/dev/full", "--", *SCRIPT])
ok("report to /dev/full", (s, out) == run(SCRIPT)[:2] and
   err == "err\ngnomon: /dev/full: No space left on device, the report is not complete\n", s, out, err)

# ---- how a program ends
for sig in (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGINT):
    s, out, err = run([G, "check", "--", "/bin/sh", "-c", "kill -%d $$" % sig])
    ok("killed by %s" % sig.name, s == -sig, s, err)
for n in (0, 1, 42, 121, 125, 126, 127, 128, 255):
    s, out, err = run([G, "check", "--", "/bin/sh", "-c", "exit %d" % n])
    ok("status %d" % n, s == n, s, err)

done()
