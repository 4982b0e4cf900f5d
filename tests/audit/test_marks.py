#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 1200
# since each file of /usr is opened, and the disk may be slow
"""Marks: what is declared is what readelf shows, on made files and on every ELF file of this machine; what counts is what
glibc takes from it; objects and static libraries are judged as the linker judges them. Prints TAP."""
import glob
import re
import stat

from audit_lib import *

# ---- the linker's own marks
for flags, want in (([], 0), (["-Wl,-z,shstk"], SHSTK), (["-Wl,-z,ibt"], IBT), (["-Wl,-z,shstk,-z,ibt"], SHSTK | IBT)):
    for name, more in (("program", []), ("static", ["-static"]), ("library", ["-shared", "-fPIC"])):
        exe = cc("linked", "int main(void) { return 0; }", *flags, *more)
        e = one(exe)
        ok("%s, %s" % (name, " ".join(flags) or "no mark"),
           marks(e) == want and e["declared"] == want == readelf_marks([exe]).get(exe, (0, 0))[0] and
           e["kind"] == ("library" if name == "library" else "program"), e)
exe = cc("isa", "int main(void) { return 0; }", "-Wl,-z,x86-64-v3")
ok("ISA level", one(exe)["isa_needed"] == readelf_marks([exe])[exe][1] and one(exe)["isa_needed"] & 4, one(exe))
lam = image(note(prop(FEATURE_1_AND, 15)))
e = one(write("lam", lam))
ok("LAM", e["lam_u48"] and e["lam_u57"] and e["shstk"], e)

# ---- other classes
asm(".globl _start\n_start: ret\n", "m32.o", "--32")
must(["ld", "-m", "elf_i386", "-z", "shstk", "-o", "m32", "m32.o"])
e = one("m32")
ok("i386", e["bits"] == 32 and e["shstk"] and e["declared"] == readelf_marks(["m32"])["m32"][0], e)
asm(".globl _start\n_start: ret\n", "mx32.o", "--x32")
must(["ld", "-m", "elf32_x86_64", "-z", "shstk", "-o", "mx32", "mx32.o"])
e = one("mx32")
ok("x32", e["bits"] == 32 and e["machine"] == 62 and e["shstk"], e)
arm = bytearray(image(note(prop(FEATURE_1_AND, SHSTK))))
arm[18] = 183
e = one(write("arm", bytes(arm)))
ok("another machine has no x86 marks", e["machine"] == 183 and "shstk" not in e, e)
big = bytearray(arm)
big[5], big[16:18], big[18:20] = 2, b"\0\3", b"\0\x16"
e = one(write("big", bytes(big)))
ok("another byte order", e["machine"] == 22, e)

# ---- malformed notes: (notes, how, glibc takes, rules)
good = prop(FEATURE_1_AND, SHSTK | IBT)
both = SHSTK | IBT
cases = {
    "well-formed": (note(good), {}, both, []),
    "beside other properties": (note(good + prop(ISA_NEEDED, 1)), {}, both, []),
    "no property note": (struct.pack("<III4sI", 4, 4, 3, b"GNU\0", 1), {}, 0, []),
    "alignment 4": (note(good), {"align": 4}, 0, ["note-alignment"]),
    "order": (note(prop(ISA_NEEDED, 1) + good), {}, 0, ["note-order"]),
    "data size 8": (note(struct.pack("<IIQ", FEATURE_1_AND, 8, both)), {}, 0, ["note-size"]),
    "data size beyond the note": (note(prop(FEATURE_1_AND, both, 64)), {}, 0, ["note-size"]),
    "descriptor not a multiple of 8": (note(good + b"\0\0\0\0"), {}, 0, ["note-size"]),
    "descriptor of 4": (note(b"\0\0\0\0"), {}, 0, ["note-size"]),
    "two notes": (note(good) + note(good), {}, 0, ["note-two"]),
    "note cut by its segment": (note(good), {"note_size": 24}, 0, ["note-cut"]),
    "note that claims 4 GiB": (note(good, 0xfffffff0), {}, 0, ["note-cut"]),
    "name that claims 4 GiB": (struct.pack("<III4s", 0xfffffff0, 16, 5, b"GNU\0") + good, {}, 0, []),
    "section without segments": (note(good), {"segment": False, "property_segment": False}, 0, ["note-no-segment"]),
    "no PT_GNU_PROPERTY": (note(good), {"property_segment": False}, both, ["note-no-segment"]),
    "no sections": (note(good), {"section": False}, both, []),
    "two FEATURE_1_AND in one note": (note(prop(FEATURE_1_AND, SHSTK) + prop(FEATURE_1_AND, IBT)), {}, IBT, []),
}
for name, (notes, how, taken, rules) in cases.items():
    path = write("made", image(notes, **how))
    r = result(path)
    e = r.files[os.path.realpath(path)]
    seen = [x for x in r.rules(os.path.realpath(path)) if x.startswith("note-")]
    ok("note: " + name, marks(e) == taken and seen == rules, marks(e), seen, e)
    # readelf stops at what it calls corrupt; where it shows features, they are the declared ones
    shown = readelf_marks([path]).get(path, (0, 0))[0]
    ok("note: %s: declared as readelf shows" % name, e["declared"] == shown or name in (
        "two FEATURE_1_AND in one note",), e["declared"], shown)

# ---- objects: what -z cet-report says
c = "int f(int x) { return x; }\n"
for flags in ([], ["-fcf-protection=return"], ["-fcf-protection=branch"], ["-fcf-protection=full"]):
    name = "o_%s.o" % "".join(flags)[-4:].strip("=-")
    cc(name, c, "-c", *flags)
cc("slim.o", c, "-c", "-flto", "-fno-fat-lto-objects", "-fcf-protection=full")
objects = sorted(glob.glob("o_*.o"))
for o in objects:
    ld = run(["ld", "-shared", "-o", "out", "-z", "cet-report=warning", o])
    said = re.findall(r"%s: (?:warning: )?(missing .* propert\w+)" % re.escape(o), ld.err.replace("ld: ", ""))
    ours = audit(o).out.split("\n")[0].split(": ", 1)[1]
    ok("cet-report of " + o, ours == (said[0] if said else "has its marks"), ours, ld.err)
ok("a slim LTO object has no mark of its own", "unmarked" not in result("slim.o").rules(tmp + "/slim.o"), audit("slim.o"))

# more section headers than are held at once, and more than the ELF header can count; the note is behind them
PROPERTY = '.section .note.gnu.property, "a"\n.p2align 3\n.long 4, 16, 5\n.asciz "GNU"\n.long 0xc0000002, 4, 2, 0\n'
for n in (1500, 70000):
    for kind in ("x", ""):
        many = "".join('.section .s%d, "a%s"\n.byte 0\n' % (i, kind) for i in range(n))
        asm(many + PROPERTY, "many.o")
        e = one("many.o")
        ok("%d sections %s" % (n, "of code" if kind else "without code"), marks(e) == SHSTK == readelf_marks(["many.o"])["many.o"][0], e)

must(["ar", "rc", "mixed.a", *objects])
must(["ar", "rc", "plain.a", "o_.o"])
must(["ar", "rc", "ready.a", "o_full.o"])
r = result("mixed.a")
lost = [n for n in r.files if "mark-lost" in r.rules(n)]
ok("static library: members that lose the mark", sorted(lost) == sorted(
    "%s/mixed.a(%s)" % (tmp, o) for o in objects if not readelf_marks([o]).get(o, (0, 0))[0] & SHSTK), lost, r.ran)
ok("static library: its own mark is the common part", not r.files[tmp + "/mixed.a"]["shstk"])
ok("static library: all members marked", result("ready.a").files[tmp + "/ready.a"]["shstk"])
r = result("plain.a")
ok("static library: no member marked is one finding", r.rules(tmp + "/plain.a") == ["unmarked"] and
   not any("mark-lost" in r.rules(n) for n in r.files), r.ran)
# what the linker really does with them
for lib, want in (("mixed.a", 0), ("ready.a", both)):
    must(["ld", "-shared", "--whole-archive", "-z", "muldefs", "-o", "linked.so", lib])
    ok("linked from " + lib, marks(one("linked.so")) == want and
       result(lib).files["%s/%s" % (tmp, lib)]["shstk"] == bool(want & SHSTK))

# ---- every ELF file of the machine, as readelf sees it; MARKS_OF=/ takes what is not in /usr, too
listed = []
everything = os.environ.get("MARKS_OF", "/usr")
for folder, dirs, names in os.walk(everything):
    if folder == "/":
        dirs[:] = [d for d in dirs if d not in ("proc", "sys", "dev", "run", "tmp")]
    for n in names:
        p = os.path.join(folder, n)
        try:
            if not stat.S_ISREG(os.lstat(p).st_mode) or "\n" in p:
                continue
            with open(p, "rb") as f:
                head = f.read(8)
        except OSError:
            continue
        if head[:4] == b"\x7fELF" or head == b"!<arch>\n":
            listed.append(p)
write("list", "\n".join(listed) + "\n")
r = result("--level", "marks", "--files-from", "list", timeout=900)
theirs = readelf_marks(listed)
differ, members = [], {}
for name, e in r.files.items():
    if e.get("machine") not in (3, 62):
        continue
    if "in" in e:
        # names of members repeat, and readelf shortens them; compare what each static library has as a whole
        members.setdefault(e["in"], []).append((e["declared"], e["isa_needed"]))
    elif (e["declared"], e["isa_needed"]) != theirs.get(name, (0, 0)):
        differ.append((name, e["declared"], theirs.get(name)))
for lib, mine in members.items():
    want = [v for k, v in theirs.items() if k.startswith(lib + "(")]
    if set(mine) - {(0, 0)} != set(want) - {(0, 0)}:
        differ.append((lib, set(mine), set(want)))
ok("marks of %d files of %s as readelf has them" % (len(listed), everything), not differ and len(r.files) >= len(listed) * 0.9,
   differ[:10], len(r.files))
done()
