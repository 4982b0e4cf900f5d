#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What is damaged, lies, vanishes or cannot be read: one line that names the file and the cause, the rest is done, the
status tells. Prints TAP."""
import gzip
import io
import lzma
import random
import tarfile
import threading

from audit_lib import *

SANITIZED = os.path.join(tmp, "gnomon-audit-san")
GOOD = cc("good/prog", "int main(void) { return 0; }", "-Wl,-z,shstk")
os.unlink("good/prog.c")
prog = read(GOOD)


def told(name, args, words, status=3, also="good/prog", **kw):
    """one line for each word, the good file is still there"""
    r = audit("-l", *args, "good", **kw)
    lines = r.err.splitlines()
    ok(name, r.status == status and all(any(w in line for line in lines) for w in words) and len(lines) == len(words) and
       (not also or also in r.out) and all(line.startswith("gnomon: ") for line in lines), r)


# ---- files that are cut short or lie
for n in (5, 17, 40, 63):
    told("ELF header cut to %d bytes" % n, [write("cut%d" % n, prog[:n])], ["cut%d: cut short" % n])
told("program headers behind the end", [write("phdr", prog[:32] + struct.pack("<Q", 1 << 40) + prog[40:])], ["phdr: cut short"])
told("program headers of odd size", [write("phsize", prog[:54] + struct.pack("<H", 8) + prog[56:])], ["phsize: program headers of a wrong"])
told("neither 32 nor 64 bits", [write("class", prog[:4] + b"\x07" + prog[5:])], ["class: neither 32 nor 64"])
told("unknown byte order", [write("order", prog[:5] + b"\x07" + prog[6:])], ["order: of unknown byte order"])
obj = read(cc("x.o", "int x(void) { return 1; }", "-c"))
told("object cut before its sections", [write("cut.o", obj[:len(obj) - 100])], ["cut.o: cut short"])
told("object whose only section header is behind its end", [write("cut.o", obj[:40] + struct.pack("<Q", 1 << 20) + obj[48:60] +
     struct.pack("<HH", 1, 0) + obj[64:])], ["cut.o: cut short"])
asm("".join('.section .s%d, "ax"\n.byte 0\n' % i for i in range(1500)), "many.o")
told("object cut behind many of its section headers", [write("cut.o", read("many.o")[:-1000])], ["cut.o: cut short"])
note_off = prog.index(b"GNU\0\x02\0\0\xc0") - 12
lying = bytearray(prog)
struct.pack_into("<I", lying, note_off + 4, 0xfffffff0)
r = result(write("lying", bytes(lying)))
ok("a note that lies about its size is a finding", "note-cut" in r.rules(tmp + "/lying") and not r.files[tmp + "/lying"]["shstk"], r.ran)
interp = prog.index(b"/lib64/ld-linux")
told("an interpreter's name without end", [write("interp", prog[:interp] + b"\xff" * 28 + prog[interp + 28:])], ["interp: the name of the interpreter"])
told("empty", [write("empty", b"")], ["empty: empty"])
told("text", [write("text.txt", b"#!/bin/sh\n")], ["text.txt: neither an ELF image nor an archive"])
told("nothing", ["no/such/file"], ["no/such/file: No such file"])

# ---- names
for name in (b"new\nline", b"back\\slash", b"\xff\xfe invalid", b"tab\there", b"esc\x1b[31m", "schön".encode(), b"-dash"):
    path = os.fsdecode(name)
    write("names/" + path, prog)
    e = result("./names/" + path).files.get(tmp + "/names/" + path)
    ok("name %r in JSON" % name, e and e["shstk"], e)
    r = audit("-l", "./names/" + path)
    ok("name %r on one line" % name, len([x for x in r.out.splitlines() if x.startswith("yes")]) == 1 and "\x1b" not in r.out, r)
r = result("--db", "names.db", "names")
again = result("--db", "names.db", "names")
ok("odd names survive the database", set(r.files) == set(again.files) == set(result("names").files) and len(r.files) >= 7, r.ran)
write("broken\nname", prog[:20])
told("trouble with an odd name is one line", ["broken\nname"], ["broken\\nname: cut short"])
for form in ("--sarif", "--html"):
    r = audit("-q", form, "out" + form, "names")
    ok("odd names in " + form, r.status == 0 and (form == "--html" or json.loads(read("out--sarif").decode())), r)

# ---- folders
os.makedirs("loops/a")
os.symlink("..", "loops/a/up")
os.symlink("self", "loops/self")
os.symlink("/nonexistent", "loops/gone")
shutil.copy(GOOD, "loops/a/")
told("cycles of links", ["loops"], [], status=0, also="loops/a/prog")
deep = "deep"
for n in range(300):
    deep += "/d"
os.makedirs(deep)
shutil.copy(GOOD, deep)
told("deep folders", ["deep"], [], status=0, also="/d/d/d/prog")
os.makedirs("deeper")
here = os.open("deeper", os.O_RDONLY)
for n in range(30):
    os.mkdir("%d" % (n % 10) * 200, dir_fd=here)
    there = os.open("%d" % (n % 10) * 200, os.O_RDONLY, dir_fd=here)
    os.close(here)
    here = there
for n in range(40):
    with open(GOOD, "rb") as good, os.fdopen(os.open("prog%d" % n, os.O_WRONLY | os.O_CREAT, 0o755, dir_fd=here), "wb") as f:
        f.write(good.read())
os.close(here)
told("a path longer than the kernel takes", ["deeper"], [], status=0, also="9" * 200 + "/prog39")
r = audit("--level", "marks", "-l", "--root", "deeper", "/")
ok("the same in a root", r.status == 0 and "9" * 200 + "/prog39" in r.out and not r.err, r)
must(["sh", "-c", "cd deeper && for n in %s; do mkdir -p $n && cd -P $n || exit 1; done; >beyond" % " ".join(
    ["%d" % (n % 10) * 200 for n in range(30)] + ["x" * 200] * 15)])
told("a path longer than the audit takes", ["deeper"], ["the path is too long"], also="9" * 200 + "/prog39")
run(["rm", "-r", "deeper"])  # Python cannot
if os.getuid() == 0:
    # as nobody, who may not look into everything
    os.chmod(tmp, 0o755)
    os.makedirs("locked")
    shutil.copy(GOOD, "locked/")
    shutil.copy(GOOD, "unreadable")
    os.chmod("locked", 0o700)
    os.chmod("unreadable", 0o200)
    nobody = lambda: os.setuid(65534)
    told("a folder and a file that may not be read", ["locked", "unreadable"], ["locked: Permission denied",
                                                                                "unreadable: Permission denied"], setup=nobody)
else:
    skip("unreadable files", "needs root to become somebody else")
os.mkfifo("fifo")
told("a fifo", ["fifo"], ["fifo: neither a file nor a folder"])
told("a device", ["/dev/null"], ["/dev/null: neither a file nor a folder"])
os.mkfifo("loops/fifo")
told("a fifo in a folder is passed by", ["loops"], [], status=0)
write("list", b"good/prog\0no/such\0" + os.fsencode("names/new\nline") + b"\0\0")
r = audit("-l", "--null", "--files-from", "list")
ok("lists with NUL", r.status == 3 and "good/prog" in r.out and "new\\nline" in r.out and "no/such: No such file" in r.err, r)
r = audit("-l", "--files-from", "-", input=b"good/prog\n\n%s/good/prog\n" % tmp.encode())
ok("a list on standard input, a file twice", r.status == 0 and r.out.count("good/prog") == 1, r)
r = audit("--files-from", "no.list")
ok("a list that is not there", r.status == 125 and "no.list: No such file" in r.err, r)

# ---- dependencies
bad = write("badlib/libz.so.1", prog[:50])
p = cc("needs", "int main(void) { return 0; }", "-Wl,--no-as-needed", "-lz", "-Wl,-rpath," + tmp + "/badlib")
r = audit("--json", "--level", "closure", "needs")
ok("a damaged dependency is passed over, as ld.so does not: told", r.status == 3 and "libz.so.1: cut short" in r.err, r)

# ---- archives
tar = io.BytesIO()
with tarfile.open(fileobj=tar, mode="w") as t:
    for n in range(3):
        info = tarfile.TarInfo("p%d" % n)
        info.size = len(prog)
        t.addfile(info, io.BytesIO(prog))
tar = tar.getvalue()
packed = gzip.compress(tar)
r = audit("-l", write("cut.tar", tar[:len(prog) + 3000]), "good")
ok("a tar archive cut in a member: what came before is there", r.status == 3 and "cut.tar(p0)" in r.out and "good/prog" in r.out and
   "cut.tar" in r.err, r)
r = audit("-l", write("cut.tgz", packed[:len(packed) // 2]), "good")
ok("a compressed archive cut", r.status == 3 and "good/prog" in r.out and "cut.tgz" in r.err, r)
flip = bytearray(lzma.compress(tar))  # gzip's checksums are not looked at by libarchive
flip[len(flip) // 2] ^= 0xff
r = audit("-l", write("flip.txz", bytes(flip)), "good")
ok("a compressed archive damaged", r.status == 3 and "good/prog" in r.out and "flip.txz" in r.err, r)
write("fake.deb", b"!<arch>\ndebian-binary   0           0     0     100644  4         `\n2.0\n" +
      b"data.tar.xz     0           0     0     100644  20        `\n\xfd7zXZ\0garbage garbage")
r = audit("-l", "fake.deb", "good")
ok("a package whose data is garbage", r.status == 3 and "fake.deb" in r.err and "good/prog" in r.out, r)

write("nolib/libarchive.so.13", b"")
write("nosql/libsqlite3.so.0", b"")
r = audit("--db", "no.db", "good", env=dict(os.environ, LD_LIBRARY_PATH=tmp + "/nosql"))
ok("without SQLite a database is refused in one line", r.status not in (0, 3) and "libsqlite3.so" in r.err and r.err.count("\n") == 1, r)
r = audit("-l", "good", env=dict(os.environ, LD_LIBRARY_PATH=tmp + "/nosql"))
ok("and nothing else needs it", r.status == 0 and "good/prog" in r.out, r)
r = audit("-l", write("whole.tar", tar), "good", env=dict(os.environ, LD_LIBRARY_PATH=tmp + "/nolib"))
ok("without libarchive an archive is told, the rest is done", r.status == 3 and "whole.tar: " in r.err and "libarchive.so" in r.err and
   len(r.err.splitlines()) == 1 and "good/prog" in r.out, r)
r = audit("-l", "whole.tar")
ok("with it the same archive is read", r.status == 0 and "whole.tar(p2)" in r.out, r)

# ---- random damage: never a crash, always a status of ours. With sanitizers where they build
flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-g", "-O1", "-w", "-std=gnu11", "-D_GNU_SOURCE",
         "-I" + TOP + "/include", "-I" + TOP + "/audit", "-I" + build]
sources = sorted(os.path.join(TOP, "audit", f) for f in os.listdir(os.path.join(TOP, "audit")) if f.endswith(".c"))
parts = os.path.join(tmp, "page_parts.c")
must([sys.executable, os.path.join(TOP, "tools", "embed.py"), *[os.path.join(TOP, "audit", "page", "page." + x) for x in
                                                               ("html", "css", "js")], parts])
r = run(["gcc", *flags, *sources, parts, "-o", SANITIZED, "-lsqlite3", "-lZydis", "-lpthread"], timeout=600)
exe = SANITIZED if r.status == 0 else AUDIT
if r.status:
    skip("sanitizers", "cannot be built: " + r.err[-200:].replace("\n", " "))
env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0:exitcode=99", UBSAN_OPTIONS="halt_on_error=1:exitcode=99:print_stacktrace=1")
rng = random.Random(4711)
lib = read("/usr/lib/x86_64-linux-gnu/libz.so.1") if os.path.exists("/usr/lib/x86_64-linux-gnu/libz.so.1") else prog
seeds = [prog, obj, lib, image(note(prop(FEATURE_1_AND, 3))), tar, packed, read("fake.deb")]
os.makedirs("fuzz")
for n in range(400):
    d = bytearray(rng.choice(seeds))
    for _ in range(rng.randrange(1, 8)):
        how = rng.randrange(4)
        at = rng.choice([rng.randrange(len(d)), rng.randrange(min(len(d), 4096)), rng.randrange(min(len(d), 128))])
        if how == 0:
            d[at] = rng.randrange(256)
        elif how == 1:
            size = rng.choice([2, 4, 8])
            d[at:at + size] = rng.choice([0, 1, 0x7fffffff, 0xffffffff, 0x80000000, 1 << 63, (1 << 64) - 1, len(d), 0xfffffffffffff000]
                                         ).to_bytes(8, "little")[:size]
        elif how == 2:
            del d[rng.randrange(len(d) // 2, len(d)):]
        else:
            frm = rng.randrange(len(d))
            d[at:at + 64] = d[frm:frm + 64]
        if len(d) < 2:
            break
    write("fuzz/%03d" % n, bytes(d))
for form in (["--json"], ["-l", "--db", "fuzz.db"], ["-q", "--html", "fuzz.html", "--sarif", "fuzz.sarif"]):
    r = run([exe, *form, "fuzz"], env=env, timeout=300)
    ok("400 damaged files, %s%s" % (form[0], ", sanitized" if exe == SANITIZED else ""), r.status in (0, 3) and
       "runtime error" not in r.err and "Sanitizer" not in r.err, r.err[-3000:], r.status)
named = ["fuzz/%03d" % n for n in range(400)]
r = run([exe, "--json", *named], env=env, timeout=300)
ok("the same, named one by one", r.status in (0, 3) and "Sanitizer" not in r.err and "runtime error" not in r.err, r.err[-3000:])
r = run([exe, "--json", "/usr/bin"], env=env, timeout=600)
ok("/usr/bin%s" % (", sanitized" if exe == SANITIZED else ""), r.status in (0, 3) and "Sanitizer" not in r.err and
   "runtime error" not in r.err, r.err[-3000:])
for bits in ("garbage", ""):
    ok("query of a damaged database: " + (bits or "empty"), audit("query", "--db", write("q.db", bits), "SELECT 1").status == 125)

# ---- files that change while they are read
os.makedirs("moving")
lib_copy = lib * 1
stop = False


def mover():
    r = random.Random(1)
    while not stop:
        for n in range(40):
            path = "moving/f%d" % n
            how = r.randrange(4)
            try:
                if how == 0:
                    write(path, lib_copy)
                elif how == 1:
                    os.truncate(path, r.randrange(len(lib_copy)))
                elif how == 2:
                    os.unlink(path)
                else:
                    os.rename(path, path + "x")
                    os.rename(path + "x", path)
            except OSError:
                pass


for n in range(40):
    write("moving/f%d" % n, lib_copy)
t = threading.Thread(target=mover)
t.start()
statuses, crashes = set(), []
for n in range(25):
    r = run([exe, "-l", "moving", "good"], env=env)
    statuses.add(r.status)
    if r.status not in (0, 3) or "good/prog" not in r.out or "Sanitizer" in r.err:
        crashes.append(r)
stop = True
t.join()
ok("files that vanish, shrink and change while they are read", not crashes, crashes[:2])

# ---- output that cannot be written
r = run(["sh", "-c", "%s audit -l good >/dev/full" % G])
ok("standard output is full", r.status == 125 and "standard output: No space" in r.err, r)
r = audit("-q", "--html", "/dev/full", "--sarif", "nodir/x", "good")
ok("--html and --sarif that cannot be written", r.status == 125 and "/dev/full: No space" in r.err and "nodir/x: No such" in r.err, r)

r = full_disk([G, "audit", "-l", "--db", "full/x.db", "--html", "full/x.html", "--sarif", "full/x.sarif", "good"])
if r:
    ok("a full disk: a line for each of database, page and SARIF, and the list is there", r.status == 125 and "good/prog" in r.out and
       "full/x.db: database or disk is full" in r.err and "full/x.html: No space left" in r.err and
       "full/x.sarif: No space left" in r.err, r)
    r = full_disk([G, "audit", "-l", "--db", "full/x.db", "good"])
    ok("a full disk with nothing but the database on it", r.status == 3 and "good/prog" in r.out and len(r.err.splitlines()) == 1, r)
else:
    skip("a full disk", "no file system can be made here")

# ---- command line
for args, word in ((["--nonsense", "good"], "unknown option"), ([], "no file"), (["--level", "deep", "good"], "--level"),
                   (["--fail-on", "nonsense", "good"], "no rule 'nonsense'"), (["--jobs", "0", "good"], "--jobs"),
                   (["--db"], "needs FILE"), (["diff", "x"], "two databases"), (["query", "SELECT 1"], "--db"),
                   (["show"], "--db"), (["merge", "x"], "--db"), (["import", "x"], "--db"), (["--shard", "1/2", "good"], "--db"),
                   (["--json=yes", "good"], "takes no value")):
    r = audit(*args)
    ok("usage: " + " ".join(args), r.status == 125 and word in r.err and len(r.err.splitlines()) == 2, r)
r = audit("--root", "no/such/root", "/")
ok("--root that is not there", r.status == 125 and "no/such/root" in r.err and len(r.err.splitlines()) == 1, r)
for args, want in ((["--fail-on", "unmarked"], 0), (["--fail-on", "vetoed"], 1), (["--fail-on", "high"], 1), (["--fail-on", "push-ret,retpoline"], 0)):
    r = audit("-q", *args, "good")
    ok("%s: status %d" % (" ".join(args), want), r.status == want, r)
done()
