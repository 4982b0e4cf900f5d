# SPDX-License-Identifier: MIT
"""What the tests of gnomon audit share: TAP, running, building small programs, editing ELF files."""
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
build = os.path.join(TOP, "build")
if len(sys.argv) == 3 and sys.argv[1] == "--build":
    build = os.path.abspath(sys.argv[2])
G = os.path.join(build, "gnomon")
AUDIT = os.path.join(build, "gnomon-audit")
tmp = os.path.realpath(tempfile.mkdtemp(prefix="gnomon-audit."))
os.chdir(tmp)
count = failed = 0
IBT, SHSTK = 1, 2
with open(AUDIT, "rb") as f:
    sanitizers = b"__asan_" in f.read()  # which need memory of their own
FEATURE_1_AND, ISA_NEEDED, ISA_USED = 0xc0000002, 0xc0008002, 0xc0010002


def ok(name, good, *why):
    global count, failed
    count += 1
    print("%sok %d - %s" % ("" if good else "not ", count, name))
    if not good:
        failed += 1
        for w in why:
            print("# " + str(w)[:3000].replace("\n", "\n# "))
    sys.stdout.flush()


def skip(name, why):
    global count
    count += 1
    print("ok %d - %s # SKIP %s" % (count, name, why))
    sys.stdout.flush()


def done():
    os.chdir("/")
    for folder, dirs, _ in os.walk(tmp):
        for d in dirs:
            if not os.path.islink(os.path.join(folder, d)):
                os.chmod(os.path.join(folder, d), 0o755)
    shutil.rmtree(tmp, ignore_errors=True)
    print("1..%d" % count)
    sys.exit(1 if failed else 0)


class Ran:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def __repr__(self):
        return "status %d\n%s\n%s" % (self.status, self.out[:1500], self.err[:1500])


def run(argv, setup=None, timeout=300, **kw):
    kw.setdefault("stdin", subprocess.DEVNULL)
    if "input" in kw:
        del kw["stdin"]
    p = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, preexec_fn=setup, **kw)
    return Ran(p.returncode, p.stdout.decode("utf-8", "surrogateescape"), p.stderr.decode("utf-8", "surrogateescape"))


def audit(*args, **kw):
    """gnomon audit ARGS; with $VALGRIND its program runs under that"""
    under = os.environ.get("VALGRIND", "").split()
    if under:
        kw.setdefault("env", dict(os.environ, PATH=build + ":" + os.environ["PATH"]))  # reports go through gnomon explain
    return run([*under, AUDIT, *args] if under else [G, "audit", *args], **kw)


class Result:
    """what --json printed: files by name (archive(member) for members), totals, problems"""

    def __init__(self, ran):
        self.ran = ran
        self.files, self.totals, self.problems = {}, {}, []
        for line in ran.out.splitlines():
            e = json.loads(line)
            if e["event"] == "file":
                self.files["%s(%s)" % (e["in"], e["path"]) if "in" in e else e["path"]] = e
            elif e["event"] == "totals":
                self.totals = e
            elif e["event"] == "problem":
                self.problems.append(e)

    def rules(self, name):
        return [f["rule"] for f in self.files[name].get("findings", [])]


def result(*args, **kw):
    return Result(audit("--json", *args, **kw))


def full_disk(argv):
    """argv run beside `full`, a file system of one page, too small for any result; None if this user may not make one"""
    os.makedirs("full", exist_ok=True)
    own = ["unshare", "-m"] if os.getuid() == 0 else ["unshare", "-rm"]
    mount = 'mount -t tmpfs -o size=4k none full || exit 77; exec "$@"'
    if not shutil.which("unshare") or run([*own, "sh", "-c", mount, "sh", "true"]).status:
        return None
    return run([*own, "sh", "-c", mount, "sh", *argv])


def one(path, *args):
    """the entry of one file"""
    return result(*args, path).files[os.path.realpath(path)]


def marks(e):
    return (SHSTK if e["shstk"] else 0) | (IBT if e["ibt"] else 0)


def write(name, data, mode=None):
    os.makedirs(os.path.dirname(os.path.abspath(name)), exist_ok=True)
    with open(name, "wb") as f:
        f.write(data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data)
    if mode is not None:
        os.chmod(name, mode)
    return name


def read(name):
    with open(name, "rb") as f:
        return f.read()


def must(argv, **kw):
    r = run(argv, **kw)
    if r.status:
        print("Bail out! %s: %r" % (" ".join(argv), r))
        sys.exit(1)
    return r


def cc(out, source, *flags):
    """compiles a string; -fcf-protection comes from the caller"""
    src = write(out + (".s" if source.lstrip().startswith(".") else ".c"), source)
    os.makedirs(os.path.dirname(os.path.abspath(out)), exist_ok=True)
    must(["gcc", "-O1", "-fcf-protection=none", src, "-o", out, *flags])
    return out


def asm(source, out, *flags):
    must(["as", *flags, "-o", out, write(out + ".s", source)])
    return out


# ---- ELF files with notes of our own making

def prop(kind, data, size=None):
    """one property; `data` a word"""
    return struct.pack("<IIII", kind, 4 if size is None else size, data, 0)


def note(props, size=None):
    return struct.pack("<III4s", 4, len(props) if size is None else size, 5, b"GNU\0") + props


def image(notes, align=8, segment=True, property_segment=True, section=True, kind=3, cut=0, note_size=None):
    """A shared object that is nothing but headers, notes and a dynamic section: what the parsers see is exactly this."""
    phnum = 2 + bool(segment) + bool(property_segment)
    notes_at = 64 + 56 * phnum
    notes_at = (notes_at + 7) & ~7
    size = len(notes) if note_size is None else note_size
    dyn_at = (notes_at + len(notes) + 15) & ~15
    dyn = struct.pack("<QQQQ", 5, dyn_at + 32, 0, 0) + b"\0"
    names = b"\0.note.gnu.property\0.shstrtab\0"
    names_at = dyn_at + len(dyn)
    sec_at = (names_at + len(names) + 7) & ~7
    end = sec_at + 64 * 3
    out = bytearray(end)
    shnum = 3 if section else 0
    struct.pack_into("<16sHHIQQQIHHHHHH", out, 0, b"\x7fELF\x02\x01\x01" + bytes(9), kind, 62, 1, 0, 64, sec_at if section else 0,
                     0, 64, 56, phnum, 64, shnum, 2 if section else 0)
    segs = [(1, 5, 0, 0, end, end, 4096), (2, 6, dyn_at, dyn_at, 32, 32, 8)]
    if segment:
        segs.append((4, 4, notes_at, notes_at, size, size, align))
    if property_segment:
        segs.append((0x6474e553, 4, notes_at, notes_at, size, size, align))
    for i, (t, f, off, addr, fsz, msz, al) in enumerate(segs):
        struct.pack_into("<IIQQQQQQ", out, 64 + 56 * i, t, f, off, addr, addr, fsz, msz, al)
    out[notes_at:notes_at + len(notes)] = notes
    out[dyn_at:dyn_at + len(dyn)] = dyn
    out[names_at:names_at + len(names)] = names
    struct.pack_into("<IIQQQQIIQQ", out, sec_at + 64, 1, 7, 2, notes_at, notes_at, size, 0, 0, align, 0)
    struct.pack_into("<IIQQQQIIQQ", out, sec_at + 128, 20, 3, 0, 0, names_at, len(names), 0, 0, 1, 0)
    return bytes(out[:len(out) - cut])


def readelf_marks(paths):
    """{name: (features, isa needed)} of readelf -n; members of archives as archive(member)"""
    bits = {"IBT": 1, "SHSTK": 2, "LAM_U48": 4, "LAM_U57": 8}
    levels = {"x86-64-baseline": 1, "x86-64-v2": 2, "x86-64-v3": 4, "x86-64-v4": 8}
    found, name = {}, paths[0] if len(paths) == 1 else None
    for i in range(0, len(paths), 400):
        r = run(["readelf", "-nW", *paths[i:i + 400]])
        for line in r.out.split("\n"):
            if line.startswith("File: "):
                name = line[6:]
                found.setdefault(name, [0, 0])
            for word, table, at in (("x86 feature:", bits, 0), ("x86 ISA needed:", levels, 1)):
                if word in line:
                    value = 0
                    for w in line.split(word, 1)[1].split(","):
                        value |= table.get(w.strip(), 0)
                    found.setdefault(name, [0, 0])[at] |= value
    return {k: tuple(v) for k, v in found.items()}
