#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Programs that gnomon cannot follow (32-bit, set-user-ID, set-group-ID, file capabilities, unreadable): they run natively,
with one line that says so and why; under --strict they are refused; the verdict does not count them as clean.

usage: test_native.py [--build DIR]. Prints TAP.
"""
import json
import os
import shutil
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from tap import *  # noqa: E402

# where another user can reach them
os.chmod(TMP, 0o755)
GNOMON = shutil.copy(G, TMP)
shutil.copy(os.path.join(BUILD, "gnomon-engine"), TMP)
USER = 65534


def thirtytwo():
    """a 32-bit program that prints a line and exits with 9"""
    base, text = 0x8048000, b"thirty-two\n"
    code = bytes.fromhex("b804000000bb01000000b9") + struct.pack("<I", base + 84 + 34) + b"\xba" + struct.pack("<I", len(text)) + \
        bytes.fromhex("cd80b801000000bb09000000cd80")
    size = 84 + len(code) + len(text)
    return b"\x7fELF\x01\x01\x01" + bytes(9) + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, base + 84, 52, 0, 0, 52, 32, 1, 0, 0, 0) + \
        struct.pack("<IIIIIIII", 1, 0, base, base, size, size, 5, 4096) + code + text


def copy_of(name, path, mode=0o755, uid=None, gid=None):
    to = shutil.copy(path, os.path.join(TMP, name))
    if uid is not None:
        os.chown(to, uid, gid)
    os.chmod(to, mode)
    return to


def as_user():
    os.setgroups([])
    os.setgid(USER)
    os.setuid(USER)


def events(argv, setup):
    """what --json-fd says"""
    r, w = os.pipe()
    run([GNOMON, "check", "-q", "--json-fd", str(w), "--", *argv], setup, pass_fds=[w])
    os.close(w)
    with os.fdopen(r) as f:
        return [json.loads(line) for line in f]


def cannot_be_followed(name, argv, reason, setup=None, differs=lambda want: True):
    want = run(argv, setup)
    if not differs(want):
        skip(name, "not so here: %s" % (want,))
        return
    line = "not checked, runs natively: %s: %s\n" % (argv[0], reason)
    # the user's own command
    s, out, err = run([GNOMON, "check", "--", *argv], setup)
    ok(name, (s, out) == want[:2] and line in err and "gnomon: nothing was checked\n" in err and
       err.count("natively:") == 1, want, (s, out, err))
    s, out, err = run([GNOMON, "check", "--strict", "--", *argv], setup)
    ok(name + " --strict", s == 126 and out == "" and err.count("\n") == 1 and err.startswith("gnomon") and
       err.endswith("%s: %s: refused (--strict)\n" % (argv[0], reason)), s, out, err)
    # started by a program that is followed
    shell = ["/bin/sh", "-c", '"$@"; echo $?', "sh", *argv]
    want = run(shell, setup)
    s, out, err = run([GNOMON, "check", "--", *shell], setup)
    ok(name + ", started by a program", (s, out) == want[:2] and line in err and
       "gnomon: 1 program ran natively and was not checked\n" in err, want, (s, out, err))
    s, out, err = run([GNOMON, "check", "--strict", "--", *shell], setup)
    ok(name + ", started by a program, --strict", s == 0 and out == "126\n" and
       "%s: %s: refused (--strict)\n" % (argv[0], reason) in err and "runs natively" not in err, s, out, err)
    seen = [e["text"] for e in events(shell, setup) if e["event"] == "native"]
    ok(name + ": its event", seen == ["%s: %s" % (argv[0], reason)], seen)


cannot_be_followed("32-bit", [put("thirtytwo", thirtytwo())], "a 32-bit program", differs=lambda w: w[:2] == (9, "thirty-two\n"))
unreadable = copy_of("unreadable", "/bin/echo", 0o111)
cannot_be_followed("unreadable", [unreadable, "x"], "may be executed but not read", as_user if os.geteuid() == 0 else None)
PRIVILEGE = "set-user-ID, set-group-ID or file capabilities"
if os.geteuid() == 0:
    setuid = copy_of("setuid", "/usr/bin/id", 0o4755, 12345, 0)
    cannot_be_followed("set-user-ID", [setuid, "-u"], PRIVILEGE, differs=lambda w: w[1] == "12345\n")
    cannot_be_followed("set-user-ID root", [copy_of("root", "/usr/bin/id", 0o4755, 0, 0), "-u"], PRIVILEGE, as_user,
                       lambda w: w[1] == "0\n")
    cannot_be_followed("set-group-ID", [copy_of("setgid", "/usr/bin/id", 0o2755, 0, 12345), "-g"], PRIVILEGE,
                       differs=lambda w: w[1] == "12345\n")
    capable = copy_of("capable", "/bin/grep")
    try:
        # VFS_CAP_REVISION_2, effective: CAP_NET_RAW
        os.setxattr(capable, "security.capability", struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0))
        cannot_be_followed("file capabilities", [capable, "CapEff", "/proc/self/status"], PRIVILEGE, as_user,
                           lambda w: w[1] == "CapEff:\t0000000000002000\n")
    except OSError as e:
        skip("file capabilities", e)
    # nothing to gain: followed like any other
    s, out, err = run([GNOMON, "check", "--", copy_of("own", "/usr/bin/id", 0o4755, 0, 0), "-u"])
    ok("set-user-ID of who runs it", (s, out) == (0, "0\n") and "gnomon: clean" in err, s, out, err)
else:
    skip("set-user-ID, set-group-ID, file capabilities", "needs root to make such files")
# the user's own wish: not followed and no word of it
s, out, err = run([G, "check", "--no-follow", "--", "/bin/sh", "-c", "/bin/echo a; /bin/echo b"])
ok("--no-follow", (s, out) == (0, "a\nb\n") and err.startswith("gnomon: clean") and err.endswith(" 1 process\n"), s, out, err)

done()
