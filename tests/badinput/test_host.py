#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A host that lacks something: FSGSBASE, memfd, execveat, /proc, younger system calls. One line says which and what
still works; what works without goes on.

usage: test_host.py [--build DIR]. Prints TAP.
"""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from tap import *  # noqa: E402

ENOSYS, EPERM = 38, 1
DENY = compiled("deny", "tests/badinput/deny.c")
SCRIPT = ["/bin/sh", "-c", "echo a; /bin/echo b; exit 3"]
REPORT = os.path.join(TMP, "report")
run([G, "check", "-q", "--report", REPORT, "--", "/bin/true"])


def deny(*rules):
    return [DENY, *rules, "--"]


def refused(name, under, *words):
    for command in ("check", "run"):
        s, out, err = run([*under, G, command, "--", *SCRIPT])
        ok("%s: %s" % (name, command), s == 125 and out == "" and err.count("\n") == 1 and err.startswith("gnomon") and
           all(w in err for w in words), s, out, err)
    # what needs none of it
    ok(name + ": explain", run([*under, G, "explain", REPORT])[:2] == (0, run([G, "explain", REPORT])[1]))
    ok(name + ": --help", run([*under, G, "check", "--help"])[0] == 0)


def doctor(name, under, status, *words):
    """one line of doctor has all the words"""
    s, out, err = run([*under, G, "doctor"])
    ok(name + ": doctor", s == status and err == "" and any(all(w in line for w in words) for line in out.splitlines()), s, out, err)


def works(name, under, want=(3, "a\nb\n")):
    s, out, err = run([*under, G, "check", "-q", "--", *SCRIPT])
    ok(name, (s, out, err) == (*want, ""), s, out, err)


works("deny itself changes nothing", deny("fsgsbase@99"))
refused("no FSGSBASE", deny("fsgsbase@1"), "FSGSBASE", "explain", "doctor")
doctor("no FSGSBASE", deny("fsgsbase@1"), 1, "FAILS", "FSGSBASE")
s, out, err = run([*deny("fsgsbase@2"), G, "check", "--", *SCRIPT])
ok("no FSGSBASE for the engine", s == 125 and out == "" and err.count("\n") == 1 and "FSGSBASE" in err, s, out, err)
for errno in (ENOSYS, EPERM):
    refused("no memfd (%d)" % errno, deny("memfd_create=%d" % errno), "memfd_create", os.strerror(errno), "explain", "doctor")
doctor("no memfd", deny("memfd_create=38"), 1, "FAILS", "memfd_create")
# forbidden once the program runs: what it starts is followed all the same
works("no memfd any more", deny("memfd_create/1@2=1"))
for errno in (ENOSYS, EPERM):
    refused("no execveat (%d)" % errno, deny("execveat=%d" % errno), "execveat", os.strerror(errno))
for call in ("faccessat2", "rseq", "getrandom"):
    works("no " + call, deny(call + "=38"))

# ---- no /proc
UNSHARE = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs tmpfs /proc && exec "$@"', "sh"]
if os.geteuid() != 0:
    UNSHARE[1:1] = ["--map-root-user"]
if run([*UNSHARE, "true"])[0]:
    skip("no /proc", "mount namespaces are not allowed here")
else:
    s, out, err = run([*UNSHARE, G, "check", "--", *SCRIPT])
    said = err.splitlines()
    ok("no /proc: check", (s, out) == (3, "a\nb\n") and len(said) == 2 and "/proc" in said[0] and "clean" in said[1], s, out, err)
    works("no /proc: quiet", UNSHARE)
    doctor("no /proc", UNSHARE, 0, "missing", "/proc", "no modules and symbols")
    ok("no /proc: explain", run([*UNSHARE, G, "explain", REPORT])[:2] == (0, run([G, "explain", REPORT])[1]))
    smash = compiled("smash", "tests/viol/smash.c", flags=["-fno-omit-frame-pointer", "-I" + TOP + "/tests/lib"])
    s, out, err = run([*UNSHARE, G, "check", "--error-exitcode=9", "--", smash])
    ok("no /proc: violations are seen", s == 9 and "return address overwritten" in err, s, out, err)
    p = os.path.relpath(G)
    s, out, err = run([*UNSHARE, p, "check", "-q", "--", *SCRIPT])
    ok("no /proc: gnomon by a relative path", (s, out) == (3, "a\nb\n"), s, out, err)

done()
