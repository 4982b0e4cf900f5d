#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What programs load at start is what ld.so says it loads; verdicts follow from the marks. Prints TAP."""
import re

from audit_lib import *

LD = "/lib64/ld-linux-x86-64.so.2"
CET = ["-Wl,-z,shstk"]


def listed(path):
    """what ld.so itself would load: None if it cannot, names that are missing are left out"""
    r = run([LD, "--list", path])
    if r.status and "=>" not in r.out:
        return None
    found = set()
    for line in r.out.splitlines():
        m = re.match(r"\s*(?:(\S+) => )?(/\S+) \(0x", line)
        if m and "ld-linux" not in m.group(2):
            found.add(os.path.realpath(m.group(2)))
    return found


def lib(path, name=None, *flags, needs=()):
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    f = re.sub(r"\W", "_", os.path.basename(path))
    calls = "".join("int %s(void);" % re.sub(r"\W", "_", os.path.basename(n)) for n in needs)
    body = "+".join(["1"] + ["%s()" % re.sub(r"\W", "_", os.path.basename(n)) for n in needs])
    return cc(path, "%s int %s(void) { return %s; }" % (calls, f, body), "-shared", "-fPIC", "-Wl,-soname," + (
        name or os.path.basename(path)), *flags, *needs)


def prog(path, *flags, needs=()):
    calls = "".join("int %s(void);" % re.sub(r"\W", "_", os.path.basename(n)) for n in needs)
    body = "+".join(["0"] + ["%s()" % re.sub(r"\W", "_", os.path.basename(n)) for n in needs])
    return cc(path, "%s int main(void) { return %s; }" % (calls, body), "-Wl,--no-as-needed", *flags, *needs,
              "-Wl,--allow-shlib-undefined")


compared = []


def agrees(name, path):
    path = os.path.realpath(path)
    compared.append((name, path))
    want, got = listed(path), {os.path.realpath(x) for x in one(path)["loads"]}
    ok("as ld.so loads it: " + name, want is not None and got == want, sorted(want or []), sorted(got))


# ---- search order
lib("a/libone.so.1")
lib("b/libone.so.1")
agrees("RUNPATH", prog("p_runpath", "-Wl,-rpath," + tmp + "/a", needs=["a/libone.so.1"]))
agrees("RPATH", prog("p_rpath", "-Wl,--disable-new-dtags,-rpath," + tmp + "/b", needs=["a/libone.so.1"]))
agrees("$ORIGIN", prog("p_origin", "-Wl,-rpath,$ORIGIN/b", needs=["a/libone.so.1"]))
agrees("${ORIGIN} behind another", prog("p_origin2", "-Wl,-rpath,/nonexistent:${ORIGIN}/a", needs=["a/libone.so.1"]))
os.symlink("b", "link")
agrees("a folder that is a link", prog("p_link", "-Wl,-rpath,$ORIGIN/link", needs=["a/libone.so.1"]))
# RPATH is inherited, RUNPATH is not
lib("deep/libinner.so")
lib("outer/libouter.so", None, needs=["deep/libinner.so"])
agrees("RPATH of the program serves its libraries", prog(
    "p_inherit", "-Wl,--disable-new-dtags,-rpath,%s/outer:%s/deep" % (tmp, tmp), needs=["outer/libouter.so"]))
p = prog("p_not", "-Wl,-rpath,%s/outer:%s/deep" % (tmp, tmp), needs=["outer/libouter.so"])
r = result(p)
ok("RUNPATH of the program does not", "missing-library" in r.rules(tmp + "/p_not") and
   r.files[tmp + "/p_not"]["by_marks"] == "incomplete", r.ran)
lib("outer/librun.so", None, "-Wl,-rpath,$ORIGIN/../deep", needs=["deep/libinner.so"])
agrees("RUNPATH of a library with $ORIGIN", prog("p_lib", "-Wl,-rpath," + tmp + "/outer", needs=["outer/librun.so"]))
# $ORIGIN is where the name was found, not where its link leads
os.makedirs("via/sub")
os.symlink("../../outer/librun.so", "via/sub/librun.so")
lib("via/deep/libinner.so")
agrees("$ORIGIN of a linked library", prog("p_via", "-Wl,-rpath," + tmp + "/via/sub", needs=["outer/librun.so"]))
# what was found for one serves others only where they would find the same
together = result("--level", "closure", tmp)
for name, path in compared:
    ok("among all others: " + name, together.files[path]["loads"] == one(path)["loads"], together.files[path]["loads"], one(path)["loads"])
# the same name, asked for by two, is loaded once
lib("x/libtwo.so", None, "-Wl,-rpath," + tmp + "/b", needs=["b/libone.so.1"])
agrees("the first of two of the same name", prog("p_first", "-Wl,-rpath,%s/a:%s/x" % (tmp, tmp),
                                                   needs=["a/libone.so.1", "x/libtwo.so"]))
lib("c/libalias.so")
p = prog("p_soname", "-Wl,-rpath,%s/c:%s/x" % (tmp, tmp), needs=["c/libalias.so", "x/libtwo.so"])
lib("c/libalias.so", "libone.so.1")  # the name stays, what it calls itself is what libtwo.so needs
agrees("a SONAME that another needs", p)
agrees("a path as a name", prog("p_path", needs=[lib(tmp + "/path/libpath.so", tmp + "/path/libpath.so")]))
agrees("the cache only", prog("p_plain"))
# cycles
lib("cyc/liba.so")
lib("cyc/libb.so", None, "-Wl,-rpath," + tmp + "/cyc", needs=["cyc/liba.so"])
lib("cyc/liba.so", None, "-Wl,-rpath," + tmp + "/cyc", needs=["cyc/libb.so"])
agrees("a cycle", prog("p_cycle", "-Wl,-rpath," + tmp + "/cyc", needs=["cyc/liba.so"]))
os.symlink("loop2", "loop1")
os.symlink("loop1", "loop2")
p = prog("p_loop", "-Wl,-rpath,%s/loop1" % tmp, needs=["a/libone.so.1"])
ok("a cycle of links", "missing-library" in result(p).rules(tmp + "/p_loop"))

# ---- every program of the machine
r = result("--level", "closure", "/usr/bin", "/usr/sbin", timeout=600)
programs = [n for n, e in r.files.items() if e["kind"] == "program" and e.get("interpreter") == LD and e.get("asked", True)]
differ = []
for p in programs:
    want = listed(p)
    got = {os.path.realpath(x) for x in r.files[p]["loads"]}
    if want is not None and got != want:
        differ.append((p, sorted(want ^ got)))
ok("what %d programs of this machine load is what ld.so says" % len(programs), len(programs) > 100 and not differ, differ[:8])

# ---- verdicts by marks, in a root of our own
root = tmp + "/root"
for d in ("lib64", "usr/lib/x86_64-linux-gnu", "usr/bin", "etc", "opt"):
    os.makedirs(os.path.join(root, d))
os.symlink("usr/lib", root + "/lib")
shutil.copy(LD, root + "/lib64/")
U = root + "/usr/lib/x86_64-linux-gnu/"
NOLIBC = ["-nostdlib"]
lib(U + "libc.so.6", None, *NOLIBC, *CET)
lib(U + "libmarked.so", None, *NOLIBC, *CET, needs=[U + "libc.so.6"])
lib(U + "libplain.so", None, *NOLIBC, needs=[U + "libc.so.6"])
lib(U + "libmid.so", None, *NOLIBC, *CET, needs=[U + "libplain.so"])
lib(U + "libother.so", None, *NOLIBC)


def rprog(name, *flags, needs=()):
    calls = "".join("int %s(void);" % re.sub(r"\W", "_", os.path.basename(n)) for n in needs)
    body = "+".join(["0"] + ["%s()" % re.sub(r"\W", "_", os.path.basename(n)) for n in needs])
    return cc(root + "/usr/bin/" + name, "%s int _start(void) { return %s; }" % (calls, body), "-nostdlib",
              "-Wl,--no-as-needed", *flags, *needs, "-Wl,--allow-shlib-undefined")


rprog("ready", *CET, needs=[U + "libmarked.so"])
rprog("vetoed", *CET, needs=[U + "libmarked.so", U + "libplain.so"])
rprog("deep", *CET, needs=[U + "libmid.so"])
rprog("two", *CET, needs=[U + "libmid.so", U + "libother.so"])
rprog("unmarked", needs=[U + "libmarked.so"])
rprog("lacks", *CET, needs=[lib(tmp + "/gone/libgone.so", None, *NOLIBC)])
os.unlink(root + "/usr/bin/ready.c")


def in_root(*args):
    return result("--root", root, "--level", "closure", *args)


def check_root(how):
    r = in_root("/usr/bin")
    got = {n.split("/")[-1]: (e["by_marks"], [x.split("/")[-1] for x in e["vetoed_by"]]) for n, e in r.files.items()
           if e["kind"] == "program"}
    want = {"ready": ("enabled", []), "vetoed": ("vetoed", ["libplain.so"]), "deep": ("vetoed", ["libplain.so"]),
            "two": ("vetoed", ["libother.so", "libplain.so"]), "unmarked": ("unmarked", []), "lacks": ("incomplete", [])}
    ok("verdicts in a root, " + how, {k: (v[0], sorted(v[1])) for k, v in got.items()} == want, got, r.ran)
    blocks = {n.split("/")[-1]: (e["blocks"], e["blocks_alone"]) for n, e in r.files.items() if e.get("blocks")}
    ok("blockers, " + how, blocks == {"libplain.so": (3, 2), "libother.so": (1, 0)}, blocks)
    ok("nothing of it comes from outside, " + how, not [n for n in r.files if not os.path.lexists(root + n)], list(r.files))


check_root("folders of the linker")
write(root + "/etc/ld.so.conf", "include /etc/ld.so.conf.d/*.conf\n")
write(root + "/etc/ld.so.conf.d/x.conf", "# opt\n/opt\n")
os.rename(U + "libplain.so", root + "/opt/libplain.so")
check_root("ld.so.conf")
if run(["ldconfig", "-r", root]).status == 0 and os.path.exists(root + "/etc/ld.so.cache"):
    os.unlink(root + "/etc/ld.so.conf")
    check_root("ld.so.cache")
else:
    skip("verdicts in a root, ld.so.cache", "no ldconfig")
# a folder that is a cycle of links is no folder, and not the root either
lib(root + "/libturn.so", None, *NOLIBC, *CET)
rprog("turns", *CET, "-Wl,-rpath,/turn1", needs=[root + "/libturn.so"])
os.unlink(root + "/libturn.so.c")
for a, b in ((1, 2), (2, 1)):
    os.symlink("turn%d" % a, root + "/turn%d" % b)
r = in_root("/usr/bin/turns")
ok("a search path that is a cycle of links", r.files["/usr/bin/turns"]["by_marks"] == "incomplete", r.ran)
os.unlink(root + "/usr/bin/turns")
# links that lead out of the root stay in it
os.unlink(root + "/lib")
os.symlink("/usr/lib", root + "/lib")
check_root("an absolute link")
os.unlink(root + "/opt/libplain.so")
os.symlink("/../../../../../../../.." + U + "libmarked.so", root + "/opt/libplain.so")
r = in_root("/usr/bin/vetoed")
ok("a link out of the root leads nowhere", r.files["/usr/bin/vetoed"]["by_marks"] == "incomplete", r.ran)

# ---- dlopen
write("note.s", '''
.section .note.dlopen,"a",@note
.balign 4
.long 4, 2f-1f, 0x407c0c0a
.asciz "FDO"
1: .asciz "[{\\"feature\\":\\"colour\\",\\"description\\":\\"x\\",\\"priority\\":\\"recommended\\",\\"soname\\":[\\"libplug.so.1\\"]}]"
2: .balign 4
''')
must(["as", "-o", "note.o", "note.s"])
lib("plug/libplug.so.1")
cc("allmarked.so", "int allmarked;", "-shared", "-fPIC", *CET)
cc("p_note", "int _start(void) { return 0; }", "-nostdlib", "-Wl,-rpath," + tmp + "/plug", *CET, "note.o")
e = one("p_note", "--level", "closure")
note = [n for n in e.get("needs", []) if n["how"] == "note"]
ok(".note.dlopen", note and note[0]["name"] == "libplug.so.1" and note[0]["for"] == "colour, recommended" and
   note[0].get("path", "").endswith("plug/libplug.so.1"), e)
ok("dlopen of an unmarked library is told", e["by_marks"] == "enabled" and "dlopen-fails" in result(
    "--level", "closure", "p_note").rules(tmp + "/p_note"), e)
done()
