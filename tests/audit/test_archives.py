#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Packages, tar archives, container images, static libraries in them: the same results as for the unpacked files, with
nothing written to disk and bounded memory. Prints TAP."""
import bz2
import gzip
import hashlib
import io
import lzma
import resource
import tarfile

from audit_lib import *

CET = ["-Wl,-z,shstk"]
L = "usr/lib/x86_64-linux-gnu/"


def no_files():
    """the audit may not write a byte to any file; its output is a pipe"""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def lib(path, *flags, needs=()):
    name = os.path.basename(path)
    return cc(path, "int f_%d(void) { return 1; }" % (len(name)), "-shared", "-fPIC", "-nostdlib", "-Wl,-soname," + name,
              "-Wl,--no-as-needed", *flags, *needs)


# a small root: a program, libraries, a static library, links
lib("root/" + L + "libc.so.6", *CET)
lib("root/" + L + "libplain.so.1.2")
os.symlink("libplain.so.1.2", "root/" + L + "libplain.so.1")
lib("root/" + L + "libmarked.so", *CET, needs=["root/" + L + "libc.so.6"])
os.makedirs("root/usr/bin")
cc("stub/libplain.so.1", "int f;", "-shared", "-fPIC", "-nostdlib", "-Wl,-soname,libplain.so.1")
cc("root/usr/bin/prog", "int _start(void) { return 0; }", "-nostdlib", "-Wl,--no-as-needed", *CET, "root/" + L + "libmarked.so",
   "stub/libplain.so.1")
for name, flags in (("a", ["-fcf-protection=full"]), ("b", [])):
    cc(name + ".o", "int %s;int f%s(void){return 1;}" % (name, name), "-c", *flags)
must(["ar", "rc", "root/" + L + "libmix.a", "a.o", "b.o"])
for d, _, names in os.walk("root"):
    for n in names:
        if n.endswith(".c"):
            os.unlink(os.path.join(d, n))
want = {}
for d, _, names in os.walk("root"):
    for n in names:
        p = os.path.join(d, n)
        if not os.path.islink(p):
            want[os.path.relpath(p, "root")] = p
direct = result("--root", "root", "--level", "closure", "/usr")


def same(name, r, prefix=""):
    """every file of the root is in the result, as it is when read from a folder"""
    bad = []
    for path in want:
        e = r.files.get("%s(%s)" % (prefix, path))
        d = direct.files["/" + path]
        keys = ("kind", "shstk", "ibt", "declared", "soname", "by_marks", "blocks")
        if not e or any(e.get(k) != d.get(k) for k in keys):
            bad.append((path, e, d))
    ok(name, not bad and r.ran.status == 0, bad[:2], r.ran)


def tarred(base="root", **kw):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as t:
        t.add(base, "." if base == "root" else base, **kw)
    return out.getvalue()


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


plain = tarred()
packers = {"tar": lambda d: d, "tar.gz": gzip.compress, "tar.xz": lzma.compress, "tar.bz2": bz2.compress}
if shutil.which("zstd"):
    packers["tar.zst"] = zstd
for ext, pack in packers.items():
    path = write("tree." + ext, pack(plain))
    same("%s, without writing to disk" % ext, result("--level", "closure", path, setup=no_files), tmp + "/" + path)
r = result("--level", "closure", tmp)
ok("archives found in a folder are read", all(tmp + "/tree." + ext in r.files for ext in packers), list(r.files)[:20])

# ---- Debian packages: two of them, what one needs lies in the other
write("notes.gz", gzip.compress(b"no archive at all"))
ok("a compressed text in a folder is left alone", tmp + "/notes.gz" not in result("--level", "marks", tmp).files)


def ar_file(members):
    out = b"!<arch>\n"
    for name, data in members:
        out += b"%-16s%-12d%-6d%-6d%-8s%-10d`\n" % (name.encode(), 0, 0, 0, b"100644", len(data)) + data + b"\n" * (len(data) % 2)
    return out


def deb(path, include, pack=lzma.compress, ext="xz"):
    keep = lambda t: t if t.isdir() or include(t.name) else None
    return write(path, ar_file([("debian-binary", b"2.0\n"), ("control.tar.gz", gzip.compress(tarred("stub"))),
                                ("data.tar." + ext, pack(tarred(filter=keep)))]))


p1 = deb("prog.deb", lambda n: "bin" in n)
p2 = deb("libs.deb", lambda n: "lib" in n, *((zstd, "zst") if "tar.zst" in packers else ()))
r = result("--level", "closure", p1, p2, setup=no_files)
e = r.files.get("%s/prog.deb(usr/bin/prog)" % tmp, {})
ok("a program of one package, libraries of another", e.get("by_marks") == "vetoed" and
   e.get("vetoed_by") == ["%s/libs.deb(%slibplain.so.1.2)" % (tmp, L)], e, r.ran)
ok("control.tar is no part of the package", not any("stub" in n for n in r.files), list(r.files))
r = result("--level", "closure", p1)
ok("a package alone: what it needs is missing", r.files["%s/prog.deb(usr/bin/prog)" % tmp]["by_marks"] == "incomplete", r.ran)
shutil.copy("prog.deb", "root/prog.deb")
r = result("--level", "closure", "--root", "root", "/prog.deb")
os.unlink("root/prog.deb")
ok("a package and a root: the root has the rest", r.files["/prog.deb(usr/bin/prog)"]["by_marks"] == "vetoed", r.ran)


# ---- RPM: lead, two headers, compressed cpio
def rpm(path):
    def header(tags):
        index, store = b"", b""
        for tag, text in tags:
            index += struct.pack(">IIII", tag, 6, len(store), 1)
            store += text + b"\0"
        return b"\x8e\xad\xe8\x01\0\0\0\0" + struct.pack(">II", len(tags), len(store)) + index + store

    cpio = b""
    for n, (name, source) in enumerate(sorted(want.items()) + [("TRAILER!!!", None)]):
        data = read(source) if source else b""
        nm = ("./" + name if source else name).encode() + b"\0"
        cpio += b"070701" + b"".join(b"%08x" % v for v in (n + 1, 0o100644 if source else 0, 0, 0, 1, 0, len(data), 0, 0, 0, 0,
                                                          len(nm), 0)) + nm
        cpio += b"\0" * (-len(cpio) % 4) + data
        cpio += b"\0" * (-len(cpio) % 4)
    lead = b"\xed\xab\xee\xdb\x03\0\0\0\0\x01" + b"small".ljust(66, b"\0") + b"\0\x01\0\x05" + bytes(16)
    sig = header([(1000, b"x")])
    return write(path, lead + sig + b"\0" * (-len(sig) % 8) + header([(1000, b"small"), (1124, b"cpio")]) + gzip.compress(cpio))


r = result("--level", "marks", rpm("small.rpm"), setup=no_files)
ok("rpm", all(r.files.get("%s/small.rpm(%s)" % (tmp, n), {}).get("shstk") == direct.files["/" + n].get("shstk") for n in want),
   sorted(r.files), r.ran)

# and as rpmbuild makes them
if shutil.which("rpmbuild"):
    for payload in ("w6.gzdio", "w2.xzdio", "w3.zstdio"):
        write("real.spec", "Name: real\nVersion: 1\nRelease: 1\nSummary: x\nLicense: x\n%%description\nx\n%%install\ncp -a %s/root/. "
              "%%{buildroot}\n%%files\n/*\n" % tmp)
        built = run(["rpmbuild", "-bb", "--define", "_topdir %s/rpm" % tmp, "--define", "_binary_payload " + payload, "--define",
                     "__os_install_post %{nil}", "--define", "debug_package %{nil}", "--define", "_build_id_links none",
                     "--define", "__check_files %{nil}", "--define", "_rpmfilename real.rpm", "real.spec"], timeout=120)
        if not os.path.exists("rpm/RPMS/real.rpm"):
            ok("rpmbuild, " + payload, False, built)
            continue
        r = result("--level", "closure", "rpm/RPMS/real.rpm", setup=no_files)
        same("rpm of rpmbuild, " + payload, r, tmp + "/rpm/RPMS/real.rpm")
        os.unlink("rpm/RPMS/real.rpm")
else:
    skip("rpm of rpmbuild", "rpm is not installed: tools/deps audit")

# ---- container image: layers in the order of its manifest, whiteouts
shutil.copytree("root", "layer1", symlinks=True)
os.makedirs("layer2/" + L)
write("layer2/%s.wh.libplain.so.1.2" % L, b"")
lib("layer2/" + L + "libplain.so.1", *CET)
os.unlink("layer2/" + L + "libplain.so.1.c")


def layer(folder):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as t:
        t.add(folder, "")
    return out.getvalue()


def image_of(path, order, names):
    """names sort the other way round than the layers lie"""
    with tarfile.open(path, "w") as t:
        for name, data in sorted([(names[0], layer("layer1")), (names[1], gzip.compress(layer("layer2"))),
                                  ("manifest.json", json.dumps([{"Config": "c", "Layers": [names[i] for i in order]}]).encode())]):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))
    return path


names = ["blobs/sha256/" + "f" * 64, "blobs/sha256/" + "0" * 64]
r = result("--level", "closure", image_of("image.tar", [0, 1], names))
prog = "%s/image.tar(%s)(usr/bin/prog)" % (tmp, names[0])
ok("container image: the upper layer's library counts", r.files.get(prog, {}).get("by_marks") == "enabled", r.files.get(prog), r.ran)
r = result("--level", "closure", image_of("image2.tar", [1, 0], names))
ok("container image: layers in the manifest's order", r.files.get(prog.replace("image.", "image2."), {}).get("by_marks") == "vetoed",
   r.files.get(prog.replace("image.", "image2.")), r.ran)



def oci(folder, order):
    """an image as OCI lays it out: blobs by their digests, of which one lists the layers"""
    layers = [gzip.compress(layer("layer1"), mtime=0), gzip.compress(layer("layer2"), mtime=0)]
    config = json.dumps({"rootfs": {"type": "layers", "diff_ids": []}}).encode()
    sha = lambda b: hashlib.sha256(b).hexdigest()
    listed = json.dumps({"schemaVersion": 2, "config": {"digest": "sha256:" + sha(config)},
                         "layers": [{"digest": "sha256:" + sha(layers[i])} for i in order]}).encode()
    for b in layers + [config, listed]:
        write(folder + "/blobs/sha256/" + sha(b), b)
    write(folder + "/index.json", json.dumps({"manifests": [{"digest": "sha256:" + sha(listed)}]}))
    must(["tar", "-C", folder, "-cf", folder + ".tar", "."])
    return sha(layers[0])


for order, want_marks in (([0, 1], "enabled"), ([1, 0], "vetoed")):
    name = "oci%d" % order[0]
    first = oci(name, order)
    e = result("--level", "closure", name + ".tar").files.get("%s/%s.tar(blobs/sha256/%s)(usr/bin/prog)" % (tmp, name, first), {})
    ok("OCI image: %s" % want_marks, e.get("by_marks") == want_marks, e)
    r = result("--level", "closure", name)
    e = r.files.get("%s/%s/blobs/sha256/%s(usr/bin/prog)" % (tmp, name, first), {})
    ok("OCI image in a folder: %s" % want_marks, e.get("by_marks") == want_marks, e, r.ran)

# ---- static libraries in archives
r = result("tree.tar")
lost = [n for n in r.files if "mark-lost" in r.rules(n)]
ok("a member of a static library in a tar archive loses the mark", lost == ["%s/tree.tar(%slibmix.a)(b.o)" % (tmp, L)], lost)

# ---- odd archives
write("thin.o", read("a.o"))
must(["ar", "rcT", "thin.a", "thin.o"])
r = audit("thin.a")
ok("thin archive", r.status == 3 and "thin.a: thin archive" in r.err, r)
with tarfile.open("links.tar", "w") as t:
    for n in range(3):
        info = tarfile.TarInfo("same")
        data = read("root/usr/bin/prog") if n else b"text"
        info.size = len(data)
        t.addfile(info, io.BytesIO(data))
    info = tarfile.TarInfo("hard")
    info.type, info.linkname = tarfile.LNKTYPE, "same"
    t.addfile(info)
    info = tarfile.TarInfo("../../../etc/evil")
    info.size = len(data)
    t.addfile(info, io.BytesIO(data))
    info = tarfile.TarInfo("fifo")
    info.type = tarfile.FIFOTYPE
    t.addfile(info)
r = result("links.tar")
ok("members of the same name, links, names that climb, a fifo", r.ran.status == 0 and
   "%s/links.tar(../../../etc/evil)" % tmp in r.files, sorted(r.files), r.ran)
deep = read("a.o")
for n in range(7):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as t:
        info = tarfile.TarInfo("x.tar" if n else "a.o")
        info.size = len(deep)
        t.addfile(info, io.BytesIO(deep))
    deep = out.getvalue()
r = audit(write("deep.tar", deep))
ok("archives in archives, too deep", r.status == 3 and "too deep" in r.err, r)


# ---- memory and size
MOST = 200 << 10 if not sanitizers else 1 << 30


def peak(*args, **kw):
    """(result, KiB) of an audit"""
    p = subprocess.Popen([AUDIT, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kw)
    out, err = p.stdout.read(), p.stderr.read()
    _, status, usage = os.wait4(p.pid, 0)
    p.returncode = 0
    return Ran(os.waitstatus_to_exitcode(status), out.decode(errors="replace"), err.decode(errors="replace")), usage.ru_maxrss


class Zeros(io.RawIOBase):
    def __init__(self, head, size):
        self.head, self.left = head, size - len(head)

    def read(self, n=-1):
        n = min(n, len(self.head) + self.left)
        d, self.head = self.head[:n], self.head[n:]
        z = bytes(n - len(d))
        self.left -= len(z)
        return d + z


prog = read("root/usr/bin/prog")
with tarfile.open("huge.tar.gz", "w:gz", compresslevel=1) as t:
    for n in range(3):
        info = tarfile.TarInfo("huge%d" % n)
        info.size = 300 << 20
        t.addfile(info, Zeros(prog, info.size))
r, kib = peak("--json", "huge.tar.gz")
seen = [json.loads(x) for x in r.out.splitlines()]
ok("members of 300 MiB each: marks by their beginning and end, %d MiB of memory" % (kib >> 10),
   len([e for e in seen if e.get("kind") == "program" and e["shstk"]]) == 3 and kib < MOST, r, kib)
with tarfile.open("many.tar", "w") as t:
    for n in range(60000):
        info = tarfile.TarInfo("%06d.o" % n)
        data = read("a.o") if n == 0 else data
        info.size = len(data)
        t.addfile(info, io.BytesIO(data))
r, kib = peak("-q", "many.tar")
ok("60 000 members: %d MiB of memory" % (kib >> 10), r.status == 0 and kib < MOST, r, kib)
with gzip.open("bomb.gz", "wb", compresslevel=9) as f:
    with tarfile.open(fileobj=f, mode="w|") as t:
        info = tarfile.TarInfo("zeros")
        info.size = 3 << 30
        t.addfile(info, Zeros(b"", info.size))
os.rename("bomb.gz", "bomb.tar.gz")
write("after/prog", prog)
shutil.copy("bomb.tar.gz", "after/")
r, kib = peak("after", "-l")
ok("a bomb is told and given up, the rest is read, %d MiB of memory" % (kib >> 10), r.status == 3 and "bomb.tar.gz: gives out" in r.err and
   "after/prog" in r.out and kib < MOST, r, kib)
done()
