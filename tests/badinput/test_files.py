#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What cannot be run: one line that names the cause, and a status as env(1) has it; never a crash. Where env has an
opinion it is asked first; where the kernel has one, too.

usage: test_files.py [--build DIR]. Prints TAP.
"""
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from tap import *  # noqa: E402

os.chdir(TMP)


def refuses(name, argv, status, words, also_env=True):
    """one line of gnomon with one of the words, this status, and env's status is the same"""
    if also_env:
        s, out, err = run(["env"] + argv)
        if s != status and s >= 0:
            ok(name, False, "bad test: env says %d %s" % (s, err))
            return
    for command in ("check", "run"):
        s, out, err = run([G, command, "--"] + argv)
        said = err.rstrip("\n").split("\n")
        ok("%s (%s)" % (name, command), s == status and out == "" and len(said) == 1 and said[0].startswith("gnomon") and
           any(w in err for w in words), "status %d (wanted %d)" % (s, status), err)


def write(name, data, mode=0o755):
    """in the current folder; the path to type"""
    put(name, data, mode)
    return "./" + name


with open("/bin/true", "rb") as f:
    true = f.read()


def patched(*changes):
    d = bytearray(true)
    for off, fmt, value in changes:
        struct.pack_into("<" + fmt, d, off, value)
    return bytes(d)


phoff, phnum = struct.unpack_from("<Q", true, 32)[0], struct.unpack_from("<H", true, 56)[0]
segments = [(phoff + 56 * i,) + struct.unpack_from("<IIQQQQQQ", true, phoff + 56 * i) for i in range(phnum)]
interp = next(s for s in segments if s[1] == 3)
loads = [s for s in segments if s[1] == 1]


# ---- the command line
def misused(name, argv, *words):
    s, out, err = run([G] + argv)
    said = err.splitlines()
    ok(name, s == 125 and out == "" and len(said) == 2 and said[1].startswith("Try 'gnomon ") and
       all(w in said[0] for w in words), s, out, err)


misused("nothing at all", [], "no command given")
misused("no program", ["check"], "no program given")
misused("no program behind --", ["check", "--"], "no program given")
misused("unknown option", ["check", "--nonsense", "--", "true"], "unknown option '--nonsense'")
misused("unknown short option", ["check", "-Z", "--", "true"], "unknown option '-Z'")
misused("unknown command", ["frobnicate"], "unknown command 'frobnicate'")
misused("an option of another command", ["run", "--stop", "true"], "unknown option '--stop'")
misused("a value that is no number", ["check", "--error-exitcode=x", "true"], "--error-exitcode", "'x'")

# ---- what is not a program
refuses("empty name", [""], 127, ["No such file"])
refuses("no such file", ["./nothing"], 127, ["./nothing"])
refuses("not in PATH", ["no-such-program-anywhere"], 127, ["no-such-program-anywhere"])
refuses("a directory", [TMP], 126, [TMP])
refuses("not executable", [write("plain", true, 0o644)], 126, ["ermission"])
refuses("path through a file", ["/bin/true/x"], 126, ["/bin/true/x"])
write("text", b"echo by the shell $1\nexit 3\n")
write("empty", b"")
write("s3", b"#!\n")
for name in ("text", "empty", "s3"):
    want = run(["env", "./" + name, "arg"])
    got = run([G, "check", "-q", "--", "./" + name, "arg"])
    ok("no #! (%s): what execvp makes of it" % name, got == want, want, got)
refuses("#! of nothing", [write("s1", b"#!/nonexistent/interpreter\nexit 0\n")], 127, ["nonexistent/interpreter", "./s1"])
refuses("#! of itself", [write("s2", b"#!./s2\n")], 126, ["./s2", "symbolic links", "oo many levels"])
refuses("#! of a directory", [write("s4", b"#!/tmp\n")], 126, ["ermission", TMP])

# ---- ELF, but not that one
# (env's execvp lets the shell try these)
refuses("another machine", [write("arm", patched((18, "H", 183)))], 126, ["./arm"], also_env=False)
refuses("an object file", [write("obj", patched((16, "H", 1)))], 126, ["./obj"], also_env=False)
refuses("a core file", [write("core", patched((16, "H", 4)))], 126, ["./core"], also_env=False)
for n in (4, 20, 63, 64, 100, 500):
    refuses("cut to %d bytes" % n, [write("cut%d" % n, true[:n])], 126, ["./cut%d" % n], also_env=False)
refuses("no program headers", [write("noph", patched((56, "H", 0)))], 126, ["./noph"], also_env=False)
refuses("program headers behind the end", [write("phfar", patched((32, "Q", 1 << 40)))], 126, ["./phfar"], also_env=False)
refuses("program headers of odd size", [write("phsize", patched((54, "H", 57)))], 126, ["./phsize"], also_env=False)
refuses("missing interpreter", [write("nointerp", true.replace(b"/lib64/ld-linux-x86-64.so.2", b"/lib64/no-linux-x86-64.so.2"))],
        127, ["/lib64/no-linux-x86-64.so.2", "./nointerp"])
refuses("interpreter name without end", [write("unending", patched((interp[3], "B", 0x2f), (interp[3] + interp[6] - 1, "B", 0x41)))],
        126, ["./unending"], also_env=False)
refuses("interpreter name of nothing", [write("emptyint", patched((interp[0] + 32, "Q", 0)))], 126, ["./emptyint"], also_env=False)

# ---- headers that the kernel accepts or kills for: the same end as natively
hostile = {
    "entry nowhere": patched((24, "Q", 0x123456)),
    "entry at noncanonical address": patched((24, "Q", 1 << 60)),
    "segment size wraps": patched((loads[0][0] + 40, "Q", (1 << 64) - 1)),
    "memory smaller than file": patched((loads[-1][0] + 40, "Q", 1)),
    "segment at the top": patched((loads[-1][0] + 16, "Q", 0x7ffffffff000)),
    "alignment of 3": patched((loads[0][0] + 48, "Q", 3)),
    "alignment of 2^40": patched((loads[0][0] + 48, "Q", 1 << 40)),
    "offset out of step": patched((loads[1][0] + 8, "Q", loads[1][3] + 1)),
    "file cut behind the headers": true[:5000],
    "file cut in the data": true[:len(true) * 3 // 4],
    "no segment executable": patched(*[(s[0] + 4, "I", 4) for s in loads]),
    "no segment writable": patched(*[(s[0] + 4, "I", 5) for s in loads]),
    "class byte says 32-bit": true[:4] + b"\x01" + true[5:],
    "byte order byte says big": true[:5] + b"\x02" + true[6:],
    "version of 7": true[:6] + b"\x07" + true[7:],
    "phnum of 0xffff": patched((56, "H", 0xffff)),
}
for name, data in hostile.items():
    path = write("hostile", data)
    try:
        s0 = run([path])[0]
    except OSError:
        s0 = 126
    s, out, err = run([G, "check", "--", path])
    # a program killed natively may be refused instead: both are an end without harm
    ok("hostile: " + name, s == s0 or (s0 < 0 and s in (126, 125)), "natively %d, here %d" % (s0, s), err)
    # but not where a program starts it: what it learns is what the kernel would have told it
    want = run(["env", path])
    got = run([G, "check", "-q", "--", "env", path])
    ok("hostile, from a program: " + name, got[:2] == want[:2] and got[2].endswith(want[2]), want, got)

done()
