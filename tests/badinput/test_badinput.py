#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What cannot be run, and hosts that cannot run it: one line that names the cause and a status as env(1) has them;
never a crash, never lost output. Where env has an opinion it is asked first.

usage: test_badinput.py [--build DIR]. Prints TAP.
"""
import os
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
build = os.path.join(TOP, "build")
if len(sys.argv) == 3 and sys.argv[1] == "--build":
    build = os.path.abspath(sys.argv[2])
G = os.path.join(build, "gnomon")
tmp = tempfile.mkdtemp(prefix="gnomon-bad.")
os.chdir(tmp)
count = failed = 0


def run(argv, setup=None, **kw):
    kw.setdefault("stdin", subprocess.DEVNULL)
    p = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, preexec_fn=setup, **kw)
    return p.returncode, p.stdout.decode(errors="replace"), p.stderr.decode(errors="replace")


def ok(name, good, *why):
    global count, failed
    count += 1
    print("%sok %d - %s" % ("" if good else "not ", count, name))
    if not good:
        failed += 1
        for w in why:
            print("# " + str(w).replace("\n", "\n# "))
    sys.stdout.flush()


def put(name, data, mode=0o755):
    with open(name, "wb") as f:
        f.write(data)
    os.chmod(name, mode)
    return "./" + name


def refuses(name, argv, status, words, also_env=True, lines=1):
    """one line of gnomon with one of the words, this status, and env's status is the same"""
    if also_env:
        s, out, err = run(["env"] + argv)
        if s != status and s >= 0:
            ok(name, False, "bad test: env says %d %s" % (s, err))
            return
    s, out, err = run([G, "check", "--"] + argv)
    said = err.rstrip("\n").split("\n")
    ok(name, s == status and out == "" and len(said) == lines and said[0].startswith("gnomon") and
       any(w in err for w in words), "status %d (wanted %d)" % (s, status), err)


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
s, out, err = run([G, "check"])
ok("no command", s == 125 and len(err.splitlines()) == 2, s, err)
s, out, err = run([G])
ok("nothing at all", s == 125, s, err)
s, out, err = run([G, "check", "--nonsense", "--", "true"])
ok("unknown option", s == 125 and "nonsense" in err and len(err.splitlines()) == 2, s, err)
s, out, err = run([G, "frobnicate"])
ok("unknown command", s == 125 and "frobnicate" in err, s, err)
s, out, err = run([G, "check", "--report", "/nonexistent/dir/file", "--", "true"])
ok("report file not writable", s == 125 and "/nonexistent/dir/file" in err, s, err)
s, out, err = run([G, "check", "--json-fd", "77", "--", "true"])
ok("closed --json-fd", s == 125 and "77" in err, s, err)

# ---- what is not a program
refuses("empty name", [""], 127, ["No such file"])
refuses("no such file", ["./nothing"], 127, ["./nothing"])
refuses("not in PATH", ["no-such-program-anywhere"], 127, ["no-such-program-anywhere"])
refuses("a directory", ["/tmp"], 126, ["/tmp"])
refuses("not executable", [put("plain", true, 0o644)], 126, ["ermission"])
refuses("path through a file", ["/bin/true/x"], 126, ["/bin/true/x"])
put("text", b"echo by the shell $1\nexit 3\n")
put("empty", b"")
put("s3", b"#!\n")
for name in ("text", "empty", "s3"):
    want = run(["env", "./" + name, "arg"])
    got = run([G, "check", "-q", "--", "./" + name, "arg"])
    ok("no #! (%s): what execvp makes of it" % name, got == want, want, got)
refuses("#! of nothing", [put("s1", b"#!/nonexistent/interpreter\nexit 0\n")], 127, ["nonexistent/interpreter", "./s1"])
refuses("#! of itself", [put("s2", b"#!./s2\n")], 126, ["./s2", "symbolic links", "oo many levels"])
refuses("#! of a directory", [put("s4", b"#!/tmp\n")], 126, ["ermission", "/tmp"])

# ---- ELF, but not that one
# (env's execvp lets the shell try these)
refuses("another machine", [put("arm", patched((18, "H", 183)))], 126, ["./arm"], also_env=False)
refuses("an object file", [put("obj", patched((16, "H", 1)))], 126, ["./obj"], also_env=False)
refuses("a core file", [put("core", patched((16, "H", 4)))], 126, ["./core"], also_env=False)
for n in (4, 20, 63, 64, 100, 500):
    refuses("cut to %d bytes" % n, [put("cut%d" % n, true[:n])], 126, ["./cut%d" % n], also_env=False)
refuses("no program headers", [put("noph", patched((56, "H", 0)))], 126, ["./noph"], also_env=False)
refuses("program headers behind the end", [put("phfar", patched((32, "Q", 1 << 40)))], 126, ["./phfar"], also_env=False)
refuses("program headers of odd size", [put("phsize", patched((54, "H", 57)))], 126, ["./phsize"], also_env=False)
refuses("missing interpreter", [put("nointerp", true.replace(b"/lib64/ld-linux-x86-64.so.2", b"/lib64/no-linux-x86-64.so.2"))],
        127, ["/lib64/no-linux-x86-64.so.2", "./nointerp"])
refuses("interpreter name without end", [put("unending", patched((interp[3], "B", 0x2f), (interp[3] + interp[6] - 1, "B", 0x41)))],
        126, ["./unending"], also_env=False)
refuses("interpreter name of nothing", [put("emptyint", patched((interp[0] + 32, "Q", 0)))], 126, ["./emptyint"], also_env=False)

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
    path = put("hostile", data)
    try:
        s0 = run([path])[0]
    except OSError:
        s0 = 126
    s, out, err = run([G, "check", "--", path])
    # a program killed natively may be refused instead: both are an end without harm
    ok("hostile: " + name, s == s0 or (s0 < 0 and s in (126, 125)), "natively %d, here %d" % (s0, s), err)

# ---- the host is too small
def limit(what, n):
    return lambda: resource.setrlimit(what, (n, n))


big = "import sys; sys.stdout.write('x' * 100000); sys.stdout.flush()"
for mib in (8, 40, 100, 300, 1000, 3000):
    s, out, err = run([G, "check", "--", "/bin/echo", "output"], limit(resource.RLIMIT_AS, mib << 20))
    ok("address space of %d MiB" % mib, (s == 0 and out == "output\n") or (s in (125, 126, 127) and err.strip() and "BUG" not in err),
       s, out, err)
for n in (4, 12, 16, 30, 256):
    s, out, err = run([G, "check", "--", "/bin/echo", "output"], limit(resource.RLIMIT_NOFILE, n))
    ok("%d open files" % n, (s == 0 and out == "output\n") or (s in (125, 126, 127) and err.strip() and "BUG" not in err), s, out, err)
s, out, err = run([G, "check", "--", "/bin/echo", "output"], limit(resource.RLIMIT_FSIZE, 4096))
ok("file size of 4 KiB", (s == 0 and out == "output\n") or (s == 125 and err.strip()), s, out, err)
s, out, err = run([G, "check", "--", "/bin/echo", "output"], limit(resource.RLIMIT_STACK, 64 << 10))
ok("stack of 64 KiB", (s == 0 and out == "output\n") or s in (125, 126), s, out, err)
s, out, err = run([G, "check", "-X", "fault=40", "--", "/bin/sh", "-c", "seq 1 3"])
ok("engine's allocations fail", (s == 0 and out == "1\n2\n3\n") or (err.strip() and "BUG" not in err and s not in (0, -11, 139)),
   s, out, err)

# ---- descriptors
for fds in ("0", "1", "2", "01", "02", "12", "012"):
    close = lambda fds=fds: [os.close(int(c)) for c in fds]
    want = run(["/bin/sh", "-c", "echo out; echo err >&2; exit 7"], close)
    got = run([G, "check", "--", "/bin/sh", "-c", "echo out; echo err >&2; exit 7"], close)
    ok("descriptors %s closed" % fds, got[0] == want[0] and got[1] == want[1], want, got)
with open("/dev/full", "w") as full:
    p = subprocess.run([G, "check", "--", "/bin/echo", "x"], stdout=full, stderr=subprocess.PIPE, timeout=60)
    ok("stdout is full", p.returncode == 1, p)
    p = subprocess.run([G, "check", "--", "/bin/echo", "x"], stderr=full, stdout=subprocess.PIPE, timeout=60)
    ok("stderr is full", p.returncode == 0 and p.stdout == b"x\n", p)
p = subprocess.Popen([G, "check", "--", sys.executable, "-c", big], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
p.stdout.read(10)
p.stdout.close()
ok("reader goes away", p.wait(60) != 0 and b"BUG" not in p.stderr.read())

# ---- how a program ends
for sig in (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGINT):
    s, out, err = run([G, "check", "--", "/bin/sh", "-c", "kill -%d $$" % sig])
    ok("killed by %s" % sig.name, s == -sig, s, err)
for n in (0, 1, 42, 121, 125, 126, 127, 128, 255):
    s, out, err = run([G, "check", "--", "/bin/sh", "-c", "exit %d" % n])
    ok("status %d" % n, s == n, s, err)

print("1..%d" % count)
shutil.rmtree(tmp)
sys.exit(failed > 0)
